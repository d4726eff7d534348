// The actions on containers as menu entries: which apply, and why others do not.
import { CirclePause, CirclePlay, CircleStop, Eraser, FileText, Play, RotateCw, Trash2 } from "lucide-react";
import type { ReactNode } from "react";
import type { ContainerAction, ContainerState } from "../api/types";
import type { Words } from "../i18n/en";
import type { MenuEntry } from "../parts/menu";
import { type AllAction, allActions, type SingleAction, singleActions } from "./requests";

export const actionIcons: Record<ContainerAction, ReactNode> = {
  start: <Play size={15} aria-hidden="true" />,
  restart: <RotateCw size={15} aria-hidden="true" />,
  pause: <CirclePause size={15} aria-hidden="true" />,
  unpause: <CirclePlay size={15} aria-hidden="true" />,
  stop: <CircleStop size={15} aria-hidden="true" />,
  destroy: <Trash2 size={15} aria-hidden="true" />,
  prune: <Eraser size={15} aria-hidden="true" />,
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

/** Entries for one container: only those that apply to its state. */
export const entriesForOne = (
  words: Words,
  state: ContainerState,
  off: string | null,
  act: (action: SingleAction) => void,
): MenuEntry[] =>
  singleActions
    .filter((action) => applies(action, state))
    .map((action) => ({
      id: action,
      label: words.actions[action].selected,
      icon: actionIcons[action],
      bad: action === "destroy",
      apart: action === "destroy",
      off,
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
