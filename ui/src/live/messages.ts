// The frames of /ws/live, mirroring `crates/api/src/live.rs`.
import type { LogLine } from "../api/types";

export type Topic =
  | { topic: "servers" }
  | { topic: "containers"; server: string }
  | { topic: "updates" }
  | { topic: "alerts" }
  | { topic: "update"; update: string }
  | { topic: "container_log"; server: string; container: string; tail: number; since?: number };

export type LiveRequest =
  | { type: "subscribe"; id: number; topic: Topic; after?: number }
  | { type: "unsubscribe"; id: number };

export interface LiveError {
  error: string;
  code: string;
}

export type LiveMessage =
  | { type: "snapshot"; id: number; rev: number; data: unknown }
  | { type: "delta"; id: number; rev: number; upsert?: unknown[]; remove?: string[] }
  | { type: "lines"; id: number; lines: LogLine[] }
  | { type: "gap"; id: number }
  | { type: "error"; id: number | null; error: LiveError }
  | { type: "end"; id: number }
  | { type: "heartbeat"; at: number };

/** Reads a frame; null for what is none, so that a newer Core cannot break the page. */
export function readMessage(text: string): LiveMessage | null {
  try {
    const frame: unknown = JSON.parse(text);
    if (typeof frame !== "object" || frame === null || !("type" in frame)) return null;
    return frame as LiveMessage;
  } catch {
    return null;
  }
}
