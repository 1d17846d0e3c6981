// @vitest-environment happy-dom

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { EdgeSeenPath, EdgeSettings, Route, UpdateEdge } from "../api/types";
import { type Asked, open } from "../test/pages";
import { app, edgeSettings, problem } from "../test/samples";

const AT = "/api/v1/apps/shop/edge";

/** The page, with a server that does what it is asked to. */
async function page(given: Partial<EdgeSettings> = {}) {
  let now: EdgeSettings = { ...edgeSettings, ...given };
  const update = ({ body }: Asked) => {
    const { users, mounts, ...rest } = body as UpdateEdge;
    const places = new Map(now.mounts.map((mount) => [mount.at, mount.seen]));
    for (const [at, seen] of Object.entries(mounts ?? {})) {
      if (seen) places.set(at, seen as EdgeSeenPath);
      else places.delete(at);
    }
    const kept = now.users.filter((user) => users?.[user] !== null);
    const added = Object.keys(users ?? {}).filter((user) => users?.[user] !== null);
    const set = { users: [...new Set([...kept, ...added])] };
    const at = { mounts: [...places].map(([at, seen]) => ({ at, seen })) };
    now = { ...now, ...rest, ...set, ...at } as EdgeSettings;
    return now;
  };
  const opened = await open("/apps/shop/traffic", {
    [`GET ${AT}`]: () => now,
    [`PATCH ${AT}`]: update,
    // The edges have each place at once.
    "GET /api/v1/routes?limit=200": () => ({
      items: [
        route(app),
        ...now.mounts.map(({ at }) => mounted(app, at)),
        mounted(api, "shop.localhost/api"),
      ],
    }),
  });
  await screen.findByRole("heading", { name: "Maintenance" });
  return { ...opened, sent: () => opened.writes().map(({ body }) => body) };
}

const api = { id: "019eb2a4-5f00-7c11-9d3c-0000000000ab", name: "api" };
const route = (of: Route["app"]): Route => ({
  app: of,
  host: "shop.localhost",
  state: "serving",
  targets: [],
});
const mounted = (of: Route["app"], at: string): Route => {
  const [host = "", ...path] = at.split("/");
  return { ...route(of), host, path: `/${path.join("/")}` };
};
const region = (name: string) => within(screen.getByRole("region", { name }));

