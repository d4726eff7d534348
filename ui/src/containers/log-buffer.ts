// The lines of a log that are kept: a ring with a number for each line, a search that only ever looks at new lines,
// and the joint between two subscriptions, so that no line shows twice.
import type { LogLine } from "../api/types";

/** Lines kept for one container. */
export const LINES_MAX = 100_000;

export type Entry = { seq: number } & ({ kind: "line"; line: LogLine } | { kind: "mark"; mark: Mark; at: number });
/** Something that is said between the lines. */
export type Mark = "gap" | "restarted" | "ended";

export class LogBuffer {
  #entries: Entry[] = [];
  /** Entries before this index have left the ring; they are cut off in blocks. */
  #start = 0;
  #next = 0;
  #lastTime = "";
  #search: { text: string; test: RegExp; found: number[]; upTo: number } | null = null;
  #listeners = new Set<() => void>();
  #version = 0;

  constructor(readonly max: number = LINES_MAX) {}

  subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };
  version = () => this.#version;

  get length() {
    return this.#entries.length - this.#start;
  }

  /** Number of the first entry that is kept. */
  get firstSeq() {
    return this.#next - this.length;
  }

  get nextSeq() {
    return this.#next;
  }

  /** Time of the last line, unix ms, to ask for what came after it; null where none had a time. */
  get lastMs(): number | null {
    const at = Date.parse(this.#lastTime);
    return Number.isNaN(at) ? null : at;
  }

  at(index: number): Entry | undefined {
    return index < 0 ? undefined : this.#entries[this.#start + index];
  }

  bySeq(seq: number): Entry | undefined {
    return this.at(seq - this.firstSeq);
  }

  /** Adds lines; with `after`, leaves out those that were there before the subscription was made anew. */
  add(lines: readonly LogLine[], after: string | null = null) {
    for (const line of lines) {
      if (after !== null && line.t !== "" && line.t <= after) continue;
      this.#push({ kind: "line", line, seq: this.#next });
      if (line.t > this.#lastTime) this.#lastTime = line.t;
    }
    this.#changed();
  }

  mark(mark: Mark, at: number) {
    this.#push({ kind: "mark", mark, at, seq: this.#next });
    this.#changed();
  }

  get lastTime() {
    return this.#lastTime;
  }

  /** Searches for a text in any case; null where it is empty. Returns the numbers of the lines, oldest first. */
  find(text: string): readonly number[] | null {
    if (text === "") {
      this.#search = null;
      return null;
    }
    if (this.#search?.text !== text) {
      this.#search = { text, test: pattern(text, "i"), found: [], upTo: this.firstSeq };
    }
    const search = this.#search;
    for (let seq = Math.max(search.upTo, this.firstSeq); seq < this.#next; seq += 1) {
      const entry = this.bySeq(seq);
      if (entry?.kind === "line" && search.test.test(entry.line.l)) search.found.push(seq);
    }
    search.upTo = this.#next;
    const gone = search.found.findIndex((seq) => seq >= this.firstSeq);
    if (gone !== 0) search.found = gone < 0 ? [] : search.found.slice(gone);
    return search.found;
  }

  #push(entry: Entry) {
    this.#entries.push(entry);
    this.#next += 1;
    if (this.length <= this.max) return;
    this.#start += 1;
    if (this.#start > this.max / 4) {
      this.#entries = this.#entries.slice(this.#start);
      this.#start = 0;
    }
  }

  #changed() {
    this.#version += 1;
    for (const listener of [...this.#listeners]) listener();
  }
}

/** A text as a pattern, taken literally. */
export const pattern = (text: string, flags: string) => new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), flags);
