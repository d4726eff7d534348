import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, Outlet, useParams } from "@tanstack/react-router";
import { CircleX, History, SearchX, Undo2 } from "lucide-react";
import { useMemo, useRef, useState } from "react";
import { ApiError, call } from "../api/client";
import type { ServerListItem, UpdateListItem } from "../api/types";
import { useOperate } from "../containers/operate";
import { undoOf } from "../containers/requests";
import { useCoarseNow, useNow } from "../i18n/clock";
import type { Words } from "../i18n/en";
import { elapsed, moment } from "../i18n/format";
import { useWords } from "../i18n/words";
import { useServers, useUpdates } from "../live/live";
import { Button } from "../parts/button";
import { type Column, DataGrid } from "../parts/data-grid";
import { SearchField } from "../parts/field";
import { Empty, Failure, pageClass, Skeleton, TitleBar, useTitle } from "../parts/page";
import { CancelDialog } from "./cancel-dialog";
import { UpdateChip } from "./update-chip";
import { merged, operationText, operatorText, serverText, targetText } from "./update-words";
import styles from "./updates.module.css";

const route = getRouteApi("/_app/activity");

interface Doing {
  undo: (update: UpdateListItem) => void;
  cancel: (update: UpdateListItem) => void;
}

const columns = (
  words: Words,
  servers: readonly ServerListItem[] | undefined,
  doing: Doing,
): Column<UpdateListItem>[] => [
  {
    id: "state",
    header: words.updates.columns.state,
    width: "8rem",
    narrowWidth: "auto",
    cell: (update) => <UpdateChip update={update} />,
  },
  {
    id: "operation",
    header: words.updates.columns.operation,
    width: "minmax(10rem, 1.6fr)",
    narrowWidth: "minmax(0, 1fr)",
    cell: (update) => (
      <span className={styles.two}>
        <span className={styles.what}>{operationText(words, update)}</span>
        <span className={styles.under}>
          {targetText(words, update, servers)} · <Start at={update.start_ts} />
        </span>
      </span>
    ),
  },
  {
    id: "target",
    header: words.updates.columns.target,
    width: "minmax(7rem, 1fr)",
    from: "middle",
    cell: (update) => <span className={styles.cut}>{targetText(words, update, servers)}</span>,
  },
  {
    id: "by",
    header: words.updates.columns.by,
    width: "minmax(6rem, 0.8fr)",
    from: "middle",
    cell: (update) => <span className={styles.quiet}>{operatorText(words, update.username)}</span>,
  },
  {
    id: "start",
    header: words.updates.columns.start,
    width: "11rem",
    from: "middle",
    cell: (update) => (
      <span className={styles.quiet}>
        <Start at={update.start_ts} />
      </span>
    ),
  },
  {
    id: "duration",
    header: words.updates.columns.duration,
    width: "5.5rem",
    from: "wide",
    end: true,
    cell: (update) => <Took update={update} />,
  },
  {
    id: "do",
    header: words.updates.actions,
    width: "6.5rem",
    narrowWidth: "3.5rem",
    cell: (update, active) => <Do update={update} tabbable={active} doing={doing} />,
  },
];

/** What can be done about an operation, where something can. */
function Do({ update, tabbable, doing }: { update: UpdateListItem; tabbable: boolean; doing: Doing }) {
  const words = useWords();
  const what = operationText(words, update);
  if (update.status !== "Complete" && update.cancelable) {
    return (
      <Button
        look="quiet"
        small
        tabbable={tabbable}
        label={words.updates.cancelOf(what)}
        icon={<CircleX size={14} aria-hidden="true" />}
        onPress={() => doing.cancel(update)}
      >
        <span className={styles.doText}>{words.common.cancel}</span>
      </Button>
    );
  }
  if (update.status !== "Complete" || !update.undoable) return null;
  return (
    <Button
      look="quiet"
      small
      tabbable={tabbable}
      label={words.updates.undoOf(what)}
      icon={<Undo2 size={14} aria-hidden="true" />}
      onPress={() => doing.undo(update)}
    >
      <span className={styles.doText}>{words.actions.undo.verb}</span>
    </Button>
  );
}

function Start({ at }: { at: number }) {
  const words = useWords();
  return moment(words.locale, at, useCoarseNow());
}

