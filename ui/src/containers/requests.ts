// From what a person chose to the execute request, and back.
import type { ContainerExecution, ContainerRequest, PlannedRequest } from "../api/operations";
import type { ContainerAction, PlannedAction } from "../api/types";

export type SingleAction = Exclude<ContainerAction, "prune">;

const one = {
  start: "StartContainer",
  restart: "RestartContainer",
  pause: "PauseContainer",
  unpause: "UnpauseContainer",
  stop: "StopContainer",
  destroy: "DestroyContainer",
} as const satisfies Record<SingleAction, ContainerExecution>;

const all = {
  start: "StartAllContainers",
  restart: "RestartAllContainers",
  pause: "PauseAllContainers",
  unpause: "UnpauseAllContainers",
  stop: "StopAllContainers",
  prune: "PruneContainers",
} as const satisfies Record<Exclude<ContainerAction, "destroy">, ContainerExecution>;

export type AllAction = keyof typeof all;

export const singleActions = Object.keys(one) as SingleAction[];
export const allActions = Object.keys(all) as AllAction[];

export const onOne = (action: SingleAction, server: string, container: string): ContainerRequest => ({
  type: one[action],
  params: { server, container },
});

export const onAll = (action: AllAction, server: string): ContainerRequest => ({
  type: all[action],
  params: { server },
});

export const onSeveral = (action: SingleAction, server: string, containers: string[]): ContainerRequest => ({
  type: "BatchContainers",
  params: { server, containers, action },
});

/** Puts a new container in the place of the one that the agent of a server runs in; without an image, from the same name. */
export const updateAgent = (server: string, image: string | null): PlannedRequest => ({
  type: "UpdatePeriphery",
  params: image === null ? { server } : { server, image },
});

/** Brings back what an Update changed. */
export const undoOf = (update: string): PlannedRequest => ({ type: "UndoUpdate", params: { id: update } });

/** The action of a request. */
export function actionOf(request: PlannedRequest): PlannedAction {
  if (request.type === "UndoUpdate") return "undo";
  if (request.type === "UpdatePeriphery") return "restart";
  if (request.type === "BatchContainers") return request.params.action;
  const found =
    singleActions.find((action) => one[action] === request.type) ??
    allActions.find((action) => all[action] === request.type);
  return found ?? "stop";
}

/** The container that a request names alone; null where it is about several. */
export const namedContainer = (request: PlannedRequest): string | null =>
  "container" in request.params ? request.params.container : null;

/** Whether single containers can be left out of what a request is about. */
export const isOfSeveral = (request: PlannedRequest) =>
  request.type !== "UndoUpdate" && request.type !== "UpdatePeriphery" && namedContainer(request) === null;

/** Whether a request can wait for a server that is away. */
export const canWait = (request: PlannedRequest) => request.type !== "UndoUpdate" && request.type !== "UpdatePeriphery";

/** Id of the Update that a request undoes; null where it undoes none. */
export const undoneUpdate = (request: PlannedRequest): string | null =>
  request.type === "UndoUpdate" ? request.params.id : null;

/** Image of the new container that a request puts in the place of the old one; null where it puts none. */
export function newImage(request: PlannedRequest): { image: string | null } | null {
  return request.type === "UpdatePeriphery" ? { image: request.params.image ?? null } : null;
}

/** Requests by which the agent may go on purpose. */
const DETACHING: ReadonlySet<ContainerExecution> = new Set(["StopContainer", "PauseContainer", "DestroyContainer"]);

export interface Choice {
  exclude: readonly string[];
  override: string | null;
  /** Whether the agent may go on purpose. */
  detach?: boolean;
  /** Hash of the plan that was looked at. */
  plan?: string;
  /** Where the server is away: waits for it for so many seconds. */
  expiresS?: number;
}

/** The request with what was chosen in its plan. */
export function chosen(request: PlannedRequest, choice: Choice): PlannedRequest {
  const plan = choice.plan === undefined ? {} : { plan: choice.plan };
  if (request.type === "UndoUpdate") return { type: request.type, params: { ...request.params, ...plan } };
  if (request.type === "UpdatePeriphery") return { type: request.type, params: { ...request.params, ...plan } };
  const wait = choice.expiresS === undefined ? {} : { when_back: true, expires_s: choice.expiresS };
  const own =
    namedContainer(request) === null
      ? choice.exclude.length > 0 && { exclude: [...choice.exclude] }
      : choice.override !== null && { override: choice.override };
  const detach = choice.detach && DETACHING.has(request.type) && { detach: true };
  return { type: request.type, params: { ...request.params, ...own, ...detach, ...plan, ...wait } } as PlannedRequest;
}

/** Actions after which something does not run, or no longer exists, until somebody sees to it: their button is red. */
export const endsThings = (action: PlannedAction) => action === "stop" || action === "destroy" || action === "prune";

/** Actions that interrupt something; on many containers the name of the server is asked for. */
export const takesAway = (action: PlannedAction) => action !== "start" && action !== "unpause" && action !== "undo";
