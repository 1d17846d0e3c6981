// @vitest-environment happy-dom

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { PreviewList } from "../api/types";
import { type Asked, GONE, open } from "../test/pages";
import {
  app,
  cron,
  delivered,
  deployment,
  hook,
  preview,
  previewSettings,
  problem,
  run,
  unsigned,
} from "../test/samples";

const HOOKS = "GET /api/v1/hooks?app=shop";
const DELIVERIES = `GET /api/v1/hooks/${hook.id}/deliveries`;
const PREVIEWS = "/api/v1/apps/shop/previews";
const CRONS = "/api/v1/apps/shop/crons";
const RUNS = "GET /api/v1/apps/shop/runs";
const off: PreviewList = { settings: { ...previewSettings, on: false }, items: [] };

const page = (answers: Parameters<typeof open>[1] = {}) =>
  open("/apps/shop/automation", {
    [HOOKS]: { items: [hook] },
    [DELIVERIES]: { items: [delivered, unsigned] },
    "GET /api/v1/apps/shop/triggers": app.triggers,
    [`GET ${PREVIEWS}`]: { settings: previewSettings, items: [preview] },
    [`GET ${CRONS}`]: { items: [cron] },
    [RUNS]: { items: [] },
    ...answers,
  });
const region = (name: string) => within(screen.getByRole("region", { name }));

describe("webhooks", () => {
  it("show what came, what came of it, and why nothing did", async () => {
    await page();
    const rows = within(await region("Webhooks").findByRole("table")).getAllByRole("row");
    expect(rows[1]?.textContent).toMatch(/push.*main.*0123456789.*octocat.*shop: deployed/);
    const link = within(rows[1] as HTMLElement).getByRole("link", { name: "the deployment" });
    expect(link.getAttribute("href")).toBe(`/deployments/${deployment.id}`);
    expect(rows[2]?.textContent).toContain("refused");
    expect(rows[2]?.textContent).toContain("its signature is not of this webhook's secret");
    region("Webhooks").getByText("deploys shop on pushes to main");
  });

  it("are made here, with the secret shown once and what to enter where", async () => {
    const { user, writes, answer } = await page({ [HOOKS]: { items: [] } });
    await screen.findByText("hythe hook add shop");
    answer("POST /api/v1/hooks", { hook, secret: "whsec-1" });
    answer(HOOKS, { items: [hook] });
    answer(DELIVERIES, { items: [] });
    await user.selectOptions(screen.getByLabelText("Who sends"), "github");
    await user.click(screen.getByRole("button", { name: "Make a webhook" }));
    await screen.findByText("whsec-1");
    screen.getByText(`http://hythe.test${hook.setup.path}`);
    screen.getByText("hythe address set https://HOST");
    await screen.findByText(/Nothing came yet/);
    await waitFor(() => expect(document.activeElement?.textContent).toBe("Webhooks"));
    expect(writes().map(({ body }) => body)).toEqual([{ app: "shop", provider: "github" }]);
  });

  it("say why none can be made", async () => {
    const { user } = await page({
      [HOOKS]: { items: [] },
      "POST /api/v1/hooks": problem(
        422,
        "It is not valid",
        "provider: git.example does not tell; say which it is",
      ),
    });
    await user.click(await screen.findByRole("button", { name: "Make a webhook" }));
    await screen.findByText(/git\.example does not tell; say which it is\./);
  });

  it("get another secret, and go", async () => {
    const { user, writes, answer } = await page({
      [`POST /api/v1/hooks/${hook.id}/rotate`]: { hook, secret: "whsec-2" },
      [`DELETE /api/v1/hooks/${hook.id}`]: GONE,
    });
    const of = `of ${hook.repository}`;
    await user.click(await screen.findByRole("button", { name: `Replace the secret ${of}` }));
    let dialog = within(
      screen.getByRole("dialog", { name: `Give the webhook ${of} another secret?` }),
    );
    await user.click(dialog.getByRole("button", { name: "Replace the secret" }));
    await screen.findByText("whsec-2");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    await user.click(screen.getByRole("button", { name: `Remove the webhook ${of}` }));
    dialog = within(screen.getByRole("dialog", { name: `Remove the webhook ${of}?` }));
    dialog.getByText(/^Pushes deploy shop no more/);
    answer(HOOKS, { items: [] });
    await user.click(dialog.getByRole("button", { name: "Remove the webhook" }));
    await screen.findByText("hythe hook add shop");
    await screen.findByText(/is removed\. Remove it at github, too/);
    expect(writes().map(({ method }) => method)).toEqual(["POST", "DELETE"]);
  });

  it("are not for apps without a repository", async () => {
    const { repository: _, ...settings } = app.settings;
    const { missing } = await page({
      "GET /api/v1/apps/shop": { ...app, settings: { ...settings, image: "busybox:1" } },
      [HOOKS]: problem(409, "It does not fit", "shop has no repository"),
    });
    await screen.findByText("They are for apps that are made from a git repository.");
    expect(missing()).toEqual([]);
  });

  it("are no failure where nobody tells of pushes", async () => {
    const detail = "shop is deployed from a folder: nobody tells of pushes to it";
    await page({ [HOOKS]: problem(409, "It does not fit the present state", detail) });
    await screen.findByText("Shop is deployed from a folder: nobody tells of pushes to it.");
    expect(region("Webhooks").queryByRole("alert")).toBeNull();
  });
});

