// Keys that act anywhere on the page. Never while somebody writes, and single keys only where they are switched on.
import { useEffect, useRef } from "react";
import { preferences } from "./preferences";

/** Time in which the second key of a sequence must follow, ms. */
const SEQUENCE_MS = 1_000;

export interface Shortcuts {
  /** Ctrl or ⌘ went down: a shortcut may follow. */
  modifier: () => void;
  palette: () => void;
  help: () => void;
  filter: () => void;
  go: Record<string, () => void>;
}

const writes = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** The action that a key stands for, or null; `after` is the key before it, if it came just now. */
export function shortcutOf(
  event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey" | "isComposing">,
  context: { writing: boolean; single: boolean; after: string | null },
): "palette" | "help" | "filter" | `go ${string}` | null {
  if (event.isComposing) return null;
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k")
    return "palette";
  if (context.writing || !context.single || event.ctrlKey || event.metaKey || event.altKey) return null;
  if (context.after === "g") return `go ${event.key}`;
  if (event.key === "/") return "filter";
  if (event.key === "?") return "help";
  return null;
}

export function useShortcuts(shortcuts: Shortcuts) {
  const latest = useRef(shortcuts);
  latest.current = shortcuts;
  useEffect(() => {
    let before: { key: string; at: number } | null = null;
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented) return;
      if (event.key === "Control" || event.key === "Meta") latest.current.modifier();
      const after = before && event.timeStamp - before.at < SEQUENCE_MS ? before.key : null;
      const writing = writes(event.target);
      before = writing ? null : { key: event.key, at: event.timeStamp };
      const action = shortcutOf(event, { writing, single: preferences().shortcuts, after });
      if (action === null) return;
      // A dialog has the page to itself; only the palette may be called over the page.
      if (document.querySelector("[role=dialog],[role=alertdialog]")) return;
      if (action === "palette" || action === "help" || action === "filter") {
        event.preventDefault();
        latest.current[action]();
        return;
      }
      const go = latest.current.go[action.slice(3)];
      if (go) {
        event.preventDefault();
        go();
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}

/** Puts the cursor into the filter of the page. */
export function focusFilter() {
  const input = document.querySelector<HTMLInputElement>("input[data-slash]");
  input?.focus();
  input?.select();
}
