// Every page in every theme and language: no finding of axe, nothing wider than the smallest screen, keys everywhere.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "@playwright/test";
import type { AxeResults } from "axe-core";
import type { Core } from "./core";
import { expect, palette, test } from "./test";

test.use({ coreOptions: { name: "pages" } });

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const themes = ["light", "dark"] as const;
const languages = ["en", "zh-CN"] as const;

interface Place {
  name: string;
  path: string;
  /** Brings the page into the state that is looked at. */
  prepare?: (page: Page) => Promise<void>;
}

async function places(core: Core): Promise<Place[]> {
  if ((await core.servers()).length === 0) {
    await core.simulate({ servers: 2, containers: 30, name: "nas-", also: ["dns running protect=true"] });
    const end = await core.simulate({ servers: 1, containers: 6, name: "lab-" });
    await end();
    const contained = { servers: 1, containers: 4, also: ["periphery running"], agentContainer: "periphery" };
    await core.simulate({ ...contained, servers: 2, name: "box-" });
    await core.simulate({ servers: 1, containers: 4, service: "komodo-periphery.service", name: "unit-" });
    core.addProgram("0.2.0");
    await core.simulate({ ...contained, name: "gone-" });
    const gone = (await core.servers()).find(({ name }) => name === "gone-0000")?.id ?? "";
    await core.execute("StopContainer", { server: gone, container: "periphery", detach: true });
  }
  const servers = await core.servers();
  const nas = servers.find(({ name }) => name === "nas-0000")?.id ?? "";
  const lab = servers.find(({ name }) => name === "lab-0000")?.id ?? "";
  const box = servers.find(({ name }) => name === "box-0000")?.id ?? "";
  const unit = servers.find(({ name }) => name === "unit-0000")?.id ?? "";
  const gone = servers.find(({ name }) => name === "gone-0000")?.id ?? "";
  await core.execute("StartAllContainers", { server: nas });
  const stopped = await core.execute("StopAllContainers", { server: nas });
  const { updates: open } = await core.call<{ updates: { stage?: string }[] }>("read/ListUpdates", { page: 0 });
  if (!open.some(({ stage }) => stage === "queued")) {
    await core.call("execute/StopAllContainers", { server: lab, when_back: true });
  }
  const { updates } = await core.call<{ updates: { id: string }[] }>("read/ListUpdates", { page: 0 });
  const [container] = await core.containers(nas);
  return [
    { name: "servers", path: "/servers" },
    { name: "server", path: `/servers/${nas}` },
    { name: "host", path: `/servers/${nas}?tab=host` },
    { name: "server settings", path: `/servers/${nas}?tab=settings` },
    { name: "a server that is away", path: `/servers/${lab}` },
    { name: "nothing found", path: `/servers/${nas}?q=nothing-has-this-name` },
    { name: "log", path: `/servers/${nas}/containers/${container?.name}` },
    { name: "inspect", path: `/servers/${nas}/containers/${container?.name}?tab=inspect` },
    { name: "activity", path: "/activity" },
    { name: "an update", path: `/activity/${updates[0]?.id}` },
    { name: "alerts", path: "/alerts" },
    {
      name: "away",
      path: `/servers/${lab}`,
      prepare: async (page) => {
        await page.locator("main header button").first().click();
        await page.getByRole("radio").first().waitFor();
      },
    },
    {
      name: "undo",
      path: `/activity/${stopped}`,
      prepare: async (page) => {
        await page.locator("aside button").nth(1).click();
        await page.getByRole("dialog").getByRole("listitem").first().waitFor();
      },
    },
    {
      name: "cancel",
      path: `/servers/${lab}`,
      prepare: async (page) => {
        await page.locator("section li button").first().click();
        await page.getByRole("alertdialog").waitFor();
      },
    },
    {
      name: "menu of a protected container",
      path: `/servers/${nas}?q=dns`,
      prepare: async (page) => {
        await page.locator("[data-menu]").first().click();
        await page.getByRole("menu").waitFor();
      },
    },
    {
      name: "override",
      path: `/servers/${nas}/containers/dns`,
      prepare: async (page) => {
        await page.locator("main header button").nth(2).click();
        await page.getByRole("alertdialog").getByRole("textbox").waitFor();
      },
    },
    { name: "a server that is detached", path: `/servers/${gone}` },
    {
      name: "hand over",
      path: `/servers/${box}/containers/periphery`,
      prepare: async (page) => {
        await page.locator("main header button").nth(3).waitFor();
        await page.locator("main header button").nth(1).click();
        await page.getByRole("alertdialog").getByRole("listitem").first().waitFor();
      },
    },
    {
      name: "refused but for a detach",
      path: `/servers/${box}/containers/periphery`,
      prepare: async (page) => {
        await page.locator("main header button").nth(3).waitFor();
        await page.locator("main header button").nth(2).click();
        await page.getByRole("alertdialog").getByRole("listitem").first().waitFor();
      },
    },
    {
      name: "detach",
      path: `/servers/${box}/containers/periphery`,
      prepare: async (page) => {
        await page.locator("main header button").nth(3).waitFor();
        await page.locator("main header button").nth(2).click();
        await page.getByRole("alertdialog").getByRole("listitem").first().waitFor();
        await page.getByRole("alertdialog").locator("button").nth(1).click();
        await page.getByRole("alertdialog").getByRole("textbox").waitFor();
      },
    },
    {
      name: "update agent",
      path: `/servers/${box}`,
      prepare: async (page) => {
        await page.locator("main header button").nth(1).click();
        await page.getByRole("menuitem").last().click();
        await page.getByRole("dialog").getByRole("textbox").waitFor();
      },
    },
    {
      name: "restart agent",
      path: `/servers/${box}`,
      prepare: async (page) => {
        await page.locator("main header button").nth(1).click();
        await page.getByRole("menuitem").nth(-2).click();
        await page.getByRole("alertdialog").getByRole("listitem").first().waitFor();
      },
    },
    {
      name: "update agent that is a service",
      path: `/servers/${unit}`,
      prepare: async (page) => {
        await page.locator("main header button").nth(1).click();
        await page.getByRole("menuitem").last().click();
        await page.getByRole("dialog").getByRole("combobox").waitFor();
      },
    },
    {
      name: "plan for an agent that is a service",
      path: `/servers/${unit}`,
      prepare: async (page) => {
        await page.locator("main header button").nth(1).click();
        await page.getByRole("menuitem").last().click();
        await page.getByRole("dialog").getByRole("combobox").waitFor();
        await page.getByRole("dialog").locator("button").last().click();
        await page.getByRole("alertdialog").getByRole("listitem").first().waitFor();
      },
    },
    {
      name: "agents of many servers",
      path: "/servers",
      prepare: async (page) => {
        // It is there as soon as it is known who looks.
        await page.locator("main header button").nth(2).waitFor();
        await page.locator("main header button").nth(1).click();
        await page.getByRole("dialog").getByRole("textbox").first().fill("periphery:2");
        await page.getByRole("dialog").getByRole("spinbutton").waitFor();
      },
    },
    { name: "appearance", path: "/settings/appearance" },
    { name: "API keys", path: "/settings/api-keys" },
    { name: "onboarding keys", path: "/settings/onboarding" },
    { name: "no such page", path: "/nowhere" },
    {
      name: "plan",
      path: `/servers/${nas}`,
      prepare: async (page) => {
        await page.locator("main header button").first().click();
        await page.getByRole("alertdialog").getByRole("listitem").first().waitFor();
      },
    },
    {
      name: "palette",
      path: "/servers",
      prepare: async (page) => {
        await page.getByRole("listitem").first().waitFor();
        await page.keyboard.press("ControlOrMeta+k");
        await page.getByRole("menuitem").first().waitFor();
      },
    },
    {
      name: "add server",
      path: "/servers",
      prepare: async (page) => {
        await page.locator("main header button").last().click();
        await page.getByRole("dialog").waitFor();
      },
    },
  ];
}

