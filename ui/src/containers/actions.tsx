// The actions on containers as menu entries: which apply, and why others do not.
import { CirclePause, CirclePlay, CircleStop, Eraser, FileText, Play, RotateCw, Trash2, Undo2 } from "lucide-react";
import type { ReactNode } from "react";
import type { ContainerState, PlannedAction, Reason } from "../api/types";
import type { Words } from "../i18n/en";
import type { MenuEntry } from "../parts/menu";
import { type AllAction, allActions, type SingleAction, singleActions, takesAway } from "./requests";

export const actionIcons: Record<PlannedAction, ReactNode> = {
  start: <Play size={15} aria-hidden="true" />,
  restart: <RotateCw size={15} aria-hidden="true" />,
  pause: <CirclePause size={15} aria-hidden="true" />,
  unpause: <CirclePlay size={15} aria-hidden="true" />,
  stop: <CircleStop size={15} aria-hidden="true" />,
  destroy: <Trash2 size={15} aria-hidden="true" />,
  prune: <Eraser size={15} aria-hidden="true" />,
  undo: <Undo2 size={15} aria-hidden="true" />,
};

export const logIcon = <FileText size={15} aria-hidden="true" />;

const RUNS: readonly ContainerState[] = ["running", "restarting"];
const STOPPED: readonly ContainerState[] = ["exited", "created", "dead"];

/** Whether an action makes sense for a container in that state. */
export function applies(action: SingleAction, state: ContainerState): boolean {
  switch (action) {
    case "start":
      return STOPPED.includes(state);
    case "stop":
      return RUNS.includes(state) || state === "paused";
    case "pause":
      return state === "running";
    case "unpause":
      return state === "paused";
    case "restart":
    case "destroy":
      return true;
  }
}

/** What the guard says to an action on one container that is named. */
export function guarded(action: SingleAction, reasons: readonly Reason[] = []): "agent" | "core" | "asks" | null {
  if (!takesAway(action)) return null;
  const codes = new Set(reasons.map(({ reason }) => reason));
  if (codes.has("agent")) return "agent";
  if (codes.has("core")) return "core";
  return codes.has("agent-dependency") || codes.has("core-dependency") || codes.has("declared") ? "asks" : null;
}

/** Why an action on one container is always refused; null where it is not. */
export function refusedAlways(words: Words, action: SingleAction, reasons: readonly Reason[] = []): string | null {
  const found = guarded(action, reasons);
  if (found === "agent") return words.server.refusedAgent;
  return found === "core" ? words.server.refusedCore : null;
}

interface OnOne {
  state: ContainerState;
  protected?: readonly Reason[];
}

/** Entries for one container: only those that apply to its state, and those that are refused with the reason. */
export const entriesForOne = (
  words: Words,
  container: OnOne,
  off: string | null,
  act: (action: SingleAction) => void,
): MenuEntry[] =>
  singleActions
    .filter((action) => applies(action, container.state))
    .map((action) => ({
      id: action,
      label: words.actions[action].selected,
      icon: actionIcons[action],
      bad: action === "destroy",
      apart: action === "destroy",
      off: refusedAlways(words, action, container.protected) ?? off,
      note: guarded(action, container.protected) === "asks" ? words.server.asksForReason : undefined,
      act: () => act(action),
    }));

const ALL_ORDER: readonly AllAction[] = ["stop", "start", "restart", "pause", "unpause", "prune"];

export const entriesForAll = (words: Words, off: string | null, act: (action: AllAction) => void): MenuEntry[] =>
  ALL_ORDER.filter((action) => allActions.includes(action)).map((action) => ({
    id: action,
    label: words.actions[action].all,
    icon: actionIcons[action],
    bad: action === "prune",
    apart: action === "prune",
    off,
    act: () => act(action),
  }));
