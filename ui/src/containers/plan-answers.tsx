// What the plan dialog says when Core does not simply agree: the world changed, or the container is protected.
import { Link } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { ApiError } from "../api/client";
import type { PlanItem, PlannedAction, Reason } from "../api/types";
import { moment } from "../i18n/format";
import { useWords } from "../i18n/words";
import { Button } from "../parts/button";
import { TextField } from "../parts/field";
import { CopyText, Note } from "../parts/page";
import { useMayWrite } from "../servers/permission";
import { isCommand } from "../servers/state";
import { guarded, isNeighbour } from "./actions";
import styles from "./plan.module.css";
import type { Change } from "./plan-groups";
import type { SingleAction } from "./requests";

const CHANGES_SHOWN_MAX = 5;

export function Drift({ drift }: { drift: Change[] | null }) {
  const words = useWords();
  const state = (name: keyof typeof words.containerStates) => String(words.containerStates[name]);
  const sentence = (change: Change): string => {
    switch (change.kind) {
      case "added":
        return words.plan.driftAdded(change.name);
      case "removed":
        return words.plan.driftRemoved(change.name);
      case "state":
        return words.plan.driftState(change.name, state(change.from || "unknown"), state(change.to || "unknown"));
      case "effect":
        return words.plan.driftEffect(change.name);
      case "facts":
        return words.plan.driftFacts(change.name);
    }
  };
  const shown = drift?.slice(0, CHANGES_SHOWN_MAX).map(sentence) ?? [];
  const more = (drift?.length ?? 0) - shown.length;
  return (
    <Note tone="warn" live>
      <strong>{words.plan.drifted}</strong>
      <ul>
        {shown.map((text) => (
          <li key={text}>{text}</li>
        ))}
        {more > 0 && <li>{words.plan.driftMore(more)}</li>}
        {drift?.length === 0 && <li>{words.plan.driftUnseen}</li>}
      </ul>
    </Note>
  );
}

const text = (value: unknown) => (typeof value === "string" ? value : "");

/** Another operation holds a container: which one, whose, and since when. */
export function Busy({ error, onOpen }: { error: ApiError; onOpen: () => void }) {
  const words = useWords();
  const { container, update, operation, username, since } = error.params;
  const name = text(operation);
  return (
    <Note tone="warn" live>
      <strong>
        {words.plan.busy(
          text(container),
          words.operations[name] ?? name,
          text(username),
          moment(words.locale, typeof since === "number" ? since : Date.now(), Date.now()),
        )}
      </strong>{" "}
      <Link to="/activity/$update" params={{ update: text(update) }} onClick={onOpen}>
        {words.progress.open}
      </Link>
    </Note>
  );
}

/** Whether another operation is in the way, and Core says which. */
export const isBusyError = (error: unknown): error is ApiError =>
  error instanceof ApiError && error.code === "busy" && typeof error.params.update === "string";

/** Shell command that does on the host what is refused here. */
function hostCommand(action: PlannedAction, container: string): string {
  const verbs: Record<PlannedAction, string> = {
    start: "start",
    restart: "restart",
    pause: "pause",
    unpause: "unpause",
    stop: "stop",
    destroy: "rm -f",
    prune: "rm",
    undo: "start",
  };
  return `docker ${verbs[action]} ${container}`;
}

interface RefusedProps {
  item: PlanItem;
  action: PlannedAction;
  /** Id of the server. */
  server: string;
  onOverride: (reason: string) => void;
  /** It is meant: the agent, or Core, is to go. */
  onDetach: () => void;
  busy: boolean;
}

