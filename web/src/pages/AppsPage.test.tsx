// @vitest-environment happy-dom

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { GONE, open } from "../test/pages";
import { app, deployment, LATER, problem } from "../test/samples";

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

  it("are found by a part of their name or project, where there are many", async () => {
    const named = (name: string, project = "default") => ({ ...app, id: name, name, project });
    const items = [..."abcdefg"].map((letter) => named(`app-${letter}`));
    const { user } = await open("/", {
      [APPS]: { items: [...items, named("cart", "team-x")] },
      [DELETED]: { items: [] },
    });
    const field = screen.getByLabelText("Name or project contains");
    const rows = () => screen.getAllByRole("rowheader").map(({ textContent }) => textContent);
    expect(rows()).toHaveLength(8);
    await user.type(field, "Team");
    expect(rows()).toEqual(["cart in team-x"]);
    await user.type(field, "-y");
    screen.getByText("None of these 8 fits.");
  });

  it("that are not here yet may be what is looked for, and that is said", async () => {
    const items = Array.from({ length: 9 }, (_, number) => ({ ...app, id: `${number}` }));
    const { user, answer } = await open("/", {
      [APPS]: { items, next: "c1" },
      [DELETED]: { items: [] },
    });
    await user.type(screen.getByLabelText("Name or project contains"), "cart");
    screen.getByText("None of these 9 fits; there are more, which can be shown.");
    answer(`${APPS}&cursor=c1`, { items: [{ ...app, id: "cart", name: "cart" }] });
    await user.click(screen.getByRole("button", { name: "Show more" }));
    await screen.findByRole("rowheader", { name: "cart" });
  });

  it("are made here, and their first deployment is shown", async () => {
    const CREATE = "POST /api/v1/apps";
    const { user, writes, answer, router } = await open("/", {
      [APPS]: { items: [] },
      [DELETED]: { items: [] },
      [CREATE]: problem(422, "A field is not right", "an app name has small letters"),
      "POST /api/v1/apps/shop/deployments": deployment,
      [`GET /api/v1/deployments/${deployment.id}`]: deployment,
    });
    screen.getByText("hythe deploy my-app --repo https://github.com/you/my-app.git --wait");
    await user.click(screen.getByRole("button", { name: "New app" }));
    expect(document.activeElement).toBe(screen.getByLabelText("Name"));
    await user.type(screen.getByLabelText("Name"), "shop");
    await user.type(screen.getByLabelText("Repository"), "https://git.example/shop.git");
    await user.click(screen.getByRole("button", { name: "Create and deploy" }));
    await screen.findByText(/An app name has small letters\./);
    // What was typed is still there.
    expect(screen.getByLabelText<HTMLInputElement>("Name").value).toBe("shop");
    answer(CREATE, app);
    await user.click(screen.getByRole("button", { name: "Create and deploy" }));
    await waitFor(() => expect(router.state.location.pathname).toMatch(/^\/deployments\//));
    const made = { name: "shop", repository: "https://git.example/shop.git" };
    expect(writes().map(({ path, body }) => [path, body])).toEqual([
      ["/api/v1/apps", made],
      ["/api/v1/apps", made],
      ["/api/v1/apps/shop/deployments", {}],
    ]);
  });

  it("say why their first deployment cannot begin, and try it again without being made twice", async () => {
    const { user, writes, answer, router } = await open("/", {
      [APPS]: { items: [] },
      [DELETED]: { items: [] },
      "POST /api/v1/apps": app,
      "POST /api/v1/apps/shop/deployments": problem(422, "A field is not right", "not now"),
    });
    await user.click(screen.getByRole("button", { name: "New app" }));
    await user.type(screen.getByLabelText("Name"), "shop");
    await user.selectOptions(screen.getByLabelText("Made from"), "An image of a registry");
    await user.type(screen.getByLabelText("Image"), "ghcr.io/team/shop:1.2");
    await user.click(screen.getByRole("button", { name: "Create and deploy" }));
    await screen.findByText(/Not now\./);
    screen.getByText("shop is made, but its first version is not on its way.");
    expect(screen.getByRole("link", { name: "Go to shop" }).getAttribute("href")).toBe(
      "/apps/shop",
    );
    await waitFor(() =>
      expect(document.activeElement).toBe(screen.getByRole("heading", { name: "New app" })),
    );
    answer("POST /api/v1/apps/shop/deployments", deployment);
    answer(`GET /api/v1/deployments/${deployment.id}`, deployment);
    await user.click(screen.getByRole("button", { name: "Deploy it" }));
    await waitFor(() => expect(router.state.location.pathname).toMatch(/^\/deployments\//));
    expect(writes().map(({ path }) => path)).toEqual([
      "/api/v1/apps",
      "/api/v1/apps/shop/deployments",
      "/api/v1/apps/shop/deployments",
    ]);
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
