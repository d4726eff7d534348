// What a roll over the agents of many servers would do, as Core decides it: who goes first, who follows, who is left out.
import type { Program, ServerListItem } from "../api/types";
import { agentForm, programsFor } from "./agent-programs";

/** Level from which on an agent can be handed over. */
const HAND_OVER_LEVEL = 3;

export interface RollChoice {
  /** In the order in which they are asked for. */
  servers: readonly ServerListItem[];
  /** For agents in containers; null where they are left out. */
  image: string | null;
  /** For agents that are services; null where they are left out. */
  version: string | null;
  programs: readonly Program[];
  waveSize: number;
}

export type LeftOut = "away" | "noImage" | "noVersion" | "noProgram" | "already" | "fixed" | "neither" | "old";

export interface RollPreview {
  /** Goes first and alone; null where nobody is updated. */
  first: ServerListItem | null;
  waves: ServerListItem[][];
  leftOut: { server: ServerListItem; why: LeftOut }[];
}

/** Why a server is left out; null where it is not. */
export function leftOut(server: ServerListItem, choice: Omit<RollChoice, "servers" | "waveSize">): LeftOut | null {
  const { state, agent } = server.info;
  if (state !== "Ok" || !agent) return "away";
  const form = agentForm(agent);
  if (form === "neither") return "neither";
  if (agent.skew === "too_old" || (agent.level ?? HAND_OVER_LEVEL) < HAND_OVER_LEVEL) return "old";
  if (form === "container") return choice.image === null ? "noImage" : null;
  // One inside of a container can be replaced with it.
  if (choice.version === null) return agent.in_container && choice.image !== null ? null : "noVersion";
  const fit = programsFor(choice.programs, agent.architecture ?? "").find(({ version }) => version === choice.version);
  if (!fit) return "noProgram";
  if (fit.sha256 === agent.service?.sha256) return "already";
  return agent.service?.fixed ? "fixed" : null;
}

export function preview(choice: RollChoice): RollPreview {
  const out: RollPreview["leftOut"] = [];
  const meant: ServerListItem[] = [];
  for (const server of choice.servers) {
    const why = leftOut(server, choice);
    if (why === null) meant.push(server);
    else out.push({ server, why });
  }
  const [first = null, ...others] = meant;
  const size = Math.max(1, choice.waveSize);
  const waves: ServerListItem[][] = [];
  for (let at = 0; at < others.length; at += size) waves.push(others.slice(at, at + size));
  return { first, waves, leftOut: out };
}
