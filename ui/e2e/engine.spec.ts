// The main job on a real Docker Engine, with the agent in a container on it.
import { appendFileSync } from "node:fs";
import { Core, Engine, until } from "./core";
import { expect, palette, row, signIn, test } from "./test";

const APPS = ["web", "db", "cache", "queue", "mail"];
const AGENT = "komodo-periphery";

let engine: Engine;
let core: Core;
let server: string;

test.beforeAll(async () => {
  test.setTimeout(240_000);
  engine = Engine.start();
  core = await Core.start({ address: engine.hostAddress });
  engine.run(APPS);
  engine.agent(core, "nas", await core.joinKey(), AGENT);
  server = await until("the agent is connected", async () => {
    const found = (await core.servers()).find(({ name, info }) => name === "nas" && info.state === "Ok");
    return found?.id;
  });
  await until("the agent is protected", async () =>
    (await core.containers(server)).some((container) => container.name === AGENT && container.protected?.length),
  );
});

test.afterAll(async () => {
  await core?.stop();
  engine?.stop();
});

test.beforeEach(async ({ page }, { title }) => {
  // scripts/test counts by this file how many tests ran against a real Engine.
  const report = process.env.KOMODO_TEST_ENGINE_LOG;
  if (report) appendFileSync(report, `e2e ${title}\n`);
  await signIn(page, await core.token());
});

test("stop all spares the agent, says so before and after, and everything else is stopped", async ({ page }) => {
  await page.goto(`${core.url}/servers/${server}`);
  await expect(row(page, AGENT)).toContainText("Protected");
  await page.getByRole("heading", { name: "nas" }).hover();
  await row(page, AGENT).getByRole("button", { name: "Protected" }).hover();
  await expect(page.getByRole("tooltip")).toContainText("Runs this server’s agent");
  await page.getByRole("button", { name: "Stop all…" }).click();
  const dialog = page.getByRole("alertdialog", { name: "Stop containers on nas" });
  await expect(dialog.getByRole("listitem").first()).toContainText("1 protected, will keep running");
  await expect(dialog.getByRole("listitem").nth(1)).toContainText(AGENT);
  await expect(dialog.getByRole("listitem").nth(1)).toContainText("Runs this server’s agent");
  await dialog.getByRole("button", { name: `Stop ${APPS.length} containers` }).click();
  await expect(page.getByText("Finished", { exact: true })).toBeVisible({ timeout: 30_000 });
  await expect(page.getByText(`${APPS.length} stopped · 1 kept`)).toBeVisible();
  await page.getByRole("button", { name: "Done" }).click();
  for (const app of APPS) await expect(row(page, app)).toContainText("Exited");
  await expect(row(page, AGENT)).toContainText("Running");
  const running = engine.docker("ps", "--format", "{{.Names}}");
  expect(running).toBe(AGENT);
});

test("undo of stop all: exactly the set that ran before runs again, and nothing else", async ({ page }) => {
  const running = () => engine.docker("ps", "--format", "{{.Names}}").split("\n").sort();
  await core.execute("StartAllContainers", { server });
  engine.docker("stop", "--time", "1", "mail");
  engine.docker("pause", "queue");
  await until("what was done by hand is seen", async () => {
    const states = await core.states(server);
    return states.mail === "exited" && states.queue === "paused";
  });
  const before = running();
  await page.goto(`${core.url}/servers/${server}`);
  await page.getByRole("button", { name: "Stop all…" }).click();
  await page.getByRole("button", { name: `Stop ${APPS.length - 1} containers` }).click();
  await expect(page.getByText("Finished", { exact: true })).toBeVisible({ timeout: 30_000 });
  expect(running()).toEqual([AGENT]);
  await page.getByRole("button", { name: "Undo…" }).click();
  const dialog = page.getByRole("dialog", { name: "Undo “Stop all containers” on nas" });
  await expect(dialog.getByRole("listitem").filter({ hasText: "queue" })).toContainText("Back to: Paused");
  await dialog.getByRole("button", { name: `Bring back ${APPS.length - 1} containers` }).click();
  await expect(page.getByText("Finished", { exact: true })).toBeVisible({ timeout: 30_000 });
  await expect(page.getByText(`${APPS.length - 1} brought back`)).toBeVisible();
  expect(running()).toEqual(before);
  expect(engine.docker("inspect", "--format", "{{.State.Status}}", "queue")).toBe("paused");
  expect(engine.docker("inspect", "--format", "{{.State.Status}}", "mail")).toBe("exited");
  engine.docker("unpause", "queue");
});