/** A protected container that was named: what to do if it is meant. */
export function Refused({ item, action, server, onOverride, onDetach, busy }: RefusedProps) {
  const words = useWords();
  const [reason, setReason] = useState("");
  const [missing, setMissing] = useState(false);
  // The reason for which it is refused; another one may be asked about afterwards.
  const reasons = item.reason ? [item.reason] : (item.protected ?? []);
  const found = guarded(action as SingleAction, reasons);
  if (found === "neighbour") {
    return <Note tone="protect">{words.plan.refusedNeighbour(reasons.find(isNeighbour)?.detail ?? "")}</Note>;
  }
  if (found === "detach") {
    return <OnlyDetached item={item} action={action} reasons={reasons} server={server} onDetach={onDetach} />;
  }
  if (found !== "asks") {
    return (
      <Note tone="protect">
        <strong>{words.plan.refusedSince}</strong>
        {reasons.map(({ reason, detail }) => (
          <div key={reason} lang={detail ? "en" : undefined}>
            {detail || words.reasons[reason]}
          </div>
        ))}
      </Note>
    );
  }
  return (
    <form
      className={styles.override}
      onSubmit={(event) => {
        event.preventDefault();
        setMissing(!reason.trim());
        if (reason.trim() && !busy) onOverride(reason.trim());
      }}
    >
      <Note tone="protect">{words.plan.overrideHint}</Note>
      <TextField
        label={words.plan.overrideReason}
        hint={words.plan.overrideReasonHint}
        value={reason}
        onChange={setReason}
        maxLength={500}
        error={missing && !reason.trim() ? words.plan.overrideMissing : null}
        required
      />
      <Button type="submit">{words.plan.overrideGo(words.actions[action].verb)}</Button>
    </form>
  );
}

interface OnlyDetachedProps {
  item: PlanItem;
  action: PlannedAction;
  reasons: readonly Reason[];
  server: string;
  onDetach: () => void;
}

/** It runs the agent, or Core: it is not taken away by the way, but whoever means it can say so. */
function OnlyDetached({ item, action, reasons, server, onDetach }: OnlyDetachedProps) {
  const words = useWords();
  const write = useMayWrite(server);
  const core = reasons.some(({ reason }) => reason === "core");
  return (
    <>
      <Note tone="protect">{core ? words.detach.isCore : words.detach.isAgent}</Note>
      <div className={styles.choice}>
        <Button off={write === false ? words.detach.needsWrite : null} onPress={onDetach}>
          {words.detach.offer}
        </Button>
        {write === false && <span className={styles.fact}>{words.detach.needsWrite}</span>}
      </div>
      {write === false && (
        <>
          <p>{words.detach.onHost}</p>
          <CopyText label={words.detach.command} text={hostCommand(action, item.container)} />
        </>
      )}
    </>
  );
}

interface DetachProps {
  item: PlanItem;
  /** Name of the server. */
  server: string;
  typed: string;
  onTyped: (text: string) => void;
}

/** What is lost when the agent, or Core, goes on purpose, and how it comes back; asks for the name of the server. */
export function Detach({ item, server, typed, onTyped }: DetachProps) {
  const words = useWords();
  const core = item.protected?.some(({ reason }) => reason === "core") ?? false;
  // The button that led here is gone; whoever works by keys goes on at what matters.
  const head = useRef<HTMLElement>(null);
  useEffect(() => head.current?.focus(), []);
  const lost = core
    ? [words.detach.lostCore, words.detach.lostCorePage]
    : [words.detach.lost(server), words.detach.noAlert];
  return (
    <>
      <Note tone="warn">
        <strong ref={head} tabIndex={-1}>
          {words.detach.whatIsLost}
        </strong>
        <ul>
          {[...lost, words.detach.keepsRunning].map((sentence) => (
            <li key={sentence}>{sentence}</li>
          ))}
        </ul>
      </Note>
      <BringBack how={item.bring_back ?? ""} container={item.container} />
      <TextField label={words.detach.typeName(server)} value={typed} onChange={onTyped} required />
    </>
  );
}

/** How an agent comes back: a command to copy, or, where it is removed, what made it. */
export function BringBack({ how, container }: { how: string; container: string }) {
  const words = useWords();
  const command = isCommand(how);
  return (
    <section className={styles.back} aria-label={words.detach.bringBack}>
      <p>{command ? words.detach.bringBack : words.detach.bringBackRemoved(container)}</p>
      {command && <CopyText label={words.detach.command} text={how} />}
    </section>
  );
}
