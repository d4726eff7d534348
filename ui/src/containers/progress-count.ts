// How far an operation is, from its plan and its verdicts. Pure.
import type { Plan, PlanItem, Update, Verdict, VerdictKind } from "../api/types";
import { acts } from "./plan-groups";

export interface ProgressLine {
  id: string;
  name: string;
  verdict: Verdict | null;
}

export interface Progress {
  lines: ProgressLine[];
  /** Targets that are settled, of those that are acted on. */
  settled: number;
  total: number;
  counts: Record<VerdictKind, number>;
  /** Those whose turn had not come when it was canceled. */
  untried: number;
  /** Protected ones that were left alone. */
  kept: number;
  over: boolean;
  waiting: boolean;
}

/** Whether it was not tried because the operation was canceled before. */
export const isUntried = (verdict: Verdict) => verdict.verdict === "skipped" && verdict.reason?.reason === "canceled";

const verdictKey = (verdict: Verdict) => verdict.id || verdict.container;

/** The targets in the order of the plan, then verdicts that the plan did not foresee; failures come first once it is over. */
export function progress(plan: Plan | null, update: Update | undefined): Progress {
  const verdicts = update?.verdicts ?? [];
  const byKey = new Map(verdicts.map((verdict) => [verdictKey(verdict), verdict]));
  const planned = (plan?.items ?? []).filter(acts);
  const seen = new Set<string>();
  const take = (item: PlanItem): ProgressLine => {
    const verdict = byKey.get(item.id) ?? byKey.get(item.container) ?? null;
    if (verdict) seen.add(verdictKey(verdict));
    return { id: item.id, name: item.container, verdict };
  };
  const lines = planned.map(take);
  const settled = lines.filter((line) => line.verdict !== null).length;
  const others = verdicts
    .filter((verdict) => !seen.has(verdictKey(verdict)))
    .map((verdict) => ({ id: verdictKey(verdict), name: verdict.container, verdict }));
  const counts: Record<VerdictKind, number> = { done: 0, unchanged: 0, skipped: 0, failed: 0, unknown: 0 };
  for (const verdict of verdicts) counts[verdict.verdict] += 1;
  const over = update?.status === "Complete";
  const rank = (line: ProgressLine) =>
    line.verdict?.verdict === "failed" || line.verdict?.verdict === "unknown" ? 0 : 1;
  const all = [...lines, ...others];
  return {
    lines: over ? all.sort((a, b) => rank(a) - rank(b)) : all,
    settled,
    total: plan ? planned.length : (update?.targets ?? verdicts.length),
    counts,
    untried: verdicts.filter(isUntried).length,
    kept: plan?.counts.protected ?? 0,
    over,
    waiting: !over && Boolean(update?.waiting_for),
  };
}
