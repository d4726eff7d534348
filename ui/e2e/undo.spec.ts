// What was done is brought back exactly, canceled truthfully, and both say what they mean first.
import type { Page } from "@playwright/test";
import { type Core, until } from "./core";
import { expect, row, test } from "./test";

test.use({ coreOptions: { name: "undo" } });

const CONTAINERS = 12;

async function open(core: Core, page: Page) {
  const all = await core.servers();
  if (!all.some(({ name }) => name === "sim-0000")) await core.simulate({ servers: 1, containers: CONTAINERS });
  const id = (await core.servers()).find(({ name }) => name === "sim-0000")?.id ?? "";
  await core.execute("UnpauseAllContainers", { server: id });
  await core.execute("StartAllContainers", { server: id });
  await page.goto(`${core.url}/servers/${id}`);
  await expect(page.getByText(`${CONTAINERS} containers`)).toBeVisible();
  return id;
}

/** A server on which each action takes its time. */
async function slow(core: Core) {
  const find = async () => (await core.servers()).find(({ name }) => name === "slow-0000")?.id;
  if (!(await find())) await core.simulate({ servers: 1, containers: 60, name: "slow-", latency: 2_500 });
  return (await find()) ?? "";
}

async function stopAll(page: Page, n: number) {
  await page.getByRole("button", { name: "Stop all…" }).click();
  await page.getByRole("button", { name: `Stop ${n} containers` }).click();
  await expect(page.getByText("Finished", { exact: true })).toBeVisible();
}

test("stop all, then undo: exactly those that it stopped run again, and both are linked", async ({
  core,
  signedIn: page,
}) => {
  const id = await open(core, page);
  const [rests = "", later = "", ...others] = Object.keys(await core.states(id));
  await core.execute("StopContainer", { server: id, container: rests });
  await stopAll(page, CONTAINERS - 1);
  // Somebody else starts one and stops it again: that is no longer the stop that is undone.
  await core.execute("StartContainer", { server: id, container: later });
  await core.execute("StopContainer", { server: id, container: later });
  await page.getByRole("button", { name: "Undo…" }).click();
  const dialog = page.getByRole("dialog", { name: "Undo “Stop all containers” on sim-0000" });
  await expect(dialog.getByText("Exactly the containers that this changed")).toBeVisible();
  await expect(dialog.getByRole("listitem").filter({ hasText: others[0] ?? "" })).toContainText("Back to: Running");
  await expect(dialog.getByRole("listitem").filter({ hasText: later })).toContainText("Changed by somebody else since");
  await expect(dialog.getByRole("checkbox")).toHaveCount(0);
  await dialog.getByRole("button", { name: `Bring back ${CONTAINERS - 2} containers` }).click();
  await expect(page.getByText("Finished", { exact: true })).toBeVisible();
  await expect(page.getByText(`${CONTAINERS - 2} brought back`)).toBeVisible();
  const after = await core.states(id);
  expect([after[rests], after[later]]).toEqual(["exited", "exited"]);
  expect(others.every((name) => after[name] === "running")).toBe(true);

  await page.getByRole("link", { name: "Open in Activity" }).click();
  const panel = page.getByRole("complementary", { name: "What was done" });
  await expect(panel.getByRole("heading", { name: "Undo" })).toBeVisible();
  await panel.getByRole("link", { name: /^Stop all containers/ }).click();
  await expect(panel.getByRole("heading", { name: "Stop all containers" })).toBeVisible();
  await expect(panel.getByText("Undone by")).toBeVisible();
  await expect(panel.getByRole("button", { name: "Undo…" })).toHaveCount(0);
  await panel.getByRole("link", { name: /^Undo,/ }).click();
  await expect(panel.getByText("Undoes")).toBeVisible();
});

test("from the row of the activity, by keys alone", async ({ core, signedIn: page }) => {
  const id = await open(core, page);
  const [name = ""] = Object.keys(await core.states(id));
  await core.execute("PauseContainer", { server: id, container: name });
  await page.goto(`${core.url}/activity`);
  const newest = page.getByRole("row").nth(1);
  await expect(newest).toContainText("Pause container");
  await expect(newest).toContainText(`${name} · sim-0000`);
  await newest.focus();
  await page.keyboard.press("Tab");
  await expect(newest.getByRole("button", { name: "Undo: Pause container" })).toBeFocused();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: `Undo “Pause container” on ${name}` });
  await expect(dialog.getByText("Back to: Running")).toBeVisible();
  await dialog.getByRole("button", { name: "Bring back 1 container" }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByText("Finished", { exact: true })).toBeVisible();
  expect((await core.states(id))[name]).toBe("running");
});

test("an undo whose world changed does nothing, marks what changed, and asks again", async ({
  core,
  signedIn: page,
}) => {
  const id = await open(core, page);
  const [name = "", other = ""] = Object.keys(await core.states(id));
  await stopAll(page, CONTAINERS);
  await page.getByRole("button", { name: "Undo…" }).click();
  const button = page.getByRole("button", { name: `Bring back ${CONTAINERS} containers` });
  await expect(button).toBeVisible();
  await core.execute("StartContainer", { server: id, container: name });
  await button.click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByText("Things changed since you looked. Nothing was done.")).toBeVisible();
  await expect(
    dialog.getByRole("listitem").filter({ hasText: "Changed by somebody else" }).filter({ hasText: name }),
  ).toBeVisible();
  expect((await core.states(id))[other]).toBe("exited");
  await dialog.getByRole("button", { name: `Bring back ${CONTAINERS - 1} containers` }).click();
  await expect(page.getByText("Finished", { exact: true })).toBeVisible();
  expect((await core.states(id))[other]).toBe("running");
});