const settled = async (page: Page) => {
  await page.locator("main h1, main h2, [role=alertdialog], [role=dialog]").filter({ visible: true }).first().waitFor();
  await page.evaluate(() => document.fonts.ready);
  await page.evaluate(() => Promise.allSettled(document.getAnimations().map((animation) => animation.finished)));
};

for (const theme of themes) {
  for (const language of languages) {
    test(`axe finds nothing: ${theme}, ${language}`, async ({ core, signedIn: page }) => {
      test.setTimeout(300_000);
      await page.emulateMedia({ reducedMotion: "reduce" });
      await page.addInitScript((choice) => localStorage.setItem("komodo-preferences", JSON.stringify(choice)), {
        theme,
        language,
      });
      const found: string[] = [];
      for (const place of await places(core)) {
        await page.goto(core.url + place.path);
        await place.prepare?.(page);
        await settled(page);
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() =>
          (window as unknown as { axe: { run: () => Promise<AxeResults> } }).axe.run(),
        );
        for (const { id, nodes } of violations) {
          found.push(
            `${place.name}: ${id}: ${nodes.map((node) => `${node.target} ${node.failureSummary}`).join(" | ")}`,
          );
        }
      }
      expect(found).toEqual([]);
    });
  }
}

test("axe finds nothing on the page to sign in", async ({ core, page }) => {
  for (const colorScheme of themes) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.goto(core.url);
    await page.getByRole("button", { name: "Create an account" }).click();
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() =>
      (window as unknown as { axe: { run: () => Promise<AxeResults> } }).axe.run(),
    );
    expect(violations.map(({ id, nodes }) => `${id} ${nodes.map(({ target }) => target)}`)).toEqual([]);
  }
});

