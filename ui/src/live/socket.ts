// The one socket of the page: signs in, carries all subscriptions, and opens itself again when it is lost.
// What the messages mean is decided in `collection.ts` and in the log view, not here.
import { backoffMs } from "./backoff";
import { type LiveMessage, type LiveRequest, readMessage, type Topic } from "./messages";

/** Core sends a heartbeat every 15 s; silence for longer than this means that the socket is dead, ms. */
export const SILENCE_MAX_MS = 40_000;
/** Time in which Core must answer to the login, ms. */
const LOGIN_DEADLINE_MS = 10_000;

export interface ConnectionState {
  up: boolean;
  /** When it was lost, or first tried; unix ms. Null while up or switched off. */
  downSince: number | null;
  /** When the next attempt comes; null while one is under way. */
  nextAttempt: number | null;
  /** Time of Core minus our time, ms, from its last heartbeat. */
  clockSkewMs: number;
}

export interface Subscriber {
  topic: Topic;
  /** Revision to resume from, asked for at each (re-)subscription. */
  after?: () => number | undefined;
  /** The topic as it is to be asked for again after the socket was lost. */
  again?: () => Topic;
  message: (message: LiveMessage) => void;
  /** The socket was lost; a subscription follows when it is back. */
  lost?: () => void;
}

type Timer = ReturnType<typeof setTimeout>;

export interface SocketOptions {
  url: () => string;
  token: () => string | null;
  /** Core refused the token. */
  refused: () => void;
  open?: (url: string) => WebSocket;
}

export class LiveSocket {
  #options: SocketOptions;
  #socket: WebSocket | null = null;
  #loggedIn = false;
  #attempt = 0;
  #wanted = false;
  #retry: Timer | null = null;
  #watch: Timer | null = null;
  #nextId = 1;
  #subscribers = new Map<number, Subscriber>();
  #listeners = new Set<() => void>();
  #state: ConnectionState = { up: false, downSince: null, nextAttempt: null, clockSkewMs: 0 };

  constructor(options: SocketOptions) {
    this.#options = options;
  }

  onState = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  state = () => this.#state;

  /** Opens the socket and keeps it open. */
  start() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#attempt = 0;
    this.#change({ downSince: Date.now() });
    this.#open();
  }

  /** Closes the socket and leaves it closed. */
  stop() {
    this.#wanted = false;
    this.#drop();
    this.#change({ up: false, downSince: null, nextAttempt: null });
  }

  /** Tries at once instead of waiting. */
  retryNow = () => {
    if (!this.#wanted || this.#socket) return;
    this.#attempt = 0;
    this.#open();
  };

  /** Follows a topic until the returned function is called. */
  subscribe(subscriber: Subscriber): () => void {
    const id = this.#nextId++;
    this.#subscribers.set(id, subscriber);
    if (this.#loggedIn) this.#ask(id, subscriber, subscriber.topic);
    return () => {
      if (!this.#subscribers.delete(id)) return;
      if (this.#loggedIn) this.#send({ type: "unsubscribe", id });
    };
  }

  #open() {
    this.#clear("retry");
    const token = this.#options.token();
    if (!this.#wanted || token === null) return;
    this.#change({ nextAttempt: null });
    const open = this.#options.open ?? ((url: string) => new WebSocket(url));
    const socket = open(this.#options.url());
    this.#socket = socket;
    this.#expectWithin(LOGIN_DEADLINE_MS);
    socket.onopen = () => socket.send(JSON.stringify({ type: "Jwt", params: { jwt: token } }));
    socket.onmessage = (event) => {
      if (this.#socket === socket && typeof event.data === "string") this.#receive(event.data);
    };
    socket.onclose = () => {
      if (this.#socket === socket) this.#lost();
    };
    socket.onerror = () => socket.close();
  }

  #receive(text: string) {
    this.#expectWithin(SILENCE_MAX_MS);
    if (!this.#loggedIn) {
      this.#login(text);
      return;
    }
    const message = readMessage(text);
    if (message === null) return;
    if (message.type === "heartbeat") {
      this.#change({ clockSkewMs: message.at - Date.now() });
      return;
    }
    if (message.id === null) return;
    const subscriber = this.#subscribers.get(message.id);
    if (message.type === "end" || message.type === "error") this.#subscribers.delete(message.id);
    subscriber?.message(message);
  }

  #login(text: string) {
    if (text !== "LOGGED_IN") {
      if (/^\[4(01|03)/.test(text) || text.includes("INVALID_USER")) {
        this.stop();
        this.#options.refused();
      } else {
        this.#socket?.close();
      }
      return;
    }
    this.#loggedIn = true;
    this.#attempt = 0;
    this.#change({ up: true, downSince: null, nextAttempt: null });
    for (const [id, subscriber] of this.#subscribers)
      this.#ask(id, subscriber, subscriber.again?.() ?? subscriber.topic);
  }

  #ask(id: number, subscriber: Subscriber, topic: Topic) {
    const after = subscriber.after?.();
    this.#send({ type: "subscribe", id, topic, ...(after === undefined ? {} : { after }) });
  }

  #send(request: LiveRequest) {
    this.#socket?.send(JSON.stringify(request));
  }

  #lost() {
    const wasUp = this.#loggedIn;
    this.#drop();
    if (wasUp) for (const subscriber of [...this.#subscribers.values()]) subscriber.lost?.();
    if (!this.#wanted) return;
    const wait = backoffMs(this.#attempt++, Math.random());
    this.#change({ up: false, downSince: this.#state.downSince ?? Date.now(), nextAttempt: Date.now() + wait });
    this.#retry = setTimeout(() => this.#open(), wait);
  }

  #drop() {
    this.#clear("retry");
    this.#clear("watch");
    this.#loggedIn = false;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #expectWithin(ms: number) {
    this.#clear("watch");
    this.#watch = setTimeout(() => this.#lost(), ms);
  }

  #clear(which: "retry" | "watch") {
    const timer = which === "retry" ? this.#retry : this.#watch;
    if (timer !== null) clearTimeout(timer);
    if (which === "retry") this.#retry = null;
    else this.#watch = null;
  }

  #change(change: Partial<ConnectionState>) {
    this.#state = { ...this.#state, ...change };
    for (const listener of [...this.#listeners]) listener();
  }
}
