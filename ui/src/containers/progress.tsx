// An operation while it runs and after: one line for each container, as observed on the host.
import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import {
  CircleAlert,
  CircleCheck,
  CircleDashed,
  CircleHelp,
  CircleMinus,
  CircleSlash,
  LoaderCircle,
} from "lucide-react";
import { type ReactNode, useMemo, useRef, useState } from "react";
import { ApiError } from "../api/client";
import type { Plan, PlannedAction, Update, Verdict, VerdictKind } from "../api/types";
import type { Words } from "../i18n/en";
import { useWords } from "../i18n/words";
import { itemId } from "../live/collection";
import { useUpdate } from "../live/live";
import { Button, buttonClass } from "../parts/button";
import { Chip, type Tone } from "../parts/chip";
import { Dialog } from "../parts/dialog";
import { Failure, Note } from "../parts/page";
import { CancelDialog } from "../updates/cancel-dialog";
import { StageNote } from "../updates/stage-note";
import { isHandedOver, operationText } from "../updates/update-words";
import { reasonText } from "./chips";
import { useFollow, useOperate } from "./operate";
import styles from "./plan.module.css";
import { BringBack } from "./plan-answers";
import { isUntried, type Progress, type ProgressLine, progress } from "./progress-count";
import { undoOf } from "./requests";

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

interface ProgressDialogProps {
  update: Update;
  /** The plan that was looked at; null where the server plans when it is back. */
  plan: Plan | null;
  action: PlannedAction;
  title: string;
  serverName: string;
  onClose: () => void;
}

export function ProgressDialog({ update, plan, action, title, serverName, onClose }: ProgressDialogProps) {
  const words = useWords();
  const id = itemId(update) ?? "";
  const live = useUpdate(id);
  const now = live.item ?? update;
  const [canceling, setCanceling] = useState(false);
  const operate = useOperate();
  const follow = useFollow();
  const state = useMemo(() => progress(plan, now), [plan, now]);
  const leave = () => {
    if (!state.over) follow({ update: id, title, serverName });
    onClose();
  };
  const undo = () =>
    operate({
      request: undoOf(id),
      serverName,
      title: words.undo.title(operationText(words, now), now.container ?? serverName),
    });
  const left = state.over && now.success ? plan?.items.find((item) => item.effect === "detach") : undefined;
  const share = state.total === 0 ? (state.over ? 1 : 0) : state.settled / state.total;
  return (
    <Dialog
      wide
      title={title}
      onClose={leave}
      foot={
        <>
          <Link
            to="/activity/$update"
            params={{ update: id }}
            className={buttonClass({ look: "quiet", children: true })}
            onClick={leave}
          >
            {words.progress.open}
          </Link>
          {!state.over && now.cancelable && <Button onPress={() => setCanceling(true)}>{words.cancel.action}</Button>}
          {state.over && now.undoable && <Button onPress={undo}>{words.actions.undo.selected}</Button>}
          <Button look={state.over ? "primary" : "plain"} onPress={leave} autoFocus>
            {state.over ? words.common.done : words.progress.background}
          </Button>
        </>
      }
    >
      <div className={styles.progressHead}>
        <strong role="status">{progressHeading(words, now, state, action)}</strong>
        <Summary state={state} action={action} />
      </div>
      {now.stage !== "queued" && now.stage !== "sending" && (
        <div
          className={styles.progress}
          role="progressbar"
          aria-label={words.progress.title}
          aria-valuemin={0}
          aria-valuemax={state.total}
          aria-valuenow={state.over ? state.total : state.settled}
          data-over={state.over ? (now.success ? "ok" : now.canceled_by ? "canceled" : "bad") : undefined}
        >
          <span style={{ width: `${(state.over ? 1 : share) * 100}%` }} />
        </div>
      )}
      <StageNote update={now} />
      {left && (
        <>
          <Note tone="plain" live>
            {words.detach.done(left.container, serverName)}
          </Note>
          <BringBack how={left.bring_back ?? ""} container={left.container} />
        </>
      )}
      {live.error && <Failure error={new ApiError(live.error.code, live.error.error, 0)} />}
      {state.lines.length > 0 && (
        <VerdictList
          lines={state.lines}
          pending={
            state.over
              ? words.verdicts.unknown
              : isHandedOver(now)
                ? words.handOver.pending
                : words.actions[action].pending
          }
        />
      )}
      {canceling && (
        <CancelDialog
          id={id}
          update={now}
          what={operationText(words, now)}
          server={serverName}
          onClose={() => setCanceling(false)}
        />
      )}
    </Dialog>
  );
}

/** Where the operation is, in one line. */
function progressHeading(words: Words, update: Update, state: Progress, action: PlannedAction): string {
  if (state.over) {
    if (update.canceled_by) return words.progress.canceled(update.canceled_by);
    return update.success ? words.progress.finished : words.progress.finishedBad;
  }
  switch (update.stage) {
    case "queued":
    case "sending":
    case "asking":
    case "handed_over":
    case "probation":
      return words.stages[update.stage];
    case "canceling":
      return update.canceled_by ? words.progress.cancelingBy(update.canceled_by) : words.progress.canceling;
    default:
      return words.actions[action].doing(state.settled, state.total);
  }
}

function Summary({ state, action }: { state: Progress; action: PlannedAction }) {
  const words = useWords();
  const { counts, kept, untried } = state;
  const parts: [number, string, string][] = [
    [counts.done, words.actions[action].did(counts.done), ""],
    [untried, words.progress.untried(untried), styles.untriedText ?? ""],
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
                  isUntried(line.verdict) ? (
                    <Chip tone="neutral" icon={<CircleSlash size={13} aria-hidden="true" />}>
                      {words.progress.notTried}
                    </Chip>
                  ) : (
                    <VerdictChip verdict={line.verdict.verdict} />
                  )
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
