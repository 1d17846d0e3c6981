// @vitest-environment happy-dom

import { QueryClient } from "@tanstack/react-query";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Live } from "./live";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("comes back to any journal, also to a shorter one than it was told of", () => {
  const made: Fake[] = [];
  class Fake {
    onopen: (() => void) | null = null;
    onclose: ((close: { code: number }) => void) | null = null;
    onmessage: ((message: { data: unknown }) => void) | null = null;
    url: string;
    constructor(url: string) {
      this.url = url;
      made.push(this);
    }
    close() {}
  }
  vi.stubGlobal("WebSocket", Fake);
  const queries = new QueryClient();
  const again = vi.spyOn(queries, "invalidateQueries");
  const live = new Live(queries);
  const stop = live.start();
  made[0]?.onopen?.();
  expect(live.state()).toBe("open");
  expect(again).toHaveBeenCalledTimes(1);
  made[0]?.onmessage?.({ data: '{"sequence":4711}' });
  made[0]?.onclose?.({ code: 1006 });
  vi.advanceTimersByTime(20_000);
  expect(made.length).toBeGreaterThan(1);
  for (const { url } of made) expect(new URL(url).search).toBe("");
  stop();
});

it("asks now and then while nothing is told, and for the version once it is told again", async () => {
  const made: { onopen?: () => void; onclose?: (close: { code: number }) => void }[] = [];
  class Fake {
    constructor() {
      made.push(this as (typeof made)[number]);
    }
    close() {}
  }
  vi.stubGlobal("WebSocket", Fake);
  const queries = new QueryClient();
  const again = vi.spyOn(queries, "invalidateQueries");
  const live = new Live(queries);
  const stop = live.start();
  made[0]?.onopen?.();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(again).toHaveBeenCalledTimes(1);
  expect(live.lost()).toBeUndefined();
  const lost = Date.now();
  made[0]?.onclose?.({ code: 1006 });
  await vi.advanceTimersByTimeAsync(16_000);
  expect(live.lost()).toBe(lost);
  expect(again).toHaveBeenCalledTimes(4);
  made.at(-1)?.onopen?.();
  expect(live.lost()).toBeUndefined();
  expect(again).toHaveBeenCalledWith({ queryKey: ["session"] });
  const before = again.mock.calls.length;
  await vi.advanceTimersByTimeAsync(60_000);
  // What was asked for while the last question was under way; then nothing any more.
  expect(again.mock.calls.length - before).toBeLessThanOrEqual(1);
  stop();
});
