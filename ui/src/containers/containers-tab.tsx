// The containers of one server: live, filtered, selected, acted on.
import { getRouteApi } from "@tanstack/react-router";
import { Boxes, ChevronDown, SearchX, X } from "lucide-react";
import { type RefObject, useEffect, useMemo, useRef, useState } from "react";
import { ApiError } from "../api/client";
import type { ContainerListItem, ServerListItem } from "../api/types";
import { useWords } from "../i18n/words";
import { useContainers } from "../live/live";
import { Button } from "../parts/button";
import { DataGrid, nearly, type Sort, sorted } from "../parts/data-grid";
import { SearchField } from "../parts/field";
import { MenuAt, MenuButton } from "../parts/menu";
import { Empty, Failure, Skeleton } from "../parts/page";
import { keep, noSelection, type Selection } from "../parts/selection";
import styles from "../servers/server.module.css";
import { actionsOff, isStale } from "../servers/state";
import { entriesForOne, logIcon } from "./actions";
import { protectedHead } from "./chips";
import { containerColumns } from "./columns";
import { parseFilter } from "./filter";
import { containerKey } from "./look";
import { useOperate } from "./operate";
import { onOne, onSeveral, type SingleAction } from "./requests";

const route = getRouteApi("/_app/servers/$server");
const nameOf = (container: ContainerListItem) => container.name;
const SELECTED_ACTIONS: readonly SingleAction[] = ["stop", "start", "restart"];
const SELECTED_MORE: readonly SingleAction[] = ["pause", "unpause", "destroy"];

export function ContainersTab({ server }: { server: ServerListItem }) {
  const words = useWords();
  const { q = "", sort = "name" } = route.useSearch();
  const navigate = route.useNavigate();
  const { items, error } = useContainers(server.id);
  const operate = useOperate();
  const [selection, setSelection] = useState<Selection>(noSelection);
  const [menu, setMenu] = useState<{ container: ContainerListItem; button: HTMLElement } | null>(null);
  const anchor = useRef<HTMLElement | null>(null);
  const grid = useRef<HTMLDivElement>(null);

  const columns = useMemo(() => containerColumns(words, server.id), [words, server.id]);
  const order = useMemo<Sort>(() => ({ column: sort.replace(/^-/, ""), down: sort.startsWith("-") }), [sort]);
  const before = useRef<readonly string[]>([]);
  const all = useMemo(() => {
    if (!items) return undefined;
    const ordered = sorted(nearly(items, containerKey, before.current), columns, order);
    before.current = ordered.map(containerKey);
    return ordered;
  }, [items, columns, order]);
  const shown = useMemo(() => all?.filter(parseFilter(q)), [all, q]);
  useEffect(() => {
    if (items) setSelection((before) => keep(before, new Set(items.map(containerKey))));
  }, [items]);

  const off = actionsOff(words, server);
  const setSearch = (change: { q?: string; sort?: string }) =>
    navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  const setFilter = (next: string) => setSearch({ q: next || undefined });
  const one = (action: SingleAction, container: ContainerListItem) =>
    operate({ request: onOne(action, server.id, container.name), serverName: server.name });
  const open = (container: ContainerListItem) =>
    navigate({
      to: "/servers/$server/containers/$container",
      params: { server: server.id, container: container.name },
    });

  if (!shown) {
    return (
      <div className={styles.scrolls}>
        {error ? (
          <Failure error={new ApiError(error.code, error.error, 0)} />
        ) : (
          <Skeleton width="100%" height="20rem" />
        )}
      </div>
    );
  }
  return (
    <>
      <div className={styles.tools}>
        <SearchField
          label={words.server.filter}
          title={words.server.filterHint}
          value={q}
          onChange={setFilter}
          slash
          className={styles.filter}
        />
        <span className={styles.shown} role="status">
          {words.server.showing(shown.length, items?.length ?? 0)}
        </span>
        {selection.keys.size > 0 && (
          <SelectionBar
            server={server}
            containers={(items ?? []).filter((container) => selection.keys.has(containerKey(container)))}
            off={off}
            onClear={() => {
              setSelection(noSelection);
              grid.current?.querySelector<HTMLElement>("[data-index][tabindex='0']")?.focus();
            }}
          />
        )}
      </div>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: Escape clears the selection wherever the focus is */}
      <div
        className={`${styles.gridArea} ${isStale(server) ? styles.stale : ""}`}
        onKeyDown={(event) => {
          if (event.key === "Escape" && selection.keys.size > 0) setSelection(noSelection);
        }}
      >
        <DataGrid
          label={words.server.tabs.containers}
          gridRef={grid}
          rows={shown}
          rowKey={containerKey}
          rowName={nameOf}
          columns={columns}
          sort={order}
          onSort={(next) =>
            setSearch({
              sort: next.column === "name" && !next.down ? undefined : `${next.down ? "-" : ""}${next.column}`,
            })
          }
          selection={selection}
          onSelect={setSelection}
          onOpen={open}
          onMenu={(container, button) => {
            anchor.current = button;
            setMenu({ container, button });
          }}
          empty={
            q ? (
              <Empty icon={<SearchX size={28} strokeWidth={1.5} />} title={words.server.noMatch(q)}>
                <Button onPress={() => setFilter("")}>{words.common.clear}</Button>
              </Empty>
            ) : (
              <Empty icon={<Boxes size={28} strokeWidth={1.5} />} title={words.server.noContainers} />
            )
          }
        />
      </div>
      {menu && (
        <MenuAt
          anchor={anchor as RefObject<Element | null>}
          label={words.server.rowActions(menu.container.name)}
          onClose={() => setMenu(null)}
          entries={[
            { id: "log", label: words.server.logs, icon: logIcon, act: () => open(menu.container) },
            ...entriesForOne(words, menu.container, off, (action) => one(action, menu.container)),
          ]}
          head={protectedHead(words, menu.container.protected)}
        />
      )}
    </>
  );
}

interface SelectionBarProps {
  server: ServerListItem;
  containers: readonly ContainerListItem[];
  off: string | null;
  onClear: () => void;
}

function SelectionBar({ server, containers, off, onClear }: SelectionBarProps) {
  const words = useWords();
  const operate = useOperate();
  const act = (action: SingleAction) =>
    operate({ request: onSeveral(action, server.id, containers.map(containerKey)), serverName: server.name });
  return (
    <div className={styles.chosen} role="toolbar" aria-label={words.server.selected(containers.length)}>
      <strong>{words.server.selected(containers.length)}</strong>
      {SELECTED_ACTIONS.map((action) => (
        <Button key={action} small off={off} onPress={() => act(action)}>
          {words.actions[action].selected}
        </Button>
      ))}
      <MenuButton
        label={words.common.more}
        entries={SELECTED_MORE.map((action) => ({
          id: action,
          label: words.actions[action].selected,
          bad: action === "destroy",
          apart: action === "destroy",
          off,
          act: () => act(action),
        }))}
      >
        <Button small label={words.common.more} icon={<ChevronDown size={14} />} />
      </MenuButton>
      <Button look="quiet" small label={words.server.clearSelection} icon={<X size={15} />} onPress={onClear} />
    </div>
  );
}
