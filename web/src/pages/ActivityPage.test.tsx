// @vitest-environment happy-dom

import { screen, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { open } from "../test/pages";
import { app, deployment, effect, event, problem, THEN } from "../test/samples";

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

it("what changed of an app is compared, and who made it so is named", async () => {
  const DIFF = `GET /api/v1/apps/${app.id}/diff`;
  const side = (sequence: number) => ({ as_of: { sequence, time: THEN } });
  const done = { sequence: 7, time: THEN, correlation: event.correlation };
  const { user, missing } = await open("/apps/shop/activity", {
    [`${LAST}&app=${app.id}`]: page([]),
    [`${DIFF}?from=yesterday`]: problem(422, "A field is not right", "it was not there yet"),
    [`${DIFF}?from=%232&to=9`]: {
      app: { id: app.id, name: app.name },
      from: { ...side(3), deployment: app.live },
      to: side(9),
      changes: [
        {
          field: "replicas",
          before: "1",
          after: "3",
          by: { ...done, type: "app.scaled", actor: "system" },
          origin: { ...done, sequence: 6, type: "app.asked", actor: "owner" },
        },
        { field: "env.TOKEN", after: "version 2" },
      ],
    },
  });
  const changes = within(await screen.findByRole("region", { name: "What changed" }));
  await user.click(changes.getByRole("button", { name: "Compare" }));
  await changes.findByText(/It was not there yet\./);
  await user.clear(changes.getByLabelText("Since"));
  await user.type(changes.getByLabelText("Since"), "#2");
  await user.type(changes.getByLabelText("Until"), "9");
  await user.click(changes.getByRole("button", { name: "Compare" }));
  await changes.findByText(/^Between #2 and event 9 \(.*\), 2 things are different\.$/);
  const rows = changes.getAllByRole("row").map(({ textContent }) => textContent);
  expect(rows[1]).toMatch(/^replicas13by owner, .*event 7, app\.scaled$/);
  expect(rows[2]).toBe("env.TOKEN–version 2–");
  expect(changes.queryByText(/It was not there yet/)).toBeNull();
  expect(missing()).toEqual([]);
});

it("an app is shown as it was, and what it was not yet is said", async () => {
  const at = `GET /api/v1/apps/${app.id}?at=`;
  const { user, missing } = await open("/apps/shop/activity", {
    [`${LAST}&app=${app.id}`]: page([]),
    [`${at}2h+ago`]: problem(404, "There is no such thing", "it was not there yet"),
    [`${at}2h%20ago`]: problem(404, "There is no such thing", "it was not there yet"),
    [`${at}42`]: {
      ...app,
      as_of: { sequence: 42, time: THEN },
      live: { ...app.live, number: 1 },
      settings: { ...app.settings, domains: ["old.example.com"], branch: "before" },
    },
  });
  const past = within(await screen.findByRole("region", { name: "As it was" }));
  await user.type(past.getByLabelText("When"), "2h ago");
  await user.click(past.getByRole("button", { name: "Show it" }));
  await past.findByText(/It was not there yet\./);
  await user.clear(past.getByLabelText("When"));
  await user.type(past.getByLabelText("When"), "42");
  await user.click(past.getByRole("button", { name: "Show it" }));
  await past.findByText(/^shop after event 42 \(.*\): version #2 has the traffic\.$/);
  expect(past.getByRole("link", { name: "#1" })).toBeTruthy();
  past.getByText("old.example.com");
  past.getByText(/before/);
  expect(missing()).toEqual([]);
});
