// What somebody should look at comes to every page by itself, and goes when it is over.
import { expect, test } from "./test";

test.use({ coreOptions: { name: "alerts" } });

test("an operation that stays open beyond its deadline is an alert, until it is over", async ({
  core,
  signedIn: page,
}) => {
  // A pause may take 20 s; the alert comes 20 s after that at the latest.
  test.setTimeout(150_000);
  const end = await core.simulate({ servers: 1, containers: 4, name: "nas-", latency: 3_600_000 });
  const [server] = await core.servers();
  const id = server?.id ?? "";
  const name = Object.entries(await core.states(id)).find(([, state]) => state === "running")?.[0] ?? "";
  await page.goto(`${core.url}/alerts`);
  await expect(page.getByRole("heading", { name: "No alerts" })).toBeVisible();
  await expect(page.getByRole("link", { name: "Alerts: No open alerts" })).toBeVisible();
  await core.call("execute/PauseContainer", { server: id, container: name });
  await end();
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  const alert = page.getByRole("listitem").filter({ hasText: "nas-0000" });
  await expect(alert).toBeVisible({ timeout: 90_000 });
  await expect(alert).toContainText("Warning");
  await expect(page.getByRole("link", { name: "Alerts: 1 open alert" })).toBeVisible();
  // It came by the socket.
  expect(asked).toEqual([]);
  await alert.getByRole("link", { name: "What was done" }).click();
  const panel = page.getByRole("complementary", { name: "What was done" });
  await expect(panel.getByText("Waits for its agent")).toBeVisible();
  await expect(panel.getByText(/^Waiting for nas-0000: its agent is not connected/)).toBeVisible();
  await panel.getByRole("button", { name: "Cancel operation…" }).click();
  const question = page.getByRole("alertdialog");
  await expect(question.getByText("The agent of nas-0000 is away. The operation ends at once")).toBeVisible();
  await question.getByRole("button", { name: "Cancel operation", exact: true }).click();
  await expect(panel.getByText("Canceled", { exact: true })).toBeVisible();
  await expect(panel.getByRole("listitem").filter({ hasText: name })).toContainText("Unknown");
  await page.getByRole("link", { name: "Alerts: No open alerts" }).click();
  await expect(page.getByText("Nothing to look at now.")).toBeVisible();
  await expect(page.getByRole("heading", { name: "Over" })).toBeVisible();
  await expect(alert).toBeVisible();
});