test("what has no undo says so before, and offers none after", async ({ core, signedIn: page }) => {
  const id = await open(core, page);
  await page.getByRole("button", { name: "More actions" }).click();
  await page.getByRole("menuitem", { name: "Restart all…", exact: true }).click();
  await expect(page.getByText("Restart has no undo")).toBeVisible();
  await page.getByRole("button", { name: `Restart ${CONTAINERS} containers` }).click();
  await expect(page.getByText("Finished", { exact: true })).toBeVisible();
  await expect(page.getByRole("button", { name: "Undo…" })).toHaveCount(0);
  await page.getByRole("button", { name: "Done" }).click();
  const [name = ""] = Object.keys(await core.states(id));
  await row(page, name)
    .getByRole("button", { name: `Actions for ${name}` })
    .click();
  await page.getByRole("menuitem", { name: "Destroy…" }).click();
  await expect(page.getByText("This cannot be undone.")).toBeVisible();
  await page.getByRole("button", { name: "Cancel" }).click();
});

test("canceled while it runs: what is done is said, and what was not tried", async ({ core, signedIn: page }) => {
  const id = await slow(core);
  const before = await core.states(id);
  await page.goto(`${core.url}/servers/${id}`);
  await page.getByRole("button", { name: "Stop all…" }).click();
  const dialog = page.getByRole("alertdialog", { name: "Stop containers on slow-0000" });
  await dialog.getByLabel("Type slow-0000 to confirm").fill("slow-0000");
  await dialog.getByRole("button", { name: /^Stop \d+ containers$/ }).click();
  await expect(page.getByRole("listitem").filter({ hasText: "Done" }).first()).toBeVisible();
  await page.getByRole("button", { name: "Cancel operation…" }).click();
  const question = page.getByRole("alertdialog", { name: "Cancel “Stop all containers” on slow-0000?" });
  await expect(question.getByText("What is under way is awaited")).toBeVisible();
  await expect(question.getByText("What is done stays done.")).toBeVisible();
  await question.getByRole("button", { name: "Let it go on" }).click();
  await expect(question).toBeHidden();
  await page.getByRole("button", { name: "Cancel operation…" }).click();
  await question.getByRole("button", { name: "Cancel operation", exact: true }).click();
  await expect(page.getByText("Canceled by admin", { exact: true })).toBeVisible({ timeout: 20_000 });
  // Nobody who works by keys is left outside of the dialog.
  await expect.poll(() => page.evaluate(() => document.activeElement?.closest("[role=dialog]") !== null)).toBe(true);
  const update = await core.newest();
  const verdicts = update.verdicts ?? [];
  const done = verdicts.filter(({ verdict }) => verdict === "done").length;
  const untried = verdicts.filter(({ reason }) => reason?.reason === "canceled").length;
  expect(done).toBeGreaterThan(0);
  expect(untried).toBeGreaterThan(0);
  await expect(page.getByText(`${done} stopped · ${untried} not tried`)).toBeVisible();
  await expect(page.getByRole("listitem").filter({ hasText: "Not tried" }).first()).toBeAttached();
  // What is said is how it is.
  const after = await core.states(id);
  for (const { container, verdict, reason } of verdicts) {
    if (verdict === "done") expect(after[container]).toBe("exited");
    if (reason?.reason === "canceled") expect(after[container]).toBe(before[container]);
  }
  await expect(page.getByRole("progressbar")).toHaveAttribute("data-over", "canceled");
  // What was done before it was canceled can be undone.
  await page.getByRole("button", { name: "Undo…" }).click();
  await expect(
    page.getByRole("button", { name: `Bring back ${done} container${done === 1 ? "" : "s"}` }),
  ).toBeVisible();
});

test("in the background: its end is told with the way back", async ({ core, signedIn: page }) => {
  const id = await slow(core);
  const [name = ""] = Object.entries(await core.states(id)).find(([, state]) => state === "running") ?? [];
  await page.goto(`${core.url}/servers/${id}/containers/${name}`);
  await page.getByRole("button", { name: "Stop…" }).click();
  await page.getByRole("button", { name: "Stop 1 container" }).click();
  await page.getByRole("button", { name: "Continue in background" }).click();
  const toast = page.getByRole("status").filter({ hasText: `Stop ${name}: finished` });
  await expect(toast).toBeVisible();
  await toast.getByRole("button", { name: "Undo…" }).click();
  await page.getByRole("button", { name: "Bring back 1 container" }).click();
  await expect(page.getByText("Finished", { exact: true })).toBeVisible();
  await until("it runs again", async () => (await core.states(id))[name] === "running");
});

test("one that is busy: which operation holds it, whose, and the way to it", async ({ core, signedIn: page }) => {
  await core.simulate({ servers: 1, containers: 6, name: "stuck-", latency: 60_000 });
  const id = (await core.servers()).find((server) => server.name === "stuck-0000")?.id ?? "";
  const [name = ""] = Object.entries(await core.states(id)).find(([, state]) => state === "running") ?? [];
  await core.call("execute/StopContainer", { server: id, container: name });
  await page.goto(`${core.url}/servers/${id}/containers/${name}`);
  await page.getByRole("button", { name: "Restart…" }).click();
  await page.getByRole("button", { name: "Restart 1 container" }).click();
  const dialog = page.getByRole("alertdialog");
  await expect(dialog.getByText(`${name} is busy: Stop container, started by admin, runs since`)).toBeVisible();
  await dialog.getByRole("link", { name: "Open in Activity" }).click();
  const panel = page.getByRole("complementary", { name: "What was done" });
  await expect(panel.getByRole("heading", { name: "Stop container" })).toBeVisible();
  await expect(panel.getByText("Under way")).toBeVisible();
  await expect(panel.getByText("May act until")).toBeVisible();
});
