// @vitest-environment happy-dom

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { App, Canary } from "../api/types";
import { type Asked, open } from "../test/pages";
import { app, canary, deployment, earlier, problem, replica, site, THEN } from "../test/samples";

const ANSWERS = {
  "GET /api/v1/apps/shop/deployments?limit=20": { items: [deployment, earlier], next: null },
  "GET /api/v1/apps/shop/replicas": { items: [replica] },
  [`GET /api/v1/deployments/${deployment.id}`]: deployment,
};
const back = {
  ...deployment,
  id: "019eb2a4-5f00-7c11-9d3c-000000000003",
  number: 3,
  status: "starting",
  settled: false,
  takes_over: { deployment: earlier.id, number: 1, rebuilt: false },
};

describe("an app's first page", () => {
  it("shows what is live, what was, and what runs", async () => {
    const { missing } = await open("/apps/shop", ANSWERS);
    expect(document.title).toBe("shop · Hythe");
    screen.getByText("https://git.example/shop.git");
    const rows = within(await screen.findByRole("table")).getAllByRole("row");
    expect(rows[1]?.textContent).toMatch(/^#2live/);
    expect(rows[1]?.hasAttribute("data-live")).toBe(true);
    expect(rows[2]?.textContent).toMatch(/^#1superseded/);
    screen.getByRole("heading", { name: "Replicas 1 of 1 healthy" });
    expect(missing()).toEqual([]);
  });

  it("tells of a replica that fails since when, what its check found, and what it wrote", async () => {
    const failing = {
      ...replica,
      state: "unhealthy",
      healthy: false,
      since: THEN,
      detail: "its last check: GET /up answered 500",
      endpoint: "127.0.0.1:32768",
      restarts: 5,
      restarts_in_a_row: 2,
      log: ["\u001b[31mno database\u001b[0m", "<b>giving up</b>"],
    };
    await open("/apps/shop", {
      ...ANSWERS,
      "GET /api/v1/apps/shop/replicas": { items: [failing] },
    });
    const replicas = within(await screen.findByRole("region", { name: /^Replicas/ }));
    const row = await replicas.findByRole("listitem");
    expect(row.textContent).toMatch(
      /^#2\/0unhealthysince .*on local, at 127\.0\.0\.1:327685 restarts, 2 in a row/,
    );
    within(row).getByText("its last check: GET /up answered 500");
    expect(row.querySelector("pre")?.textContent).toBe("no database\n<b>giving up</b>");
    replicas.getByText("Checked, as it is set now: GET /up, 200-399.");
  });

  it("stops and starts the app, and the focus goes to where that is said", async () => {
    const stopped = { ...app, stopped: true, status: "stopped" };
    const { user, answer } = await open("/apps/shop", {
      ...ANSWERS,
      "POST /api/v1/apps/shop/stop": stopped,
      "POST /api/v1/apps/shop/start": app,
    });
    const heading = screen.getByRole("heading", { level: 1 });
    await user.click(screen.getByRole("button", { name: "Stop" }));
    answer("GET /api/v1/apps/shop", stopped);
    const dialog = within(screen.getByRole("dialog", { name: "Stop shop?" }));
    await user.click(dialog.getByRole("button", { name: "Stop" }));
    const start = await screen.findByRole("button", { name: "Start" });
    await waitFor(() => expect(document.activeElement).toBe(heading));
    answer("GET /api/v1/apps/shop", app);
    await user.click(start);
    await screen.findByRole("button", { name: "Stop" });
    await waitFor(() => expect(document.activeElement).toBe(heading));
  });

  it("says why the app cannot start, and what to do", async () => {
    const busy = { ...problem(503, "It cannot be done now", "the disk is full"), retry_after: 5 };
    const { user } = await open("/apps/shop", {
      ...ANSWERS,
      "GET /api/v1/apps/shop": { ...app, stopped: true, status: "stopped" },
      "POST /api/v1/apps/shop/start": busy,
    });
    await user.click(screen.getByRole("button", { name: "Start" }));
    await screen.findByText(/The disk is full\. Try again in 5 s\./);
    expect(document.activeElement).toBe(screen.getByRole("button", { name: "Start" }));
  });

  it("is gone once somebody else deleted the app, and not only out of date", async () => {
    const { answer, again } = await open("/apps/shop", ANSWERS);
    answer("GET /api/v1/apps/shop", problem(403, "Not allowed", "no"));
    await again();
    await screen.findByText(/Could not be brought up to date/);
    screen.getByRole("heading", { name: "shop", level: 1 });
    answer("GET /api/v1/apps/shop", problem(404, "There is nothing here", "no app has this name"));
    await again();
    const alert = within(await screen.findByRole("alert"));
    // What had the focus is gone, too.
    const title = alert.getByRole("heading", { name: "There is nothing here", level: 1 });
    expect(document.activeElement).toBe(title);
    expect(document.title).toBe("There is nothing here · Hythe");
    alert.getByRole("link", { name: "All apps" });
    expect(screen.queryByRole("button", { name: "Deploy" })).toBeNull();
    answer("GET /api/v1/apps/shop", app);
    await again();
    await screen.findByRole("button", { name: "Deploy" });
  });

  it("goes to the other pages, and keeps the focus on the way there", async () => {
    const { user, router } = await open("/apps/shop", {
      ...ANSWERS,
      "GET /api/v1/apps/shop/domains": { items: [] },
      "GET /api/v1/certificates": { items: [] },
    });
    await user.click(screen.getByRole("link", { name: "Domains" }));
    await screen.findByRole("heading", { name: "Add a domain" });
    expect(router.state.location.pathname).toBe("/apps/shop/domains");
    expect(document.activeElement?.textContent).toBe("Domains");
    await waitFor(() => expect(document.title).toBe("shop: domains · Hythe"));
  });

  it("rolls back to one version, and shows the way of that", async () => {
    const { user, writes, router } = await open("/apps/shop", {
      ...ANSWERS,
      "POST /api/v1/apps/shop/rollback": back,
      [`GET /api/v1/deployments/${back.id}`]: back,
    });
    await user.click(await screen.findByRole("button", { name: "Roll back to #1" }));
    const dialog = within(screen.getByRole("dialog", { name: "Bring shop #1 back?" }));
    await user.click(dialog.getByLabelText(/Leave settings/));
    await user.click(dialog.getByRole("button", { name: "Roll back" }));
    await waitFor(() => expect(router.state.location.pathname).toBe(`/deployments/${back.id}`));
    expect(writes().map(({ body }) => body)).toEqual([{ to: earlier.id, keep_settings: true }]);
  });

  it("rolls back to whatever was live before, and says why it cannot", async () => {
    const { user, writes } = await open("/apps/shop", {
      ...ANSWERS,
      "POST /api/v1/apps/shop/rollback": problem(
        409,
        "It does not fit the present state",
        "no other version of shop was live before this one",
      ),
    });
    await user.click(await screen.findByRole("button", { name: "Roll back" }));
    const dialog = screen.getByRole("dialog", { name: "Bring back what shop served before?" });
    await user.click(within(dialog).getByRole("button", { name: "Roll back" }));
    await within(dialog).findByText(/No other version of shop was live before this one\./);
    expect(writes().map(({ body }) => body)).toEqual([{ to: null, keep_settings: false }]);
  });

  it("says how to deploy what never was", async () => {
    await open("/apps/shop", {
      "GET /api/v1/apps/shop": {
        ...app,
        live: null,
        latest: null,
        deployments: 0,
        status: "never_deployed",
      },
      "GET /api/v1/apps/shop/deployments?limit=20": { items: [], next: null },
      "GET /api/v1/apps/shop/replicas": { items: [] },
    });
    await screen.findByText("hythe deploy shop --wait");
    expect(screen.queryByRole("button", { name: "Roll back" })).toBeNull();
  });

  it("says of which app it is a preview", async () => {
    await open("/apps/shop", {
      ...ANSWERS,
      "GET /api/v1/apps/shop": { ...app, preview: { app: "store", number: 4 } },
    });
    const link = screen.getByRole("link", { name: "store" });
    expect(link.getAttribute("href")).toBe("/apps/store/automation");
  });

  it("has no page at an address that leads nowhere", async () => {
    await open("/apps/shop/elsewhere", ANSWERS);
    await screen.findByText("There is no page at this address.");
  });
});

describe("a static site", () => {
  it("shows its files, and no replicas", async () => {
    const { missing } = await open("/apps/shop", {
      ...ANSWERS,
      [`GET /api/v1/deployments/${deployment.id}`]: { ...deployment, site, image: null },
    });
    const files = within(await screen.findByRole("region", { name: "Static site" }));
    files.getByText(/12 files, 1\.5 MiB/);
    expect(screen.queryByRole("region", { name: /^Replicas/ })).toBeNull();
    expect(missing()).toEqual([]);
  });
});

describe("deploying", () => {
  const begun = { ...back, takes_over: null };
  const page = (answers = {}) =>
    open("/apps/shop", {
      ...ANSWERS,
      "POST /api/v1/apps/shop/deployments": begun,
      [`GET /api/v1/deployments/${begun.id}`]: begun,
      ...answers,
    });
  const ask = async ({ user }: Awaited<ReturnType<typeof page>>) => {
    await user.click(await screen.findByRole("button", { name: "Deploy" }));
    const dialog = within(screen.getByRole("dialog", { name: "Deploy shop?" }));
    return { dialog, go: () => user.click(dialog.getByRole("button", { name: "Deploy" })) };
  };

  it("says of what, and shows the way of it", async () => {
    const opened = await page();
    const { dialog, go } = await ask(opened);
    dialog.getByText(/The newest commit of main is built/);
    await go();
    await waitFor(() =>
      expect(opened.router.state.location.pathname).toBe(`/deployments/${begun.id}`),
    );
    expect(opened.writes().map(({ body }) => body)).toEqual([{}]);
  });

  it("begins with a part of the requests, once that can be read", async () => {
    const opened = await page();
    const { dialog, go } = await ask(opened);
    await opened.user.click(await dialog.findByLabelText("As a canary"));
    const part = dialog.getByLabelText("Its part of the requests, in per cent");
    await opened.user.clear(part);
    await opened.user.type(part, "100");
    await go();
    dialog.getByText("A whole number from 1 to 99.");
    expect(opened.writes()).toEqual([]);
    await opened.user.clear(part);
    await opened.user.type(part, "25");
    await go();
    await waitFor(() => expect(opened.writes()).toHaveLength(1));
    expect(opened.writes()[0]?.body).toEqual({
      canary: { percent: 25, within_ms: 86_400_000 },
    });
  });

  it("says why there is no part of them", async () => {
    const settings = { ...app.settings, volumes: { "/data": { volume: "data" } } };
    const opened = await page({ "GET /api/v1/apps/shop": { ...app, settings } });
    const { dialog } = await ask(opened);
    await dialog.findByText(/two versions never write to its volumes/);
    expect(dialog.queryByLabelText("As a canary")).toBeNull();
  });

  it("is not for what is made from nothing", async () => {
    const { repository: _, ...settings } = app.settings;
    await page({ "GET /api/v1/apps/shop": { ...app, settings } });
    expect(screen.queryByRole("button", { name: "Deploy" })).toBeNull();
  });
});

describe("a canary", () => {
  const AT = "/api/v1/apps/shop/canary";
  const singing: App = { ...app, rolling: canary.deployment };

  /** The page, with a server that does what it is asked to. */
  async function page(first: Canary = canary) {
    let [now, one]: [App, Canary | undefined] = [singing, first];
    const over = () => {
      [now, one] = [app, undefined];
      return now;
    };
    const opened = await open("/apps/shop", {
      ...ANSWERS,
      "GET /api/v1/apps/shop": () => now,
      [`GET ${AT}`]: () => one ?? problem(404, "There is nothing here", "the app has no canary"),
      [`PUT ${AT}`]: ({ body }: Asked) => {
        one = { ...canary, ...(body as { percent: number }) };
        return now;
      },
      [`POST ${AT}/promote`]: over,
      [`POST ${AT}/abort`]: over,
    });
    const region = within(await screen.findByRole("region", { name: "Canary" }));
    const confirm = (name: string) =>
      opened.user.click(within(screen.getByRole("dialog")).getByRole("button", { name }));
    const click = (name: string) => opened.user.click(region.getByRole("button", { name }));
    return { ...opened, region, confirm, click };
  }

  it("that is a static site is taken by no replicas", async () => {
    const { region } = await page({ ...canary, targets: [] });
    region.getByText(/taken back/);
    expect(region.queryByText(/replica/)).toBeNull();
  });

  it("says which part it takes, and until when", async () => {
    const { region } = await page();
    region.getByText("takes 10% of the requests, #2 the others.", { exact: false });
    region.getByText(/taken back/);
    region.getByText("in 5 h");
    expect(region.getByRole("link", { name: "#3" }).getAttribute("href")).toBe(
      `/deployments/${canary.deployment.id}`,
    );
  });

  it("gets another part", async () => {
    const { region, confirm, click, user, writes } = await page();
    await click("Change its part");
    const field = screen.getByLabelText("Its part of the requests, in per cent");
    await user.clear(field);
    await user.type(field, "half");
    await confirm("Change its part");
    expect(field.getAttribute("aria-invalid")).toBe("true");
    await user.clear(field);
    await user.type(field, "50");
    await confirm("Change its part");
    await region.findByText("#3 is to take 50% of the requests.");
    await region.findByText("takes 50% of the requests, #2 the others.", { exact: false });
    expect(writes().map(({ method, body }) => [method, body])).toEqual([["PUT", { percent: 50 }]]);
  });

  it.each([
    ["Promote it", "promote", "#3 gets all requests."],
    ["Take it back", "abort", "#3 is taken back."],
  ])("%s, once that is confirmed", async (name, what, said) => {
    const { confirm, click, writes } = await page();
    await click(name);
    expect(writes()).toEqual([]);
    await confirm(name);
    await screen.findByText(said);
    await waitFor(() => expect(screen.queryByRole("region", { name: "Canary" })).toBeNull());
    await waitFor(() => expect(document.activeElement?.textContent).toBe("Deployments"));
    expect(writes().map(({ path }) => path)).toEqual([`${AT}/${what}`]);
  });
});
