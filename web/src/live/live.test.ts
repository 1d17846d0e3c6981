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
