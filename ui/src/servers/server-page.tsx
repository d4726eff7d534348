import { getRouteApi, Link } from "@tanstack/react-router";
import { ArrowUpFromLine, ChevronDown, CircleStop, ServerOff } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { ApiError } from "../api/client";
import type { ServerListItem } from "../api/types";
import { actionIcons, entriesForAll } from "../containers/actions";
import { ContainersTab } from "../containers/containers-tab";
import { useOperate } from "../containers/operate";
import { type AllAction, onAll, restartAgent } from "../containers/requests";
import { useCoarseNow } from "../i18n/clock";
import { duration } from "../i18n/format";
import { useWords } from "../i18n/words";
import { useServers } from "../live/live";
import { Button } from "../parts/button";
import { MenuButton, type MenuEntry } from "../parts/menu";
import { Empty, Failure, pageClass, Skeleton, TitleBar, useTitle } from "../parts/page";
import { Queue } from "../updates/queue";
import { restartOff, updateOff } from "./agent-programs";
import { HostTab } from "./host-tab";
import styles from "./server.module.css";
import { ServerSettings } from "./server-settings";
import { SkewChip } from "./skew-chip";
import { StaleBar } from "./stale-bar";
import { actionsOff, isStale } from "./state";
import { ServerChip } from "./state-chip";
import { StatsStrip } from "./stats-strip";

const UpdateAgent = lazy(() => import("./update-agent").then(({ UpdateAgent }) => ({ default: UpdateAgent })));
const route = getRouteApi("/_app/servers/$server");

/** The server that a part of the address means, by id or name. */
export const findServer = (servers: readonly ServerListItem[] | undefined, reference: string) =>
  servers?.find((server) => server.id === reference) ?? servers?.find((server) => server.name === reference);

export function ServerPage() {
  const words = useWords();
  const { server: reference } = route.useParams();
  const { tab = "containers" } = route.useSearch();
  const { items, error } = useServers();
  const server = findServer(items, reference);
  useTitle(server?.name, words.servers.title);
  if (!server) {
    return (
      <div className={pageClass}>
        {items ? (
          <Empty whole icon={<ServerOff size={28} strokeWidth={1.5} />} title={words.server.notFound}>
            <Link to="/servers">{words.failure.toServers}</Link>
          </Empty>
        ) : (
          <div className={styles.scrolls}>
            {error ? (
              <Failure error={new ApiError(error.code, error.error, 0)} />
            ) : (
              <Skeleton width="100%" height="24rem" />
            )}
          </div>
        )}
      </div>
    );
  }
  return (
    <div className={pageClass}>
      <Bar server={server} />
      {isStale(server) && <StaleBar server={server} />}
      <Queue server={server} />
      <div className={isStale(server) ? styles.stale : undefined}>
        <StatsStrip server={server} />
      </div>
      <nav className={styles.tabs} aria-label={server.name}>
        {(["containers", "host", "settings"] as const).map((id) => (
          <Link
            key={id}
            to="/servers/$server"
            params={{ server: reference }}
            search={{ tab: id === "containers" ? undefined : id }}
            className={styles.tab}
            activeOptions={{ includeSearch: true, explicitUndefined: true }}
          >
            {words.server.tabs[id]}
          </Link>
        ))}
      </nav>
      {tab === "containers" && <ContainersTab key={server.id} server={server} />}
      {tab === "host" && <HostTab server={server} />}
      {tab === "settings" && <ServerSettings key={server.id} server={server} />}
    </div>
  );
}

function Bar({ server }: { server: ServerListItem }) {
  const words = useWords();
  const operate = useOperate();
  const now = useCoarseNow();
  const off = actionsOff(words, server);
  const { boot_ts, version } = server.info;
  const all = (action: AllAction) => operate({ request: onAll(action, server.id), serverName: server.name });
  const [updating, setUpdating] = useState(false);
  const entries: MenuEntry[] = [
    ...entriesForAll(words, off, all).filter((entry) => entry.id !== "stop"),
    {
      id: "restart-agent",
      label: words.agent.restart,
      icon: actionIcons.restart,
      beyond: true,
      off: restartOff(words, server),
      act: () =>
        operate({
          request: restartAgent(server.id),
          serverName: server.name,
          title: words.agent.restartTitle(server.name),
        }),
    },
    {
      id: "update-agent",
      label: words.agent.update,
      icon: <ArrowUpFromLine size={15} aria-hidden="true" />,
      beyond: "more",
      off: updateOff(words, server),
      act: () => setUpdating(true),
    },
  ];
  return (
    <TitleBar
      title={server.name}
      sub={
        <>
          <ServerChip server={server} />
          {boot_ts && !isStale(server) && <span>{words.servers.uptime(duration(words.locale, now - boot_ts))}</span>}
          {version && <span>{words.servers.agent(version)}</span>}
          <SkewChip server={server} />
        </>
      }
    >
      <Button icon={<CircleStop size={15} aria-hidden="true" />} off={off} onPress={() => all("stop")}>
        {words.actions.stop.all}
      </Button>
      <MenuButton label={words.server.bulk} head={words.server.bulk} entries={entries}>
        <Button label={words.common.more} icon={<ChevronDown size={16} />} />
      </MenuButton>
      <Suspense>{updating && <UpdateAgent server={server} onClose={() => setUpdating(false)} />}</Suspense>
    </TitleBar>
  );
}
