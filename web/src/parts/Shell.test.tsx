// @vitest-environment happy-dom

import { act, screen } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { clock } from "../format/clock";
import type { Live } from "../live/live";
import { open } from "../test/pages";
import { app, session } from "../test/samples";

const APPS = {
  "GET /api/v1/apps?limit=100": { items: [app] },
  "GET /api/v1/deleted-apps": { items: [] },
};
const LOST = Date.parse("2026-11-01T10:00:00.000Z");

/** A connection that is lost, and comes back when it is told to. */
function connection() {
  let lost: number | undefined = LOST;
  const listeners = new Set<() => void>();
  const live = {
    start: () => () => {},
    subscribe: (listener: () => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    state: () => (lost ? "reconnecting" : "open"),
    lost: () => lost,
  };
  const back = () =>
    act(() => {
      lost = undefined;
      for (const listener of listeners) listener();
    });
  return { live: live as unknown as Live, back };
}

beforeEach(() => void vi.restoreAllMocks());

describe("around every page", () => {
  it("is said since when nothing is heard of the server, until it is", async () => {
    const { live, back } = connection();
    await open("/", APPS, live);
    const said = screen.getByText("Reconnecting to Hythe.").closest("p")?.textContent;
    expect(said).toContain(`may be as it was at ${clock(LOST)}`);
    back();
    expect(screen.queryByText("Reconnecting to Hythe.")).toBeNull();
    screen.getByText("Connected");
  });

  it("is said that it is the device that has no network", async () => {
    const online = vi.spyOn(navigator, "onLine", "get").mockReturnValue(true);
    await open("/", APPS, connection().live);
    screen.getByText("Reconnecting to Hythe.");
    online.mockReturnValue(false);
    act(() => void window.dispatchEvent(new Event("offline")));
    screen.getByText("This device is offline.");
    expect(screen.queryByText("Reconnecting to Hythe.")).toBeNull();
  });

  it("is said that the server is another version than the page, which is loaded when asked", async () => {
    const reload = vi.spyOn(window.location, "reload").mockImplementation(() => {});
    const { user, answer, again } = await open("/", APPS);
    expect(screen.queryByText(/was upgraded/)).toBeNull();
    answer("GET /api/v1/session", { ...session, version: "0.2.0" });
    await again();
    await screen.findByText("Hythe was upgraded to 0.2.0.");
    expect(reload).not.toHaveBeenCalled();
    await user.click(screen.getByRole("button", { name: "Load it again" }));
    expect(reload).toHaveBeenCalledTimes(1);
  });
});
