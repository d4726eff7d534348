// A server that is away: since when and why, and whether what was asked may wait until it is back.
import { ApiError } from "../api/client";
import { useCoarseNow } from "../i18n/clock";
import { exact, moment } from "../i18n/format";
import { useWords } from "../i18n/words";
import { useServers } from "../live/live";
import { Segments } from "../parts/field";
import { ageText, Note } from "../parts/page";
import styles from "./plan.module.css";

export type Expiry = "hour" | "day" | "week";

/** How long something waits for its server, s. */
export const expirySeconds: Record<Expiry, number> = { hour: 3_600, day: 86_400, week: 604_800 };

/** Whether Core refused because the agent of the server is not connected, or Docker does not answer there. */
export const isAwayError = (error: unknown): error is ApiError =>
  error instanceof ApiError && (error.code === "server_unreachable" || error.code === "engine_unreachable");

const time = (value: unknown) => (typeof value === "number" && value > 0 ? value : null);
const text = (value: unknown) => (typeof value === "string" ? value : null);

interface AwayProps {
  error: ApiError;
  /** The choice of how long to wait; null where it cannot wait. */
  queue: { expiry: Expiry; onExpiry: (expiry: Expiry) => void } | null;
  /** Whether it is an undo. */
  undoes: boolean;
}

export function Away({ error, queue, undoes }: AwayProps) {
  const words = useWords();
  const now = useCoarseNow();
  const server = text(error.params.server) ?? "";
  const since = time(error.params.since) ?? time(error.params.last_contact);
  const why = text(error.params.why);
  const code = useServers().items?.find((known) => known.name === server)?.info.reason?.code;
  const say =
    error.code === "engine_unreachable"
      ? words.away.engine
      : code === "detached"
        ? words.away.detached
        : code === "handed_over"
          ? words.away.handedOver
          : words.away.agent;
  return (
    <>
      <Note tone={say === words.away.detached || say === words.away.handedOver ? "plain" : "warn"}>
        {since === null ? (
          <strong>{say.now(server)}</strong>
        ) : (
          <strong title={exact(words.locale, since)}>
            {say.since(server, moment(words.locale, since, now), ageText(words, since, now))}
          </strong>
        )}
        {why && (
          <div lang="en" className={styles.why}>
            {why}
          </div>
        )}
      </Note>
      <p>{queue ? words.away.queueHint : undoes ? words.away.undoHint : words.away.againHint}</p>
      {queue && (
        <Segments
          label={words.away.giveUp}
          value={queue.expiry}
          onChange={queue.onExpiry}
          options={(["hour", "day", "week"] as const).map((id) => ({ id, name: words.away.expiries[id] }))}
        />
      )}
      <span className="visually-hidden" role="status">
        {say.now(server)}
      </span>
    </>
  );
}