describe("how an app is served", () => {
  it("shows the maintenance page after asking, and ends it", async () => {
    const { user, sent } = await page();
    await user.click(screen.getByRole("button", { name: "Show the maintenance page" }));
    const dialog = within(
      screen.getByRole("dialog", { name: "Show everybody the maintenance page of shop?" }),
    );
    await user.click(dialog.getByRole("button", { name: "Show the maintenance page" }));
    await screen.findByText("Everybody gets the maintenance page");
    await waitFor(() => expect(document.activeElement?.textContent).toBe("Maintenance"));
    await user.click(screen.getByRole("button", { name: "End the maintenance" }));
    await screen.findByText("shop answers again.");
    expect(sent()).toEqual([{ maintenance: true }, { maintenance: false }]);
  });

  it("sends what was changed, and nothing else", async () => {
    const { user, sent } = await page({ body_bytes: 1_048_576 });
    const form = region("Limits and answers");
    const save = form.getByRole("button", { name: "Save" });
    expect(save.getAttribute("aria-disabled")).toBe("true");
    await user.type(form.getByLabelText("Requests a second"), "20");
    await user.clear(form.getByLabelText("Largest request body"));
    await user.click(form.getByLabelText("Sticky"));
    await user.selectOptions(form.getByLabelText("Hosts that differ by www. only"), "remove");
    await user.click(save);
    await form.findByText("Saved; it holds at once.");
    expect(sent()).toEqual([
      { sticky: true, www: "remove", rate: { per_second: 20, burst: 40 }, body_bytes: null },
    ]);
    expect(form.getByLabelText<HTMLInputElement>("Requests at once").value).toBe("40");
  });

  it("says at the field what it takes, and sends nothing", async () => {
    const { user, sent } = await page();
    const form = region("Limits and answers");
    const wait = form.getByLabelText("Wait for a start");
    await user.clear(wait);
    await user.type(wait, "an hour");
    await user.click(form.getByRole("button", { name: "Save" }));
    expect(wait.getAttribute("aria-invalid")).toBe("true");
    const described = wait.getAttribute("aria-describedby")?.split(" ") ?? [];
    const texts = described.map((id) => document.getElementById(id)?.textContent);
    expect(texts).toContain("Seconds, 0 to 300.");
    await user.click(form.getByRole("button", { name: "Forget the changes" }));
    expect(form.getByLabelText<HTMLInputElement>("Wait for a start").value).toBe("0");
    expect(sent()).toEqual([]);
  });

  it("says why the server does not take it", async () => {
    const { user, answer } = await page();
    const form = region("From where");
    answer(`PATCH ${AT}`, problem(422, "It is not valid", "allow[0]: not a network"));
    await user.type(form.getByLabelText("Addresses and ranges"), "everywhere");
    await user.click(form.getByRole("button", { name: "Save" }));
    await form.findByText(/not a network/);
    expect(form.getByLabelText<HTMLTextAreaElement>("Addresses and ranges").value).toBe(
      "everywhere",
    );
  });

  it("takes addresses and for what they hold", async () => {
    const { user, sent } = await page({ allow: ["10.0.0.0/8"] });
    const form = region("From where");
    await user.type(form.getByLabelText("Addresses and ranges"), "{End}{Enter}203.0.113.7");
    await user.selectOptions(form.getByLabelText("Users and addresses hold for"), "previews");
    await user.click(form.getByRole("button", { name: "Save" }));
    await form.findByText("Saved; it holds at once.");
    expect(sent()).toEqual([{ allow: ["10.0.0.0/8", "203.0.113.7"], guards: "previews" }]);
  });

  it("adds a user, keeps no password in the page, and takes the last one away", async () => {
    const { user, sent } = await page();
    const users = region("Who may see it");
    await user.type(users.getByLabelText("User"), "ada");
    await user.type(users.getByLabelText("Password"), "a long password");
    await user.click(users.getByRole("button", { name: /^Add user/ }));
    await users.findByText("ada has a password now.");
    expect(users.getByLabelText<HTMLInputElement>("Password").value).toBe("");
    await user.click(users.getByRole("button", { name: "Remove ada" }));
    const dialog = within(screen.getByRole("dialog", { name: "Take ada away?" }));
    dialog.getByText(/nobody is asked for a password any more/);
    await user.click(dialog.getByRole("button", { name: "Remove" }));
    await users.findByText("ada is taken away.");
    await waitFor(() => expect(document.activeElement?.textContent).toBe("Who may see it"));
    expect(sent()).toEqual([{ users: { ada: "a long password" } }, { users: { ada: null } }]);
  });

  it("tells browsers to come by https only, for a time that can be read", async () => {
    const { user, sent } = await page();
    const form = region("https");
    const field = form.getByLabelText("Browsers are to come by https only for");
    expect(form.queryByLabelText(/built in/)).toBeNull();
    await user.type(field, "a month");
    await user.click(form.getByRole("button", { name: "Save" }));
    expect(field.getAttribute("aria-invalid")).toBe("true");
    await user.clear(field);
    await user.type(field, "30d");
    await user.click(form.getByLabelText(/all hosts below/));
    await user.selectOptions(form.getByLabelText("Requests without TLS"), "both");
    await user.click(form.getByRole("button", { name: "Save" }));
    await form.findByText("Saved; it holds at once.");
    expect(sent()).toEqual([
      { https: "both", hsts: { max_age: 2_592_000, subdomains: true, preload: false } },
    ]);
  });

  it("asks once before changes of several forms are left behind", async () => {
    const { user, router, answer } = await page();
    answer("GET /api/v1/apps/shop/env", { items: [] });
    await user.type(region("From where").getByLabelText("Addresses and ranges"), "203.0.113.7");
    await user.click(region("Limits and answers").getByLabelText("Sticky"));
    const dialog = () => within(screen.getByRole("dialog", { name: "Leave without saving?" }));
    await user.click(screen.getByRole("link", { name: "Settings" }));
    await user.click(dialog().getByRole("button", { name: "Stay" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(router.state.location.pathname).toBe("/apps/shop/traffic");
    // The one that asked is as it was, and the other asks in its place.
    const from = region("From where");
    await user.click(from.getByRole("button", { name: "Forget the changes" }));
    await user.click(screen.getByRole("link", { name: "Settings" }));
    await user.click(dialog().getByRole("button", { name: "Stay" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    await user.type(from.getByLabelText("Addresses and ranges"), "203.0.113.7");
    await user.click(screen.getByRole("link", { name: "Settings" }));
    await user.click(dialog().getByRole("button", { name: "Leave" }));
    await screen.findByRole("heading", { name: "How it runs" });
    expect(screen.queryByRole("dialog")).toBeNull();
    expect(router.state.location.pathname).toBe("/apps/shop/settings");
  });

  it("puts an app at a path of another host, and takes it away", async () => {
    const { user, sent } = await page();
    const mounts = region("At paths of other hosts");
    mounts.getByText(/is at its own hosts only/);
    await user.type(mounts.getByLabelText("Host and path"), "https://store.example/shop/");
    await user.click(mounts.getByLabelText("The app sees paths without it"));
    await user.click(mounts.getByRole("button", { name: "Add the path" }));
    await mounts.findByText("shop is to be at store.example/shop.");
    mounts.getByText("the app sees what comes after it");
    await mounts.findByText("there");
    expect(mounts.getByRole("link", { name: "api" }).closest("li")?.textContent).toBe(
      "shop.localhost/apiapi",
    );
    await user.click(mounts.getByRole("button", { name: "Remove store.example/shop" }));
    const dialog = within(screen.getByRole("dialog"));
    await user.click(dialog.getByRole("button", { name: "Remove" }));
    await mounts.findByText("shop is at store.example/shop no more.");
    await waitFor(() =>
      expect(document.activeElement?.textContent).toBe("At paths of other hosts"),
    );
    expect(sent()).toEqual([
      { mounts: { "store.example/shop": "stripped" } },
      { mounts: { "store.example/shop": null } },
    ]);
  });
});
