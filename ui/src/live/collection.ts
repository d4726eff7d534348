// What a subscription has brought so far, as pure functions over the messages.
import type { LiveError, LiveMessage } from "./messages";

export interface Collection<T> {
  rev: number;
  /** Keyed by id, in the order in which Core sent them; newer ones at the end. */
  items: ReadonlyMap<string, T>;
  /** Something was left out; a new snapshot is on its way. */
  gap: boolean;
  /** The subscription has ended for this reason. */
  error: LiveError | null;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

/** Id of an item: `id` in lists, `_id.$oid` in whole entities, else the name. */
export function itemId(item: unknown): string | null {
  if (!isRecord(item)) return null;
  if (typeof item.id === "string") return item.id;
  if (isRecord(item._id) && typeof item._id.$oid === "string") return item._id.$oid;
  return typeof item.name === "string" ? item.name : null;
}

function insert<T>(into: Map<string, T>, items: readonly unknown[]) {
  for (const item of items) {
    const id = itemId(item);
    if (id !== null) into.set(id, item as T);
  }
}

/** The collection after a message; the same one where the message changes nothing. */
export function reduce<T>(before: Collection<T> | undefined, message: LiveMessage): Collection<T> | undefined {
  switch (message.type) {
    case "snapshot": {
      const items = new Map<string, T>();
      insert(items, Array.isArray(message.data) ? message.data : [message.data]);
      return { rev: message.rev, items, gap: false, error: null };
    }
    case "delta": {
      // Without a snapshot, or after a gap, a delta has nothing to stand on: what it says comes with the next snapshot.
      if (!before || before.gap || message.rev <= before.rev) return before;
      const items = new Map(before.items);
      for (const id of message.remove ?? []) items.delete(id);
      insert(items, message.upsert ?? []);
      return { rev: message.rev, items, gap: false, error: null };
    }
    case "gap":
      return before && !before.gap ? { ...before, gap: true } : before;
    case "error":
      return before
        ? { ...before, error: message.error }
        : { rev: 0, items: new Map(), gap: false, error: message.error };
    default:
      return before;
  }
}

/** A collection from a list that was read over HTTP while the socket was down. */
export function fromList<T>(list: readonly T[]): Collection<T> {
  const items = new Map<string, T>();
  insert(items, list);
  return { rev: 0, items, gap: false, error: null };
}
