// What a browser loads until the list of servers is there, compressed as it is served.
import type { Response } from "@playwright/test";

import { expect, test } from "./test";

test.use({ coreOptions: { name: "size" } });

const JS_KB_MAX = 200;
const CSS_KB_MAX = 25;
/** What is smaller is served as it is. */
const COMPRESSED_FROM_BYTES = 512;
const DOM_NODES_MAX = 1_500;
/** Until the first of 10,000 rows is there, on a quiet machine; twice as long fails, since tests share theirs. */
const FIRST_ROW_MS = 1_200;
/** The quickest of so many loads counts. */
const LOADS = 3;

test("the first page is light, and served compressed and unchanging", async ({ core, signedIn: page }) => {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Network.enable");
  const kinds = new Map<string, string>();
  const bytes: Record<string, number> = {};
  cdp.on("Network.responseReceived", ({ requestId, type }) => kinds.set(requestId, type));
  cdp.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const kind = kinds.get(requestId) ?? "";
    bytes[kind] = (bytes[kind] ?? 0) + encodedDataLength;
  });
  const scripts: Response[] = [];
  page.on("response", (answer) => {
    if (answer.url().endsWith(".js")) scripts.push(answer);
  });
  await page.goto(core.url);
  await expect(page.getByRole("heading", { name: "No server yet" })).toBeVisible();
  for (const script of scripts) {
    const headers = script.headers();
    expect(headers["cache-control"], script.url()).toContain("immutable");
    const length = (await script.body()).byteLength;
    if (length >= COMPRESSED_FROM_BYTES) expect(headers["content-encoding"], script.url()).toMatch(/br|gzip/);
  }
  expect((bytes.Script ?? 0) / 1000).toBeGreaterThan(10);
  expect((bytes.Script ?? 0) / 1000).toBeLessThanOrEqual(JS_KB_MAX);
  expect((bytes.Stylesheet ?? 0) / 1000).toBeLessThanOrEqual(CSS_KB_MAX);
});

test("ten thousand containers are a small document that can be searched", async ({ core, signedIn: page }) => {
  test.setTimeout(120_000);
  await core.simulate({ servers: 1, containers: 10_000, name: "big-" });
  const [server] = await core.servers();
  await page.addInitScript(() => {
    const seen = new MutationObserver(() => {
      if (document.querySelectorAll("[role=row][data-index]").length === 0) return;
      performance.mark("first row");
      seen.disconnect();
    });
    seen.observe(document, { childList: true, subtree: true });
  });
  const firstRow: number[] = [];
  for (let load = 0; load < LOADS; load += 1) {
    await page.goto(`${core.url}/servers/${server?.id}`);
    await expect(page.getByText("10,000 containers")).toBeVisible({ timeout: 30_000 });
    await expect(page.getByRole("row").nth(5)).toBeVisible();
    firstRow.push(await page.evaluate(() => performance.getEntriesByName("first row")[0]?.startTime ?? Infinity));
  }
  expect(Math.min(...firstRow), `first rows after ${firstRow.map(Math.round)} ms`).toBeLessThanOrEqual(
    2 * FIRST_ROW_MS,
  );
  const nodes = await page.evaluate(() => document.querySelectorAll("*").length);
  expect(nodes).toBeLessThanOrEqual(DOM_NODES_MAX);
  const { name } = (await core.containers(server?.id ?? "")).at(-1) ?? { name: "" };
  await page.keyboard.press("/");
  await page.keyboard.type(name);
  await expect(page.getByRole("row").nth(1)).toContainText(name);
  await page.keyboard.press("Escape");
  await page.getByRole("row").nth(1).focus();
  await page.keyboard.press("End");
  await expect(page.getByRole("row").last()).toHaveAttribute("aria-rowindex", "10001");
});
