// An operation while it runs and after: one line for each container, as observed on the host.

import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { CircleAlert, CircleCheck, CircleDashed, CircleHelp, CircleMinus, LoaderCircle } from "lucide-react";
import { type ReactNode, useMemo, useRef } from "react";
import { ApiError } from "../api/client";
import type { ContainerAction, Plan, Update, Verdict, VerdictKind, WaitingFor } from "../api/types";
import { moment } from "../i18n/format";
import { useWords } from "../i18n/words";
import { itemId } from "../live/collection";
import { useUpdate } from "../live/live";
import { Button, buttonClass } from "../parts/button";
import { Chip, type Tone } from "../parts/chip";
import { Dialog } from "../parts/dialog";
import { Failure, Note } from "../parts/page";
import { reasonText } from "./chips";
import styles from "./plan.module.css";
import { type ProgressLine, progress } from "./progress-count";

const verdictLooks: Record<VerdictKind, { tone: Tone; icon: ReactNode }> = {
  done: { tone: "ok", icon: <CircleCheck size={13} aria-hidden="true" /> },
  unchanged: { tone: "neutral", icon: <CircleMinus size={13} aria-hidden="true" /> },
  skipped: { tone: "neutral", icon: <CircleMinus size={13} aria-hidden="true" /> },
  failed: { tone: "bad", icon: <CircleAlert size={13} aria-hidden="true" /> },
  unknown: { tone: "warn", icon: <CircleHelp size={13} aria-hidden="true" /> },
};

export function VerdictChip({ verdict }: { verdict: VerdictKind }) {
  const words = useWords();
  const { tone, icon } = verdictLooks[verdict];
  return (
    <Chip tone={tone} icon={icon}>
      {words.verdicts[verdict]}
    </Chip>
  );
}

export function Waiting({ waiting }: { waiting: WaitingFor }) {
  const words = useWords();
  const { server, last_contact, why } = waiting;
  return (
    <Note tone="warn" live>
      {last_contact
        ? words.progress.waitingSince(server, moment(words.locale, last_contact, Date.now()))
        : words.progress.waitingNow(server)}
      {why && (
        <div lang="en" className={styles.fact}>
          {why}
        </div>
      )}
    </Note>
  );
}

interface ProgressDialogProps {
  update: Update;
  plan: Plan;
  action: ContainerAction;
  onClose: () => void;
}

export function ProgressDialog({ update, plan, action, onClose }: ProgressDialogProps) {
  const words = useWords();
  const id = itemId(update) ?? "";
  const live = useUpdate(id);
  const now = live.item ?? update;
  const state = useMemo(() => progress(plan, now), [plan, now]);
  const title =
    plan.items.length === 1
      ? words.actions[action].titleOne(plan.items[0]?.container ?? "")
      : words.actions[action].title(plan.server_name);
  const heading = state.over
    ? now.success
      ? words.progress.finished
      : words.progress.finishedBad
    : words.actions[action].doing(state.settled, state.total);
  return (
    <Dialog
      wide
      title={title}
      onClose={onClose}
      foot={
        <>
          <Link
            to="/activity/$update"
            params={{ update: id }}
            className={buttonClass({ look: "quiet", children: true })}
            onClick={onClose}
          >
            {words.progress.open}
          </Link>
          <Button look={state.over ? "primary" : "plain"} onPress={onClose} autoFocus>
            {state.over ? words.common.done : words.progress.background}
          </Button>
        </>
      }
    >
      <div className={styles.progressHead}>
        <strong role="status">{heading}</strong>
        <Summary counts={state.counts} kept={state.kept} action={action} />
      </div>
      <div
        className={styles.progress}
        role="progressbar"
        aria-label={words.progress.title}
        aria-valuemin={0}
        aria-valuemax={state.total}
        aria-valuenow={state.over ? state.total : state.settled}
        data-over={state.over ? (now.success ? "ok" : "bad") : undefined}
      >
        <span style={{ width: `${state.total === 0 || state.over ? 100 : (state.settled / state.total) * 100}%` }} />
      </div>
      {!state.over && now.waiting_for && <Waiting waiting={now.waiting_for} />}
      {live.error && <Failure error={new ApiError(live.error.code, live.error.error, 0)} />}
      <VerdictList lines={state.lines} pending={state.over ? words.verdicts.unknown : words.actions[action].pending} />
    </Dialog>
  );
}

interface SummaryProps {
  counts: Record<VerdictKind, number>;
  kept: number;
  action: ContainerAction;
}

function Summary({ counts, kept, action }: SummaryProps) {
  const words = useWords();
  const parts: [number, string, string][] = [
    [counts.done, words.actions[action].did(counts.done), ""],
    [kept, words.progress.kept(kept), styles.keptText ?? ""],
    [counts.unchanged, words.progress.unchanged(counts.unchanged), ""],
    [counts.failed, words.progress.failed(counts.failed), styles.failedText ?? ""],
    [counts.unknown, words.progress.unknown(counts.unknown), styles.failedText ?? ""],
  ];
  const shown = parts.filter(([n]) => n > 0);
  return (
    <span className={styles.summary}>
      {shown.map(([, text, look], at) => (
        <span key={text}>
          {at > 0 && " · "}
          <span className={look}>{text}</span>
        </span>
      ))}
    </span>
  );
}

export function VerdictList({ lines, pending }: { lines: readonly ProgressLine[]; pending: string }) {
  const words = useWords();
  const scroll = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => 40,
    getItemKey: (index) => lines[index]?.id ?? index,
    overscan: 10,
  });
  return (
    <div ref={scroll} className={styles.list} tabIndex={0} role="region" aria-label={words.updates.verdicts}>
      <div className={styles.lines} style={{ height: virtual.getTotalSize() }} role="list">
        {virtual.getVirtualItems().map((at) => {
          const line = lines[at.index];
          if (!line) return null;
          return (
            <div
              key={at.key}
              ref={virtual.measureElement}
              data-index={at.index}
              className={styles.line}
              style={{ transform: `translateY(${at.start}px)` }}
              role="listitem"
            >
              <div className={styles.item}>
                <div className={styles.itemName}>
                  <strong>{line.name}</strong>
                  {line.verdict && <VerdictDetail verdict={line.verdict} />}
                </div>
                {line.verdict ? (
                  <VerdictChip verdict={line.verdict.verdict} />
                ) : (
                  <Chip tone="neutral" icon={<PendingIcon />}>
                    {pending}
                  </Chip>
                )}
              </div>
            </div>
          );
        })}
      </div>
    </div>
  );
}

const PendingIcon = () => (
  <>
    <LoaderCircle size={13} className={styles.turning} aria-hidden="true" />
    <CircleDashed size={13} className={styles.still} aria-hidden="true" />
  </>
);

function VerdictDetail({ verdict }: { verdict: Verdict }) {
  const words = useWords();
  const state = (name: NonNullable<Verdict["before"]>) => words.containerStates[name === "" ? "unknown" : name];
  return (
    <>
      {verdict.reason && <span className={styles.fact}>{reasonText(words, verdict.reason)}</span>}
      {verdict.error && (
        <span className={`${styles.fact} ${styles.failedText}`} lang="en">
          {verdict.error}
        </span>
      )}
      {!verdict.reason && !verdict.error && verdict.before && verdict.after && verdict.before !== verdict.after && (
        <span className={styles.fact}>
          {state(verdict.before)} → {state(verdict.after)}
        </span>
      )}
    </>
  );
}
