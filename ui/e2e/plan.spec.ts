import type { Page } from "@playwright/test";
import type { Core } from "./core";
import { expect, palette, row, test } from "./test";

test.use({ coreOptions: { name: "plan" } });

const CONTAINERS = 12;

async function open(core: Core, page: Page) {
  const all = await core.servers();
  if (all.length === 0) await core.simulate({ servers: 1, containers: CONTAINERS });
  const [server] = await core.servers();
  const id = server?.id ?? "";
  await core.execute("StartAllContainers", { server: id });
  await page.goto(`${core.url}/servers/${id}`);
  await expect(page.getByText(`${CONTAINERS} containers`)).toBeVisible();
  return id;
}

test("shows what will happen, does exactly that, and says what happened", async ({ core, signedIn: page }) => {
  const id = await open(core, page);
  const names = Object.keys(await core.states(id));
  const spared = names[3] ?? "";
  await page.getByRole("button", { name: "Stop all…" }).click();
  const dialog = page.getByRole("alertdialog", { name: "Stop containers on sim-0000" });
  await expect(dialog.getByRole("button", { name: `Stop ${CONTAINERS} containers` })).toBeVisible();
  await dialog.getByRole("listitem").filter({ hasText: spared }).locator("label").click();
  await expect(dialog.getByRole("checkbox", { name: `Include ${spared}` })).not.toBeChecked();
  await expect(dialog.getByRole("heading", { name: "1 left out by you" })).toBeVisible();
  await dialog.getByRole("button", { name: `Stop ${CONTAINERS - 1} containers` }).click();
  const progress = page.getByRole("dialog", { name: "Stop containers on sim-0000" });
  await expect(progress.getByText("Finished")).toBeVisible();
  await expect(progress.getByText(`${CONTAINERS - 1} stopped`)).toBeVisible();
  await expect(progress.getByRole("listitem").filter({ hasText: names[0] ?? "" })).toContainText("Done");
  await progress.getByRole("button", { name: "Done" }).click();
  const after = await core.states(id);
  expect(after[spared]).toBe("running");
  expect(Object.values(after).filter((state) => state === "running")).toHaveLength(1);
  await expect(row(page, spared)).toContainText("Running");
});

test("nothing to do is said, and cannot be pressed", async ({ core, signedIn: page }) => {
  await open(core, page);
  await page.getByRole("button", { name: "More actions" }).click();
  await page.getByRole("menuitem", { name: "Start all…", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByRole("heading", { name: `Nothing to do for ${CONTAINERS}` })).toBeVisible();
  await expect(dialog.getByRole("button", { name: "Start 0 containers" })).toHaveAttribute("aria-disabled", "true");
});

test("a plan that is out of date does nothing, says what changed, and asks again", async ({ core, signedIn: page }) => {
  const id = await open(core, page);
  const [name = "", other = ""] = Object.keys(await core.states(id));
  await page.getByRole("button", { name: "Stop all…" }).click();
  const dialog = page.getByRole("alertdialog");
  const button = dialog.getByRole("button", { name: `Stop ${CONTAINERS} containers` });
  await expect(button).toBeVisible();
  await core.execute("StopContainer", { server: id, container: name });
  await button.click();
  await expect(dialog.getByText("Things changed since you looked. Nothing was done.")).toBeVisible();
  await expect(dialog.getByText(`${name} was Running, is now Exited`)).toBeVisible();
  const marked = dialog.getByRole("listitem").filter({ hasText: "Changed" }).filter({ hasText: name });
  await expect(marked).toContainText("Exited");
  await expect(dialog.getByRole("listitem").filter({ hasText: other })).not.toContainText("Changed");
  expect((await core.states(id))[other]).toBe("running");
  await dialog.getByRole("button", { name: `Stop ${CONTAINERS - 1} containers` }).click();
  await expect(page.getByText("Finished")).toBeVisible();
  expect(Object.values(await core.states(id)).every((state) => state === "exited")).toBe(true);
});

test("a selection by keyboard alone is acted on", async ({ core, signedIn: page }) => {
  const id = await open(core, page);
  const grid = page.getByRole("grid", { name: "Containers" });
  await grid.getByRole("row").nth(1).focus();
  await page.keyboard.press("x");
  await page.keyboard.press("Shift+ArrowDown");
  await page.keyboard.press("Shift+ArrowDown");
  await expect(page.getByText("3 selected")).toBeVisible();
  const chosen = await grid.getByRole("row", { selected: true }).getByRole("link").allTextContents();
  await page.getByRole("toolbar").getByRole("button", { name: "Stop…" }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("alertdialog").getByRole("button", { name: "Stop 3 containers" })).toBeVisible();
  await page.getByRole("button", { name: "Stop 3 containers" }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByText("Finished")).toBeVisible();
  const stopped = Object.entries(await core.states(id)).filter(([, state]) => state === "exited");
  expect(stopped.map(([name]) => name).sort()).toEqual(chosen.sort());
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();
});

test("one container, from its row and from the palette", async ({ core, signedIn: page }) => {
  const id = await open(core, page);
  const [name = ""] = Object.keys(await core.states(id));
  await row(page, name)
    .getByRole("button", { name: `Actions for ${name}` })
    .click();
  await page.getByRole("menuitem", { name: "Pause…" }).click();
  await page.getByRole("button", { name: "Pause 1 container" }).click();
  await expect(page.getByText("Finished")).toBeVisible();
  await page.getByRole("button", { name: "Done" }).click();
  await expect(row(page, name)).toContainText("Paused");
  await palette(page, `unpause ${name}`);
  await expect(page.getByRole("menuitem", { name: `Unpause ${name}` })).toBeVisible();
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Unpause 1 container" }).click();
  await expect(page.getByText("Finished")).toBeVisible();
  await page.getByRole("button", { name: "Done" }).click();
  await expect(row(page, name)).toContainText("Running");
});

test("what was done is in the activity, with a verdict for each container", async ({ core, signedIn: page }) => {
  const id = await open(core, page);
  await core.execute("RestartAllContainers", { server: id });
  await page.goto(`${core.url}/activity`);
  const newest = page.getByRole("row").nth(1);
  await expect(newest).toContainText("Restart all containers");
  await expect(newest).toContainText("Successful");
  await expect(newest).toContainText("sim-0000");
  await newest.click();
  const panel = page.getByRole("complementary", { name: "What was done" });
  await expect(panel.getByRole("radio", { name: `Containers (${CONTAINERS})` })).toBeAttached();
  await expect(panel.getByRole("listitem").first()).toContainText("Done");
  await panel.getByText(/^Steps/).click();
  await expect(panel.getByRole("heading", { level: 3 }).first()).toBeVisible();
  await panel.getByText("Raw", { exact: true }).click();
  await expect(panel.getByRole("region", { name: "JSON" })).toContainText('"verdicts"');
  await page.keyboard.press("Escape");
  await expect(panel).toBeHidden();
});
