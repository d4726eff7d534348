import { getRouteApi, Link } from "@tanstack/react-router";
import { ArrowUpFromLine, Plus, Server as ServerIcon, ServerOff } from "lucide-react";
import { lazy, Suspense, useMemo, useState } from "react";
import { ApiError } from "../api/client";
import type { ServerListItem } from "../api/types";
import { useUser } from "../app/shell";
import { useCoarseNow } from "../i18n/clock";
import { useWords } from "../i18n/words";
import { useServers } from "../live/live";
import { Button } from "../parts/button";
import { SearchField } from "../parts/field";
import { Meter } from "../parts/meter";
import { ageText, Empty, Failure, pageClass, Skeleton, TitleBar, useTitle } from "../parts/page";
import styles from "./servers.module.css";
import { SkewChip } from "./skew-chip";
import { byNeed, isStale, serverWhy } from "./state";
import { ServerChip } from "./state-chip";

const RollAgents = lazy(() => import("./roll-agents").then(({ RollAgents }) => ({ default: RollAgents })));
const AddServer = lazy(() => import("./add-server").then(({ AddServer }) => ({ default: AddServer })));
const route = getRouteApi("/_app/servers");

const matches = (server: ServerListItem, filter: string) =>
  filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => server.name.toLowerCase().includes(word) || server.info.region.toLowerCase().includes(word));

export function ServersPage() {
  const words = useWords();
  const { q = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const { items, error } = useServers();
  const [over, setOver] = useState<"add" | "roll" | null>(null);
  const user = useUser().data;
  const admin = Boolean(user?.admin || user?.super_admin);
  useTitle(words.servers.title);
  const shown = useMemo(() => (items ?? []).filter((server) => matches(server, q)).sort(byNeed), [items, q]);
  const setFilter = (next: string) => navigate({ search: { q: next || undefined }, replace: true });
  const add = (
    <Button look="primary" icon={<Plus size={16} />} onPress={() => setOver("add")}>
      {words.servers.add}
    </Button>
  );
  return (
    <div className={pageClass}>
      <TitleBar title={words.servers.title} sub={items && items.length > 0 ? words.servers.count(items.length) : null}>
        {items && items.length > 0 && (
          <>
            <SearchField label={words.servers.filter} value={q} onChange={setFilter} slash />
            {admin && (
              <Button icon={<ArrowUpFromLine size={15} aria-hidden="true" />} onPress={() => setOver("roll")}>
                {words.roll.action}
              </Button>
            )}
            {add}
          </>
        )}
      </TitleBar>
      {error && (
        <div className={styles.failure}>
          <Failure error={new ApiError(error.code, error.error, 0)} />
        </div>
      )}
      {!items && !error && <LoadingTiles />}
      {items && items.length === 0 && (
        <Empty icon={<ServerIcon size={28} strokeWidth={1.5} />} title={words.servers.emptyTitle}>
          <p>{words.servers.emptyText}</p>
          {add}
        </Empty>
      )}
      {items && items.length > 0 && shown.length === 0 && (
        <Empty icon={<ServerOff size={28} strokeWidth={1.5} />} title={words.servers.noMatch(q)}>
          <Button onPress={() => setFilter("")}>{words.common.clear}</Button>
        </Empty>
      )}
      {shown.length > 0 && (
        <ul className={styles.tiles}>
          {shown.map((server) => (
            <Tile key={server.id} server={server} />
          ))}
        </ul>
      )}
      <Suspense>
        {over === "add" && <AddServer onClose={() => setOver(null)} />}
        {over === "roll" && <RollAgents servers={shown} onClose={() => setOver(null)} />}
      </Suspense>
    </div>
  );
}

function LastSeen({ at }: { at: number }) {
  const words = useWords();
  return words.servers.lastSeen(ageText(words, at, useCoarseNow()));
}

function Tile({ server }: { server: ServerListItem }) {
  const words = useWords();
  const { info } = server;
  const why = serverWhy(words, server);
  const stale = isStale(server);
  return (
    <li className={`${styles.tile} ${stale ? styles.stale : ""}`}>
      <div className={styles.tileHead}>
        <Link to="/servers/$server" params={{ server: server.id }} className={styles.name}>
          {server.name}
        </Link>
        {info.region && <span className={styles.region}>{info.region}</span>}
        <SkewChip server={server} />
        <ServerChip server={server} />
      </div>
      {why && (
        <p className={styles.why}>
          {info.state !== "Disabled" && why}
          {info.last_seen && (
            <>
              {info.state !== "Disabled" && <br />}
              <LastSeen at={info.last_seen} /> · {words.servers.lastKnown}
            </>
          )}
        </p>
      )}
      {info.stats ? <Figures server={server} /> : !why && <p className={styles.why}>{words.servers.noStats}</p>}
      <Counts server={server} />
    </li>
  );
}

export function Figures({ server }: { server: ServerListItem }) {
  const words = useWords();
  const { stats, alerting_thresholds: at } = server.info;
  if (!stats) return null;
  const part = (used: number, total: number) => (total > 0 ? (used / total) * 100 : 0);
  return (
    <div className={styles.figures}>
      <Meter label={words.servers.cpu} value={stats.cpu_perc} warning={at.cpu_warning} critical={at.cpu_critical} />
      <Meter
        label={words.servers.memory}
        value={part(stats.mem_used_gb, stats.mem_total_gb)}
        warning={at.mem_warning}
        critical={at.mem_critical}
      />
      <Meter
        label={words.servers.disk}
        value={part(stats.disk_used_gb, stats.disk_total_gb)}
        warning={at.disk_warning}
        critical={at.disk_critical}
      />
    </div>
  );
}

export function Counts({ server }: { server: ServerListItem }) {
  const words = useWords();
  const counts = server.info.containers;
  if (!counts) return null;
  return (
    <p className={styles.counts}>
      {words.servers.containers(counts.total)}
      {counts.total > 0 && ` · ${words.servers.running(counts.running)}`}
      {counts.paused > 0 && ` · ${words.servers.paused(counts.paused)}`}
      {counts.unhealthy > 0 && (
        <>
          {" · "}
          <Link
            to="/servers/$server"
            params={{ server: server.id }}
            search={{ q: "is:unhealthy" }}
            className={styles.bad}
          >
            {words.servers.unhealthy(counts.unhealthy)}
          </Link>
        </>
      )}
    </p>
  );
}

const LoadingTiles = () => (
  <div className={styles.tiles}>
    {["a", "b", "c"].map((key) => (
      <Skeleton key={key} width="100%" height="9.5rem" />
    ))}
  </div>
);