describe("a preview", () => {
  it("is deployed by what is set of its app", async () => {
    const { missing } = await open("/apps/shop/automation", {
      "GET /api/v1/apps/shop": { ...app, preview: { app: "store", number: 4 } },
      [`GET ${CRONS}`]: { items: [] },
      [RUNS]: { items: [] },
    });
    region("What deploys it").getByRole("link", { name: "store" });
    await region("Cron jobs").findByText(/A cron job runs a command/);
    expect(missing()).toEqual([]);
  });
});

describe("triggers", () => {
  it("are changed, all at once", async () => {
    const { user, writes } = await page({
      "PATCH /api/v1/apps/shop/triggers": { deploy_on: "tag", tags: "v*", watch_paths: ["web/**"] },
    });
    const form = region("What deploys it");
    await user.selectOptions(await form.findByLabelText("Deployed by"), "tag");
    await user.type(form.getByLabelText("Which tags"), "v*");
    await user.type(form.getByLabelText("Only pushes that change"), "web/**");
    await user.click(form.getByRole("button", { name: "Save" }));
    await form.findByText("Saved; it holds for what comes next.");
    expect(writes().map(({ body }) => body)).toEqual([
      { deploy_on: "tag", tags: "v*", watch_paths: ["web/**"] },
    ]);
  });
});

describe("previews", () => {
  it("show of which pull request they are, how they fare, and where they answer", async () => {
    await page();
    const row = (await region("Previews").findByRole("table")).querySelector("tbody tr");
    const cells = within(row as HTMLElement);
    const pull = cells.getByRole("link", { name: "#4 Prices in euros" });
    expect(pull.getAttribute("href")).toBe("https://git.example/shop/pulls/4");
    cells.getByText("failed");
    cells.getByText("the build failed: npm ci ended with exit code 1");
    cells.getByRole("link", { name: "shop-pr-4.localhost:8080" });
    region("Previews").getByText("1 of at most 10");
    region("Previews").getByText("336 h without a push");
  });

  it("are switched on, and removed", async () => {
    const { user, writes, answer } = await page({
      [`GET ${PREVIEWS}`]: off,
      [`PATCH ${PREVIEWS}`]: { settings: previewSettings, items: [preview] },
      [`DELETE ${PREVIEWS}/4`]: GONE,
    });
    await screen.findByText("hythe preview on shop");
    answer(`GET ${PREVIEWS}`, { settings: previewSettings, items: [preview] });
    await user.click(screen.getByRole("button", { name: "Give pull requests previews" }));
    const remove = await screen.findByRole("button", { name: "Remove the preview of #4" });
    screen.getByText("Pull requests get previews from now on.");
    await user.click(remove);
    const dialog = within(screen.getByRole("dialog"));
    answer(`GET ${PREVIEWS}`, { settings: previewSettings, items: [] });
    await user.click(dialog.getByRole("button", { name: "Remove" }));
    await screen.findByText("The preview of #4 goes. The next push to it makes one again.");
    await screen.findByText(/No pull request has a preview now/);
    expect(writes().map(({ method, body }) => [method, body])).toEqual([
      ["PATCH", { on: true }],
      ["DELETE", undefined],
    ]);
  });
});

describe("previews that are switched off", () => {
  it("are named before they go", async () => {
    const two = [preview, { ...preview, number: 12 }];
    const { user, writes } = await page({
      [`GET ${PREVIEWS}`]: { settings: previewSettings, items: two },
      [`PATCH ${PREVIEWS}`]: off,
    });
    await user.click(await screen.findByRole("button", { name: "Have no previews" }));
    const dialog = within(screen.getByRole("dialog"));
    dialog.getByText("At once, the apps of #4, #12 go.");
    await user.click(dialog.getByRole("button", { name: "Have no previews" }));
    await screen.findByText(/^Pull requests get no previews any more/);
    expect(writes()).toHaveLength(1);
  });
});

