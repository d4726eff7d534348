// Core itself, in a container of a host that it manages, restarted and switched off through its own page.
import { appendFileSync } from "node:fs";
import { Core, Engine, until } from "./core";
import { expect, row, signIn, test } from "./test";

const CORE = "control";
const AGENT = "agent";
/** Time that what is handed over is watched, s. */
const PROBATION_S = 3;
/** Time within which Core is away and back, ms. */
const BACK_MS = 60_000;

let engine: Engine;
let core: Core;
let server: string;

test.beforeAll(async () => {
  test.setTimeout(240_000);
  engine = Engine.start();
  core = await Core.inContainer(engine, CORE, { env: { KOMODO_PROBATION_SECONDS: String(PROBATION_S) } });
  engine.run(["web"]);
  engine.agent(core, "nas", await core.joinKey(), AGENT);
  server = await until("the agent is connected", async () => {
    const found = (await core.servers()).find(({ name, info }) => name === "nas" && info.state === "Ok");
    return found?.id;
  });
  await until("the agent knows the container of Core", async () =>
    (await core.containers(server)).some(
      (one) => one.name === CORE && one.protected?.some((it) => it.reason === "core"),
    ),
  );
});

test.afterAll(async () => {
  engine?.stop();
  await core?.stop();
});

test.beforeEach(async ({ page }, { title }) => {
  test.setTimeout(120_000);
  // scripts/test counts by this file how many tests ran against a real Engine.
  const report = process.env.KOMODO_TEST_ENGINE_LOG;
  if (report) appendFileSync(report, `e2e ${title}\n`);
  await signIn(page, await core.token());
  await page.goto(`${core.url}/servers/${server}`);
  await expect(row(page, CORE)).toContainText("Protected");
});

const startedAt = () => engine.docker("inspect", "--format", "{{.State.StartedAt}}", CORE);
const running = () => engine.docker("ps", "--format", "{{.Names}}").split("\n").sort();

test("Core is restarted through its own page, which is there again by itself and tells how it ended", async ({
  page,
}) => {
  const before = startedAt();
  const loads: string[] = [];
  page.on("load", () => loads.push(page.url()));
  await row(page, CORE)
    .getByRole("button", { name: `Actions for ${CORE}` })
    .click();
  await page.getByRole("menuitem", { name: "Restart…" }).click();
  const dialog = page.getByRole("alertdialog", { name: `Restart ${CORE}` });
  await expect(dialog.getByRole("heading", { name: "1 handed over to a helper on the host" })).toBeVisible();
  await expect(dialog.getByText("Komodo Core is away meanwhile; this page connects again by itself.")).toBeVisible();
  await dialog.getByRole("button", { name: `Restart ${CORE} through a helper` }).click();
  const progress = page.getByRole("dialog", { name: `Restart ${CORE}` });
  await expect(progress.getByText("Finished", { exact: true })).toBeVisible({ timeout: BACK_MS });
  await progress.getByRole("link", { name: "Open in Activity" }).click();
  const panel = page.getByRole("complementary", { name: "What was done" });
  await panel.getByText(/^Steps/).click();
  await expect(panel.getByRole("heading", { level: 3, name: /^Handed over/ })).toBeVisible();
  await expect(panel.getByRole("heading", { level: 3, name: /^Confirmed/ })).toBeVisible();
  expect(startedAt()).not.toBe(before);
  expect(loads, "the page was loaded anew").toEqual([]);
  await until("the helper is gone", async () => running().join() === [CORE, AGENT, "web"].sort().join());
});

test("Core is switched off on purpose: what is lost is said first, and the page is back with it", async ({ page }) => {
  await row(page, CORE)
    .getByRole("button", { name: `Actions for ${CORE}` })
    .click();
  await page.getByRole("menuitem", { name: "Stop…" }).click();
  const refusal = page.getByRole("alertdialog", { name: `Stop ${CORE}`, exact: true });
  await expect(refusal.getByText("It runs Komodo Core.")).toBeVisible();
  await refusal.getByRole("button", { name: "Detach…" }).click();
  const dialog = page.getByRole("alertdialog", { name: `Stop ${CORE}, detach nas` });
  await expect(dialog.getByText("Komodo Core is off: none of its servers can be seen or operated")).toBeVisible();
  await expect(dialog.getByRole("region", { name: "Command for the host" })).toHaveText(`docker start ${CORE}`);
  await dialog.getByLabel("Type nas to confirm").fill("nas");
  await dialog.getByRole("button", { name: "Switch Komodo Core off" }).click();
  await until("Core is off", async () => !running().includes(CORE));
  await expect(page.getByText("Reconnecting…").first()).toBeVisible();
  expect(running()).toEqual([AGENT, "web"].sort());
  engine.docker("start", CORE);
  await expect(page.getByText("Reconnecting…")).toHaveCount(0, { timeout: BACK_MS });
  await expect(page.getByText("Finished", { exact: true })).toBeVisible({ timeout: BACK_MS });
  const update = await core.newest();
  expect([update.status, update.success, update.verdicts?.map(({ verdict }) => verdict)]).toEqual([
    "Complete",
    true,
    ["done"],
  ]);
});
