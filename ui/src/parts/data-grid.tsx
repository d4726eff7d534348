// A table of any length: only the rows in sight are in the document. Arrow keys move between rows; Tab goes into the
// row and out of the table. The page decides what rows, columns and actions there are.
import { defaultRangeExtractor, type Range, useVirtualizer } from "@tanstack/react-virtual";
import { ChevronDown, ChevronUp, EllipsisVertical } from "lucide-react";
import {
  type CSSProperties,
  type KeyboardEvent,
  type MouseEvent,
  memo,
  type ReactNode,
  type RefObject,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { useWords } from "../i18n/words";
import styles from "./data-grid.module.css";
import { Checkbox } from "./field";
import { extend, type Selection, selectAll, toggle } from "./selection";

export interface Column<T> {
  id: string;
  header: string;
  /** Width as a track of a CSS grid. */
  width: string;
  /** Width where only the narrow columns are shown, if it differs. */
  narrowWidth?: string;
  /** From which width of the table on it is shown; always where absent. */
  from?: "middle" | "wide";
  end?: boolean;
  compare?: (a: T, b: T) => number;
  cell: (row: T, active: boolean) => ReactNode;
}

export interface Sort {
  column: string;
  down: boolean;
}

interface GridProps<T> {
  label: string;
  rows: readonly T[];
  rowKey: (row: T) => string;
  rowName: (row: T) => string;
  columns: readonly Column<T>[];
  sort?: Sort;
  onSort?: (sort: Sort) => void;
  selection?: Selection;
  onSelect?: (selection: Selection) => void;
  onOpen?: (row: T) => void;
  /** Opens the menu of a row at its button. */
  onMenu?: (row: T, button: HTMLElement) => void;
  /** Row that is shown beside the table. */
  current?: string | null;
  empty?: ReactNode;
  gridRef?: RefObject<HTMLDivElement | null>;
}

/** The rows in the order of a column. */
export function sorted<T>(rows: readonly T[], columns: readonly Column<T>[], sort: Sort): readonly T[] {
  const compare = columns.find((column) => column.id === sort.column)?.compare;
  if (!compare) return rows;
  return [...rows].sort(sort.down ? (a, b) => compare(b, a) : compare);
}

/** The rows as near to an earlier order as can be told by their keys, so that sorting them again is cheap. */
export function nearly<T>(rows: readonly T[], rowKey: (row: T) => string, before: readonly string[]): readonly T[] {
  if (before.length === 0) return rows;
  const left = new Map(rows.map((row) => [rowKey(row), row]));
  const placed: T[] = [];
  for (const key of before) {
    const row = left.get(key);
    if (row === undefined) continue;
    placed.push(row);
    left.delete(key);
  }
  return [...placed, ...left.values()];
}

/** Compares names as people order them: `web-2` before `web-10`. */
export const byName = new Intl.Collator(undefined, { numeric: true }).compare;

const CONTROL = "2rem";

function tracks<T>(columns: readonly Column<T>[], has: { check: boolean; menu: boolean }): CSSProperties {
  const line = (shown: readonly Column<T>[], narrow: boolean) =>
    [
      ...(has.check ? ["1.5rem"] : []),
      ...shown.map((column) => (narrow ? (column.narrowWidth ?? column.width) : column.width)),
      ...(has.menu ? [CONTROL] : []),
    ].join(" ");
  return {
    "--columns": line(columns, false),
    "--columns-middle": line(
      columns.filter((column) => column.from !== "wide"),
      false,
    ),
    "--columns-narrow": line(
      columns.filter((column) => !column.from),
      true,
    ),
  } as CSSProperties;
}

const from = <T,>(column: Column<T>) => (column.from ? styles[column.from] : "");
const isControl = (target: EventTarget | null) =>
  target instanceof Element && target.closest("a,button,input,label") !== null;

export function DataGrid<T>(props: GridProps<T>) {
  const { label, rows, rowKey, columns, selection, onSelect, onOpen, onMenu, sort, onSort } = props;
  const words = useWords();
  const scroll = useRef<HTMLDivElement>(null);
  const probe = useRef<HTMLDivElement>(null);
  const [rowHeight, setRowHeight] = useState(34);
  const [active, setActive] = useState<string | null>(null);
  const focusNext = useRef(false);

  const keys = useMemo(() => rows.map(rowKey), [rows, rowKey]);
  const activeIndex = Math.max(0, active === null ? 0 : keys.indexOf(active));

  useLayoutEffect(() => {
    const element = probe.current;
    if (!element) return;
    const measure = () => setRowHeight(element.offsetHeight || 34);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => rowHeight,
    overscan: 8,
    rangeExtractor: useCallback(
      (range: Range) => {
        const shown = defaultRangeExtractor(range);
        if (shown.includes(activeIndex) || activeIndex >= range.count) return shown;
        return [...shown, activeIndex].sort((a, b) => a - b);
      },
      [activeIndex],
    ),
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: measured anew when the height of the rows changes
  useLayoutEffect(() => virtual.measure(), [rowHeight]);

  useEffect(() => {
    if (!focusNext.current) return;
    focusNext.current = false;
    scroll.current?.querySelector<HTMLElement>(`[data-index="${activeIndex}"]`)?.focus({ preventScroll: true });
  });

  const latest = useRef({ rows, keys, selection, onSelect, onOpen, onMenu, activeIndex });
  latest.current = { rows, keys, selection, onSelect, onOpen, onMenu, activeIndex };

  const goTo = (index: number) => {
    const key = keys[Math.min(rows.length - 1, Math.max(0, index))];
    if (key === undefined) return;
    setActive(key);
    focusNext.current = true;
    virtual.scrollToIndex(keys.indexOf(key), { align: "auto" });
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    const onRow = event.target instanceof HTMLElement && event.target.dataset.index !== undefined;
    const key = keys[activeIndex];
    const row = rows[activeIndex];
    if (key === undefined || row === undefined) return;
    const page = Math.max(1, Math.floor((scroll.current?.clientHeight ?? 0) / rowHeight) - 2);
    const moves: Record<string, number> = {
      ArrowDown: activeIndex + 1,
      ArrowUp: activeIndex - 1,
      PageDown: activeIndex + page,
      PageUp: activeIndex - page,
      Home: 0,
      End: rows.length - 1,
      ...(onRow && !event.ctrlKey && !event.metaKey ? { j: activeIndex + 1, k: activeIndex - 1 } : {}),
    };
    const to = moves[event.key];
    if (to !== undefined) {
      event.preventDefault();
      if (event.shiftKey && selection && onSelect) {
        const target = keys[Math.min(rows.length - 1, Math.max(0, to))];
        if (target !== undefined) {
          onSelect(extend(selection.anchor === null ? { keys: selection.keys, anchor: key } : selection, keys, target));
        }
      }
      goTo(to);
      return;
    }
    if (!onRow) return;
    if (event.key === "Enter") {
      event.preventDefault();
      onOpen?.(row);
    } else if ((event.key === " " || event.key === "x") && selection && onSelect) {
      event.preventDefault();
      onSelect(toggle(selection, key));
    } else if (event.key === "a" && (event.ctrlKey || event.metaKey) && onSelect) {
      event.preventDefault();
      onSelect(selectAll(keys));
    } else if (event.key === "ContextMenu" || (event.key === "F10" && event.shiftKey)) {
      const button = event.currentTarget.querySelector<HTMLElement>(`[data-index="${activeIndex}"] [data-menu]`);
      if (button && onMenu) {
        event.preventDefault();
        onMenu(row, button);
      }
    }
  };

  const onRowClick = useCallback((event: MouseEvent, index: number) => {
    const now = latest.current;
    const key = now.keys[index];
    const row = now.rows[index];
    if (key === undefined || row === undefined) return;
    setActive(key);
    if (isControl(event.target)) return;
    if (now.selection && now.onSelect) {
      if (event.shiftKey) now.onSelect(extend(now.selection, now.keys, key));
      else if (event.ctrlKey || event.metaKey) now.onSelect(toggle(now.selection, key));
    } else {
      now.onOpen?.(row);
    }
  }, []);
  const onRowDouble = useCallback((event: MouseEvent, index: number) => {
    const row = latest.current.rows[index];
    if (row !== undefined && !isControl(event.target) && latest.current.selection) latest.current.onOpen?.(row);
  }, []);
  const onCheck = useCallback((index: number, range: boolean) => {
    const now = latest.current;
    const key = now.keys[index];
    if (key === undefined || !now.selection) return;
    now.onSelect?.(range ? extend(now.selection, now.keys, key) : toggle(now.selection, key));
  }, []);
  const openMenu = useCallback((index: number, button: HTMLElement) => {
    const row = latest.current.rows[index];
    if (row !== undefined) latest.current.onMenu?.(row, button);
  }, []);

  const check = selection !== undefined;
  const menu = onMenu !== undefined;
  const style = useMemo(() => tracks(columns, { check, menu }), [columns, check, menu]);
  const chosen = selection ? keys.filter((key) => selection.keys.has(key)).length : 0;

  return (
    <div className={styles.frame} style={style}>
      <div className={styles.probe} ref={probe} />
      <div
        ref={(element) => {
          scroll.current = element;
          if (props.gridRef) props.gridRef.current = element;
        }}
        className={styles.scroll}
        role="grid"
        aria-label={label}
        aria-rowcount={rows.length + 1}
        aria-colcount={columns.length + Number(check) + Number(menu)}
        aria-multiselectable={check || undefined}
        tabIndex={rows.length === 0 ? 0 : -1}
        onKeyDown={onKeyDown}
      >
        <div role="rowgroup" className={styles.headRow}>
          <div role="row" className={styles.row} style={{ height: "100%" }} aria-rowindex={1}>
            {check && (
              <Head index={1}>
                <Checkbox
                  label={words.server.selectAll}
                  on={chosen > 0 && chosen === rows.length}
                  some={chosen > 0 && chosen < rows.length}
                  onChange={(on) => onSelect?.(on ? selectAll(keys) : selectAll([]))}
                />
              </Head>
            )}
            {columns.map((column, index) => (
              <Head
                key={column.id}
                index={index + 1 + Number(check)}
                className={`${from(column)} ${column.end ? styles.end : ""}`}
                sort={
                  column.compare
                    ? sort?.column === column.id
                      ? sort.down
                        ? "descending"
                        : "ascending"
                      : "none"
                    : undefined
                }
              >
                {column.compare && onSort ? (
                  <button
                    type="button"
                    className={styles.sort}
                    onClick={() => onSort({ column: column.id, down: sort?.column === column.id ? !sort.down : false })}
                  >
                    {column.header}
                    {sort?.column === column.id && (sort.down ? <ChevronDown size={13} /> : <ChevronUp size={13} />)}
                  </button>
                ) : (
                  column.header
                )}
              </Head>
            ))}
            {menu && (
              <Head index={columns.length + 1 + Number(check)}>
                <span className="visually-hidden">{words.common.actions}</span>
              </Head>
            )}
          </div>
        </div>
        <div role="rowgroup" className={styles.body} style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index];
            const key = keys[item.index];
            if (row === undefined || key === undefined) return null;
            return (
              <Row
                key={key}
                row={row}
                name={props.rowName(row)}
                columns={columns as readonly Column<unknown>[]}
                index={item.index}
                start={item.start}
                active={item.index === activeIndex}
                selected={check ? selection.keys.has(key) : undefined}
                current={props.current === key}
                menu={menu}
                onClick={onRowClick}
                onDouble={onRowDouble}
                onCheck={onCheck}
                onMenu={openMenu}
              />
            );
          })}
        </div>
      </div>
      {rows.length === 0 && <div className={styles.empty}>{props.empty}</div>}
    </div>
  );
}

