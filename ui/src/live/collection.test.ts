import { describe, expect, test } from "vitest";
import { type Collection, fromList, itemId, reduce } from "./collection";
import type { LiveMessage } from "./messages";

interface Item {
  id: string;
  n: number;
}

const run = (...messages: LiveMessage[]) =>
  messages.reduce<Collection<Item> | undefined>((before, message) => reduce<Item>(before, message), undefined);

const snapshot = (rev: number, ...data: Item[]): LiveMessage => ({ type: "snapshot", id: 1, rev, data });
const print = (collection: Collection<Item> | undefined) =>
  collection && [...collection.items.values()].map(({ id, n }) => `${id}${n}`).join(" ");

describe("a subscription", () => {
  test("begins with a snapshot", () => {
    expect(print(run(snapshot(4, { id: "a", n: 1 }, { id: "b", n: 1 })))).toBe("a1 b1");
  });

  test("applies deltas in order, upserts in place", () => {
    const now = run(
      snapshot(4, { id: "a", n: 1 }, { id: "b", n: 1 }),
      {
        type: "delta",
        id: 1,
        rev: 5,
        upsert: [
          { id: "a", n: 2 },
          { id: "c", n: 1 },
        ],
        remove: ["b"],
      },
      { type: "delta", id: 1, rev: 6, upsert: [{ id: "c", n: 2 }] },
    );
    expect(print(now)).toBe("a2 c2");
    expect(now?.rev).toBe(6);
  });

  test("a delta that was applied before changes nothing", () => {
    const before = run(snapshot(6, { id: "a", n: 9 }));
    const after = reduce<Item>(before, { type: "delta", id: 1, rev: 6, upsert: [{ id: "a", n: 1 }] });
    expect(after).toBe(before);
  });

  test("a delta without a snapshot has nothing to stand on", () => {
    expect(run({ type: "delta", id: 1, rev: 5, upsert: [{ id: "a", n: 1 }] })).toBeUndefined();
  });

  test("after a gap keeps what is shown until the next snapshot replaces all of it", () => {
    const gap = run(snapshot(4, { id: "a", n: 1 }), { type: "gap", id: 1 });
    expect(gap?.gap).toBe(true);
    expect(print(gap)).toBe("a1");
    const delta = reduce<Item>(gap, { type: "delta", id: 1, rev: 9, upsert: [{ id: "b", n: 1 }] });
    expect(print(delta)).toBe("a1");
    const again = reduce<Item>(delta, snapshot(10, { id: "c", n: 1 }));
    expect(print(again)).toBe("c1");
    expect(again?.gap).toBe(false);
  });

  test("an error keeps the last view and says why", () => {
    const now = run(snapshot(4, { id: "a", n: 1 }), {
      type: "error",
      id: 1,
      error: { error: "there is no server", code: "not_found" },
    });
    expect(print(now)).toBe("a1");
    expect(now?.error?.code).toBe("not_found");
  });

  test("a snapshot of one whole entity is a collection of one", () => {
    const now = reduce<{ _id: { $oid: string } }>(undefined, {
      type: "snapshot",
      id: 1,
      rev: 1,
      data: { _id: { $oid: "x" } },
    });
    expect([...(now?.items.keys() ?? [])]).toEqual(["x"]);
  });
});

test("items are known by id, by the id of a whole entity, or by name", () => {
  expect(itemId({ id: "a", name: "n" })).toBe("a");
  expect(itemId({ _id: { $oid: "b" } })).toBe("b");
  expect(itemId({ name: "n", id: null })).toBe("n");
  expect(itemId(null)).toBeNull();
});

test("a list read over HTTP asks for a snapshot when the socket is back", () => {
  expect(fromList([{ id: "a" }]).rev).toBe(0);
});
