import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { BACKOFF_FIRST_MS, BACKOFF_MAX_MS, backoffMs } from "./backoff";
import type { LiveMessage } from "./messages";
import { LiveSocket, SILENCE_MAX_MS } from "./socket";

/** The other end of a socket, played by the test. */
class Wire {
  static all: Wire[] = [];
  sent: string[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  constructor(readonly url: string) {
    Wire.all.push(this);
  }
  send(text: string) {
    this.sent.push(text);
  }
  close() {
    this.onclose?.();
  }
  accept() {
    this.onopen?.();
    this.onmessage?.({ data: "LOGGED_IN" });
  }
  says(message: LiveMessage) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  get requests() {
    return this.sent.slice(1).map((text) => JSON.parse(text) as Record<string, unknown>);
  }
}

const last = () => {
  const wire = Wire.all.at(-1);
  if (!wire) throw new Error("no socket was opened");
  return wire;
};

function begin(token: string | null = "t") {
  const refused = vi.fn();
  const socket = new LiveSocket({
    url: () => "ws://core/ws/live",
    token: () => token,
    refused,
    open: (url) => new Wire(url) as unknown as WebSocket,
  });
  socket.start();
  return { socket, refused };
}

beforeEach(() => {
  vi.useFakeTimers();
  Wire.all = [];
});
afterEach(() => {
  vi.useRealTimers();
});

describe("the socket", () => {
  test("signs in first, and subscribes only then", () => {
    const { socket } = begin();
    socket.subscribe({ topic: { topic: "servers" }, message: () => {} });
    last().onopen?.();
    expect(last().sent).toEqual([JSON.stringify({ type: "Jwt", params: { jwt: "t" } })]);
    last().onmessage?.({ data: "LOGGED_IN" });
    expect(last().requests).toEqual([{ type: "subscribe", id: 1, topic: { topic: "servers" } }]);
    expect(socket.state().up).toBe(true);
  });

  test("is not opened without a token", () => {
    begin(null);
    expect(Wire.all).toHaveLength(0);
  });

  test("hands each message to its subscription only", () => {
    const { socket } = begin();
    const one = vi.fn();
    const two = vi.fn();
    socket.subscribe({ topic: { topic: "servers" }, message: one });
    socket.subscribe({ topic: { topic: "updates" }, message: two });
    last().accept();
    last().says({ type: "gap", id: 2 });
    expect(one).not.toHaveBeenCalled();
    expect(two).toHaveBeenCalledOnce();
  });

  test("unsubscribes, once", () => {
    const { socket } = begin();
    last().accept();
    const end = socket.subscribe({ topic: { topic: "servers" }, message: () => {} });
    end();
    end();
    expect(last().requests.map(({ type }) => type)).toEqual(["subscribe", "unsubscribe"]);
  });

  test("comes back by itself and resumes from the revision it has", () => {
    const { socket } = begin();
    const lost = vi.fn();
    socket.subscribe({ topic: { topic: "servers" }, after: () => 7, message: () => {}, lost });
    last().accept();
    last().close();
    expect(lost).toHaveBeenCalledOnce();
    expect(socket.state().up).toBe(false);
    vi.advanceTimersByTime(BACKOFF_FIRST_MS);
    expect(Wire.all).toHaveLength(2);
    last().accept();
    expect(last().requests).toEqual([{ type: "subscribe", id: 1, topic: { topic: "servers" }, after: 7 }]);
  });

  test("a silent socket is dead: heartbeats keep it, their absence ends it", () => {
    const { socket } = begin();
    last().accept();
    vi.advanceTimersByTime(SILENCE_MAX_MS - 1);
    last().says({ type: "heartbeat", at: Date.now() });
    vi.advanceTimersByTime(SILENCE_MAX_MS - 1);
    expect(socket.state().up).toBe(true);
    vi.advanceTimersByTime(1);
    expect(socket.state().up).toBe(false);
  });

  test("a refused token ends the session instead of trying for ever", () => {
    const { refused } = begin();
    last().onopen?.();
    last().onmessage?.({ data: "[401 Unauthorized]: invalid client credentials" });
    expect(refused).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(10 * BACKOFF_MAX_MS);
    expect(Wire.all).toHaveLength(1);
  });

  test("frames it does not understand break nothing", () => {
    const { socket } = begin();
    last().accept();
    last().onmessage?.({ data: "not json" });
    last().onmessage?.({ data: "7" });
    expect(socket.state().up).toBe(true);
  });

  test("stays closed once it is stopped", () => {
    const { socket } = begin();
    last().accept();
    socket.stop();
    vi.advanceTimersByTime(10 * BACKOFF_MAX_MS);
    expect(Wire.all).toHaveLength(1);
  });
});

test("waits grow from half a second to thirty, and differ by chance", () => {
  expect(backoffMs(0, 0)).toBe(500);
  expect(backoffMs(0, 1)).toBe(1_000);
  expect(backoffMs(3, 1)).toBe(8_000);
  expect(backoffMs(50, 1)).toBe(BACKOFF_MAX_MS);
  expect(backoffMs(50, 0)).toBe(BACKOFF_MAX_MS / 2);
});
