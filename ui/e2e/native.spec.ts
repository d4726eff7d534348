// Agents that are services of systemd, through the page: restarted, and updated by programs that Core keeps and sends.
import type { Page } from "@playwright/test";
import { ARCHITECTURE, type Core, until } from "./core";
import { expect, test } from "./test";

/** Time that what is handed over is watched, s. */
const PROBATION_S = 3;
/** Large enough that its way to the agent is seen. */
const LARGE_BYTES = 24_000_000;

test.use({ coreOptions: { name: "native", env: { KOMODO_PROBATION_SECONDS: String(PROBATION_S) } } });

const UNIT = "komodo-periphery.service";
const OTHER = ARCHITECTURE === "x86_64" ? "aarch64" : "x86_64";
const SERVICE = { servers: 1, containers: 4, service: UNIT, programs: ["0.4.0=cannot-start"] };

async function service(core: Core, name: string, more: { fixed?: string } = {}) {
  await core.simulate({ ...SERVICE, ...more, name: `${name}-` });
  const id = (await core.servers()).find((server) => server.name === `${name}-0000`)?.id ?? "";
  return { id, name: `${name}-0000` };
}

async function choose(page: Page, entry: string) {
  await page.getByRole("button", { name: "More actions" }).click();
  await page.getByRole("menuitem", { name: entry }).click();
}

const version = async (core: Core, id: string) =>
  (await core.servers()).find((server) => server.id === id)?.info.version ?? "";

test("update agent: what Core keeps is offered, sent, handed over and confirmed", async ({ core, signedIn: page }) => {
  test.setTimeout(120_000);
  const { id, name } = await service(core, "attic");
  await page.goto(`${core.url}/servers/${id}`);
  await choose(page, "Update agent…");
  const asks = page.getByRole("dialog", { name: `Update the agent of ${name}` });
  await expect(asks.getByText(`The agent runs as the service ${UNIT}`)).toBeVisible();
  await expect(asks.getByText(`Komodo Core keeps no program of the agent for ${ARCHITECTURE} yet.`)).toBeVisible();
  await expect(asks.getByRole("region", { name: "Command on the machine of Komodo Core" })).toHaveText(
    "komodo-core agents add komodo-periphery",
  );
  await expect(asks.getByRole("button", { name: "Show the plan" })).toHaveCount(0);
  core.addProgram("0.9.0", OTHER);
  core.addProgram("0.2.0");
  core.addProgram("0.3.0", ARCHITECTURE, LARGE_BYTES);
  await asks.getByRole("button", { name: "Look again" }).click();
  const select = asks.getByRole("combobox", { name: "Version" });
  await expect(select.getByRole("option")).toHaveText(["0.3.0 (24 MB)", "0.2.0 (2 MB)"]);
  await expect(select).toHaveValue("0.3.0");
  await select.press("Enter");
  await asks.getByRole("button", { name: "Show the plan" }).click();

  const sent: unknown[] = [];
  page.on("request", (request) => {
    if (request.url().includes("/execute/")) sent.push(request.postDataJSON());
  });
  const dialog = page.getByRole("alertdialog", { name: `Update the agent of ${name}` });
  await expect(dialog.getByRole("heading", { name: "1 handed over to a helper on the host" })).toBeVisible();
  await expect(dialog.getByText(UNIT)).toBeVisible();
  await expect(
    dialog.getByText("The helper puts the program of version 0.3.0 in the place of the old one"),
  ).toBeVisible();
  await expect(dialog.getByText("the helper puts it back exactly as it was")).toBeVisible();
  // What the page words itself is not said twice.
  await expect(dialog.getByText("runs the agent:")).toHaveCount(0);
  await dialog.getByRole("button", { name: "Update to 0.3.0 through a helper" }).click();
  const progress = page.getByRole("dialog", { name: `Update the agent of ${name}` });
  await expect(progress.getByText("Sending the program to the agent")).toBeVisible();
  await expect(progress.getByRole("progressbar", { name: "Sending the program" })).toHaveAttribute(
    "aria-valuemax",
    String(LARGE_BYTES),
  );
  await expect(progress.getByText("Back, and watched before it counts")).toBeVisible({ timeout: 60_000 });
  await expect(progress.getByText("Finished", { exact: true })).toBeVisible({ timeout: 30_000 });
  expect(sent).toEqual([{ server: id, version: "0.3.0", plan: expect.any(String) }]);
  await progress.getByRole("button", { name: "Done" }).click();
  await expect(page.getByText("Agent 0.3.0")).toBeVisible();

  await choose(page, "Update agent…");
  await expect(select.getByRole("option")).toHaveText(["0.3.0 (runs now)", "0.2.0 (2 MB)"]);
  await expect(asks.getByText("That is what it runs already: it is only started again.")).toBeVisible();
  await asks.getByRole("button", { name: "Show the plan" }).click();
  const again = page.getByRole("alertdialog", { name: `Restart the agent of ${name}` });
  await expect(again.getByText("there is nothing to go back to")).toBeVisible();
  await again.getByRole("button", { name: "Cancel" }).click();
  await page.goto(`${core.url}/activity`);
  await expect(page.getByRole("row").nth(1)).toContainText("Update agent");
  await expect(page.getByRole("row").nth(1)).toContainText(UNIT);
  await expect(page.getByRole("row").nth(1)).toContainText("Successful");
});

