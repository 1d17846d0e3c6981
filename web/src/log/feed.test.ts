import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { answered, NoAnswer } from "../api/problem";
import type { LogItem, LogPage } from "../api/types";
import { LogFeed } from "./feed";
import { accessLog, buildLog } from "./sources";

const deployment = "019eb2a4-5f00-7c11-9d3c-0a1b2c3d4e5f";

const line = (number: number): LogItem => ({
  type: "line",
  cursor: `c${number}`,
  deployment,
  replica: null,
  number,
  at: "2026-11-21T09:30:00.250Z",
  stream: "stdout",
  text: `line ${number}`,
});
const last: LogItem = { type: "note", text: "the image is built" };

const { log, appLog } = vi.hoisted(() => ({ log: vi.fn(), appLog: vi.fn() }));
vi.mock("../api/client", () => ({ api: { log, appLog } }));

class Socket {
  static made: Socket[] = [];
  onopen: (() => void) | null = null;
  onclose: ((close: { code: number }) => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;
  url: string;
  constructor(url: string) {
    this.url = url;
    Socket.made.push(this);
  }
  close() {}
  tell(item: LogItem) {
    this.onmessage?.({ data: JSON.stringify(item) });
  }
}

const pages = (...all: (LogPage | Error)[]) => {
  for (const page of all) {
    if (page instanceof Error) log.mockRejectedValueOnce(page);
    else log.mockResolvedValueOnce(page);
  }
};

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("window", { location: { href: "https://hythe.example:7070/deployments/1" } });
  vi.stubGlobal("WebSocket", Socket);
  vi.stubGlobal("requestAnimationFrame", (frame: () => void) => setTimeout(frame, 16));
  vi.stubGlobal("cancelAnimationFrame", clearTimeout);
  Socket.made = [];
  log.mockReset();
  appLog.mockReset();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("reads what there is page by page, and opens no socket where that is all", async () => {
  pages({ items: [line(1), line(2)], more: true }, { items: [line(3), last], more: false });
  const feed = new LogFeed(buildLog(deployment));
  const seen = vi.fn();
  feed.subscribe(seen);
  feed.start();
  await vi.advanceTimersByTimeAsync(50);
  expect(log.mock.calls.map(([, cursor]) => cursor)).toEqual([undefined, "c2"]);
  expect(feed.state.name).toBe("ended");
  expect(feed.buffer.lines).toBe(3);
  expect(seen).toHaveBeenCalled();
  expect(Socket.made).toHaveLength(0);
});

it("follows from where the pages ended, and resumes where it broke off", async () => {
  pages({ items: [line(1)], more: false });
  const feed = new LogFeed(buildLog(deployment));
  feed.start();
  await vi.advanceTimersByTimeAsync(0);
  const first = Socket.made[0];
  expect(first?.url).toBe(
    `wss://hythe.example:7070/api/v1/deployments/${deployment}/logs?cursor=c1`,
  );
  first?.onopen?.();
  first?.tell(line(2));
  expect(feed.state.name).toBe("following");
  first?.onclose?.({ code: 1006 });
  expect(feed.state.name).toBe("reconnecting");
  await vi.advanceTimersByTimeAsync(1000);
  const second = Socket.made[1];
  expect(second?.url).toMatch(/cursor=c2$/);
  second?.onopen?.();
  second?.tell(line(2));
  second?.tell(line(3));
  second?.tell(last);
  second?.onclose?.({ code: 1000 });
  expect(feed.state.name).toBe("ended");
  expect(feed.buffer.lines).toBe(3);
});

it("asks again while the server does not answer, and says what cannot be helped", async () => {
  pages(new NoAnswer(undefined), answered(503, undefined), answered(404, undefined));
  const feed = new LogFeed(buildLog(deployment));
  feed.start();
  await vi.advanceTimersByTimeAsync(0);
  expect(feed.state.name).toBe("reconnecting");
  await vi.advanceTimersByTimeAsync(5000);
  expect(log).toHaveBeenCalledTimes(3);
  expect(feed.state).toMatchObject({ name: "failed", problem: { status: 404 } });
});

it("tries once more what failed, when it is told to", async () => {
  pages(answered(404, undefined), { items: [line(1)], more: false });
  const feed = new LogFeed(buildLog(deployment));
  const stop = feed.start();
  await vi.advanceTimersByTimeAsync(0);
  expect(feed.state.name).toBe("failed");
  feed.again();
  await vi.advanceTimersByTimeAsync(0);
  Socket.made[0]?.onopen?.();
  expect(feed.state.name).toBe("following");
  // Nobody looks any more, or nothing failed.
  feed.again();
  stop();
  feed.again();
  expect(log).toHaveBeenCalledTimes(2);
});

it("asks why it cannot be followed, and says so where no attempt helps", async () => {
  pages({ items: [line(1)], more: false }, answered(503, undefined), answered(404, undefined));
  const feed = new LogFeed(buildLog(deployment));
  feed.start();
  await vi.advanceTimersByTimeAsync(0);
  const attempt = async () => {
    Socket.made.at(-1)?.onclose?.({ code: 1006 });
    await vi.advanceTimersByTimeAsync(15_000);
  };
  for (let left = 4; left > 0; left -= 1) await attempt();
  expect(feed.state.name).toBe("reconnecting");
  expect(log).toHaveBeenCalledTimes(2);
  for (let left = 4; left > 0; left -= 1) await attempt();
  expect(feed.state).toMatchObject({ name: "failed", problem: { status: 404 } });
  const made = Socket.made.length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(Socket.made).toHaveLength(made);
});

it("does not ask for the same page for ever", async () => {
  log.mockResolvedValue({ items: [{ type: "gap", lost: null }], more: true });
  const feed = new LogFeed(buildLog(deployment));
  feed.start();
  await vi.advanceTimersByTimeAsync(0);
  expect(log).toHaveBeenCalledTimes(1);
  expect(Socket.made).toHaveLength(1);
});

it("stops for good when nobody looks any more", async () => {
  pages({ items: [], more: false });
  const feed = new LogFeed(buildLog(deployment));
  const stop = feed.start();
  await vi.advanceTimersByTimeAsync(0);
  stop();
  Socket.made[0]?.onclose?.({ code: 1006 });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(Socket.made).toHaveLength(1);
});

it("opens no socket where a page came just as nobody looked any more", async () => {
  let answer = (_page: LogPage) => {};
  const later = new Promise<LogPage>((resolve) => {
    answer = resolve;
  });
  log.mockReturnValueOnce(later);
  const feed = new LogFeed(buildLog(deployment));
  const stop = feed.start();
  await vi.advanceTimersByTimeAsync(0);
  answer({ items: [line(1)], more: false });
  stop();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(Socket.made).toHaveLength(0);
  expect(feed.buffer.lines).toBe(0);
});

it("reads and follows the requests of an app in the same way", async () => {
  const request = { method: "GET", host: "shop.localhost", path: "/", client: "::1" };
  const access = {
    type: "access",
    cursor: "c1",
    edge: deployment,
    number: 1,
    at: "2026-11-21T09:30:00.250Z",
    request: { ...request, status: 200, sent: 3, took_us: 900 },
  };
  appLog.mockResolvedValueOnce({ items: [access], more: false });
  const feed = new LogFeed(accessLog("shop"));
  feed.start();
  await vi.advanceTimersByTimeAsync(0);
  expect(appLog.mock.calls[0]?.slice(0, 3)).toEqual(["shop", true, undefined]);
  expect(Socket.made[0]?.url).toBe(
    "wss://hythe.example:7070/api/v1/apps/shop/logs?access=true&cursor=c1",
  );
  expect(feed.buffer.lines).toBe(1);
});
