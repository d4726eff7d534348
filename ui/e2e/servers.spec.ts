import type { Core } from "./core";
import { expect, row, test } from "./test";

test.use({ coreOptions: { name: "servers" } });

async function someServer(core: Core) {
  const connected = async () => (await core.servers()).find(({ info }) => info.state === "Ok");
  if (!(await connected())) await core.simulate({ servers: 1, containers: 12, name: "nas-" });
  return (await connected())?.id ?? "";
}

test("from nothing to a server that is seen live, by the page alone", async ({ core, signedIn: page }) => {
  await page.goto(core.url);
  await expect(page.getByRole("heading", { name: "No server yet" })).toBeVisible();
  await page.getByRole("button", { name: "Add server" }).click();
  await page.getByLabel("Name of the server").fill("attic");
  await page.getByRole("button", { name: "Create join command" }).click();
  const command = (await page.getByRole("region", { name: "Join command" }).textContent()) ?? "";
  expect(command).toContain("PERIPHERY_CONNECT_AS=attic");
  expect(command).toContain("--label komodo.skip");
  const key = /PERIPHERY_ONBOARDING_KEY='?([^'\s]+)/.exec(command)?.[1] ?? "";
  await expect(page.getByText("Waiting for the agent…")).toBeVisible();
  await core.simulate({ servers: 1, containers: 12, name: "attic-", key });
  await expect(page.getByText("attic-0000 has joined")).toBeVisible();
  await page.getByRole("button", { name: "Open server" }).click();
  await expect(page.getByRole("heading", { name: "attic-0000" })).toBeVisible();
  await expect(page.getByText("12 containers")).toBeVisible();
});

test("what happens elsewhere is seen without asking", async ({ core, signedIn: page }) => {
  const id = await someServer(core);
  await page.goto(`${core.url}/servers/${id}`);
  const running = (await core.containers(id)).find((container) => container.state === "running");
  const name = running?.name ?? "";
  await expect(row(page, name)).toContainText("Running");
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  await core.execute("StopContainer", { server: id, container: name });
  await expect(row(page, name)).toContainText("Exited");
  await core.execute("StartContainer", { server: id, container: name });
  await expect(row(page, name)).toContainText("Running");
  expect(asked).toEqual([]);
});

test("a quiet page asks nothing between two heartbeats", async ({ core, signedIn: page }) => {
  const opened = page.waitForEvent("websocket");
  await page.goto(core.url);
  const socket = await opened;
  const beat = () =>
    socket.waitForEvent("framereceived", {
      predicate: ({ payload }) => String(payload).includes('"heartbeat"'),
      timeout: 30_000,
    });
  await beat();
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  await beat();
  expect(asked).toEqual([]);
});

test("a server that went away stays, with its age, and says since when and why", async ({ core, signedIn: page }) => {
  const end = await core.simulate({ servers: 1, containers: 8, name: "lab-" });
  const lab = (await core.servers()).find((server) => server.name === "lab-0000");
  await page.goto(`${core.url}/servers/${lab?.id}`);
  await expect(page.getByText("8 containers")).toBeVisible();
  await end();
  await expect(page.getByText(/The agent is not connected\./)).toBeVisible();
  await expect(page.getByText(/Last seen .* showing the state of/)).toBeVisible();
  await expect(page.getByText("8 containers")).toBeVisible();
  // It can be asked for, but only for later.
  await page.getByRole("button", { name: "Stop all…" }).click();
  const dialog = page.getByRole("alertdialog");
  await expect(dialog.getByText(/lab-0000 has been unreachable since/)).toBeVisible();
  await expect(dialog.getByRole("button", { name: /^Stop \d+/ })).toHaveCount(0);
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await page.goto(core.url);
  await expect(page.getByRole("listitem").filter({ hasText: "lab-0000" })).toContainText("Unreachable");
});

test("renames, disables and removes a server", async ({ core, signedIn: page }) => {
  const id = await someServer(core);
  await page.goto(`${core.url}/servers/${id}?tab=settings`);
  await page.getByRole("textbox", { name: "Name" }).fill("cellar");
  await page.getByRole("button", { name: "Rename" }).click();
  await expect(page.getByRole("heading", { name: "cellar" })).toBeVisible();
  await page.getByText("Enabled", { exact: true }).click();
  await expect(page.getByText("Disabled", { exact: true }).first()).toBeVisible();
  await page.getByText("Enabled", { exact: true }).click();
  await page.getByRole("button", { name: "Remove server from Komodo…" }).click();
  const dialog = page.getByRole("alertdialog");
  await dialog.getByLabel("Type cellar to confirm").fill("cellar");
  await dialog.getByRole("button", { name: "Remove server from Komodo" }).click();
  await expect(page.getByText("cellar was removed from Komodo")).toBeVisible();
  expect((await core.servers()).some((server) => server.id === id)).toBe(false);
});
