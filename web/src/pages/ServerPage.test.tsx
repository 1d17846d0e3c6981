// @vitest-environment happy-dom

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { GONE, open } from "../test/pages";
import {
  delivered,
  githubApp,
  housekeeping,
  LATER,
  machine,
  problem,
  serverStatus,
  THEN,
  unsigned,
  worker,
} from "../test/samples";

const REGISTRIES = "/api/v1/registries";
const TOKENS = "/api/v1/sources/tokens";
const GITHUB = "/api/v1/sources/github-apps";
const HOUSEKEEPING = "/api/v1/housekeeping";

const page = (status: object = serverStatus, items: object[] = [worker], more = {}) =>
  open("/server", {
    "GET /api/v1/status": status,
    "GET /api/v1/workers": { items },
    [`GET ${REGISTRIES}`]: { items: [{ host: "ghcr.io", username: "ci", set_at: THEN }] },
    [`GET ${TOKENS}`]: { items: [] },
    [`GET ${GITHUB}`]: { items: [], begun: [] },
    ...more,
  });
const region = async (name: string | RegExp) => within(await screen.findByRole("region", { name }));

describe("the server", () => {
  it("says how it is doing, how much room there is, and what its workers do", async () => {
    const { missing } = await page();
    expect(document.title).toBe("Server · Hythe");
    const how = await region("How it is doing ready");
    how.getByText("it answers");
    how.getByText(/1\.5 MiB for 1,234 events; 8 GiB of 16 GiB left/);
    const rows = await (await region("Workers")).findAllByRole("row");
    expect(rows[1]?.textContent).toMatch(/^localready31 of 2 at once2 CPU, 8 GiB27\.1\.0/);
    const backups = await region("Backups");
    backups.getByText("none was ever made");
    backups.getByText("hythe backup schedule --to s3://BUCKET/hythe --every 1d --keep 7");
    const apps = await region("GitHub Apps");
    await apps.findByText("hythe source github-app create --org ORGANIZATION");
    expect(missing()).toEqual([]);
  });

  it("names what is broken, and what is worth a warning", async () => {
    await page(
      {
        ...serverStatus,
        ready: false,
        checks: [{ name: "nats", ok: false, detail: "nobody answers; start nats-server" }],
        warnings: ["the mirror is 12 s behind"],
      },
      [
        {
          ...worker,
          status: "lost",
          detail: "not heard of for 2 min",
          build_remarks: ["no limit"],
        },
      ],
    );
    const how = await region("How it is doing not ready");
    how.getByText("not well");
    how.getByText("nobody answers; start nats-server");
    how.getByText("1 warning");
    how.getByText("The mirror is 12 s behind.");
    const workers = await region("Workers");
    await workers.findByText("lost");
    workers.getByText("not heard of for 2 min");
    workers.getByText("no limit");
  });

  it("says where backups go, and why the last one failed", async () => {
    const to = "s3://bucket/hythe";
    const { user, writes, answer } = await page({
      ...serverStatus,
      backup: {
        ...serverStatus.backup,
        made: {
          id: worker.id,
          to,
          name: "hythe-1.age",
          bytes: 2048,
          head: 1200,
          hash: "00",
          took_ms: 900,
          at: THEN,
        },
        failed: { id: worker.id, to, why: "the bucket is not there", at: LATER },
        schedule: {
          to,
          every_ms: 86_400_000,
          keep: 7,
          recipient: "age1",
          next_at: LATER,
          overdue: true,
        },
      },
    });
    const backups = await region("Backups");
    backups.getByText(/2 KiB/);
    backups.getByText("the bucket is not there");
    backups.getByText("overdue");
    const made = { id: worker.id, name: "hythe-2.age" };
    answer("POST /api/v1/backups", problem(409, "It does not fit", "one is being made"));
    await user.click(backups.getByRole("button", { name: "Back up now" }));
    await backups.findByText(/One is being made\./);
    answer("POST /api/v1/backups", { id: worker.id, made });
    await user.click(backups.getByRole("button", { name: "Back up now" }));
    await backups.findByText("hythe-2.age is made.");
    expect(writes().at(-1)?.body).toEqual({ to, recipient: "age1" });
  });

  it("takes logins of builds in, and shows who and where", async () => {
    const { user, writes, answer } = await page();
    const put = `PUT ${TOKENS}/github.com%2Fteam`;
    const tokens = await region("Repositories");
    await tokens.findByText(/There is no token/);
    answer(put, problem(422, "A field is not right", "a user name has no blanks"));
    await user.type(tokens.getByLabelText("Repositories"), "github.com/team");
    await user.type(tokens.getByLabelText("User"), "x y");
    await user.type(tokens.getByLabelText("Password or token"), "hush");
    await user.click(tokens.getByRole("button", { name: "Set login" }));
    await tokens.findByText(/A user name has no blanks\./);
    expect(tokens.getByLabelText<HTMLInputElement>("User").value).toBe("x y");
    const set = { prefix: "https://github.com/team", username: "xy", set_at: THEN };
    answer(put, set);
    answer(`GET ${TOKENS}`, { items: [set] });
    await user.clear(tokens.getByLabelText("User"));
    await user.type(tokens.getByLabelText("User"), "xy");
    await user.click(tokens.getByRole("button", { name: "Set login" }));
    await tokens.findByText("https://github.com/team", { selector: "code" });
    tokens.getByText("Builds reach what is below github.com/team with it, from the next one on.");
    expect(document.body.innerHTML).not.toContain("hush");
    expect(writes().at(-1)?.body).toEqual({ username: "xy", password: "hush" });
  });

  it("takes a login away, once that is confirmed", async () => {
    const { user, writes, answer } = await page();
    const registry = await region("Registries");
    await user.click(await registry.findByRole("button", { name: "Remove ghcr.io" }));
    expect(writes()).toEqual([]);
    answer(`DELETE ${REGISTRIES}/ghcr.io`, GONE);
    answer(`GET ${REGISTRIES}`, { items: [] });
    const dialog = within(screen.getByRole("dialog", { name: "Remove the login to ghcr.io?" }));
    await user.click(dialog.getByRole("button", { name: "Remove" }));
    await registry.findByText("Builds log in to ghcr.io no more, from the next one on.");
    await registry.findByText(/Builds log in nowhere/);
    await waitFor(() => expect(document.activeElement?.textContent).toBe("Registries"));
  });

  it("shows what may go once that is asked for, and lets it go once that is confirmed", async () => {
    const { user, writes, answer, missing } = await page();
    const keeping = await region("Housekeeping");
    const look = keeping.getByRole("button", { name: "Look what may go" });
    answer(`GET ${HOUSEKEEPING}`, housekeeping);
    await user.click(look);
    const rows = await keeping.findAllByRole("row");
    expect(rows[1]?.textContent).toBe(
      "local7, 1.5 MiB; 1 may go, 512 KiB2 KiB; all of it stays8 GiB left",
    );
    keeping.getByText("an image of shop");
    keeping.getByText(/^Of each app the live version and 5 earlier ones/);
    answer(`POST ${HOUSEKEEPING}`, {
      ...housekeeping,
      workers: [
        { ...machine, gone: ["a"], stayed: [{ deployment: "b", why: "a container uses it" }] },
      ],
    });
    await user.click(keeping.getByRole("button", { name: "Let it go now" }));
    expect(writes()).toEqual([]);
    const dialog = within(screen.getByRole("dialog", { name: "Let go of what may go?" }));
    dialog.getByText("What goes: 1 image (512 KiB). Volumes stay.");
    await user.click(dialog.getByRole("button", { name: "Let it go now" }));
    await keeping.findByText("1 image went.");
    keeping.getByText("Local: an image stayed: a container uses it.");
    expect(keeping.queryByRole("table")).toBeNull();
    await waitFor(() => expect(document.activeElement?.textContent).toBe("Housekeeping"));
    answer(`GET ${HOUSEKEEPING}`, { ...housekeeping, workers: [] });
    await user.click(look);
    await keeping.findByText("Nothing may go.");
    expect(keeping.queryByRole("button", { name: "Let it go now" })).toBeNull();
    expect(writes().map(({ method, path }) => [method, path])).toEqual([["POST", HOUSEKEEPING]]);
    expect(missing()).toEqual([]);
  });

  it("names its GitHub Apps, asks GitHub where they are only when told to, and says what came", async () => {
    const other = { ...githubApp, id: worker.id, slug: "other", secret_told: false };
    const begun = { id: "b", server: "https://github.com", name: "hythe-new", expires_at: LATER };
    const { user, answer, missing } = await page(serverStatus, [worker], {
      [`GET ${GITHUB}`]: { items: [githubApp, other], begun: [begun] },
    });
    const apps = await region("GitHub Apps");
    await apps.findByText("hythe-new");
    const card = within(apps.getByRole("article", { name: githubApp.slug }));
    expect(missing()).toEqual([]);
    expect(card.getByRole("link", { name: "Install it" }).getAttribute("href")).toBe(
      githubApp.install_page,
    );
    expect(card.queryByText(/was not told/)).toBeNull();
    const refused = within(apps.getByRole("article", { name: "other" }));
    refused.getByText(/was not told/);
    answer(`GET ${GITHUB}/${githubApp.id}`, {
      app: githubApp,
      installations: [{ id: "7", account: "octo-org", selected: true, suspended: true }],
      more: false,
    });
    answer(`GET /api/v1/hooks/${githubApp.id}/deliveries`, { items: [delivered, unsigned] });
    await user.click(card.getByRole("button", { name: /^Where it is installed/ }));
    const where = await card.findByText("octo-org");
    expect(where.closest("li")?.textContent).toContain("suspended");
    expect((await card.findAllByRole("row")).length).toBe(3);
    answer(`GET ${GITHUB}/${other.id}`, {
      app: other,
      installations: [],
      more: false,
      refused: "the key is not right",
    });
    answer(`GET /api/v1/hooks/${other.id}/deliveries`, { items: [] });
    await user.click(refused.getByRole("button", { name: /^Where it is installed/ }));
    await refused.findByText(/The key is not right\./);
    expect(missing()).toEqual([]);
  });

  it("shows its workers also where it cannot say how it is", async () => {
    await page(problem(422, "A field is not right", "this is for the test"), []);
    await screen.findByText("this is for the test");
    await screen.findByText(/None has joined yet/);
  });
});
