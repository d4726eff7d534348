// What somebody should look at: what is open first, then what is over.
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { BellOff, CircleAlert, CircleCheck, TriangleAlert } from "lucide-react";
import { useMemo } from "react";
import { ApiError, call } from "../api/client";
import type { Alert, SeverityLevel } from "../api/types";
import { useCoarseNow } from "../i18n/clock";
import { exact, moment } from "../i18n/format";
import { useWords } from "../i18n/words";
import { useAlerts, useServers } from "../live/live";
import { Button } from "../parts/button";
import { Chip, type Tone } from "../parts/chip";
import { ageText, Empty, Failure, pageClass, Skeleton, TitleBar, useTitle } from "../parts/page";
import { alertText, openAlerts, resolvedAlerts, serverName } from "./alert-words";
import styles from "./alerts.module.css";

/** Alerts in a page of Core's answer. */
const PAGE = 100;

const looks: Record<SeverityLevel, { tone: Tone; icon: typeof CircleAlert }> = {
  CRITICAL: { tone: "bad", icon: CircleAlert },
  WARNING: { tone: "warn", icon: TriangleAlert },
  OK: { tone: "ok", icon: CircleCheck },
};

const keyOf = (alert: Alert) => alert._id?.$oid ?? `${alert.ts}`;

export function AlertsPage() {
  const words = useWords();
  const { items, error } = useAlerts();
  useTitle(words.alerts.title);
  // Only what is asked for with the button; the newest come by the socket.
  const older = useInfiniteQuery({
    queryKey: ["alerts", "older"],
    queryFn: ({ pageParam, signal }) => call("read", "ListAlerts", { page: pageParam }, signal),
    initialPageParam: 1,
    getNextPageParam: (last) => last.next_page ?? undefined,
    enabled: false,
    gcTime: 0,
  });
  const all = useMemo(() => {
    const live = items ?? [];
    const seen = new Set(live.map(keyOf));
    const before = older.data?.pages.flatMap((page) => page.alerts) ?? [];
    return [...live, ...before.filter((alert) => !seen.has(keyOf(alert)))];
  }, [items, older.data]);
  const open = openAlerts(all);
  const over = resolvedAlerts(all);
  const more = older.data ? older.hasNextPage : (items?.length ?? 0) >= PAGE;
  return (
    <div className={pageClass}>
      <TitleBar title={words.alerts.title} sub={items && words.alerts.open(open.length)} />
      <div className={styles.scrolls}>
        {error && <Failure error={new ApiError(error.code, error.error, 0)} />}
        {!items && !error && <Skeleton width="100%" height="12rem" />}
        {items && all.length === 0 && (
          <Empty icon={<BellOff size={28} strokeWidth={1.5} />} title={words.alerts.none}>
            <p>{words.alerts.noneText}</p>
          </Empty>
        )}
        {all.length > 0 && (
          <>
            <h2 className={styles.head}>{words.alerts.openHead}</h2>
            {open.length === 0 ? <p className={styles.quiet}>{words.alerts.noneOpen}</p> : <List alerts={open} />}
          </>
        )}
        {over.length > 0 && (
          <>
            <h2 className={styles.head}>{words.alerts.resolvedHead}</h2>
            <List alerts={over} />
          </>
        )}
        {older.isError && <Failure error={older.error} />}
        {more && (
          <div className={styles.more}>
            <Button onPress={() => !older.isFetching && older.fetchNextPage()}>{words.updates.older}</Button>
          </div>
        )}
      </div>
    </div>
  );
}

const List = ({ alerts }: { alerts: readonly Alert[] }) => (
  <ul className={styles.list}>
    {alerts.map((alert) => (
      <Line key={keyOf(alert)} alert={alert} />
    ))}
  </ul>
);

function Line({ alert }: { alert: Alert }) {
  const words = useWords();
  const now = useCoarseNow();
  const servers = useServers().items;
  const { title, detail, english } = alertText(words, alert, servers);
  const server = serverName(alert, servers);
  const { tone, icon: Icon } = looks[alert.level];
  const at = (time: number) => moment(words.locale, time, now);
  return (
    <li className={styles.alert} data-over={alert.resolved || undefined}>
      <Chip tone={alert.resolved ? "neutral" : tone} icon={<Icon size={13} aria-hidden="true" />}>
        {words.alerts.levels[alert.level]}
      </Chip>
      <div className={styles.what}>
        <strong lang={english ? "en" : undefined}>{title}</strong>
        {detail && (
          <div lang="en" className={styles.quiet}>
            {detail}
          </div>
        )}
        <div className={styles.facts}>
          <span title={exact(words.locale, alert.ts)}>
            {alert.resolved && alert.resolved_ts
              ? words.alerts.lasted(at(alert.ts), at(alert.resolved_ts))
              : words.alerts.since(at(alert.ts), ageText(words, alert.ts, now))}
          </span>
          {server && (
            <Link to="/servers/$server" params={{ server: alert.target.id }}>
              {server}
            </Link>
          )}
          {alert.update && (
            <Link to="/activity/$update" params={{ update: alert.update }}>
              {words.alerts.toUpdate}
            </Link>
          )}
        </div>
      </div>
    </li>
  );
}
