import { describe, expect, test } from "vitest";
import type { LogLine } from "../api/types";
import { pieces, plain } from "./ansi";
import { LogBuffer } from "./log-buffer";

const line = (n: number, text = `line ${n}`): LogLine => ({
  t: `2026-01-01T00:00:00.${String(n).padStart(9, "0")}Z`,
  s: "stdout",
  l: text,
});
const texts = (buffer: LogBuffer) =>
  Array.from({ length: buffer.length }, (_, at) => {
    const entry = buffer.at(at);
    return entry?.kind === "line" ? entry.line.l : entry?.mark;
  });

describe("the lines of a log", () => {
  test("are a ring", () => {
    const buffer = new LogBuffer(8);
    buffer.add(Array.from({ length: 30 }, (_, n) => line(n)));
    expect(texts(buffer)).toEqual(Array.from({ length: 8 }, (_, n) => `line ${n + 22}`));
    expect(buffer.firstSeq).toBe(22);
    expect(buffer.bySeq(29)?.kind).toBe("line");
    expect(buffer.bySeq(21)).toBeUndefined();
  });

  test("meet without doubles when the subscription is made anew", () => {
    const buffer = new LogBuffer();
    buffer.add([line(1), line(2)]);
    const joint = buffer.lastTime;
    buffer.mark("restarted", 0);
    buffer.add([line(1), line(2), line(3)], joint);
    expect(texts(buffer)).toEqual(["line 1", "line 2", "restarted", "line 3"]);
  });

  test("lines without a time are never taken for doubles", () => {
    const buffer = new LogBuffer();
    buffer.add([line(1)]);
    buffer.add([{ t: "", s: "stderr", l: "no time" }], buffer.lastTime);
    expect(texts(buffer)).toEqual(["line 1", "no time"]);
  });

  test("know since when to go on", () => {
    const buffer = new LogBuffer();
    expect(buffer.lastMs).toBeNull();
    buffer.add([{ t: "2026-01-01T00:00:01.500000001Z", s: "stdout", l: "" }]);
    expect(buffer.lastMs).toBe(Date.UTC(2026, 0, 1, 0, 0, 1, 500));
  });

  test("are searched literally, in any case, also as new ones come and old ones go", () => {
    const buffer = new LogBuffer(4);
    buffer.add([line(0, "a.b"), line(1, "axb"), line(2, "A.B")]);
    expect(buffer.find("a.b")).toEqual([0, 2]);
    buffer.add([line(3, "a.b"), line(4, "x")]);
    expect(buffer.find("a.b")).toEqual([2, 3]);
    buffer.add([line(5), line(6), line(7), line(8)]);
    expect(buffer.find("a.b")).toEqual([]);
    expect(buffer.find("")).toBeNull();
  });

  test("a hundred thousand are kept, and no more", () => {
    const buffer = new LogBuffer();
    for (let block = 0; block < 24; block += 1) buffer.add(Array.from({ length: 5_000 }, (_, n) => line(n)));
    expect(buffer.length).toBe(100_000);
    expect(buffer.nextSeq).toBe(120_000);
  });
});

describe("colours of the terminal", () => {
  const print = (text: string) =>
    pieces(text).map((piece) => `${piece.colour ?? "-"}${piece.bold ? "*" : ""}:${piece.text}`);
  test.each([
    ["plain", ["-:plain"]],
    ["\x1b[31mred\x1b[0m then", ["bad:red", "-: then"]],
    ["\x1b[1;32mok\x1b[22m still", ["ok*:ok", "ok: still"]],
    ["\x1b[38;5;31mno code of its own", ["-:no code of its own"]],
    ["\x1b[38;2;31;32;33mx", ["-:x"]],
    ["\x1b[2Kcleared \x1b]0;title\x07rest", ["-:cleared ", "-:rest"]],
    ["", []],
  ])("%j", (text, expected) => {
    expect(print(text)).toEqual(expected);
  });
  test("leave nothing behind in the plain text", () => {
    expect(plain("\x1b[31mred\x1b[0m \x1b]8;;http://x\x1b\\link\x07")).toBe("red link");
  });
});
