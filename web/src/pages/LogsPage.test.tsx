// @vitest-environment happy-dom

import { screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { open } from "../test/pages";
import { edgeSettings, LATER, problem } from "../test/samples";

const OUTPUT = "GET /api/v1/apps/shop/logs?limit=5000&tail=2000";
const ACCESS = "GET /api/v1/apps/shop/logs?limit=5000&access=true&tail=2000";
const EDGE = "GET /api/v1/apps/shop/edge";

const line = {
  type: "line",
  cursor: "c1",
  deployment: "019eb2a4-5f00-7c11-9d3c-000000000002",
  number: 1,
  at: LATER,
  stream: "stdout",
  replica: 1,
  text: "listening",
};
const access = (number: number, path: string, status: number) => ({
  type: "access",
  cursor: `c${number}`,
  edge: "019eb2a4-5f00-7c11-9d3c-0000000000aa",
  number,
  at: LATER,
  request: {
    method: "GET",
    host: "shop.localhost",
    path,
    client: "203.0.113.7",
    status,
    sent: 2048,
    took_us: 12_400,
  },
});

beforeEach(() => {
  // It opens, and nothing comes besides what is there.
  class Socket {
    onopen: (() => void) | null = null;
    constructor() {
      setTimeout(() => this.onopen?.());
    }
    close() {}
  }
  vi.stubGlobal("WebSocket", Socket);
});

const requests = (items: object[], settings = edgeSettings) =>
  open("/apps/shop/logs?log=requests", {
    [ACCESS]: { items, more: false },
    [EDGE]: settings,
  });

describe("an app's logs", () => {
  it("begin with what its replicas write", async () => {
    await open("/apps/shop/logs", { [OUTPUT]: { items: [line], more: false } });
    const log = within(await screen.findByRole("region", { name: "Lines that shop wrote" }));
    expect(log.getByText("listening").closest(".log-row")?.textContent).toMatch(/1listening$/);
    const nav = within(screen.getByRole("navigation", { name: "Which log" }));
    expect(nav.getByRole("link", { current: "page" }).textContent).toBe("Output");
    nav.getByRole("link", { name: "Build of #2" });
    const tabs = within(screen.getByRole("navigation", { name: "Pages of shop" }));
    expect(tabs.getByRole("link", { current: "page" }).textContent).toBe("Logs");
  });

  it("that cannot be read say why, and are read once that is asked for", async () => {
    const { user, answer } = await open("/apps/shop/logs", {
      [OUTPUT]: problem(403, "Not allowed", "this token may not read logs"),
    });
    await screen.findByText("this token may not read logs");
    answer(OUTPUT, { items: [line], more: false });
    await user.click(screen.getByRole("button", { name: "Try again" }));
    const log = within(await screen.findByRole("region", { name: "Lines that shop wrote" }));
    log.getByText("listening");
  });

  it("show what was asked of it, and what was answered", async () => {
    await requests([access(1, "/", 200), { ...access(2, "/", 200), request: null, left_out: 7 }]);
    const log = within(await screen.findByRole("region", { name: "Requests to shop" }));
    const row = log.getByText("shop.localhost/", { exact: false }).closest(".log-row");
    expect(row?.textContent).toMatch(/200GET12\.4 ms|200GET12 ms/);
    expect(row?.textContent).toContain("203.0.113.7");
    log.getByText("7 requests not told: there were too many at once");
    screen.getByText("1 request");
    const tabs = within(screen.getByRole("navigation", { name: "Pages of shop" }));
    expect(tabs.getByRole("link", { current: "page" }).textContent).toBe("Logs");
  });

  it("leave those that are looked for", async () => {
    const { user } = await requests([
      access(1, "/cart", 200),
      access(2, "/cart", 502),
      access(3, "/prices", 404),
    ]);
    await screen.findByRole("region", { name: "Requests to shop" });
    const paths = () => screen.queryAllByText(/^shop\.localhost\//).length;
    expect(paths()).toBe(3);
    await user.type(screen.getByLabelText("Host and path contain"), "/CART");
    expect(paths()).toBe(2);
    await user.selectOptions(screen.getByLabelText("Status"), "5");
    expect(paths()).toBe(1);
    await user.selectOptions(screen.getByLabelText("Status"), "3");
    screen.getByText("None of the 3 requests here fits. Others show as they come.");
  });

  it("say that requests are not told, and where to change that", async () => {
    await requests([], { ...edgeSettings, access_log: false });
    await screen.findByText("Requests are not told");
    const link = screen.getByRole("link", { name: "where its traffic is set" });
    expect(link.getAttribute("href")).toBe("/apps/shop/traffic");
    await waitFor(() => screen.getByText(/^Nothing yet\. Requests to shop/));
  });
});
