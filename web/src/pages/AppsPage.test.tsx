// @vitest-environment happy-dom

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { GONE, open } from "../test/pages";
import { app, LATER, problem } from "../test/samples";

const APPS = "GET /api/v1/apps?limit=100";
const DELETED = "GET /api/v1/deleted-apps";
const gone = {
  id: "019eb2a4-5f00-7c11-9d3c-0000000000b1",
  name: "old-shop",
  deployments: 4,
  updated_at: LATER,
  until: new Date(Date.now() + 5 * 3_600_000 + 60_000).toISOString(),
};

describe("the apps", () => {
  it("say nothing of deleted ones where there are none", async () => {
    const { missing } = await open("/", { [APPS]: { items: [app] }, [DELETED]: { items: [] } });
    screen.getByText("1 app, all running");
    expect(screen.queryByRole("region", { name: "Deleted" })).toBeNull();
    expect(missing()).toEqual([]);
  });

  it("that were deleted come back, and why they cannot is said beside them", async () => {
    const at = `POST /api/v1/apps/${gone.id}/restore`;
    const { user, writes, answer } = await open("/", {
      [APPS]: { items: [app] },
      [DELETED]: { items: [gone] },
      [at]: problem(409, "It exists already", "another app has this name by now"),
    });
    const region = within(await screen.findByRole("region", { name: "Deleted" }));
    region.getByText("4 deployments");
    region.getByText("in 5 h");
    const restore = region.getByRole("button", { name: "Restore old-shop" });
    await user.click(restore);
    await region.findByText(/Another app has this name by now\./);
    answer(at, { ...app, id: gone.id, name: gone.name });
    answer(APPS, { items: [app, { ...app, id: gone.id, name: gone.name }] });
    answer(DELETED, { items: [] });
    await user.click(restore);
    await screen.findByText("old-shop is back, as it was.");
    await screen.findByRole("link", { name: "old-shop" });
    await waitFor(() => expect(document.activeElement?.textContent).toBe("Deleted"));
    expect(writes()).toHaveLength(2);
  });

  it("are deleted once their name was typed", async () => {
    const { user, writes, answer, router } = await open("/apps/shop/settings", {
      "GET /api/v1/apps/shop/env": { items: [] },
      [`GET /api/v1/deployments/${app.live?.id}`]: problem(404, "There is no such thing", "no"),
      "DELETE /api/v1/apps/shop": GONE,
      [APPS]: { items: [] },
      [DELETED]: { items: [{ ...gone, name: "shop" }] },
    });
    await user.click(screen.getByRole("button", { name: "Delete shop" }));
    const dialog = within(screen.getByRole("dialog", { name: "Delete shop?" }));
    await user.click(dialog.getByRole("button", { name: "Delete" }));
    dialog.getByText("Type shop.");
    expect(writes()).toEqual([]);
    answer("GET /api/v1/apps/shop", problem(404, "There is no such thing", "it was deleted"));
    await user.type(dialog.getByLabelText("To be sure, its name: shop"), "shop");
    await user.click(dialog.getByRole("button", { name: "Delete" }));
    await screen.findByRole("button", { name: "Restore shop" });
    expect(router.state.location.pathname).toBe("/");
    expect(writes().map(({ method, path }) => [method, path])).toEqual([
      ["DELETE", "/api/v1/apps/shop"],
    ]);
  });
});