test("a program that cannot start is put back, and the Update says why", async ({ core, signedIn: page }) => {
  const { id, name } = await service(core, "vault");
  core.addProgram("0.4.0");
  const before = await version(core, id);
  await page.goto(`${core.url}/servers/${id}`);
  await choose(page, "Update agent…");
  await page.getByRole("combobox", { name: "Version" }).selectOption("0.4.0");
  await page.getByRole("button", { name: "Show the plan" }).click();
  await page.getByRole("button", { name: "Update to 0.4.0 through a helper" }).click();
  await expect(page.getByText("Finished with problems")).toBeVisible({ timeout: 60_000 });
  expect((await core.newest()).verdicts?.map(({ container, verdict }) => [container, verdict])).toEqual([
    [UNIT, "failed"],
  ]);
  await page.getByRole("link", { name: "Open in Activity" }).click();
  const panel = page.getByRole("complementary", { name: "What was done" });
  await panel.getByText(/^Steps/).click();
  await expect(panel.getByRole("heading", { level: 3, name: /^Rolled back/ })).toBeVisible();
  await until("the old agent is back", async () =>
    (await core.servers()).some(
      (server) => server.name === name && server.info.state === "Ok" && server.info.version === before,
    ),
  );
});

test("an agent whose program nobody can replace is restarted all the same", async ({ core, signedIn: page }) => {
  const { id, name } = await service(core, "cellar", { fixed: "/usr/local/bin is read-only" });
  await page.goto(`${core.url}/servers/${id}`);
  await page.getByRole("button", { name: "More actions" }).click();
  const update = page.getByRole("menuitem", { name: "Update agent…" });
  await expect(update).toHaveAttribute("aria-disabled", "true");
  await expect(update).toContainText("Its program cannot be replaced: /usr/local/bin is read-only");
  await page.getByRole("menuitem", { name: "Restart agent…" }).click();
  const dialog = page.getByRole("alertdialog", { name: `Restart the agent of ${name}` });
  await expect(dialog.getByText("The service that this server’s agent runs as")).toBeVisible();
  await expect(dialog.getByText("The helper stops it and starts it again.")).toBeVisible();
  await dialog.getByRole("button", { name: `Restart ${UNIT} through a helper` }).click();
  await expect(page.getByText("Finished", { exact: true })).toBeVisible({ timeout: 30_000 });
  await page.goto(`${core.url}/activity`);
  await expect(page.getByRole("row").nth(1)).toContainText("Restart agent");
});

test("agents of many servers: services and containers in one go, each from what is for it", async ({
  core,
  signedIn: page,
}) => {
  core.addProgram("0.5.0");
  await service(core, "roll-a");
  await service(core, "roll-b", { fixed: "it is mounted there by itself" });
  const agent = "periphery";
  const contained = { servers: 1, containers: 2, also: [`${agent} running image=periphery:1`], agentContainer: agent };
  await core.simulate({ ...contained, name: "roll-c-" });
  await page.goto(`${core.url}/servers?q=roll`);
  await page.getByRole("button", { name: "Update agents…" }).click();
  const dialog = page.getByRole("dialog", { name: "Update agents" });
  const preview = dialog.getByRole("region", { name: "What would happen" });
  await expect(dialog.getByRole("combobox", { name: "Version for agents that are services" })).toHaveValue("0.5.0");
  await expect(preview.getByText("roll-c-0000: Runs in a container, and no image is named")).toBeVisible();
  await expect(
    preview.getByText("roll-b-0000: Its program cannot be replaced: it is mounted there by itself"),
  ).toBeVisible();
  await dialog.getByRole("textbox", { name: "Image for agents in containers" }).fill("periphery:2");
  await expect(preview.getByText("roll-a-0000 goes first, alone")).toBeVisible();
  await expect(preview.getByText("Then wave 2: roll-c-0000")).toBeVisible();
  await dialog.getByRole("button", { name: "Update 2 agents" }).click();
  const panel = page.getByRole("complementary", { name: "What was done" });
  await expect(panel.getByText("Successful")).toBeVisible({ timeout: 45_000 });
  const verdicts = (await core.update(new URL(page.url()).pathname.split("/").at(-1) ?? "")).verdicts ?? [];
  expect(Object.fromEntries(verdicts.map(({ container, verdict }) => [container, verdict]))).toEqual({
    "roll-a-0000": "done",
    "roll-b-0000": "skipped",
    "roll-c-0000": "done",
  });
});
