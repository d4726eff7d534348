// The agent itself, through the page: restarted and updated by a helper, put back where that fails, and detached on purpose.
import type { Page } from "@playwright/test";
import { type Core, until } from "./core";
import { expect, newerPage, palette, row, signIn, test } from "./test";

/** Time that what is handed over is watched, s. */
const PROBATION_S = 3;

test.use({
  coreOptions: {
    name: "hand-over",
    env: {
      KOMODO_PROBATION_SECONDS: String(PROBATION_S),
      // Everybody may read everything, and more needs a grant.
      KOMODO_TRANSPARENT_MODE: "true",
      KOMODO_ENABLE_NEW_USERS: "true",
    },
  },
});

const AGENT = "periphery";
const SERVER_OPTIONS = {
  servers: 1,
  containers: 4,
  also: [`${AGENT} running image=periphery:1 restart=always`],
  agentContainer: AGENT,
  images: ["periphery:broken=cannot-start", "periphery:none=absent"],
};

/** A server whose agent runs in a container, and how to end it. */
async function contained(core: Core, name: string, latency = 0) {
  const options = { ...SERVER_OPTIONS, name: `${name}-`, latency };
  const end = await core.simulate(options);
  const id = (await core.servers()).find((server) => server.name === `${name}-0000`)?.id ?? "";
  await until("the agent is protected", async () =>
    (await core.containers(id)).some((one) => one.name === AGENT && one.protected?.length),
  );
  return { id, name: `${name}-0000`, end, back: () => core.simulate(options) };
}

async function choose(page: Page, action: string) {
  await row(page, AGENT)
    .getByRole("button", { name: `Actions for ${AGENT}` })
    .click();
  await page.getByRole("menuitem", { name: action }).click();
}

/** Whether the plan that was looked at goes along with each execute request. */
function planned(page: Page): { hash: unknown; detach: unknown }[] {
  const sent: { hash: unknown; detach: unknown }[] = [];
  page.on("request", (request) => {
    if (!request.url().includes("/execute/")) return;
    const { plan, detach } = request.postDataJSON() as { plan?: string; detach?: boolean };
    sent.push({ hash: plan, detach });
  });
  return sent;
}

test("a restart of the agent is planned as a hand over, survives its own link, and is confirmed", async ({
  core,
  signedIn: page,
}) => {
  const { id, name } = await contained(core, "nas");
  const sent = planned(page);
  await page.goto(`${core.url}/servers/${id}`);
  await choose(page, "Restart…");
  const dialog = page.getByRole("alertdialog", { name: `Restart ${AGENT}` });
  await expect(dialog.getByRole("heading", { name: "1 handed over to a helper on the host" })).toBeVisible();
  await expect(dialog.getByText("The helper stops it and starts it again.")).toBeVisible();
  await expect(dialog.getByText(`has watched it for ${PROBATION_S} sec without a break`)).toBeVisible();
  await expect(dialog.getByText("there is nothing to go back to")).toBeVisible();
  await expect(dialog.getByText("has no undo")).toHaveCount(0);
  await dialog.getByRole("button", { name: `Restart ${AGENT} through a helper` }).click();
  const progress = page.getByRole("dialog", { name: `Restart ${AGENT}` });
  await expect(progress.getByText("Back, and watched before it counts")).toBeVisible();
  await expect(progress.getByText(/^Confirmed in \d sec if nothing happens\.$/)).toBeVisible();
  await expect(progress.getByText("With the helper")).toBeVisible();
  await expect(progress.getByRole("button", { name: "Cancel operation…" })).toHaveCount(0);
  await expect(progress.getByText("Finished", { exact: true })).toBeVisible({ timeout: 30_000 });
  await expect(page.getByRole("alert")).toHaveCount(0);
  expect(sent.map(({ hash }) => typeof hash)).toEqual(["string"]);
  await progress.getByRole("link", { name: "Open in Activity" }).click();
  const panel = page.getByRole("complementary", { name: "What was done" });
  await panel.getByText(/^Steps/).click();
  await expect(panel.getByRole("heading", { level: 3, name: /^Handed over/ })).toBeVisible();
  await expect(panel.getByRole("heading", { level: 3, name: /^Confirmed/ })).toBeVisible();
  expect((await core.servers()).find((server) => server.name === name)?.info.state).toBe("Ok");
  expect((await core.states(id))[AGENT]).toBe("running");
});

