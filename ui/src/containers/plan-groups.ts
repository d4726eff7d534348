// A plan as the dialog shows it, and what changed between two plans. Pure.
import type { Plan, PlanItem } from "../api/types";

export type GroupId = "refused" | "protected" | "handOver" | "detach" | "act" | "excluded" | "nothing";

export interface Group {
  id: GroupId;
  items: PlanItem[];
}

const PROTECTING = new Set(["agent", "agent-dependency", "core", "core-dependency", "declared", "label"]);

export function groupOf(item: PlanItem): GroupId {
  switch (item.effect) {
    case "refuse":
      return "refused";
    case "act":
      return "act";
    case "hand-over":
      return "handOver";
    case "detach":
      return "detach";
    case "skip": {
      const code = item.reason?.reason;
      if (code === "excluded") return "excluded";
      return code !== undefined && PROTECTING.has(code) ? "protected" : "nothing";
    }
  }
}

/** Whether something is done to it, by whom ever. */
export const acts = (item: PlanItem) => item.effect !== "refuse" && item.effect !== "skip";

/** Whether it is no container, but the service of systemd that the agent runs as. */
export const isUnit = ({ id }: Pick<PlanItem, "id">) => id.startsWith("unit:");

const ORDER: readonly GroupId[] = ["refused", "protected", "handOver", "detach", "act", "excluded", "nothing"];

/** The groups that have something in them: what is spared first. */
export function groups(plan: Plan): Group[] {
  return ORDER.map((id) => ({ id, items: plan.items.filter((item) => groupOf(item) === id) })).filter(
    (group) => group.items.length > 0,
  );
}

/** Ids of those that carry only the label and would still be acted on because they were named in a list. */
export const labelledButActed = (plan: Plan): string[] =>
  plan.items
    .filter((item) => item.effect === "act" && (item.protected ?? []).some(({ reason }) => reason === "label"))
    .map((item) => item.id);

/** Whether a warning says more than the section of what is handed over or goes on purpose, which the page words itself. */
export const isNews = (warning: string) => !/^'[^']+' runs (the agent|Komodo Core): /.test(warning);

export type Change = { id: string; name: string } & (
  | { kind: "added" | "removed" | "effect" | "facts" }
  | { kind: "state"; from: PlanItem["state"]; to: PlanItem["state"] }
);

/** What else a plan shows of a container; the order of lists is no fact. */
const facts = ({
  image,
  project,
  reason,
  protected: reasons,
  dependants,
  ports,
  volumes,
  comes_back,
  bytes,
  bring_back,
}: PlanItem) =>
  JSON.stringify([
    image ?? null,
    project ?? null,
    reason ?? null,
    (reasons ?? []).map((found) => `${found.reason} ${found.detail ?? ""}`).sort(),
    [...(dependants ?? [])].sort(),
    [...(ports ?? [])].sort(),
    [...(volumes ?? [])].sort(),
    comes_back ?? false,
    bytes ?? null,
    bring_back ?? null,
  ]);

/** What a person who looked at one plan must know of the other. */
export function changes(before: Plan, after: Plan): Change[] {
  const old = new Map(before.items.map((item) => [item.id, item]));
  const found: Change[] = [];
  for (const item of after.items) {
    const was = old.get(item.id);
    old.delete(item.id);
    const { id, container: name } = item;
    if (!was) found.push({ kind: "added", id, name });
    else if (was.state !== item.state) found.push({ kind: "state", id, name, from: was.state, to: item.state });
    else if (groupOf(was) !== groupOf(item)) found.push({ kind: "effect", id, name });
    else if (facts(was) !== facts(item)) found.push({ kind: "facts", id, name });
  }
  for (const { id, container: name } of old.values()) found.push({ kind: "removed", id, name });
  return found;
}
