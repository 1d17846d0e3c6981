// @vitest-environment happy-dom

import { screen, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { open } from "../test/pages";
import { app, deployment, effect, event, problem } from "../test/samples";

const LAST = "GET /api/v1/events?last=50";
const WHY = `GET /api/v1/events/${event.sequence}/why?effects=true`;
const page = (items: object[], more = {}) => ({ items, next: 42, head: 43, done: true, ...more });
const step = (one: typeof event, subject: string) => ({ event: one, says: one.says, subject });

describe("the activity of the installation", () => {
  it("says what happened, by whom, to what, the newest first", async () => {
    const { missing } = await open("/events", { [LAST]: page([event, effect]) });
    expect(document.title).toBe("Activity · Hythe");
    const rows = await screen.findAllByRole("listitem");
    expect(rows.map(({ textContent }) => textContent)).toEqual([
      expect.stringMatching(/^It went live\..*by Hythe by itself.*the deployment/),
      expect.stringMatching(/^Its environment changed: DATABASE_URL set\..*by owner.*the app/),
    ]);
    expect(screen.getByRole("link", { name: "the deployment" }).getAttribute("href")).toBe(
      `/deployments/${deployment.id}`,
    );
    expect(screen.getByRole("link", { name: "the app" }).getAttribute("href")).toBe(
      `/apps/${app.id}`,
    );
    expect(missing()).toEqual([]);
  });

  it("says why, when somebody asks", async () => {
    const { user } = await open("/events", {
      [LAST]: page([event]),
      [WHY]: {
        beginning: "request",
        chain: [step(event, "app shop")],
        effects: [step(effect, "deployment #2 of shop")],
        more_effects: false,
      },
    });
    const why = await screen.findByRole("button", { name: "Why did event 42 happen" });
    expect(why.getAttribute("aria-expanded")).toBe("false");
    await user.click(why);
    expect(why.getAttribute("aria-expanded")).toBe("true");
    await screen.findByText("It began with a request of owner.");
    screen.getByText(/1 event followed from it/);
    screen.getByText(/deployment #2 of shop: it went live/);
    screen.getByText(event.correlation);
    await user.click(why);
    expect(screen.queryByText("It began with a request of owner.")).toBeNull();
  });

  it("goes further back, and looks for what one somebody did", async () => {
    const { user } = await open("/events", {
      [LAST]: page([effect], { next: 43, done: false }),
      [`${LAST}&before=43`]: page([event]),
      [`${LAST}&who=webhook`]: page([], { next: 1 }),
    });
    await user.click(await screen.findByRole("button", { name: "Show more" }));
    await screen.findByText(/Its environment changed/);
    expect(screen.getAllByRole("listitem")).toHaveLength(2);
    expect(screen.queryByRole("button", { name: "Show more" })).toBeNull();
    await user.selectOptions(screen.getByLabelText("Done by"), "webhooks");
    await screen.findByText("Nothing of that happened.");
  });

  it("keeps what it showed in sight where more cannot be had", async () => {
    const { user } = await open("/events", {
      [LAST]: page([effect], { next: 43, done: false }),
      [`${LAST}&before=43`]: problem(422, "A field is not right", "43 is beyond it"),
    });
    await user.click(await screen.findByRole("button", { name: "Show more" }));
    await screen.findByText(/Could not be brought up to date/);
    expect(screen.getAllByRole("listitem")).toHaveLength(1);
  });

  it("shows a text of somebody else as text", async () => {
    const says = 'deployment #3 was asked for, of <img src=x onerror="alert(1)">';
    await open("/events", { [LAST]: page([{ ...event, says }]) });
    await screen.findByText(/<img src=x/);
    expect(document.querySelector("main img")).toBeNull();
  });
});

it("the activity of an app is asked for by its id", async () => {
  const { missing } = await open("/apps/shop/activity", {
    [`${LAST}&app=${app.id}`]: page([event]),
  });
  const main = within(screen.getByRole("main"));
  await main.findByText(/Its environment changed/);
  main.getByText("hythe events --app shop -f");
  expect(document.title).toBe("shop: activity · Hythe");
  expect(missing()).toEqual([]);
});