describe("cron jobs", () => {
  it("show when they are due, and how they went", async () => {
    await page();
    const job = within(await screen.findByRole("article", { name: "tidy" }));
    job.getByText("30 3 * * *");
    job.getByText("in 5 h");
    const runs = job.getAllByRole("listitem").map((item) => item.textContent);
    expect(runs[0]).toMatch(/^runsbegan .*asked for$/);
    expect(runs[1]).toMatch(/^exit code 1began .*by its schedule$/);
    job.getByText(/it was running still/);
  });

  it("are set here, in the zone of whoever sets them unless they say otherwise", async () => {
    const { user, writes, answer } = await page({ [`GET ${CRONS}`]: { items: [] } });
    const jobs = region("Cron jobs");
    await jobs.findByText(/A cron job runs a command/);
    const zone = jobs.getByLabelText<HTMLInputElement>("Time zone");
    expect(zone.value).toBe(Intl.DateTimeFormat().resolvedOptions().timeZone);
    await user.clear(zone);
    await user.type(zone, "Europe/Berlin");
    await user.type(jobs.getByLabelText("Name"), "tidy");
    await user.type(jobs.getByLabelText("Schedule"), "30 3 * *");
    await user.type(jobs.getByLabelText("Command"), "rake 'tidy");
    await user.click(jobs.getByRole("button", { name: "Set cron job" }));
    jobs.getByText("It has a quote that is not closed.");
    expect(writes()).toEqual([]);
    const at = `PUT ${CRONS}/tidy`;
    answer(at, problem(422, "A field is not right", "a schedule has five fields"));
    await user.type(jobs.getByLabelText("Command"), " up'");
    await user.click(jobs.getByRole("button", { name: "Set cron job" }));
    await jobs.findByText(/A schedule has five fields\./);
    expect(jobs.getByLabelText<HTMLInputElement>("Name").value).toBe("tidy");
    answer(at, cron);
    answer(`GET ${CRONS}`, { items: [cron] });
    await user.type(jobs.getByLabelText("Schedule"), " *");
    await user.click(jobs.getByRole("button", { name: "Set cron job" }));
    await jobs.findByText("tidy is set, and due by its schedule.");
    await screen.findByRole("article", { name: "tidy" });
    expect(writes().at(-1)?.body).toEqual({
      schedule: "30 3 * * *",
      time_zone: "Europe/Berlin",
      command: ["rake", "tidy up"],
      timeout_ms: 3_600_000,
      overlap: "skip",
      paused: false,
    });
  });

  it("run now, rest, and go", async () => {
    let now = cron;
    const { user, writes, answer } = await page({
      [`GET ${CRONS}`]: () => ({ items: [now] }),
      [`POST ${CRONS}/tidy/run`]: { id: cron.runs[0]?.id },
      [`POST ${CRONS}/tidy/pause`]: (_: Asked) => {
        now = { ...cron, paused: true, next_at: null, waits: "it is paused" };
        return now;
      },
      [`DELETE ${CRONS}/tidy`]: GONE,
    });
    await user.click(await screen.findByRole("button", { name: "Run now tidy" }));
    await screen.findByText("tidy runs.");
    await user.click(screen.getByRole("button", { name: "Pause tidy" }));
    await screen.findByText("tidy rests until it is resumed.");
    await screen.findByText("not due: it is paused");
    screen.getByRole("button", { name: "Resume tidy" });
    await user.click(screen.getByRole("button", { name: "Remove tidy" }));
    answer(`GET ${CRONS}`, { items: [] });
    await user.click(within(screen.getByRole("dialog")).getByRole("button", { name: "Remove" }));
    await screen.findByText("hythe cron set shop tidy '30 3 * * *' -- COMMAND");
    await screen.findByText("tidy is removed. What runs of it goes on.");
    expect(writes().map(({ method, path }) => `${method} ${path}`)).toEqual([
      `POST ${CRONS}/tidy/run`,
      `POST ${CRONS}/tidy/pause`,
      `DELETE ${CRONS}/tidy`,
    ]);
  });
});

describe("commands that run once", () => {
  it("are shown while they run, without what they were given, and are stopped", async () => {
    const { user, writes, answer } = await page({ [RUNS]: { items: [run] } });
    const runs = region("Commands");
    await runs.findByText("rails", { selector: "code" });
    runs.getByText("with 2 arguments");
    runs.getByText(`hythe runs logs ${run.id}`);
    await user.click(runs.getByRole("button", { name: "Stop rails" }));
    const dialog = within(screen.getByRole("dialog", { name: "Stop rails?" }));
    answer(`POST /api/v1/runs/${run.id}/stop`, problem(404, "There is no such thing", "it ended"));
    await user.click(dialog.getByRole("button", { name: "Stop" }));
    await dialog.findByText(/It ended\./);
    answer(`POST /api/v1/runs/${run.id}/stop`, run);
    answer(RUNS, { items: [] });
    await user.click(dialog.getByRole("button", { name: "Stop" }));
    await runs.findByText("rails is being ended.");
    await runs.findByText("hythe run shop -- sh");
    expect(writes()).toHaveLength(2);
  });
});
