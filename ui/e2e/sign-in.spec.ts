import { ADMIN, Core } from "./core";
import { expect, test } from "./test";

test.use({ coreOptions: { name: "sign-in" } });

test("signs in, says what is wrong, and goes where the address led", async ({ core, page }) => {
  await page.goto(`${core.url}/settings/api-keys`);
  await page.getByLabel("Name").fill(ADMIN.username);
  await page.getByLabel("Password", { exact: true }).fill("not it");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert")).toHaveText(/Wrong name or password/);
  await page.getByLabel("Password", { exact: true }).fill(ADMIN.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { name: "No API keys" })).toBeVisible();
  await expect(page).toHaveURL(/\/settings\/api-keys$/);
});

test("a session that ends is asked for over the page, which stays", async ({ core, signedIn: page }) => {
  await page.goto(`${core.url}/servers`);
  await expect(page.getByRole("heading", { name: "No server yet" })).toBeVisible();
  await page.evaluate(() => localStorage.setItem("komodo-session", "not.a.token"));
  await page.reload();
  const dialog = page.getByRole("alertdialog", { name: "Your session has ended" });
  await expect(dialog).toBeVisible();
  await dialog.getByLabel("Name").fill(ADMIN.username);
  await dialog.getByLabel("Password", { exact: true }).fill(ADMIN.password);
  await dialog.getByRole("button", { name: "Sign in" }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByRole("heading", { name: "No server yet" })).toBeVisible();
});

test("signing out leaves nothing behind", async ({ core, signedIn: page }) => {
  await page.goto(core.url);
  await page.getByRole("button", { name: "Account" }).click();
  await expect(page.getByText(`Signed in as ${ADMIN.username}`)).toBeVisible();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
  expect(await page.evaluate(() => localStorage.getItem("komodo-session"))).toBeNull();
});

test("the first account of a new installation needs the setup token", async ({ page }) => {
  const fresh = await Core.start({ admin: false });
  try {
    const token = /setup token (\S+)/.exec(fresh.log)?.[1] ?? "";
    await page.goto(fresh.url);
    await page.getByRole("button", { name: "Create an account" }).click();
    await page.getByLabel("Name").fill("first");
    await page.getByLabel("Password", { exact: true }).fill("a long enough password");
    await page.getByLabel("Setup token").fill("guessed");
    await page.getByRole("button", { name: "Create account" }).click();
    await expect(page.getByRole("alert")).toBeVisible();
    await page.getByLabel("Setup token").fill(token);
    await page.getByRole("button", { name: "Create account" }).click();
    await expect(page.getByRole("heading", { name: "No server yet" })).toBeVisible();
  } finally {
    await fresh.stop();
  }
});

test("an API key is shown once, listed without its secret, and deleted", async ({ core, signedIn: page }) => {
  await page.goto(`${core.url}/settings/api-keys`);
  await page.getByRole("button", { name: "New API key" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("backup");
  await page.getByRole("button", { name: "Create" }).click();
  const secret = (await page.getByRole("region", { name: "Secret" }).textContent()) ?? "";
  const key = (await page.getByRole("region", { name: "Key" }).textContent()) ?? "";
  const used = await fetch(`${core.url}/user`, { headers: { "x-api-key": key, "x-api-secret": secret } });
  expect(used.status).toBe(200);
  await page.getByRole("button", { name: "Done" }).click();
  await expect(page.getByRole("cell", { name: "backup", exact: true })).toBeVisible();
  await expect(page.getByText(secret)).toHaveCount(0);
  await page.getByRole("button", { name: "Delete the API key backup?" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Delete" }).click();
  await expect(page.getByRole("heading", { name: "No API keys" })).toBeVisible();
  const refused = await fetch(`${core.url}/user`, { headers: { "x-api-key": key, "x-api-secret": secret } });
  expect(refused.status).toBe(401);
});
