// Follows a container's log over the live feed, across lost connections and restarts of the container.
import { useEffect, useRef, useState } from "react";
import type { ContainerListItem } from "../api/types";
import { useSocket } from "../live/live";
import type { LiveError, LiveMessage, Topic } from "../live/messages";
import { LogBuffer } from "./log-buffer";

/** Lines from before that are asked for at first. */
const TAIL_LINES = 1_000;
/** Lines that are asked for when it goes on where it was. */
const RESUME_TAIL_LINES = 5_000;

export interface FollowedLog {
  buffer: LogBuffer;
  /** The log has ended: the container does not run. */
  ended: boolean;
  error: LiveError | null;
  again: () => void;
}

export function useLog(server: string, container: ContainerListItem | undefined, name: string): FollowedLog {
  const socket = useSocket();
  const [buffer] = useState(() => new LogBuffer());
  const [round, setRound] = useState(0);
  const [ended, setEnded] = useState(false);
  const [error, setError] = useState<LiveError | null>(null);

  // A container that was started again has more to say.
  const startedAt = container?.started_at ?? null;
  const running = container?.state === "running";
  const endedAt = useRef<number | null>(null);
  useEffect(() => {
    if (!ended || !running || endedAt.current === startedAt) return;
    setRound((before) => before + 1);
  }, [ended, running, startedAt]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `round` begins the subscription anew; `startedAt` is only noted at its end
  useEffect(() => {
    let joint: string | null = null;
    const resume = (): Topic => {
      const since = buffer.lastMs;
      joint = buffer.lastTime === "" ? null : buffer.lastTime;
      return since === null
        ? { topic: "container_log", server, container: name, tail: TAIL_LINES }
        : { topic: "container_log", server, container: name, tail: RESUME_TAIL_LINES, since };
    };
    setEnded(false);
    setError(null);
    const message = (received: LiveMessage) => {
      switch (received.type) {
        case "lines":
          buffer.add(received.lines, joint);
          break;
        case "gap":
          buffer.mark("gap", Date.now());
          break;
        case "end":
          endedAt.current = startedAt;
          buffer.mark("ended", Date.now());
          setEnded(true);
          break;
        case "error":
          setError(received.error);
          break;
      }
    };
    return socket.subscribe({
      topic: resume(),
      again: resume,
      message,
      lost: () => buffer.length > 0 && buffer.mark("restarted", Date.now()),
    });
  }, [socket, buffer, server, name, round]);

  return { buffer, ended, error, again: () => setRound((before) => before + 1) };
}
