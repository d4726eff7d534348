// Which rows are selected: pure functions, so that mouse, keyboard and the check boxes agree.

export interface Selection {
  keys: ReadonlySet<string>;
  /** Row from which a range is drawn. */
  anchor: string | null;
}

export const noSelection: Selection = { keys: new Set(), anchor: null };

export function toggle(before: Selection, key: string): Selection {
  const keys = new Set(before.keys);
  if (!keys.delete(key)) keys.add(key);
  return { keys, anchor: key };
}

/** Selects from the anchor to the row, both included, besides what was selected. */
export function extend(before: Selection, order: readonly string[], to: string): Selection {
  const from = before.anchor === null ? -1 : order.indexOf(before.anchor);
  const end = order.indexOf(to);
  if (from < 0 || end < 0) return toggle(before, to);
  const keys = new Set(before.keys);
  for (const key of order.slice(Math.min(from, end), Math.max(from, end) + 1)) keys.add(key);
  return { keys, anchor: before.anchor };
}

export const selectAll = (order: readonly string[]): Selection => ({ keys: new Set(order), anchor: order[0] ?? null });

/** Without rows that are gone; the same object where none is. */
export function keep(before: Selection, there: ReadonlySet<string>): Selection {
  if ([...before.keys].every((key) => there.has(key))) return before;
  return { keys: new Set([...before.keys].filter((key) => there.has(key))), anchor: before.anchor };
}
