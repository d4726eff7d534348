// What the tests share: a Core for each file, a signed-in page, and the check that pages stay clean.
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { type BrowserContext, test as base, expect, type Page } from "@playwright/test";
import { Core, type CoreOptions } from "./core";

interface Fixtures {
  /** A page that is signed in; it fails the test on an error that nobody caught. */
  signedIn: Page;
}

interface WorkerFixtures {
  coreOptions: CoreOptions;
  core: Core;
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  coreOptions: [{}, { option: true, scope: "worker" }],
  core: [
    async ({ coreOptions }, use) => {
      const core = await Core.start(coreOptions);
      await use(core);
      await core.stop();
    },
    { scope: "worker", timeout: 60_000 },
  ],
  context: async ({ context }, use) => {
    await newerPage(context);
    await use(context);
  },
  signedIn: async ({ core, page }, use) => {
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    await signIn(page, await core.token());
    await use(page);
    expect(errors).toEqual([]);
  },
});

/** Folder with a build of the page that is newer than the one inside Core, to try it without building Core anew. */
const DIST = process.env.KOMODO_E2E_DIST;

export async function newerPage(context: BrowserContext) {
  if (!DIST) return;
  await context.route("**/*", async (route) => {
    const { pathname } = new URL(route.request().url());
    const file = join(DIST, pathname);
    const asset = existsSync(file) && statSync(file).isFile();
    if (route.request().method() !== "GET" || (pathname === "/user" && !asset)) return route.continue();
    return route.fulfill({ path: asset ? file : join(DIST, "index.html") });
  });
}

export async function signIn(page: Page, token: string) {
  await page.addInitScript((token) => {
    if (sessionStorage.getItem("signed-in") === null) localStorage.setItem("komodo-session", token);
    sessionStorage.setItem("signed-in", "once");
  }, token);
}

export const row = (page: Page, name: string) => page.getByRole("row").filter({ hasText: name });

/** Opens the palette and types into it. */
export async function palette(page: Page, text: string) {
  await page.keyboard.press("ControlOrMeta+k");
  await expect(page.getByRole("searchbox", { name: "Go to a server or container" })).toBeFocused();
  await page.keyboard.type(text);
}

export { expect };
