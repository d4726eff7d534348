import { expect, test } from "./test";

test.use({ coreOptions: { name: "connection" } });

test("a Core that goes and comes back is said, and the page goes on by itself", async ({ core, signedIn: page }) => {
  await core.simulate({ servers: 1, containers: 5 });
  await page.goto(core.url);
  await expect(page.getByText("5 containers")).toBeVisible();
  await core.down("SIGKILL");
  await expect(page.getByText("Reconnecting…")).toBeVisible();
  await expect(page.getByText("5 containers")).toBeVisible();
  await core.up();
  await page.getByText("Reconnecting…").click();
  await expect(page.getByText("Reconnecting…")).toBeHidden({ timeout: 40_000 });
  await expect(page.getByText("5 containers")).toBeVisible();
});
