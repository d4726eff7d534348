// Which container the agent of a server runs in. Pure.
import type { ContainerListItem } from "../api/types";

/** The container that the agent of this server runs in; those of other servers' agents are named by a detail. */
export const agentContainer = (containers: readonly ContainerListItem[]): ContainerListItem | undefined =>
  containers.find((container) => container.protected?.some(({ reason, detail }) => reason === "agent" && !detail));
