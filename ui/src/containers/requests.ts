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

/** What an agent is to run from: an image, `null` for the same name looked up anew, or a program that Core serves. */
export type Replacement = { image: string | null } | { version: string };

/** Puts a new container, or another program, in the place of the one that the agent of a server runs from. */
export const updateAgent = (server: string, by: Replacement): PlannedRequest => ({
  type: "UpdatePeriphery",
  params: "version" in by || by.image !== null ? { server, ...by } : { server },
});

/** Starts the agent of a server again, whatever it runs in. */
export const restartAgent = (server: string): PlannedRequest => ({ type: "RestartPeriphery", params: { server } });

/** Brings back what an Update changed. */
export const undoOf = (update: string): PlannedRequest => ({ type: "UndoUpdate", params: { id: update } });

/** Whether a request is about the agent of a server, whatever it runs in. */
const isOfAgent = (
  request: PlannedRequest,
): request is Extract<PlannedRequest, { type: "UpdatePeriphery" | "RestartPeriphery" }> =>
  request.type === "UpdatePeriphery" || request.type === "RestartPeriphery";

/** The action of a request. */
export function actionOf(request: PlannedRequest): PlannedAction {
  if (request.type === "UndoUpdate") return "undo";
  if (isOfAgent(request)) return "restart";
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
  request.type !== "UndoUpdate" && !isOfAgent(request) && namedContainer(request) === null;

/** Whether a request can wait for a server that is away. */
export const canWait = (request: PlannedRequest) => request.type !== "UndoUpdate" && !isOfAgent(request);

/** Id of the Update that a request undoes; null where it undoes none. */
export const undoneUpdate = (request: PlannedRequest): string | null =>
  request.type === "UndoUpdate" ? request.params.id : null;

/** What a request puts in the place of what the agent runs from; null where it puts nothing there. */
export function replacement(request: PlannedRequest): Replacement | null {
  if (request.type !== "UpdatePeriphery") return null;
  const { image, version } = request.params;
  return version ? { version } : { image: image ?? null };
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
  if (request.type === "RestartPeriphery") return { type: request.type, params: { ...request.params, ...plan } };
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
