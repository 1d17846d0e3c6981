// @vitest-environment happy-dom

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { open } from "../test/pages";
import { app, deployment, earlier, problem, replica } from "../test/samples";

const ANSWERS = {
  "GET /api/v1/apps/shop/deployments?limit=20": { items: [deployment, earlier], next: null },
  "GET /api/v1/apps/shop/replicas": { items: [replica] },
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

  it("goes to the other pages, and keeps the focus on the way there", async () => {
    const { user, router } = await open("/apps/shop", {
      ...ANSWERS,
      "GET /api/v1/apps/shop/domains": { items: [] },
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
