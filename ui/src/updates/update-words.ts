// What an Update is of, in words.
import type { ServerListItem, Update, UpdateListItem } from "../api/types";
import type { Words } from "../i18n/en";

type Head = Pick<
  Update | UpdateListItem,
  "operation" | "request" | "target" | "status" | "success" | "waiting_for" | "stage" | "container" | "canceled_by"
>;

/** What was done: the name of the request where the operation has no value for it. */
export function operationText(words: Words, update: Head): string {
  const name = update.operation === "None" ? (update.request ?? "") : update.operation;
  return words.operations[name] ?? name.replace(/([a-z])([A-Z])/g, "$1 $2");
}

/** What a step of its story is; one that is not known is shown as Core names it. */
export function stepText(words: Words, stage: string): string {
  const wave = /^Wave (\d+)$/.exec(stage)?.[1];
  if (wave !== undefined) return words.updates.wave(Number(wave));
  const action = /^(\w+) Containers?$/.exec(stage)?.[1]?.toLowerCase();
  const known: Partial<Record<string, { verb: string }>> = words.actions;
  return (
    words.steps[stage] ??
    words.operations[stage.replaceAll(" ", "")] ??
    (action === undefined ? undefined : known[action]?.verb) ??
    stage
  );
}

/** On what: the one container that was named, and the server by name where it is known. */
export function targetText(words: Words, update: Head, servers: readonly ServerListItem[] | undefined): string {
  const server = serverText(words, update, servers);
  return update.container ? words.updates.onServer(update.container, server) : server;
}

/** On which server, or other target. */
export function serverText(words: Words, update: Head, servers: readonly ServerListItem[] | undefined): string {
  const { type, id } = update.target;
  if (type === "System") return words.updates.system;
  const server = type === "Server" ? servers?.find((candidate) => candidate.id === id) : undefined;
  return server?.name ?? id;
}

/** Who did it: people by name, Komodo's own parts by what they are. */
export function operatorText(words: Words, name: string): string {
  const part = /^0{23}([0-8])$/.exec(name)?.[1];
  return part === undefined ? name : (words.updates.operators[Number(part)] ?? words.updates.system);
}

/** Whether a helper on the host acts, or what it brought about is being watched. */
export const isHandedOver = ({ status, stage }: Pick<Update, "status" | "stage">) =>
  status !== "Complete" && (stage === "handed_over" || stage === "probation");

export type UpdateLook =
  | "waiting"
  | "running"
  | "handedOver"
  | "probation"
  | "queued"
  | "canceling"
  | "canceled"
  | "ok"
  | "failed";

export function updateLook(update: Head): UpdateLook {
  if (update.status !== "Complete") {
    if (update.status === "Queued" || update.stage === "queued") return "queued";
    if (update.stage === "canceling") return "canceling";
    // The server is away then, as it should be.
    if (update.stage === "handed_over") return "handedOver";
    if (update.stage === "probation") return "probation";
    return update.waiting_for ? "waiting" : "running";
  }
  if (update.canceled_by) return "canceled";
  return update.success ? "ok" : "failed";
}

/** The newest live, and older ones by the page, the newest first and each once. */
export function merged(live: readonly UpdateListItem[], older: readonly UpdateListItem[]): UpdateListItem[] {
  const seen = new Set(live.map(({ id }) => id));
  return [...live, ...older.filter((update) => !seen.has(update.id))].sort((a, b) => b.start_ts - a.start_ts);
}
