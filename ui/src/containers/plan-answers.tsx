// What the plan dialog says when Core does not simply agree: the world changed, or the container is protected.
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { ApiError } from "../api/client";
import type { PlanItem, PlannedAction } from "../api/types";
import { moment } from "../i18n/format";
import { useWords } from "../i18n/words";
import { Button } from "../parts/button";
import { TextField } from "../parts/field";
import { CopyText, Note } from "../parts/page";
import { guarded } from "./actions";
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
  onOverride: (reason: string) => void;
  busy: boolean;
}

/** A container of the control path that was named: what to do if it is meant. */
export function Refused({ item, action, onOverride, busy }: RefusedProps) {
  const words = useWords();
  const [reason, setReason] = useState("");
  const [missing, setMissing] = useState(false);
  const reasons = item.protected?.length ? item.protected : item.reason ? [item.reason] : [];
  const found = guarded(action as SingleAction, reasons);
  if (found === "agent" || found === "core") {
    return (
      <>
        <Note tone="protect">{found === "agent" ? words.plan.refusedAgent : words.plan.refusedCore}</Note>
        <CopyText label={words.addServer.command} text={hostCommand(action, item.container)} />
      </>
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