test("while it is handed over: the last view, marked as such, in the list too, and no error", async ({
  core,
  signedIn: page,
}) => {
  const { id, name } = await contained(core, "slow", 1_500);
  await page.goto(`${core.url}/servers/${id}`);
  await expect(page.getByText("5 containers")).toBeVisible();
  const seen: string[] = [];
  await page.exposeFunction("saw", (text: string) => seen.push(text));
  await page.evaluate(() => {
    const look = () => {
      const bar = document.querySelector("main [role=status] strong")?.textContent;
      if (bar) (window as unknown as { saw: (text: string) => void }).saw(bar);
    };
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  });
  const update = await core.call<{ _id: { $oid: string } }>("execute/RestartContainer", {
    server: id,
    container: AGENT,
  });
  await until("it is over", async () => (await core.update(update._id.$oid)).status === "Complete");
  expect((await core.update(update._id.$oid)).success).toBe(true);
  await expect(page.getByText("5 containers")).toBeVisible();
  await expect(page.getByRole("heading", { name })).toBeVisible();
  expect(new Set(seen)).toEqual(new Set(["A helper on the host restarts or updates the agent."]));
  await expect(page.getByRole("alert")).toHaveCount(0);
});

test("update agent: from the image that is asked for, with its plan, followed to its end", async ({
  core,
  signedIn: page,
}) => {
  const { id, name } = await contained(core, "loft");
  const sent = planned(page);
  await page.goto(`${core.url}/servers/${id}`);
  await page.getByRole("button", { name: "More actions" }).click();
  await page.getByRole("menuitem", { name: "Update agent…" }).click();
  const asks = page.getByRole("dialog", { name: `Update the agent of ${name}` });
  const image = asks.getByRole("textbox", { name: "Image" });
  await expect(image).toBeFocused();
  await expect(image).toHaveValue("periphery:1");
  await image.fill(" ");
  await page.keyboard.press("Enter");
  await expect(asks.getByText("Name an image, without spaces.")).toBeVisible();
  await image.fill("periphery:2");
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("alertdialog", { name: `Update the agent of ${name}` });
  await expect(dialog.getByText("same configuration, from periphery:2.")).toBeVisible();
  await expect(dialog.getByText("the helper puts it back exactly as it was")).toBeVisible();
  await expect(dialog.getByRole("checkbox")).toHaveCount(0);
  await dialog.getByRole("button", { name: `Replace ${AGENT} through a helper` }).click();
  await expect(page.getByText("Finished", { exact: true })).toBeVisible({ timeout: 30_000 });
  await page.getByRole("button", { name: "Done" }).click();
  expect(sent.map(({ hash }) => typeof hash)).toEqual(["string"]);
  await expect(row(page, AGENT)).toContainText("periphery:2");
  await page.goto(`${core.url}/activity`);
  await expect(page.getByRole("row").nth(1)).toContainText("Update agent");
  await expect(page.getByRole("row").nth(1)).toContainText("Successful");
});

test("an image that cannot start is put back, and the Update says why; the same agent is there", async ({
  core,
  signedIn: page,
}) => {
  const { id, name } = await contained(core, "vault");
  const before = (await core.containers(id)).find((one) => one.name === AGENT)?.id;
  await page.goto(`${core.url}/servers/${id}`);
  await page.getByRole("button", { name: "More actions" }).click();
  await page.getByRole("menuitem", { name: "Update agent…" }).click();
  await page.getByRole("textbox", { name: "Image" }).fill("periphery:broken");
  await page.getByRole("button", { name: "Show the plan" }).click();
  await page.getByRole("button", { name: `Replace ${AGENT} through a helper` }).click();
  await expect(page.getByText("Finished with problems")).toBeVisible({ timeout: 30_000 });
  const why = (await core.newest()).verdicts?.[0];
  expect(why?.verdict).toBe("failed");
  await page.getByRole("link", { name: "Open in Activity" }).click();
  const panel = page.getByRole("complementary", { name: "What was done" });
  await panel.getByText(/^Steps/).click();
  await expect(panel.getByRole("heading", { level: 3, name: /^Rolled back/ })).toBeVisible();
  await until("the server is back", async () =>
    (await core.servers()).some((server) => server.name === name && server.info.state === "Ok"),
  );
  await until("the same agent runs", async () =>
    (await core.containers(id)).some((one) => one.name === AGENT && one.id === before && one.state === "running"),
  );
});

test("an agent that nobody can start again is neither restarted nor updated from here, and why is said", async ({
  core,
  signedIn: page,
}) => {
  await core.simulate({ servers: 1, containers: 4, name: "bare-" });
  const id = (await core.servers()).find(({ name }) => name === "bare-0000")?.id ?? "";
  await page.goto(`${core.url}/servers/${id}`);
  await page.getByRole("button", { name: "More actions" }).click();
  for (const name of ["Restart agent…", "Update agent…"]) {
    const entry = page.getByRole("menuitem", { name });
    await expect(entry).toHaveAttribute("aria-disabled", "true");
    await expect(entry).toContainText("neither in a container nor as a service of systemd");
  }
});