test("nothing is cut off on a screen of 320 pixels", async ({ core, signedIn: page }) => {
  test.setTimeout(120_000);
  await page.setViewportSize({ width: 320, height: 640 });
  const wide: string[] = [];
  for (const place of await places(core)) {
    await page.goto(core.url + place.path);
    await place.prepare?.(page);
    await settled(page);
    const widest = await page.evaluate(() => {
      const beyond = [...document.querySelectorAll("main *, [role=dialog] *, [role=alertdialog] *")].filter(
        (element) => {
          const { left, right, width } = element.getBoundingClientRect();
          if (width === 0 || (right <= 321 && left >= -1)) return false;
          // What scrolls inside of its own box is not cut off.
          for (let box = element.parentElement; box; box = box.parentElement) {
            if (/auto|scroll|hidden|clip/.test(getComputedStyle(box).overflowX) && box.tagName !== "MAIN") return false;
          }
          return true;
        },
      );
      return {
        page: document.documentElement.scrollWidth,
        beyond: beyond.slice(0, 3).map((element) => element.outerHTML.slice(0, 120)),
      };
    });
    if (widest.page > 320 || widest.beyond.length > 0) wide.push(`${place.name}: ${JSON.stringify(widest)}`);
  }
  expect(wide).toEqual([]);
});

test("keys alone lead everywhere, and not while somebody writes", async ({ core, signedIn: page }) => {
  await places(core);
  await page.goto(`${core.url}/servers`);
  await page.getByRole("listitem").first().waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("a");
  await expect(page.getByRole("heading", { name: "Activity" })).toBeVisible();
  await page.keyboard.press("/");
  await expect(page.getByRole("searchbox", { name: "Filter activity" })).toBeFocused();
  await page.keyboard.type("g s?");
  await expect(page.getByRole("searchbox", { name: "Filter activity" })).toHaveValue("g s?");
  await page.keyboard.press("Escape");
  await page.getByRole("heading", { name: "Activity" }).click();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keyboard shortcuts" })).toBeVisible();
  await page.keyboard.press("Escape");
  await page.keyboard.press("g");
  await page.keyboard.press("s");
  await expect(page.getByRole("heading", { name: "Servers" })).toBeVisible();
  await palette(page, "nas-0001");
  await expect(page.getByRole("menuitem", { name: "nas-0001", exact: true })).toBeVisible();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "nas-0001" })).toBeVisible();
});

test("language, theme and density are kept, and the language of the browser is the first", async ({
  core,
  browser,
}) => {
  const context = await browser.newContext({ locale: "zh-CN" });
  const page = await context.newPage();
  await page.goto(core.url);
  await expect(page.getByRole("button", { name: "登录" })).toBeVisible();
  await expect(page.locator("html")).toHaveAttribute("lang", "zh-CN");
  await page.getByRole("button", { name: "English" }).click();
  await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
  await page.evaluate((token) => localStorage.setItem("komodo-session", token), await core.token());
  await page.goto(`${core.url}/settings/appearance`);
  await page.getByText("Dark", { exact: true }).click();
  await page.getByText("Comfortable", { exact: true }).click();
  await page.reload();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await expect(page.locator("html")).toHaveAttribute("data-density", "comfortable");
  await context.close();
});
