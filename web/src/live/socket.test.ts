import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { backoff } from "./backoff";
import { ReconnectingSocket, type SocketState } from "./socket";

class Fake {
  onopen: (() => void) | null = null;
  onclose: ((close: { code: number }) => void) | null = null;
  onmessage: ((message: { data: unknown }) => void) | null = null;
  closed = false;
  url: string;
  constructor(url: string) {
    this.url = url;
  }
  close() {
    this.closed = true;
  }
}

function setUp() {
  const made: Fake[] = [];
  const states: SocketState[] = [];
  const messages: unknown[] = [];
  let cursor = 0;
  const socket = new ReconnectingSocket({
    url: () => `ws://h/?after=${cursor}`,
    onMessage: (message) => {
      messages.push(message);
      cursor += 1;
    },
    onState: (state) => states.push(state),
    connect: (url) => {
      const fake = new Fake(url);
      made.push(fake);
      return fake as unknown as WebSocket;
    },
    random: () => 1,
  });
  const last = () => {
    const fake = made.at(-1);
    if (!fake) throw new Error("no attempt was made");
    return fake;
  };
  return { socket, made, last, states, messages };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("backoff", () => {
  it("doubles, up to a limit, and spreads over the upper half", () => {
    expect([0, 1, 2, 5, 50].map((failures) => backoff(failures, () => 1))).toEqual([
      500, 1000, 2000, 15_000, 15_000,
    ]);
    expect(backoff(1, () => 0)).toBe(500);
  });
});

describe("ReconnectingSocket", () => {
  it("comes back where it was left", () => {
    const { socket, made, last, states, messages } = setUp();
    socket.open();
    last().onopen?.();
    last().onmessage?.({ data: '{"a":1}' });
    last().onmessage?.({ data: "not json" });
    last().onclose?.({ code: 1006 });
    expect(states).toEqual(["connecting", "open", "reconnecting"]);
    vi.advanceTimersByTime(499);
    expect(made).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(made).toHaveLength(2);
    expect(last().url).toBe("ws://h/?after=2");
    last().onopen?.();
    expect(states.at(-1)).toBe("open");
    expect(messages).toEqual([{ a: 1 }, undefined]);
  });

  it("waits longer every time, also when connections are accepted and dropped", () => {
    const { socket, made, last } = setUp();
    socket.open();
    for (const wait of [500, 1000, 2000, 4000]) {
      last().onopen?.();
      last().onclose?.({ code: 1006 });
      const before = made.length;
      vi.advanceTimersByTime(wait - 1);
      expect(made).toHaveLength(before);
      vi.advanceTimersByTime(1);
      expect(made).toHaveLength(before + 1);
    }
    last().onopen?.();
    vi.advanceTimersByTime(5000);
    last().onclose?.({ code: 1006 });
    const before = made.length;
    vi.advanceTimersByTime(500);
    expect(made).toHaveLength(before + 1);
  });

  it("gives up on an attempt that hangs", () => {
    const { socket, made } = setUp();
    socket.open();
    vi.advanceTimersByTime(10_500);
    expect(made).toHaveLength(2);
    expect(made[0]?.closed).toBe(true);
  });

  it("hurries when asked, but starts no second attempt beside one under way", () => {
    const { socket, made, last } = setUp();
    socket.open();
    last().onclose?.({ code: 1006 });
    socket.hurry();
    expect(made).toHaveLength(2);
    socket.hurry();
    expect(made).toHaveLength(2);
    vi.advanceTimersByTime(600);
    expect(made).toHaveLength(2);
  });

  it("is done where the server says that this was all, and only there", () => {
    const { socket, made, last } = setUp();
    socket.open();
    last().onclose?.({ code: 1000 });
    expect(socket.state).toBe("reconnecting");
    socket.close();

    const onEnd = vi.fn();
    const ending = new ReconnectingSocket({
      url: () => "ws://h/",
      onMessage: () => {},
      onEnd,
      connect: (url) => {
        const fake = new Fake(url);
        made.push(fake);
        return fake as unknown as WebSocket;
      },
    });
    ending.open();
    last().onclose?.({ code: 1001 });
    expect([ending.state, onEnd.mock.calls.length]).toEqual(["reconnecting", 0]);
    vi.advanceTimersByTime(600);
    last().onclose?.({ code: 1000 });
    expect([ending.state, onEnd.mock.calls.length]).toEqual(["closed", 1]);
    const before = made.length;
    vi.advanceTimersByTime(60_000);
    expect(made).toHaveLength(before);
  });

  it("stays closed", () => {
    const { socket, made, last, states } = setUp();
    socket.open();
    const first = last();
    socket.close();
    first.onclose?.({ code: 1006 });
    vi.advanceTimersByTime(60_000);
    expect(made).toHaveLength(1);
    expect(first.closed).toBe(true);
    expect(states).toEqual(["connecting", "closed"]);
  });
});
