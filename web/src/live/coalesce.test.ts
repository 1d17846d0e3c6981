import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { coalesce } from "./coalesce";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("runs at once, then once per gap, and never forgets the last request", () => {
  const action = vi.fn();
  const { ask, stop } = coalesce(action, 100);
  ask();
  expect(action).toHaveBeenCalledTimes(1);
  for (let i = 0; i < 50; i += 1) ask();
  expect(action).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(100);
  expect(action).toHaveBeenCalledTimes(2);
  vi.advanceTimersByTime(1000);
  expect(action).toHaveBeenCalledTimes(2);
  ask();
  ask();
  stop();
  vi.advanceTimersByTime(1000);
  expect(action).toHaveBeenCalledTimes(3);
});