test("the agent itself, by name, is refused with the reason, and with what a detach would cost", async ({ page }) => {
  await page.goto(`${core.url}/servers/${server}`);
  await row(page, AGENT)
    .getByRole("button", { name: `Actions for ${AGENT}` })
    .click();
  await expect(page.getByRole("menuitem", { name: "Stop…" })).toContainText("Only on purpose: by detaching");
  await page.keyboard.press("Escape");
  await palette(page, `stop ${AGENT}`);
  await page.getByRole("menuitem", { name: `Stop ${AGENT}` }).click();
  const dialog = page.getByRole("alertdialog", { name: `Stop ${AGENT}` });
  await expect(dialog.getByText("It runs this server’s agent.")).toBeVisible();
  await expect(dialog.getByRole("button", { name: /^Stop/ })).toHaveCount(0);
  await dialog.getByRole("button", { name: "Detach…" }).click();
  const detach = page.getByRole("alertdialog", { name: `Stop ${AGENT}, detach nas` });
  await expect(detach.getByRole("region", { name: "Command for the host" })).toHaveText(`docker start ${AGENT}`);
  await detach.getByRole("button", { name: "Cancel" }).click();
  expect(engine.docker("inspect", "--format", "{{.State.Status}}", AGENT)).toBe("running");
});

test("a log is followed, pauses on scrolling up, is searched, and goes on after a restart", async ({ page }) => {
  await core.execute("StartContainer", { server, container: "web" });
  await page.goto(`${core.url}/servers/${server}/containers/web`);
  const log = page.getByRole("log", { name: "Log of web" });
  await expect(log.getByText(/^line \d+ of/).last()).toBeVisible();
  await expect(log.getByText(/warning \d+/).first()).toContainText("stderr");
  const newest = async () =>
    Number(
      /line (\d+) of/.exec(
        (await log
          .getByText(/^line \d+ of/)
          .last()
          .textContent()) ?? "",
      )?.[1],
    );
  const first = await newest();
  await expect.poll(newest).toBeGreaterThan(first);
  await page.setViewportSize({ width: 1280, height: 420 });
  await expect
    .poll(() => log.evaluate((element) => element.scrollHeight > element.clientHeight + 60), { timeout: 30_000 })
    .toBe(true);
  await log.hover();
  await page.mouse.wheel(0, -2_000);
  await expect(page.getByRole("button", { name: /new lines?$/ })).toBeVisible();
  const seen = await log.evaluate((element) => element.scrollTop);
  await expect(page.getByRole("button", { name: /[3-9] new lines$/ })).toBeVisible();
  expect(await log.evaluate((element) => element.scrollTop)).toBe(seen);
  await page.getByRole("button", { name: /new lines$/ }).click();
  await expect(page.getByRole("button", { name: /new lines?$/ })).toBeHidden();
  await page.getByRole("searchbox", { name: "Search in log" }).fill("LINE 1 ");
  await page.keyboard.press("Enter");
  await expect(page.getByText(/^1 of \d+$/)).toBeVisible();
  await expect(log.locator("mark[data-now]")).toHaveText("line 1 ");
  await page.getByRole("searchbox").fill("");
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download what is shown" }).click();
  expect((await download).suggestedFilename()).toBe("web.log");
  await page.getByRole("button", { name: /new lines?$|^Follow$/ }).click();
  await core.execute("RestartContainer", { server, container: "web" });
  await expect(log.getByText(/End of the log/)).toBeAttached();
  await expect(log.getByText(/^line [1-5] of/).last()).toBeVisible();
});