test("restart agent: from the menu of its server, whatever the container is called", async ({
  core,
  signedIn: page,
}) => {
  const { id, name } = await contained(core, "shed");
  const sent = planned(page);
  await page.goto(`${core.url}/servers/${id}`);
  await page.getByRole("button", { name: "More actions" }).click();
  await page.getByRole("menuitem", { name: "Restart agent…" }).click();
  const dialog = page.getByRole("alertdialog", { name: `Restart the agent of ${name}` });
  await expect(dialog.getByText("The helper stops it and starts it again.")).toBeVisible();
  await dialog.getByRole("button", { name: `Restart ${AGENT} through a helper` }).click();
  await expect(page.getByText("Finished", { exact: true })).toBeVisible({ timeout: 30_000 });
  expect(sent.map(({ hash }) => typeof hash)).toEqual(["string"]);
  await page.goto(`${core.url}/activity`);
  await expect(page.getByRole("row").nth(1)).toContainText("Restart agent");
  await expect(page.getByRole("row").nth(1)).toContainText("Successful");
});

test("agents of many servers: who goes first and who is left out is seen before, and happens so", async ({
  core,
  signedIn: page,
}) => {
  for (const name of ["wing-a", "wing-b", "wing-c"]) await contained(core, name);
  await core.simulate({ servers: 1, containers: 4, name: "wing-d-" });
  const end = await core.simulate({ ...SERVER_OPTIONS, name: "wing-e-" });
  await end();
  await until("the last one is away", async () =>
    (await core.servers()).some(({ name, info }) => name === "wing-e-0000" && info.state !== "Ok"),
  );
  await page.goto(`${core.url}/servers?q=wing`);
  await page.getByRole("button", { name: "Update agents…" }).click();
  const dialog = page.getByRole("dialog", { name: "Update agents" });
  const preview = dialog.getByRole("region", { name: "What would happen" });
  await expect(preview.getByText("No server would be updated.")).toBeVisible();
  await expect(dialog.getByRole("button", { name: "Update 0 agents" })).toHaveAttribute("aria-disabled", "true");
  await dialog.getByRole("textbox", { name: "Image for agents in containers" }).fill("periphery:2");
  await dialog.getByRole("combobox", { name: "Goes first" }).selectOption("wing-b-0000");
  await dialog.getByRole("checkbox", { name: "wing-c-0000" }).press("Space");
  await expect(preview.getByText("wing-b-0000 goes first, alone")).toBeVisible();
  await expect(preview.getByText("Then wave 2: wing-a-0000")).toBeVisible();
  await expect(preview.getByText("2 left out")).toBeVisible();
  await expect(preview.getByText("wing-d-0000: Runs neither in a container nor as a service")).toBeVisible();
  await expect(preview.getByText("wing-e-0000: The agent is not connected")).toBeVisible();
  await dialog.getByRole("button", { name: "Update 2 agents" }).click();
  const panel = page.getByRole("complementary", { name: "What was done" });
  await expect(panel.getByRole("heading", { name: "Update agents in waves" })).toBeVisible();
  await expect(panel.getByText("Successful")).toBeVisible({ timeout: 30_000 });
  await panel.getByText(/^Steps/).click();
  await expect(panel.getByText("wing-b-0000 to periphery:2")).toBeVisible();
  await expect(panel.getByText("wing-a-0000 to periphery:2")).toBeVisible();
  const images = new Map<string, string | undefined>();
  for (const { id, name } of await core.servers()) {
    if (name.startsWith("wing")) {
      images.set(name, (await core.containers(id)).find((one) => one.name === AGENT)?.image);
    }
  }
  expect([images.get("wing-a-0000"), images.get("wing-b-0000"), images.get("wing-c-0000")]).toEqual([
    "periphery:2",
    "periphery:2",
    "periphery:1",
  ]);
});

