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

/**
 * What the guard says to an action on one container that is named: it runs the agent of another server and is refused,
 * a reason is asked for, a helper carries it out, or it goes only on purpose.
 */
export type Guarded = "neighbour" | "asks" | "handOver" | "detach";

const ASKING: ReadonlySet<Reason["reason"]> = new Set(["agent-dependency", "core-dependency", "declared"]);

/** Whether it is the agent of another server: it is named then. */
export const isNeighbour = ({ reason, detail }: Reason) => reason === "agent" && Boolean(detail);

export function guarded(action: SingleAction, reasons: readonly Reason[] = []): Guarded | null {
  if (!takesAway(action)) return null;
  if (reasons.some(isNeighbour)) return "neighbour";
  const branch = reasons.some(({ reason }) => reason === "agent" || reason === "core");
  if (branch && action !== "restart") return "detach";
  if (reasons.some(({ reason }) => ASKING.has(reason))) return "asks";
  return branch ? "handOver" : null;
}

/** Why an action on one container is always refused; null where it is not. */
export function refusedAlways(words: Words, action: SingleAction, reasons: readonly Reason[] = []): string | null {
  if (guarded(action, reasons) !== "neighbour") return null;
  return words.server.refusedNeighbour(reasons.find(isNeighbour)?.detail ?? "");
}

/** What to know before an action on a protected container is chosen. */
export function guardNote(words: Words, action: SingleAction, reasons: readonly Reason[] = []): string | undefined {
  switch (guarded(action, reasons)) {
    case "asks":
      return words.server.asksForReason;
    case "handOver":
      return words.server.handedOver;
    case "detach":
      return words.server.onlyDetached;
    default:
      return undefined;
  }
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
      note: guardNote(words, action, container.protected),
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