function Head({
  index,
  className,
  sort,
  children,
}: {
  index: number;
  className?: string;
  sort?: "ascending" | "descending" | "none";
  children: ReactNode;
}) {
  return (
    <div role="columnheader" aria-colindex={index} aria-sort={sort} className={`${styles.headCell} ${className ?? ""}`}>
      {children}
    </div>
  );
}

interface RowProps {
  row: unknown;
  name: string;
  columns: readonly Column<unknown>[];
  index: number;
  start: number;
  active: boolean;
  selected: boolean | undefined;
  current: boolean;
  menu: boolean;
  onClick: (event: MouseEvent, index: number) => void;
  onDouble: (event: MouseEvent, index: number) => void;
  onCheck: (index: number, range: boolean) => void;
  onMenu: (index: number, button: HTMLElement) => void;
}

const Row = memo(function Row(props: RowProps) {
  const { row, columns, index, active, selected } = props;
  const words = useWords();
  const shift = useRef(false);
  const offset = selected === undefined ? 1 : 2;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the grid around it handles the keys
    <div
      role="row"
      data-index={index}
      tabIndex={active ? 0 : -1}
      aria-rowindex={index + 2}
      aria-selected={selected}
      className={`${styles.row} ${styles.bodyRow} ${props.current ? styles.current : ""}`}
      style={{ transform: `translateY(${props.start}px)` }}
      onClick={(event) => props.onClick(event, index)}
      onDoubleClick={(event) => props.onDouble(event, index)}
      onMouseDown={(event) => {
        shift.current = event.shiftKey;
        // Shift selects rows, not text.
        if (event.shiftKey) event.preventDefault();
      }}
    >
      {selected !== undefined && (
        <Cell index={1}>
          <Checkbox
            label={words.server.selectRow(props.name)}
            on={selected}
            onChange={() => {
              props.onCheck(index, shift.current);
              shift.current = false;
            }}
            tabbable={active}
          />
        </Cell>
      )}
      {columns.map((column, at) => (
        <Cell key={column.id} index={at + offset} className={`${from(column)} ${column.end ? styles.end : ""}`}>
          {column.cell(row, active)}
        </Cell>
      ))}
      {props.menu && (
        <Cell index={columns.length + offset}>
          <button
            type="button"
            data-menu=""
            className={styles.menu}
            tabIndex={active ? 0 : -1}
            aria-label={words.server.rowActions(props.name)}
            aria-haspopup="menu"
            onClick={(event) => props.onMenu(index, event.currentTarget)}
          >
            <EllipsisVertical size={16} />
          </button>
        </Cell>
      )}
    </div>
  );
});

const Cell = ({ index, className, children }: { index: number; className?: string; children: ReactNode }) => (
  <div role="gridcell" aria-colindex={index} className={`${styles.cell} ${className ?? ""}`}>
    {children}
  </div>
);
