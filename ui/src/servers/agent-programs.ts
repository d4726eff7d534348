// What the agent of a server is restarted and updated as, and which programs Core keeps for it. Pure.
import type { Program, ServerAgent, ServerListItem } from "../api/types";
import type { Words } from "../i18n/en";
import { serverWhy } from "./state";

/** Puts a program of the agent where Core serves it from. */
export const ADD_COMMAND = "komodo-core agents add komodo-periphery";

/** What an agent is restarted and updated as; it may be a service inside of a container. */
export type AgentForm = "container" | "service" | "neither";

export function agentForm(agent: Pick<ServerAgent, "in_container" | "service">): AgentForm {
  if (agent.service) return "service";
  return agent.in_container ? "container" : "neither";
}

/** Those that run on that architecture, in their order: the newest first. */
export const programsFor = (programs: readonly Program[], architecture: string): Program[] =>
  programs.filter((program) => program.architecture === architecture);

/** The versions that one of these servers could run as a service, each once, the newest first. */
export function versionsFor(programs: readonly Program[], servers: readonly ServerListItem[]): string[] {
  const agents = servers.flatMap(({ info }) => (info.agent?.service ? [info.agent] : []));
  const architectures = new Set(agents.map(({ architecture }) => architecture));
  const fit = programs.filter(({ architecture }) => architectures.has(architecture));
  return [...new Set(fit.map(({ version }) => version))];
}

/** Why its agent cannot be restarted from here; null where it can. */
export function restartOff(words: Words, server: ServerListItem): string | null {
  const why = serverWhy(words, server);
  if (why !== null) return words.server.disabledBecause(why);
  const { agent } = server.info;
  return agent && agentForm(agent) === "neither" ? words.agent.neither : null;
}

/** Why its agent cannot be updated from here; null where it can. */
export function updateOff(words: Words, server: ServerListItem): string | null {
  const fixed = server.info.agent?.service?.fixed;
  return restartOff(words, server) ?? (fixed ? words.agent.fixed(fixed) : null);
}
