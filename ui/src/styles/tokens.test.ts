import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

type Rgb = readonly [number, number, number];

/** OKLCH to linear sRGB, clipped to the gamut as browsers nearly do. */
function oklch(l: number, c: number, h: number): Rgb {
  const a = c * Math.cos((h * Math.PI) / 180);
  const b = c * Math.sin((h * Math.PI) / 180);
  const long = (l + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const middle = (l - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (l - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const clip = (x: number) => Math.min(1, Math.max(0, x));
  return [
    clip(4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short),
    clip(-1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short),
    clip(-0.0041960863 * long - 0.7034186147 * middle + 1.707614701 * short),
  ];
}

const luminance = ([r, g, b]: Rgb) => 0.2126 * r + 0.7152 * g + 0.0722 * b;

function contrast(one: Rgb, other: Rgb): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

const css = readFileSync("src/styles/tokens.css", "utf8");

function token(name: string, theme: "light" | "dark"): Rgb {
  const value = new RegExp(`--${name}: light-dark\\((oklch\\([^)]*\\)), (oklch\\([^)]*\\))\\)`).exec(css);
  const colour = value?.[theme === "light" ? 1 : 2];
  const parts = /^oklch\(([\d.]+) ([\d.]+) ([\d.]+)\)$/.exec(colour ?? "");
  if (!parts) throw new Error(`--${name} has no ${theme} colour`);
  return oklch(Number(parts[1]), Number(parts[2]), Number(parts[3]));
}

const TEXT_MIN = 4.5;
const CONTROL_MIN = 3;
const backgrounds = ["bg", "surface", "raised", "pop", "hover", "selected"];

const text: [string, string[]][] = [
  [
    "text",
    [...backgrounds, "mark", "mark-now", "accent-soft", "neutral-soft", "bad-soft", "warn-soft", "protect-soft"],
  ],
  ["text-2", [...backgrounds, "neutral-soft"]],
  ["accent", [...backgrounds, "accent-soft"]],
  ["ok", [...backgrounds, "ok-soft"]],
  ["warn", [...backgrounds, "warn-soft"]],
  ["bad", [...backgrounds, "bad-soft"]],
  ["protect", [...backgrounds, "protect-soft"]],
  ["on-accent", ["accent", "accent-hover"]],
  ["on-danger", ["danger", "danger-hover"]],
];

const controls: [string, string[]][] = [
  ["border-strong", ["bg", "surface"]],
  ["accent", ["track"]],
  ["warn", ["track"]],
  ["bad", ["track"]],
];

describe.each(["light", "dark"] as const)("%s theme", (theme) => {
  test.each(text.flatMap(([front, backs]) => backs.map((back) => [front, back] as const)))(
    "%s reads on %s",
    (front, back) => {
      expect(contrast(token(front, theme), token(back, theme))).toBeGreaterThanOrEqual(TEXT_MIN);
    },
  );
  test.each(controls.flatMap(([front, backs]) => backs.map((back) => [front, back] as const)))(
    "%s is seen on %s",
    (front, back) => {
      expect(contrast(token(front, theme), token(back, theme))).toBeGreaterThanOrEqual(CONTROL_MIN);
    },
  );
});

test("black on white is measured as 21", () => {
  expect(contrast(oklch(0, 0, 0), oklch(1, 0, 0))).toBeCloseTo(21, 1);
});
