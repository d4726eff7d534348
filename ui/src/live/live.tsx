// Live topics as queries: the socket writes into the query cache, pages read from it. Nothing is polled while the
// socket is up; while it is down a topic that can also be read over HTTP is refreshed now and then.
import { type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { call } from "../api/client";
import type { Alert, ContainerListItem, ServerListItem, Update, UpdateListItem } from "../api/types";
import { session } from "../session/session";
import { type Collection, fromList, reduce } from "./collection";
import type { LiveMessage, Topic } from "./messages";
import { LiveSocket } from "./socket";

/** How long the socket may be down before it is said and before reads fall back to HTTP, ms. */
export const LOST_SHOWN_AFTER_MS = 3_000;
/** Time between reads over HTTP while the socket is down, ms. */
const FALLBACK_EVERY_MS = 15_000;

const SocketContext = createContext<LiveSocket | null>(null);

export function LiveProvider({ children }: { children: ReactNode }) {
  const [socket] = useState(
    () =>
      new LiveSocket({
        url: () => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/live`,
        token: session.token,
        refused: () => session.end(),
      }),
  );
  useEffect(() => {
    let token: string | null = null;
    const follow = () => {
      if (session.token() === token) return;
      token = session.token();
      socket.stop();
      if (token !== null) socket.start();
    };
    follow();
    const unsubscribe = session.subscribe(follow);
    const retry = () => {
      if (document.visibilityState === "visible") socket.retryNow();
    };
    document.addEventListener("visibilitychange", retry);
    window.addEventListener("online", retry);
    return () => {
      unsubscribe();
      document.removeEventListener("visibilitychange", retry);
      window.removeEventListener("online", retry);
      socket.stop();
    };
  }, [socket]);
  return <SocketContext value={socket}>{children}</SocketContext>;
}

export function useSocket(): LiveSocket {
  const socket = useContext(SocketContext);
  if (socket === null) throw new Error("useSocket outside of LiveProvider");
  return socket;
}

export function useConnection() {
  const socket = useSocket();
  return useSyncExternalStore(socket.onState, socket.state);
}

/** Whether the socket has been down for longer than a moment. */
export function useLost(): boolean {
  const { downSince } = useConnection();
  const [lostSince, setLostSince] = useState<number | null>(null);
  useEffect(() => {
    if (downSince === null) {
      setLostSince(null);
      return;
    }
    const timer = setTimeout(() => setLostSince(downSince), Math.max(0, downSince + LOST_SHOWN_AFTER_MS - Date.now()));
    return () => clearTimeout(timer);
  }, [downSince]);
  return lostSince !== null && downSince !== null;
}

interface LiveList<T> {
  topic: Topic;
  key: readonly string[];
  read: ((cancel: AbortSignal) => Promise<readonly T[]>) | null;
}

/** Collects the messages of one frame of the screen, so that a burst of deltas renders once. */
function batched(apply: (messages: LiveMessage[]) => void) {
  let waiting: LiveMessage[] = [];
  let timer: ReturnType<typeof setTimeout> | null = null;
  const flush = () => {
    timer = null;
    const messages = waiting;
    waiting = [];
    apply(messages);
  };
  return {
    push(message: LiveMessage) {
      waiting.push(message);
      timer ??= setTimeout(flush, 16);
    },
    stop() {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      waiting = [];
    },
  };
}

/** Subscriptions that are open, so that two readers of one topic share it. */
const shared = new WeakMap<QueryClient, Map<string, { readers: number; end: () => void }>>();

function share(client: QueryClient, key: string, begin: () => () => void): () => void {
  const open = shared.get(client) ?? new Map<string, { readers: number; end: () => void }>();
  shared.set(client, open);
  const entry = open.get(key) ?? { readers: 0, end: begin() };
  entry.readers += 1;
  open.set(key, entry);
  return () => {
    entry.readers -= 1;
    if (entry.readers > 0) return;
    open.delete(key);
    entry.end();
  };
}

function useCollection<T>(list: LiveList<T>) {
  const socket = useSocket();
  const client = useQueryClient();
  const lost = useLost();
  const name = JSON.stringify(list.key);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `name` stands for key and topic, which are made anew at each render
  useEffect(
    () =>
      share(client, name, () => {
        const merge = batched((messages) => {
          client.setQueryData<Collection<T>>(list.key, (before) =>
            messages.reduce<Collection<T> | undefined>(reduce, before),
          );
        });
        const end = socket.subscribe({
          topic: list.topic,
          after: () => {
            const rev = client.getQueryData<Collection<T>>(list.key)?.rev;
            return rev === undefined || rev === 0 ? undefined : rev;
          },
          message: merge.push,
        });
        return () => {
          merge.stop();
          end();
        };
      }),
    [client, socket, name],
  );
  const read = list.read;
  return useQuery<Collection<T>>({
    queryKey: list.key,
    queryFn: async ({ signal }) => (read === null ? fromList<T>([]) : fromList(await read(signal))),
    enabled: lost && read !== null,
    refetchInterval: lost && read !== null ? FALLBACK_EVERY_MS : false,
    staleTime: 0,
    gcTime: 10 * 60_000,
    retry: false,
    structuralSharing: false,
  });
}

export interface Live<T> {
  /** Undefined until something is known. */
  items: readonly T[] | undefined;
  /** The subscription was refused, or nothing could be read. */
  error: { code: string; error: string } | null;
}

function useLive<T>(list: LiveList<T>): Live<T> {
  const { data, error } = useCollection(list);
  const items = useMemo(
    () => (data && (data.items.size > 0 || !data.error) ? [...data.items.values()] : undefined),
    [data],
  );
  if (data?.error) return { items, error: data.error };
  if (!data && error) return { items, error: { code: "network", error: error.message } };
  return { items, error: null };
}

export const useServers = () =>
  useLive<ServerListItem>({
    topic: { topic: "servers" },
    key: ["live", "servers"],
    read: (cancel) => call("read", "ListServers", {}, cancel),
  });

export const useContainers = (server: string) =>
  useLive<ContainerListItem>({
    topic: { topic: "containers", server },
    key: ["live", "containers", server],
    read: (cancel) => call("read", "ListContainers", { server }, cancel),
  });

export const useUpdates = () =>
  useLive<UpdateListItem>({
    topic: { topic: "updates" },
    key: ["live", "updates"],
    read: async (cancel) => (await call("read", "ListUpdates", { page: 0 }, cancel)).updates,
  });

export const useAlerts = () =>
  useLive<Alert>({
    topic: { topic: "alerts" },
    key: ["live", "alerts"],
    read: async (cancel) => (await call("read", "ListAlerts", { page: 0 }, cancel)).alerts,
  });

export const useUpdate = (update: string): { item: Update | undefined; error: Live<Update>["error"] } => {
  const { items, error } = useLive<Update>({
    topic: { topic: "update", update },
    key: ["live", "update", update],
    read: async (cancel) => [await call("read", "GetUpdate", { id: update }, cancel)],
  });
  return { item: items?.[0], error };
};
