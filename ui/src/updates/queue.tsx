// What waits for a server that is away: seen where somebody looks for it, and canceled there.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Hourglass } from "lucide-react";
import { useState } from "react";
import { call } from "../api/client";
import type { ServerListItem, UpdateListItem } from "../api/types";
import { toasts } from "../app/toasts";
import { useCoarseNow } from "../i18n/clock";
import { moment } from "../i18n/format";
import { useWords } from "../i18n/words";
import { useUpdate, useUpdates } from "../live/live";
import { Button } from "../parts/button";
import { isStale } from "../servers/state";
import { CancelDialog } from "./cancel-dialog";
import { merged, operationText, operatorText } from "./update-words";
import styles from "./updates.module.css";

/** Lines shown; the others are in the activity. */
const SHOWN_MAX = 5;

/** The operations that are kept until a server is back, the oldest first. */
export const queuedFor = (updates: readonly UpdateListItem[] | undefined, server: string): UpdateListItem[] =>
  (updates ?? [])
    .filter(({ stage, status, target }) => status !== "Complete" && stage === "queued" && target.id === server)
    .sort((a, b) => a.start_ts - b.start_ts);

export function Queue({ server }: { server: ServerListItem }) {
  const words = useWords();
  const live = useUpdates().items;
  // What was asked for days ago is not among the newest any more.
  const older = useQuery({
    queryKey: ["queued", server.id],
    queryFn: ({ signal }) =>
      call("read", "ListUpdates", { query: { status: "Queued", "target.id": server.id }, page: 0 }, signal),
    enabled: isStale(server),
    staleTime: 0,
  }).data?.updates;
  const queued = queuedFor(merged(live ?? [], older ?? []), server.id);
  if (queued.length === 0) return null;
  return (
    <section className={styles.queue} aria-label={words.away.queue(queued.length)}>
      <h2>
        <Hourglass size={15} aria-hidden="true" />
        {words.away.queue(queued.length)}
      </h2>
      <ul>
        {queued.slice(0, SHOWN_MAX).map((update) => (
          <Queued key={update.id} update={update} server={server} />
        ))}
      </ul>
    </section>
  );
}

function Queued({ update, server }: { update: UpdateListItem; server: ServerListItem }) {
  const words = useWords();
  const now = useCoarseNow();
  const { item } = useUpdate(update.id);
  const [canceling, setCanceling] = useState(false);
  const name = operationText(words, update);
  const over = item !== undefined && item.stage !== "queued";
  const what = update.container ? words.updates.onServer(name, update.container) : name;
  const facts = [
    words.away.by(operatorText(words, update.username)),
    ...(item?.expires ? [words.away.until(moment(words.locale, item.expires, now))] : []),
  ];
  if (over) return null;
  return (
    <li>
      <span>
        <Link to="/activity/$update" params={{ update: update.id }}>
          {what}
        </Link>{" "}
        <span className={styles.small}>{facts.join(" · ")}</span>
      </span>
      {update.cancelable && (
        <Button small label={words.away.cancel(what)} onPress={() => setCanceling(true)}>
          {words.common.cancel}
        </Button>
      )}
      {canceling && (
        <CancelDialog
          id={update.id}
          update={update}
          what={what}
          server={server.name}
          onClose={() => setCanceling(false)}
          onCanceled={() => toasts.show("ok", words.cancel.sent(what))}
        />
      )}
    </li>
  );
}
