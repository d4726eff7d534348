import { describe, expect, test } from "vitest";
import { en } from "./en";
import { bytes, duration, elapsed, gib, moment, percent, timelengthMs } from "./format";
import { pickLanguage } from "./words";
import { zhCn } from "./zh-cn";

type Tree = { [key: string]: Tree | string | ((...parts: never[]) => string) };

/** All words of a dictionary by their path; functions are called with their own parameter numbers. */
function flat(tree: Tree, path = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(tree)) {
    const here = path ? `${path}.${key}` : key;
    if (typeof value === "string") found.set(here, value);
    else if (typeof value === "function") {
      const parts = Array.from({ length: value.length }, (_, at) => 7 + at) as never[];
      found.set(here, value(...parts));
    } else for (const [inner, text] of flat(value, here)) found.set(inner, text);
  }
  return found;
}

const english = flat(en as unknown as Tree);
const chinese = flat(zhCn as unknown as Tree);

describe("the dictionaries", () => {
  test("have the same keys", () => {
    expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort());
  });

  test.each([
    ["en", english],
    ["zh-CN", chinese],
  ])("%s says something everywhere, with every parameter", (_, words) => {
    for (const [key, text] of words) {
      expect(text.trim(), key).not.toBe("");
      expect(text, key).not.toMatch(/undefined|\[object|NaN/);
    }
  });

  test("use the same parameters", () => {
    const numbers = (text: string) => (text.match(/\b[789]\b|(?<=\D)[789](?=\D)|^[789]|[789]$/g) ?? []).sort().join("");
    for (const [key, text] of english) {
      const other = chinese.get(key) ?? "";
      expect(numbers(other).length > 0, key).toBe(numbers(text).length > 0);
    }
  });

  test("Chinese is Chinese: only names stay as they are", () => {
    const same = [...english].filter(([key, text]) => chinese.get(key) === text).map(([key]) => key);
    expect(same.sort()).toEqual(["log.stderr", "palette.onContainer", "product", "servers.cpu", "updates.system"]);
  });

  test("English counts one and many apart", () => {
    expect(en.servers.containers(1)).toBe("1 container");
    expect(en.servers.containers(9707)).toBe("9,707 containers");
    expect(en.actions.stop.button(7)).toBe("Stop 7 containers");
  });
});

describe("formats", () => {
  test.each([
    [0, "0 sec", "0秒"],
    [59_999, "59 sec", "59秒"],
    [3_600_000, "1 hr", "1小时"],
    [90_000_000, "1 day", "1天"],
    [-5, "0 sec", "0秒"],
  ])("%d ms last %s", (ms, inEnglish, inChinese) => {
    expect(duration("en", ms)).toBe(inEnglish);
    expect(duration("zh-CN", ms)).toBe(inChinese);
  });

  test("short times keep their fraction", () => {
    expect(elapsed("en", 340)).toBe("340 ms");
    expect(elapsed("en", 2_440)).toBe("2.4 sec");
    expect(elapsed("en", 125_000)).toBe("2 min");
  });

  test("sizes", () => {
    expect(bytes("en", 999)).toBe("999 B");
    expect(bytes("en", 1_500_000)).toBe("1.5 MB");
    expect(gib("en", 0.5)).toBe("512 MiB");
    expect(gib("en", 16)).toBe("16 GiB");
    expect(gib("en", 4096)).toBe("4 TiB");
    expect(percent("en", 41.6)).toBe("42%");
  });

  test("moments of today have no date", () => {
    const now = new Date(2026, 5, 5, 12).getTime();
    expect(moment("en", now - 60_000, now)).toMatch(/^11:59/);
    expect(moment("en", now - 2 * 86_400_000, now)).toContain("2026");
  });

  test("polling rates", () => {
    expect(timelengthMs("5-sec")).toBe(5_000);
    expect(timelengthMs("1-min")).toBe(60_000);
    expect(timelengthMs("often")).toBeNull();
  });
});

test("the language is the first of the browser's that there is", () => {
  expect(pickLanguage(["de", "zh-TW", "en"])).toBe("zh-CN");
  expect(pickLanguage(["en-GB", "zh"])).toBe("en");
  expect(pickLanguage(["de"])).toBe("en");
});
