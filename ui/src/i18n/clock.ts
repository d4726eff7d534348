// One clock for all ages on the page, so that they tick together and only while somebody looks.
import { useSyncExternalStore } from "react";

const TICK_MS = 1_000;
const COARSE_MS = 10_000;

class Clock {
  #now = Date.now();
  #timer: ReturnType<typeof setInterval> | null = null;
  #listeners = new Set<() => void>();

  constructor(readonly stepMs: number) {}

  subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    this.#timer ??= setInterval(() => this.#tick(), this.stepMs);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0 || this.#timer === null) return;
      clearInterval(this.#timer);
      this.#timer = null;
    };
  };

  now = () => {
    if (this.#timer === null) {
      const now = Date.now();
      if (now - this.#now >= this.stepMs) this.#now = now;
    }
    return this.#now;
  };

  #tick() {
    this.#now = Date.now();
    for (const listener of [...this.#listeners]) listener();
  }
}

const fine = new Clock(TICK_MS);
const coarse = new Clock(COARSE_MS);

/** Unix ms, ticking every second. */
export const useNow = () => useSyncExternalStore(fine.subscribe, fine.now);
/** Unix ms, ticking now and then: for lists. */
export const useCoarseNow = () => useSyncExternalStore(coarse.subscribe, coarse.now);
