// What an open operation is at, and what it waits for: since when, why, and until when at most.
import type { Sent, Update, UpdateListItem, WaitingFor } from "../api/types";
import { useCoarseNow, useNow } from "../i18n/clock";
import { bytes, duration, exact, moment } from "../i18n/format";
import { useWords } from "../i18n/words";
import { Note } from "../parts/page";
import styles from "./updates.module.css";

/** Nothing where there is nothing to wait for, or where it has ended. */
export function StageNote({ update }: { update: Update | UpdateListItem }) {
  const words = useWords();
  if (update.status === "Complete") return null;
  const deadline = "deadline" in update ? (update.deadline ?? null) : null;
  const probation = "probation_until" in update ? (update.probation_until ?? null) : null;
  const expires = "expires" in update ? (update.expires ?? null) : null;
  const { waiting_for: waiting, stage } = update;
  if (stage === "handed_over") return <HandedOver until={deadline} waiting={waiting ?? null} />;
  if (stage === "sending") return <Sending sent={("sent" in update && update.sent) || null} />;
  if (stage === "probation") return <Probation until={probation} />;
  if (stage === "queued") return <Queued waiting={waiting ?? null} expires={expires} />;
  if (stage === "settling") {
    return (
      <Note tone="warn" live>
        {words.progress.settling}
      </Note>
    );
  }
  return waiting ? <Waiting waiting={waiting} /> : null;
}

/** A helper acts: the link goes and comes back, and that is as it should be. */
function HandedOver({ until, waiting }: { until: number | null; waiting: WaitingFor | null }) {
  const words = useWords();
  const now = useCoarseNow();
  return (
    <Note tone="plain" live>
      <div>{words.handOver.acts}</div>
      {until !== null && until > now && (
        <div title={exact(words.locale, until)}>{words.handOver.until(moment(words.locale, until, now))}</div>
      )}
      {waiting?.last_contact && (
        <div className={styles.small}>
          {words.progress.lastContact(moment(words.locale, waiting.last_contact, now))}
        </div>
      )}
    </Note>
  );
}

/** The program that it is to run is on its way: how far, and that nothing is touched yet. */
function Sending({ sent }: { sent: Sent | null }) {
  const words = useWords();
  const of = sent?.of ?? 0;
  const there = Math.min(sent?.bytes ?? 0, of);
  const text = words.sending.sent(bytes(words.locale, there), bytes(words.locale, of));
  return (
    <Note tone="plain">
      <div>{words.sending.before}</div>
      {of > 0 && (
        <div className={styles.sending}>
          <div
            className={styles.track}
            role="progressbar"
            aria-label={words.sending.title}
            aria-valuemin={0}
            aria-valuemax={of}
            aria-valuenow={there}
            aria-valuetext={text}
          >
            <span style={{ width: `${(there / of) * 100}%` }} />
          </div>
          <span className={styles.small}>{text}</span>
        </div>
      )}
    </Note>
  );
}

/** It is back, and watched before it counts. */
function Probation({ until }: { until: number | null }) {
  const words = useWords();
  const now = useNow();
  return (
    <Note tone="plain" live>
      <div>{words.handOver.watched}</div>
      {until !== null && until > now && (
        <div aria-hidden="true">{words.handOver.left(duration(words.locale, until - now))}</div>
      )}
    </Note>
  );
}

function Waiting({ waiting }: { waiting: WaitingFor }) {
  const words = useWords();
  const { server, last_contact, why } = waiting;
  return (
    <Note tone="warn" live>
      {last_contact
        ? words.progress.waitingSince(server, moment(words.locale, last_contact, Date.now()))
        : words.progress.waitingNow(server)}
      <Why text={why} />
    </Note>
  );
}

function Queued({ waiting, expires }: { waiting: WaitingFor | null; expires: number | null }) {
  const words = useWords();
  const now = useCoarseNow();
  return (
    <Note tone="plain">
      {waiting && <div>{words.progress.queued(waiting.server)}</div>}
      {expires !== null && (
        <div title={exact(words.locale, expires)}>
          {words.progress.queuedUntil(moment(words.locale, expires, now), duration(words.locale, expires - now))}
        </div>
      )}
      {waiting?.last_contact && (
        <div className={styles.small}>
          {words.progress.lastContact(moment(words.locale, waiting.last_contact, now))}
        </div>
      )}
      <Why text={waiting?.why} />
    </Note>
  );
}

const Why = ({ text }: { text: string | null | undefined }) =>
  text ? (
    <div lang="en" className={styles.small}>
      {text}
    </div>
  ) : null;
