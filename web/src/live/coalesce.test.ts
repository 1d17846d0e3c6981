import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { coalesce } from "./coalesce";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("runs at once, then once per gap, and never forgets the last request", async () => {
  const action = vi.fn(async () => {});
  const { ask } = coalesce(action, 100);
  ask();
  expect(action).toHaveBeenCalledTimes(1);
  for (let i = 0; i < 50; i += 1) ask();
  expect(action).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(100);
  expect(action).toHaveBeenCalledTimes(2);
  await vi.advanceTimersByTimeAsync(1000);
  expect(action).toHaveBeenCalledTimes(2);
});

it("waits for what takes longer than the gap, also where it fails", async () => {
  const action = vi.fn(
    () => new Promise((_resolve, reject) => setTimeout(() => reject(new Error("no")), 5000)),
  );
  const { ask } = coalesce(action, 100);
  ask();
  ask();
  await vi.advanceTimersByTimeAsync(5000);
  expect(action).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(100);
  expect(action).toHaveBeenCalledTimes(2);
});

it("begins anew after a stop", async () => {
  const action = vi.fn(() => new Promise((resolve) => setTimeout(resolve, 500)));
  const { ask, stop } = coalesce(action, 100);
  ask();
  ask();
  stop();
  await vi.advanceTimersByTimeAsync(1000);
  expect(action).toHaveBeenCalledTimes(1);
  ask();
  expect(action).toHaveBeenCalledTimes(2);
});