function Took({ update }: { update: UpdateListItem }) {
  return update.end_ts ? (
    <Length ms={update.end_ts - update.start_ts} />
  ) : update.status === "Complete" ? null : (
    <Running from={update.start_ts} />
  );
}

const Running = ({ from }: { from: number }) => <Length ms={Math.max(0, useNow() - from)} />;

function Length({ ms }: { ms: number }) {
  const words = useWords();
  return <span className={styles.quiet}>{elapsed(words.locale, ms)}</span>;
}

const updateKey = (update: UpdateListItem) => update.id;

export function UpdatesPage() {
  const words = useWords();
  const { q = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const opened = useParams({ strict: false }).update ?? null;
  const { items, error } = useUpdates();
  const servers = useServers().items;
  const grid = useRef<HTMLDivElement>(null);
  useTitle(words.updates.title);
  // Only what is asked for with the button; the newest come by the socket.
  const older = useInfiniteQuery({
    queryKey: ["updates", "older"],
    queryFn: ({ pageParam, signal }) => call("read", "ListUpdates", { page: pageParam }, signal),
    initialPageParam: 1,
    getNextPageParam: (last) => last.next_page ?? undefined,
    enabled: false,
    gcTime: 0,
  });
  const rows = useMemo(() => {
    const all = merged(items ?? [], older.data?.pages.flatMap((page) => page.updates) ?? []);
    const part = q.trim().toLowerCase();
    if (!part) return all;
    return all.filter((update) =>
      `${operationText(words, update)} ${targetText(words, update, servers)} ${operatorText(words, update.username)}`
        .toLowerCase()
        .includes(part),
    );
  }, [items, older.data, q, words, servers]);
  const operate = useOperate();
  const [canceling, setCanceling] = useState<UpdateListItem | null>(null);
  const table = useMemo(
    () =>
      columns(words, servers, {
        cancel: setCanceling,
        undo: (update) => {
          const serverName = serverText(words, update, servers);
          const title = words.undo.title(operationText(words, update), update.container ?? serverName);
          operate({ request: undoOf(update.id), serverName, title });
        },
      }),
    [words, servers, operate],
  );
  const open = (update: string) =>
    navigate({ to: "/activity/$update", params: { update }, search: { q: q || undefined } });
  const setFilter = (next: string) => navigate({ search: { q: next || undefined }, replace: true });
  const more = older.data ? older.hasNextPage : (items?.length ?? 0) >= 100;

  return (
    <div className={styles.split} data-open={opened !== null || undefined}>
      <div className={`${pageClass} ${styles.listSide}`}>
        <TitleBar title={words.updates.title}>
          <SearchField label={words.updates.filter} value={q} onChange={setFilter} slash />
        </TitleBar>
        {error && (
          <div className={styles.pad}>
            <Failure error={new ApiError(error.code, error.error, 0)} />
          </div>
        )}
        {!items && !error && (
          <div className={styles.pad}>
            <Skeleton width="100%" height="20rem" />
          </div>
        )}
        {items && (
          <DataGrid
            label={words.updates.title}
            gridRef={grid}
            rows={rows}
            rowKey={updateKey}
            rowName={(update) => operationText(words, update)}
            columns={table}
            current={opened}
            onOpen={(update) => open(update.id)}
            empty={
              q ? (
                <Empty icon={<SearchX size={28} strokeWidth={1.5} />} title={words.updates.noMatch(q)}>
                  <Button onPress={() => setFilter("")}>{words.common.clear}</Button>
                </Empty>
              ) : (
                <Empty icon={<History size={28} strokeWidth={1.5} />} title={words.updates.empty}>
                  <p>{words.updates.emptyText}</p>
                </Empty>
              )
            }
          />
        )}
        {older.isError && (
          <div className={styles.pad}>
            <Failure error={older.error} />
          </div>
        )}
        {more && items && (
          <div className={styles.more}>
            <Button onPress={() => !older.isFetching && older.fetchNextPage()}>{words.updates.older}</Button>
          </div>
        )}
      </div>
      <Outlet />
      {canceling && (
        <CancelDialog
          id={canceling.id}
          update={items?.find(({ id }) => id === canceling.id) ?? canceling}
          what={operationText(words, canceling)}
          server={serverText(words, canceling, servers)}
          onClose={() => setCanceling(null)}
          onCanceled={() => open(canceling.id)}
        />
      )}
    </div>
  );
}
