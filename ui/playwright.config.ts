import { defineConfig } from "@playwright/test";

// The tests start a Core of their own (see e2e/core.ts) with the page inside it: run `npm run build` first, then
// `cargo build --bins`, so that the program carries this build of the page.
export default defineConfig({
  testDir: "e2e",
  outputDir: "test-results",
  fullyParallel: false,
  workers: 1,
  retries: 0,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: [["list"]],
  use: {
    actionTimeout: 10_000,
    trace: "retain-on-failure",
    viewport: { width: 1280, height: 800 },
    locale: "en-US",
    launchOptions: {
      executablePath: process.env.KOMODO_CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        // A page that a test puts in place of Core's (KOMODO_E2E_DIST) comes from nowhere, as far as Chromium knows.
        ...(process.env.KOMODO_E2E_DIST ? ["--disable-features=LocalNetworkAccessChecks"] : []),
      ],
    },
  },
});