test("inspect shows what the Engine knows, and finds in it", async ({ page }) => {
  await page.goto(`${core.url}/servers/${server}/containers/web?tab=inspect`);
  const id = engine.docker("inspect", "--format", "{{.Id}}", "web");
  await expect(page.getByText(id, { exact: true })).toBeVisible();
  await page.getByRole("searchbox").fill("komodo-test/busybox");
  await expect(page.getByText("komodo-test/busybox:1").first()).toBeVisible();
  await expect(page.getByText(id, { exact: true })).toBeHidden();
  // Values whose name looks like a secret are not shown before they are asked for.
  await page.getByRole("searchbox").fill("");
  await page.getByText("Config", { exact: true }).click();
  await page.getByText("Env", { exact: true }).click();
  await expect(page.getByText("TZ=UTC")).toBeVisible();
  await expect(page.getByText("hunter2")).toHaveCount(0);
  await page.getByRole("button", { name: "Show the value of DB_PASSWORD" }).click();
  await expect(page.getByText("DB_PASSWORD=hunter2")).toBeVisible();
});

test("an agent that dies while it works: the page waits for it, and says the verdict that comes after", async ({
  page,
}) => {
  engine.stubborn("slow");
  await page.goto(`${core.url}/servers/${server}`);
  await row(page, "slow").getByRole("button", { name: "Actions for slow" }).click();
  await page.getByRole("menuitem", { name: "Stop…" }).click();
  await page.getByRole("button", { name: "Stop 1 container" }).click();
  await expect(page.getByText("Stopping: 0 of 1")).toBeVisible();
  engine.docker("kill", AGENT);
  await expect(page.getByText(/^Waiting for nas: its agent is not connected/)).toBeVisible({ timeout: 20_000 });
  await expect(page.getByRole("link", { name: "Open in Activity" })).toBeVisible();
  engine.docker("start", AGENT);
  await expect(page.getByText(/^Finished/)).toBeVisible({ timeout: 40_000 });
  const { updates } = await core.call<{ updates: { id: string }[] }>("read/ListUpdates", { page: 0 });
  const update = await core.call<{ verdicts: { verdict: string }[] }>("read/GetUpdate", { id: updates[0]?.id });
  const verdict = update.verdicts[0]?.verdict ?? "";
  expect(["done", "failed"]).toContain(verdict);
  const line = page.getByRole("dialog").getByRole("listitem").filter({ hasText: "slow" });
  await expect(line).toContainText(verdict === "done" ? "Done" : "Failed");
});

test("the agent stopped by hand on the host is said, with the last view", async ({ page }) => {
  await page.goto(`${core.url}/servers/${server}`);
  await expect(row(page, "web")).toBeVisible();
  engine.docker("stop", AGENT);
  await expect(page.getByText("The agent was stopped on the host.")).toBeVisible({ timeout: 20_000 });
  await expect(row(page, "web")).toBeVisible();
  await page.getByRole("button", { name: "Stop all…" }).click();
  const dialog = page.getByRole("alertdialog", { name: "Stop containers on nas" });
  await expect(dialog.getByText(/^nas has been unreachable since/)).toBeVisible();
  await expect(dialog.getByText(/stopped/)).toBeVisible();
  engine.docker("start", AGENT);
  await expect(page.getByText("The agent was stopped on the host.")).toBeHidden({ timeout: 30_000 });
  // The dialog that was left open has the plan now.
  await expect(dialog.getByRole("button", { name: /^Stop \d+ containers$/ })).toBeVisible();
});
