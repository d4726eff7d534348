import { getRouteApi, Link } from "@tanstack/react-router";
import { ChevronDown, ChevronRight } from "lucide-react";
import type { ContainerListItem, ServerListItem } from "../api/types";
import { useCoarseNow } from "../i18n/clock";
import { useWords } from "../i18n/words";
import { useContainers, useServers } from "../live/live";
import { Button } from "../parts/button";
import { MenuButton } from "../parts/menu";
import { Empty, Note, pageClass, TitleBar, useTitle } from "../parts/page";
import serverStyles from "../servers/server.module.css";
import { findServer } from "../servers/server-page";
import { StaleBar } from "../servers/stale-bar";
import { actionsOff, isStale } from "../servers/state";
import { Queue } from "../updates/queue";
import { applies, entriesForOne, refusedAlways } from "./actions";
import { ProtectedChip, StateChip } from "./chips";
import styles from "./container.module.css";
import { InspectView } from "./inspect-view";
import { LogView } from "./log-view";
import { containerAge, shortImage } from "./look";
import { useOperate } from "./operate";
import { onOne, type SingleAction } from "./requests";

const route = getRouteApi("/_app/servers/$server/containers/$container");

export function ContainerPage() {
  const words = useWords();
  const params = route.useParams();
  const { tab = "log" } = route.useSearch();
  const server = findServer(useServers().items, params.server);
  const { items } = useContainers(params.server);
  const container =
    items?.find((item) => item.name === params.container) ?? items?.find((item) => item.id === params.container);
  useTitle(params.container, server?.name);
  const gone = items !== undefined && container === undefined;
  return (
    <div className={pageClass}>
      <Bar server={server} serverRef={params.server} container={container} name={params.container} />
      {server && isStale(server) && <StaleBar server={server} />}
      {server && <Queue server={server} />}
      <nav className={serverStyles.tabs} aria-label={params.container}>
        {(["log", "inspect"] as const).map((id) => (
          <Link
            key={id}
            to="/servers/$server/containers/$container"
            params={params}
            search={{ tab: id === "log" ? undefined : id }}
            className={serverStyles.tab}
            activeOptions={{ includeSearch: true, explicitUndefined: true }}
          >
            {id === "log" ? words.server.logs : words.server.inspect}
          </Link>
        ))}
      </nav>
      {gone && (
        <div className={styles.note}>
          <Note tone="plain">{words.reasons.gone}</Note>
        </div>
      )}
      {server === undefined && items === undefined ? (
        <Empty title={words.common.loading} />
      ) : tab === "log" ? (
        <LogView key={params.container} server={params.server} container={container} name={params.container} />
      ) : (
        <InspectView
          server={params.server}
          name={params.container}
          state={`${container?.id} ${container?.state} ${container?.started_at}`}
        />
      )}
    </div>
  );
}

interface BarProps {
  server: ServerListItem | undefined;
  serverRef: string;
  container: ContainerListItem | undefined;
  name: string;
}

const MAIN: readonly SingleAction[] = ["start", "restart", "stop"];

function Bar({ server, serverRef, container, name }: BarProps) {
  const words = useWords();
  const operate = useOperate();
  const now = useCoarseNow();
  const off = container ? actionsOff(words, server) : words.server.disabledBecause(words.reasons.gone);
  const act = (action: SingleAction) =>
    operate({ request: onOne(action, serverRef, name), serverName: server?.name ?? serverRef });
  const state = container?.state ?? "";
  const reasons = container?.protected;
  const entries = entriesForOne(words, { state, protected: reasons }, off, act).filter(
    (entry) => !MAIN.some((action) => action === entry.id),
  );
  return (
    <TitleBar
      title={
        <span className={styles.crumbs}>
          <Link to="/servers/$server" params={{ server: serverRef }}>
            {server?.name ?? serverRef}
          </Link>
          <ChevronRight size={15} aria-hidden="true" />
          <span>{name}</span>
        </span>
      }
      sub={
        container && (
          <>
            <StateChip state={container.state} health={container.health} />
            {container.protected && <ProtectedChip reasons={container.protected} tabbable />}
            <span className={server && isStale(server) ? serverStyles.stale : undefined}>
              {containerAge(words, container, now)}
            </span>
            <span className={styles.image}>{shortImage(container.image)}</span>
          </>
        )
      }
    >
      {MAIN.filter((action) => applies(action, state)).map((action) => (
        <Button key={action} off={refusedAlways(words, action, reasons) ?? off} onPress={() => act(action)}>
          {words.actions[action].selected}
        </Button>
      ))}
      <MenuButton label={words.server.rowActions(name)} entries={entries}>
        <Button label={words.common.more} icon={<ChevronDown size={16} />} />
      </MenuButton>
    </TitleBar>
  );
}
