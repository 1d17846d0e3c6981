// @vitest-environment happy-dom

import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { onDemand } from "./onDemand";

const Page = () => <h1>Here it is</h1>;
const gone = () => Promise.reject(new TypeError("Failed to fetch dynamically imported module"));
const refused = async () => new Response("{}", { status: 401 });
const away = () => Promise.reject(new TypeError("Failed to fetch"));

beforeEach(() => void vi.useFakeTimers());

afterEach(() => {
  cleanup();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

it("holds its place until it is there, and is loaded once", async () => {
  const load = vi.fn(async () => Page);
  const Lazy = onDemand(load);
  const { unmount } = render(<Lazy />);
  screen.getByText("Loading the page…");
  await pass(0);
  screen.getByRole("heading", { name: "Here it is" });
  unmount();
  render(<Lazy />);
  screen.getByRole("heading", { name: "Here it is" });
  expect(load).toHaveBeenCalledTimes(1);
});

it("says that it is gone where the server answers, and loads all of it anew only when asked", async () => {
  vi.stubGlobal("fetch", vi.fn(refused));
  const reload = vi.spyOn(window.location, "reload").mockImplementation(() => {});
  const load = vi.fn(gone);
  const Lazy = onDemand(load);
  render(<Lazy />);
  await pass(0);
  screen.getByRole("heading", { name: "This page could not be loaded", level: 1 });
  screen.getByText(/it was probably upgraded/);
  // Once more, since it may have been the network; then not again.
  await pass(60_000);
  expect(load).toHaveBeenCalledTimes(2);
  expect(reload).not.toHaveBeenCalled();
  act(() => screen.getByRole("button", { name: "Load again" }).click());
  expect(reload).toHaveBeenCalledTimes(1);
});

it("waits for a server that does not answer, and is there once it does", async () => {
  const fetch = vi.fn<() => Promise<Response>>(away);
  vi.stubGlobal("fetch", fetch);
  const load = vi.fn<() => Promise<typeof Page>>(gone);
  const Lazy = onDemand(load, { within: true });
  render(<Lazy />);
  await pass(0);
  screen.getByRole("heading", { name: "Hythe does not answer", level: 2 });
  expect(screen.queryByRole("button")).toBeNull();
  await pass(10_000);
  expect(load).toHaveBeenCalledTimes(1);
  fetch.mockImplementation(refused);
  load.mockImplementation(async () => Page);
  await pass(3_000);
  screen.getByRole("heading", { name: "Here it is" });
});

it("what failed before anybody came is asked for again", async () => {
  const load = vi.fn<() => Promise<typeof Page>>(gone);
  const Lazy = onDemand(load);
  Lazy.preload();
  await pass(0);
  load.mockImplementation(async () => Page);
  render(<Lazy />);
  screen.getByText("Loading the page…");
  await pass(0);
  screen.getByRole("heading", { name: "Here it is" });
  expect(load).toHaveBeenCalledTimes(2);
});
