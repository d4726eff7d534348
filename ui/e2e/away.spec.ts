// What is asked of a server that is away, and what is protected on one that is there.
import type { Page } from "@playwright/test";
import { type Core, until } from "./core";
import { expect, palette, row, test } from "./test";

test.use({ coreOptions: { name: "away" } });

/** Starts a server of that name and ends it again; returns its id and how to bring it back. */
async function left(core: Core, name: string) {
  const options = { servers: 1, containers: 8, name: `${name}-` };
  const end = await core.simulate(options);
  const id = (await core.servers()).find((server) => server.name === `${name}-0000`)?.id ?? "";
  const running = Object.entries(await core.states(id)).find(([, state]) => state === "running")?.[0] ?? "";
  await end();
  await until("it is known to be away", async () =>
    (await core.servers()).some((server) => server.id === id && server.info.state !== "Ok"),
  );
  return { id, running, back: () => core.simulate(options) };
}

async function ask(page: Page, core: Core, id: string, container: string) {
  await page.goto(`${core.url}/servers/${id}`);
  await row(page, container)
    .getByRole("button", { name: `Actions for ${container}` })
    .click();
  await page.getByRole("menuitem", { name: "Stop…" }).click();
  return page.getByRole("alertdialog", { name: `Stop ${container}` });
}

test("what is asked of a server that is away waits for it, is seen there, and is carried out once", async ({
  core,
  signedIn: page,
}) => {
  const { id, running, back } = await left(core, "attic");
  const dialog = await ask(page, core, id, running);
  await expect(dialog.getByText(/^attic-0000 has been unreachable since .+ \(.+\)\.$/)).toBeVisible();
  await expect(dialog.getByText("It can wait for the server.")).toBeVisible();
  await expect(dialog.getByRole("radio", { name: "1 day" })).toBeChecked();
  await dialog.getByText("1 hour").click();
  await dialog.getByRole("button", { name: "Carry out when it is back" }).click();
  const progress = page.getByRole("dialog", { name: `Stop ${running}` });
  await expect(progress.getByText("Waits for its server")).toBeVisible();
  await expect(progress.getByText(/^Given up at .+ \(in (59 min|1 hr)\)\.$/)).toBeVisible();
  await progress.getByRole("button", { name: "Continue in background" }).click();
  const queue = page.getByRole("region", { name: "1 operation waits for this server" });
  await expect(queue).toContainText(`Stop container · ${running}`);
  await expect(queue).toContainText("asked by admin");
  await expect(queue).toContainText("given up at");
  const update = await core.newest();
  expect(update.stage).toBe("queued");
  await back();
  await until("it was carried out", async () => (await core.update(update._id.$oid)).status === "Complete");
  expect((await core.update(update._id.$oid)).verdicts?.map(({ verdict }) => verdict)).toEqual(["done"]);
  await expect(queue).toBeHidden();
  await expect(row(page, running)).toContainText("Exited");
  await expect(page.getByRole("status").filter({ hasText: `Stop ${running}: finished` })).toBeVisible();
});

test("what waits is canceled where it is seen, and nothing is done when the server is back", async ({
  core,
  signedIn: page,
}) => {
  const { id, running, back } = await left(core, "barn");
  const dialog = await ask(page, core, id, running);
  await dialog.getByRole("button", { name: "Carry out when it is back" }).click();
  await page.getByRole("button", { name: "Continue in background" }).click();
  const queue = page.getByRole("region", { name: /waits for this server$/ });
  await queue.getByRole("button", { name: /^Cancel: Stop container/ }).click();
  const question = page.getByRole("alertdialog", { name: /^Cancel “Stop container/ });
  await expect(question.getByText("has not begun. Nothing was done, and nothing will be.")).toBeVisible();
  await question.getByRole("button", { name: "Cancel operation" }).click();
  await expect(queue).toBeHidden();
  const update = await core.newest();
  expect([update.status, update.canceled_by, update.success]).toEqual(["Complete", "admin", false]);
  await back();
  expect((await core.states(id))[running]).toBe("running");
});

test("a server that comes back while somebody reads: the plan is there", async ({ core, signedIn: page }) => {
  const { id, running, back } = await left(core, "shed");
  const dialog = await ask(page, core, id, running);
  await expect(dialog.getByText("It can wait for the server.")).toBeVisible();
  await back();
  await expect(dialog.getByRole("button", { name: "Stop 1 container" })).toBeVisible();
  await expect(dialog.getByText("It can wait for the server.")).toBeHidden();
});

test("rows of protected containers: what is handed over or refused says so, what needs a reason asks for it", async ({
  core,
  signedIn: page,
}) => {
  await core.simulate({
    servers: 1,
    containers: 6,
    name: "guarded-",
    also: ["periphery running", "dns running protect=true", "loop restarting"],
    agentContainer: "periphery",
  });
  const id = (await core.servers()).find(({ name }) => name === "guarded-0000")?.id ?? "";
  await until("the agent is protected", async () =>
    (await core.containers(id)).some(({ name, protected: reasons }) => name === "periphery" && reasons?.length),
  );
  await page.goto(`${core.url}/servers/${id}`);
  await row(page, "periphery").getByRole("button", { name: "Actions for periphery" }).click();
  await expect(page.getByRole("menu").getByText("Protected: Runs this server’s agent")).toBeVisible();
  await expect(page.getByRole("menuitem", { name: "Restart…" })).toContainText("Handed over to a helper on the host");
  for (const action of ["Pause…", "Stop…", "Destroy…"]) {
    await expect(page.getByRole("menuitem", { name: action })).toContainText("Only on purpose: by detaching");
  }
  await page.keyboard.press("Escape");
  // From the palette it is refused just the same, with the way for whoever means it.
  await palette(page, "stop periphery");
  await page.getByRole("menuitem", { name: "Stop periphery" }).click();
  await expect(page.getByText("It runs this server’s agent.")).toBeVisible();
  await expect(page.getByRole("button", { name: "Detach…" })).toBeVisible();
  await page.getByRole("button", { name: "Cancel" }).click();

  await row(page, "dns").getByRole("button", { name: "Actions for dns" }).click();
  await expect(page.getByRole("menuitem", { name: "Stop…" })).toContainText("Protected: asks for a reason");
  await page.getByRole("menuitem", { name: "Stop…" }).click();
  const dialog = page.getByRole("alertdialog", { name: "Stop dns" });
  await expect(dialog.getByText("declared it part of the control path")).toBeVisible();
  await expect(dialog.getByRole("button", { name: "Stop 1 container" })).toHaveCount(0);
  await dialog.getByRole("button", { name: "Stop it all the same" }).click();
  await expect(dialog.getByText("Say why.")).toBeVisible();
  await dialog.getByLabel("Why it must be done all the same").fill("moving the resolver");
  await page.keyboard.press("Enter");
  await expect(dialog.getByText("acted on for the reason you gave: moving the resolver")).toBeVisible();
  expect((await core.states(id)).dns).toBe("running");
  await dialog.getByRole("button", { name: "Stop 1 container" }).click();
  await expect(page.getByText("Finished", { exact: true })).toBeVisible();
  expect((await core.states(id)).dns).toBe("exited");
  expect((await core.newest()).other_data).toContain("moving the resolver");
  await page.getByRole("button", { name: "Done" }).click();

  // Whoever is counted as unhealthy is found, and says so.
  await page.goto(`${core.url}/servers`);
  await page.getByRole("link", { name: "1 unhealthy" }).click();
  await expect(row(page, "loop")).toContainText("Keeps restarting");
  await expect(page.getByText("1 of 9 containers")).toBeVisible();
});
