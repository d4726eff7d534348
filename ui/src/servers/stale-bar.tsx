// Says that what follows is an older view, of when, and why.
import { ArrowLeftRight, CirclePause, Unplug } from "lucide-react";
import type { ServerListItem } from "../api/types";
import { useNow } from "../i18n/clock";
import { exact, moment } from "../i18n/format";
import { useWords } from "../i18n/words";
import { ageText, CopyText } from "../parts/page";
import styles from "./server.module.css";
import { isCommand, serverLook, serverWhy } from "./state";

export function StaleBar({ server }: { server: ServerListItem }) {
  switch (serverLook(server)) {
    case "detached":
      return <Detached server={server} />;
    case "handedOver":
      return <HandedOver server={server} />;
    default:
      return <Stale server={server} />;
  }
}

function Stale({ server }: { server: ServerListItem }) {
  const words = useWords();
  const { reason } = server.info;
  return (
    <div className={styles.staleBar} role="status">
      <Unplug size={15} aria-hidden="true" />
      <span>
        <strong>{serverWhy(words, server)}.</strong> <ShownState server={server} />
      </span>
      {reason?.why && <span lang="en">{reason.why}</span>}
    </div>
  );
}

function ShownState({ server }: { server: ServerListItem }) {
  const words = useWords();
  const now = useNow();
  const { last_seen } = server.info;
  return last_seen
    ? words.server.stale(ageText(words, last_seen, now), moment(words.locale, last_seen, now))
    : words.server.staleNever;
}

/** It is away because somebody meant it: who, when, and the way back. */
function Detached({ server }: { server: ServerListItem }) {
  const words = useWords();
  const now = useNow();
  const { reason, last_seen } = server.info;
  const { since, by, bring_back: back } = reason ?? {};
  return (
    <div className={`${styles.staleBar} ${styles.calm}`}>
      <CirclePause size={15} aria-hidden="true" />
      <div className={styles.detached}>
        <span role="status">
          <strong>{by ? words.detach.by(by) : words.serverReasons.detached}.</strong>{" "}
          {since && (
            <time dateTime={new Date(since).toISOString()} title={exact(words.locale, since)}>
              {words.detach.since(moment(words.locale, since, now), ageText(words, since, now))}
            </time>
          )}{" "}
          {words.detach.until}
        </span>
        {back && isCommand(back) && <CopyText label={words.detach.command} text={back} />}
        {back && !isCommand(back) && <span lang="en">{back}</span>}
        {last_seen && <span className={styles.quiet}>{words.detach.shown(moment(words.locale, last_seen, now))}</span>}
      </div>
    </div>
  );
}

/** It is away because a helper restarts or replaces its agent. */
function HandedOver({ server }: { server: ServerListItem }) {
  const words = useWords();
  return (
    <div className={`${styles.staleBar} ${styles.handedOver}`} role="status">
      <ArrowLeftRight size={15} aria-hidden="true" />
      <span>
        <strong>{words.serverReasons.handed_over}.</strong> <ShownState server={server} />
      </span>
    </div>
  );
}
