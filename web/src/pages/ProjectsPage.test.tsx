// @vitest-environment happy-dom

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";
import { GONE, open } from "../test/pages";
import { app, problem, THEN } from "../test/samples";

const PROJECTS = "/api/v1/projects";
const always = { id: "019eb2a4-5f00-7c11-9d3c-0000000000b0", name: "default", apps: ["shop"] };
const web = {
  id: "019eb2a4-5f00-7c11-9d3c-0000000000b1",
  name: "web",
  apps: [],
  created_at: THEN,
};
const page = () => open("/projects", { [`GET ${PROJECTS}`]: { items: [always, web] } });
const rows = () => within(screen.getByRole("list")).getAllByRole("listitem");

describe("projects", () => {
  it("are shown with their apps, and only an empty one that somebody made can go", async () => {
    const { missing } = await page();
    expect(document.title).toBe("Projects · Hythe");
    await screen.findByText("always there");
    expect(screen.getByRole("link", { name: "shop" }).getAttribute("href")).toBe("/apps/shop");
    expect(rows()[1]?.textContent).toMatch(/^webno app is in it/);
    const buttons = screen.getAllByRole("button", { name: /^Delete/ });
    expect(buttons.map(({ textContent }) => textContent)).toEqual(["Delete web"]);
    expect(missing()).toEqual([]);
  });

  it("are made, refused with the reason, and deleted once that is confirmed", async () => {
    const { user, writes, answer } = await page();
    answer(`POST ${PROJECTS}`, problem(409, "It does not fit", "there is one of this name"));
    await user.type(await screen.findByLabelText("Name"), "api");
    await user.click(screen.getByRole("button", { name: "Create project" }));
    await screen.findByText(/There is one of this name\./);
    answer(`POST ${PROJECTS}`, { ...web, name: "api" });
    await user.click(screen.getByRole("button", { name: "Create project" }));
    await screen.findByText("api is there.");
    expect(screen.getByLabelText<HTMLInputElement>("Name").value).toBe("");
    await user.click(screen.getByRole("button", { name: "Delete web" }));
    answer(`DELETE ${PROJECTS}/web`, GONE);
    answer(`GET ${PROJECTS}`, { items: [always] });
    const dialog = within(screen.getByRole("dialog", { name: "Delete web?" }));
    await user.click(dialog.getByRole("button", { name: "Delete" }));
    await screen.findByText("web is gone.");
    await waitFor(() => expect(document.activeElement?.textContent).toBe("All projects"));
    expect(writes().map(({ method, body }) => [method, body])).toEqual([
      ["POST", { name: "api" }],
      ["POST", { name: "api" }],
      ["DELETE", undefined],
    ]);
  });

  it("that the page cannot draw leave a way on, and to load it again", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    vi.spyOn(console, "warn").mockImplementation(() => {});
    const reload = vi.spyOn(window.location, "reload").mockImplementation(() => {});
    const { user } = await open("/projects", { [`GET ${PROJECTS}`]: { items: [{}] } });
    const alert = within(await screen.findByRole("alert"));
    alert.getByText("This page made a mistake");
    alert.getByText(/^Load the page again\./);
    screen.getByRole("link", { name: "Certificates" });
    await user.click(alert.getByRole("button", { name: "Load again" }));
    expect(reload).toHaveBeenCalledTimes(1);
    vi.restoreAllMocks();
  });

  it("take an app over", async () => {
    const { user, writes, answer } = await page();
    await screen.findByLabelText("App");
    const names = [...document.querySelectorAll("datalist option")];
    expect(names.map((option) => option.getAttribute("value"))).toEqual(["shop"]);
    answer("PATCH /api/v1/apps/shop", { ...app, project: "web" });
    await user.type(await screen.findByLabelText("App"), "shop");
    await user.selectOptions(screen.getByLabelText("Into"), "web");
    await user.click(screen.getByRole("button", { name: "Move it" }));
    await screen.findByText("shop is in web.");
    expect(writes().map(({ body }) => body)).toEqual([{ project: "web" }]);
  });
});
