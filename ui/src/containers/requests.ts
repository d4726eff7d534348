// From what a person chose to the execute request, and back.
import type { ContainerExecution, ContainerRequest } from "../api/operations";
import type { ContainerAction } from "../api/types";

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

/** The action of a request. */
export function actionOf(request: ContainerRequest): ContainerAction {
  if (request.type === "BatchContainers") return request.params.action;
  const found =
    singleActions.find((action) => one[action] === request.type) ??
    allActions.find((action) => all[action] === request.type);
  return found ?? "stop";
}

/** The container that a request names alone; null where it is about several. */
export const namedContainer = (request: ContainerRequest): string | null =>
  "container" in request.params ? request.params.container : null;

/** The request with what was chosen in its plan. */
export function chosen(
  request: ContainerRequest,
  choice: { exclude: readonly string[]; override: string | null; plan?: string },
): ContainerRequest {
  const plan = choice.plan === undefined ? {} : { plan: choice.plan };
  const params =
    namedContainer(request) === null
      ? { ...request.params, ...(choice.exclude.length > 0 ? { exclude: [...choice.exclude] } : {}), ...plan }
      : { ...request.params, ...(choice.override === null ? {} : { override: choice.override }), ...plan };
  return { type: request.type, params } as ContainerRequest;
}

/** Actions after which something does not run, or no longer exists, until somebody sees to it: their button is red. */
export const endsThings = (action: ContainerAction) => action === "stop" || action === "destroy" || action === "prune";

/** Actions that interrupt something; on many containers the name of the server is asked for. */
export const takesAway = (action: ContainerAction) => action !== "start" && action !== "unpause";
