// Numbers, sizes and times in the language of the page. Pure: the time of now is always passed in.

const formats = new Map<string, Intl.NumberFormat>();

function unit(locale: string, value: number, name: string, digits: number): string {
  const key = `${locale} ${name} ${digits}`;
  let format = formats.get(key);
  if (!format) {
    format = new Intl.NumberFormat(locale, {
      style: "unit",
      unit: name,
      unitDisplay: "short",
      maximumFractionDigits: digits,
    });
    formats.set(key, format);
  }
  return format.format(value);
}

const SECOND_MS = 1_000;
const STEPS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", SECOND_MS],
] as const;

/** A length of time in its largest unit: `5 min`, `3 days`. */
export function duration(locale: string, ms: number): string {
  const positive = Math.max(0, ms);
  for (const [name, size] of STEPS) {
    if (positive >= size || name === "second") return unit(locale, Math.floor(positive / size), name, 0);
  }
  return "";
}

/** How long something took: `340 ms`, `2.4 sec`, else as `duration`. */
export function elapsed(locale: string, ms: number): string {
  if (ms < SECOND_MS) return unit(locale, Math.max(0, Math.round(ms)), "millisecond", 0);
  if (ms < 60 * SECOND_MS) return unit(locale, ms / SECOND_MS, "second", 1);
  return duration(locale, ms);
}

const SIZES = ["B", "kB", "MB", "GB", "TB"] as const;

/** A size in steps of 1000, as Docker writes image sizes. */
export function bytes(locale: string, value: number): string {
  let step = 0;
  let left = Math.max(0, value);
  while (left >= 1000 && step < SIZES.length - 1) {
    left /= 1000;
    step += 1;
  }
  const digits = left < 10 && step > 0 ? 1 : 0;
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(left)} ${SIZES[step]}`;
}

/** A size given in GiB, in binary units: `12.4 GiB`. */
export function gib(locale: string, value: number): string {
  const [scaled, name] = value >= 1024 ? [value / 1024, "TiB"] : value < 1 ? [value * 1024, "MiB"] : [value, "GiB"];
  const digits = scaled < 10 ? 1 : 0;
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(scaled)} ${name}`;
}

export function percent(locale: string, value: number): string {
  return new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0 }).format(value / 100);
}

/** Time of day; with the date where it is not today. */
export function moment(locale: string, at: number, now: number): string {
  const sameDay = new Date(at).toDateString() === new Date(now).toDateString();
  return new Intl.DateTimeFormat(
    locale,
    sameDay ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" },
  ).format(at);
}

/** Date and time to the second, for tooltips. */
export const exact = (locale: string, at: number) =>
  new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "long" }).format(at);

export const date = (locale: string, at: number) => new Intl.DateTimeFormat(locale, { dateStyle: "medium" }).format(at);

/** Length of a polling rate as the API writes it (`5-sec`, `1-min`), ms. */
export function timelengthMs(text: string): number | null {
  const match = /^(\d+)-(sec|min|hr|day|wk)$/.exec(text);
  if (!match) return null;
  const sizes: Record<string, number> = { sec: 1_000, min: 60_000, hr: 3_600_000, day: 86_400_000, wk: 604_800_000 };
  const size = sizes[match[2] ?? ""];
  return size === undefined ? null : Number(match[1]) * size;
}
