// Which values of an inspected container are not shown until somebody asks for them. Pure.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export const isBranch = (value: Json): value is Json[] | { [key: string]: Json } =>
  typeof value === "object" && value !== null;

const SECRET = /pass(word|wd|phrase)?|secret|token|key|credential|private|auth/i;

/** Stands for a value that is not shown. */
export const MASK = "••••••••";

/** Whether a value is hidden by the look of its name. */
export const looksSecret = (name: string) => SECRET.test(name);

/** A text of the kind `NAME=value` in two parts; null where it is none. */
export function assignment(text: string): { name: string; value: string } | null {
  const at = text.indexOf("=");
  return at > 0 ? { name: text.slice(0, at), value: text.slice(at + 1) } : null;
}

/** Names of the branches whose entries are variables or labels of people. */
const NAMED = new Set(["Env", "Labels"]);

/** The name of the secret that is the value at a path; null where it is none. */
export function secretAt(branch: string, key: string, value: Json): string | null {
  if (!NAMED.has(branch) || typeof value !== "string") return null;
  const pair = branch === "Env" ? assignment(value) : { name: key, value };
  return pair && pair.value !== "" && looksSecret(pair.name) ? pair.name : null;
}

/** The text without its secret. */
export const masked = (branch: string, text: string) =>
  branch === "Env" ? `${assignment(text)?.name ?? ""}=${MASK}` : MASK;

/** The whole value with all secrets hidden. */
export function maskAll(value: Json, branch = ""): Json {
  if (!isBranch(value)) return value;
  const mask = (key: string, item: Json): Json =>
    secretAt(branch, key, item) !== null && typeof item === "string"
      ? masked(branch, item)
      : maskAll(item, Array.isArray(value) ? branch : key);
  if (Array.isArray(value)) return value.map((item, at) => mask(String(at), item));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mask(key, item)]));
}