test("detach: refused at first, then what is lost and the way back, by keys alone; the server is detached, calmly", async ({
  core,
  signedIn: page,
}) => {
  const { id, name, end, back } = await contained(core, "barn");
  const sent = planned(page);
  await page.goto(`${core.url}/servers/${id}`);
  await expect(row(page, AGENT)).toContainText("Protected");
  await palette(page, `stop ${AGENT} ${name}`);
  await expect(page.getByRole("menuitem", { name: `Stop ${AGENT}` })).toBeVisible();
  await page.keyboard.press("Enter");
  const refusal = page.getByRole("alertdialog", { name: `Stop ${AGENT}`, exact: true });
  await expect(refusal.getByText("It runs this server’s agent.")).toBeVisible();
  await expect(refusal.getByRole("heading", { name: "1 refused" })).toBeVisible();
  await expect(refusal.getByRole("button", { name: /^Stop/ })).toHaveCount(0);
  await refusal.getByRole("button", { name: "Detach…" }).focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("alertdialog", { name: `Stop ${AGENT}, detach ${name}` });
  await expect(dialog.getByText("What is lost until it is back")).toBeFocused();
  await expect(dialog.getByText(`Nothing can be asked of ${name} from here`)).toBeVisible();
  await expect(dialog.getByRole("region", { name: "Command for the host" })).toHaveText(`docker start ${AGENT}`);
  const go = dialog.getByRole("button", { name: `Detach ${name}` });
  await expect(go).toHaveAttribute("aria-disabled", "true");
  await go.press("Enter");
  expect(sent).toEqual([]);
  await dialog.getByLabel(`Type ${name} to confirm`).focus();
  await page.keyboard.type(name);
  await expect(go).not.toHaveAttribute("aria-disabled", "true");
  await go.focus();
  await page.keyboard.press("Enter");
  await expect(page.getByText("Finished", { exact: true })).toBeVisible({ timeout: 30_000 });
  expect(sent.map(({ hash, detach }) => [typeof hash, detach])).toEqual([["string", true]]);
  const progress = page.getByRole("dialog");
  await expect(progress.getByText(`${AGENT} is gone on purpose, and ${name} is detached.`)).toBeVisible();
  await expect(progress.getByRole("region", { name: "Command for the host" })).toHaveText(`docker start ${AGENT}`);
  await progress.getByRole("button", { name: "Done" }).click();

  await expect(page.getByText("Detached by admin.")).toBeVisible();
  await expect(page.getByRole("region", { name: "Command for the host" })).toHaveText(`docker start ${AGENT}`);
  await expect(page.getByText(/^Showing the state of/)).toBeVisible();
  await expect(page.getByText("5 containers")).toBeVisible();
  // What is asked of it is not an error either, and can wait.
  await page.getByRole("button", { name: "Stop all…" }).click();
  const waits = page.getByRole("alertdialog");
  await expect(waits.getByText(new RegExp(`^${name} was detached on purpose at`))).toBeVisible();
  await expect(waits.getByRole("button", { name: "Carry out when it is back" })).toBeVisible();
  await waits.getByRole("button", { name: "Cancel" }).click();
  await page.goto(`${core.url}/servers`);
  const tile = page.getByRole("listitem").filter({ hasText: name });
  await expect(tile).toContainText("Detached");
  await expect(tile).toContainText("Detached by admin");
  await page.goto(`${core.url}/alerts`);
  await expect(page.getByText(`${name} is unreachable`)).toHaveCount(0);
  await page.goto(`${core.url}/servers/${id}`);
  await end();
  await back();
  await expect(page.getByText("Detached by admin.")).toBeHidden();
  await expect(page.getByRole("button", { name: "Stop all…" })).toBeVisible();
});

test("who may not write is not offered to detach, is told why, and sees the way on the host", async ({
  core,
  browser,
}) => {
  const { id } = await contained(core, "cellar");
  const reader = { username: "reader", password: "nothing to write home about" };
  await core.call("auth/login/SignUpLocalUser", reader).catch((error: unknown) => {
    if (!String(error).includes("taken")) throw error;
  });
  const { data } = await core.call<{ data: { jwt: string } }>("auth/login/LoginLocalUser", reader);
  const context = await browser.newContext();
  await newerPage(context);
  const page = await context.newPage();
  await signIn(page, data.jwt);
  await page.goto(`${core.url}/servers/${id}`);
  await choose(page, "Stop…");
  const dialog = page.getByRole("alertdialog", { name: `Stop ${AGENT}` });
  await expect(dialog.getByRole("button", { name: "Detach…" })).toHaveAttribute("aria-disabled", "true");
  await expect(dialog.getByText("Needs the right to write on this server")).toBeVisible();
  await expect(dialog.getByRole("region", { name: "Command for the host" })).toHaveText(`docker stop ${AGENT}`);
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await choose(page, "Restart…");
  const restart = page.getByRole("alertdialog", { name: `Restart ${AGENT}` });
  await expect(restart.getByRole("button", { name: /through a helper$/ })).toHaveAttribute("aria-disabled", "true");
  await context.close();
});
