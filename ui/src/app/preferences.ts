// What a person chose for this browser: language, theme, density, shortcuts.
import { useSyncExternalStore } from "react";

export interface Preferences {
  language: "auto" | "en" | "zh-CN";
  theme: "system" | "light" | "dark";
  density: "dense" | "comfortable";
  /** Whether single keys act, as `/` and `?`. */
  shortcuts: boolean;
  logWrap: boolean;
  logTimestamps: boolean;
}

const KEY = "komodo-preferences";

const standard: Preferences = {
  language: "auto",
  theme: "system",
  density: "dense",
  shortcuts: true,
  logWrap: true,
  logTimestamps: false,
};

const one = <T extends string>(value: unknown, of: readonly T[], otherwise: T): T =>
  of.find((candidate) => candidate === value) ?? otherwise;
const flag = (value: unknown, otherwise: boolean) => (typeof value === "boolean" ? value : otherwise);

/** Reads stored preferences; whatever is missing or odd has its standard value. */
export function parsePreferences(text: string | null): Preferences {
  let stored: Partial<Record<keyof Preferences, unknown>> = {};
  try {
    const value: unknown = JSON.parse(text ?? "{}");
    if (typeof value === "object" && value !== null) stored = value;
  } catch {
    // Not ours: the standard holds.
  }
  return {
    language: one(stored.language, ["auto", "en", "zh-CN"] as const, standard.language),
    theme: one(stored.theme, ["system", "light", "dark"] as const, standard.theme),
    density: one(stored.density, ["dense", "comfortable"] as const, standard.density),
    shortcuts: flag(stored.shortcuts, standard.shortcuts),
    logWrap: flag(stored.logWrap, standard.logWrap),
    logTimestamps: flag(stored.logTimestamps, standard.logTimestamps),
  };
}

function read(): Preferences {
  try {
    return parsePreferences(localStorage.getItem(KEY));
  } catch {
    return standard;
  }
}

let current = read();
const listeners = new Set<() => void>();

function show() {
  const root = document.documentElement;
  if (current.theme === "system") delete root.dataset.theme;
  else root.dataset.theme = current.theme;
  root.dataset.density = current.density;
}

function publish(next: Preferences) {
  current = next;
  show();
  for (const listener of [...listeners]) listener();
}

export function setPreferences(change: Partial<Preferences>) {
  const next = { ...current, ...change };
  try {
    localStorage.setItem(KEY, JSON.stringify(next));
  } catch {
    // Kept for this page only.
  }
  publish(next);
}

/** Shows the stored choice before the first paint, and follows the other tabs. */
export function beginPreferences() {
  show();
  window.addEventListener("storage", (event) => {
    if (event.key === KEY) publish(read());
  });
}

export const preferences = () => current;

export const usePreferences = () =>
  useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }, preferences);
