// @vitest-environment happy-dom

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { type Asked, open } from "../test/pages";
import { app, deployment, edgeSettings, problem, THEN } from "../test/samples";

const ENV = "/api/v1/apps/shop/env";
const variable = (name: string) => ({ name, set_at: THEN, version: 1 });
const region = (name: string) => within(screen.getByRole("region", { name }));

describe("an app's settings", () => {
  it("say how it runs, and what to run where there is nothing", async () => {
    await open("/apps/shop/settings", { [`GET ${ENV}`]: { items: [] } });
    await screen.findByText("hythe env set shop NAME=value");
    screen.getByText("hythe process set shop worker -- COMMAND");
    region("Volumes").getByText("None: what its replicas write goes with them.");
    screen.getByText("GET /up, 200-399");
    screen.getByText(/512 MiB memory, 1 CPU, 512 processes/);
  });

  it("show volumes and processes", async () => {
    const settings = {
      ...app.settings,
      process_types: { worker: { command: ["bin/worker"], replicas: 2 } },
      volumes: { "/data": { volume: "data", read_only: true } },
    };
    await open("/apps/shop/settings", {
      [`GET ${ENV}`]: { items: [] },
      "GET /api/v1/apps/shop": {
        ...app,
        settings,
        processes: [{ name: "worker", replicas_healthy: 1, replicas_wanted: 2 }],
      },
    });
    expect(region("Volumes").getAllByRole("row")[1]?.textContent).toMatch(
      /^\/datadataonly reads itTake away/,
    );
    region("Processes").getByText(/, 512 MiB memory, 1 CPU each, 1 of 2 healthy/);
  });

  it("give it a volume, and take one away", async () => {
    const withVolumes = (volumes: object) => ({ ...app, settings: { ...app.settings, volumes } });
    const has = { "/data": { volume: "data" } };
    const both = { ...has, "/cache": { volume: "cache" } };
    const { user, writes, answer } = await open("/apps/shop/settings", {
      [`GET ${ENV}`]: { items: [] },
      "GET /api/v1/apps/shop": withVolumes(has),
      "PATCH /api/v1/apps/shop": problem(
        422,
        "A field is not right",
        "a volume's folder is absolute",
      ),
    });
    const volumes = region("Volumes");
    await user.type(volumes.getByLabelText("Volume"), "cache");
    await user.type(volumes.getByLabelText("Folder"), "/cache");
    await user.click(volumes.getByRole("button", { name: "Add volume" }));
    await volumes.findByText(/A volume's folder is absolute\./);
    expect(volumes.getByLabelText<HTMLInputElement>("Folder").value).toBe("/cache");
    answer("PATCH /api/v1/apps/shop", withVolumes(both));
    answer("GET /api/v1/apps/shop", withVolumes(both));
    await user.click(volumes.getByRole("button", { name: "Add volume" }));
    await volumes.findByText("It has cache, from the next deployment on.");
    answer("PATCH /api/v1/apps/shop", withVolumes({ "/cache": { volume: "cache" } }));
    answer("GET /api/v1/apps/shop", withVolumes({ "/cache": { volume: "cache" } }));
    await user.click(volumes.getByRole("button", { name: "Take away /data" }));
    const dialog = within(screen.getByRole("dialog", { name: "Take data away from shop?" }));
    await user.click(dialog.getByRole("button", { name: "Take away" }));
    await volumes.findByText("/data is no volume, from the next deployment on.");
    expect(writes().map(({ body }) => body)).toEqual([
      { volumes: both },
      { volumes: both },
      { volumes: { "/cache": { volume: "cache" } } },
    ]);
  });

  it("leave a volume alone that somebody else gave it meanwhile", async () => {
    const withVolumes = (volumes: object) => ({ ...app, settings: { ...app.settings, volumes } });
    const theirs = { "/logs": { volume: "logs" } };
    const { user, writes, answer } = await open("/apps/shop/settings", {
      [`GET ${ENV}`]: { items: [] },
      "PATCH /api/v1/apps/shop": withVolumes({ ...theirs, "/cache": { volume: "cache" } }),
    });
    answer("GET /api/v1/apps/shop", withVolumes(theirs));
    const volumes = region("Volumes");
    await user.type(volumes.getByLabelText("Volume"), "cache");
    await user.type(volumes.getByLabelText("Folder"), "/cache");
    await user.click(volumes.getByRole("button", { name: "Add volume" }));
    await volumes.findByText("It has cache, from the next deployment on.");
    expect(writes().map(({ body }) => body)).toEqual([
      { volumes: { ...theirs, "/cache": { volume: "cache" } } },
    ]);
  });

  it("scale a process", async () => {
    const scaled = { ...app, settings: { ...app.settings, replicas: 3 }, replicas_wanted: 3 };
    const { user, writes, answer } = await open("/apps/shop/settings", {
      [`GET ${ENV}`]: { items: [] },
      "POST /api/v1/apps/shop/scale": scaled,
    });
    answer("GET /api/v1/apps/shop", scaled);
    const field = screen.getByLabelText<HTMLInputElement>("Replicas of web");
    expect(field.min).toBe("1");
    await user.clear(field);
    await user.type(field, "3");
    await user.click(screen.getByRole("button", { name: "Scale web" }));
    await screen.findByText("web is to have 3 replicas.");
    expect(writes().map(({ body }) => body)).toEqual([{ replicas: 3 }]);
  });

  it("change how it runs, once that can be read", async () => {
    const settings = { ...app.settings, memory_bytes: 1_073_741_824, port: null };
    const { user, writes, answer } = await open("/apps/shop/settings", {
      [`GET ${ENV}`]: { items: [] },
      "PATCH /api/v1/apps/shop": problem(422, "A field is not right", "no worker has so much"),
    });
    const runs = region("How it runs");
    const memory = runs.getByLabelText<HTMLInputElement>("Memory of a replica");
    expect(memory.value).toBe("512M");
    await user.clear(memory);
    await user.type(memory, "much");
    await user.clear(runs.getByLabelText("Port"));
    await user.click(runs.getByRole("button", { name: "Save" }));
    runs.getByText("Bytes, or a number with K, M or G, such as 512M.");
    expect(writes()).toEqual([]);
    await user.clear(memory);
    await user.type(memory, "1G");
    await user.click(runs.getByRole("button", { name: "Save" }));
    await runs.findByText(/No worker has so much\./);
    expect(memory.value).toBe("1G");
    answer("PATCH /api/v1/apps/shop", { ...app, settings });
    answer("GET /api/v1/apps/shop", { ...app, settings });
    await user.click(runs.getByRole("button", { name: "Save" }));
    await runs.findByText("Saved; it holds from the next deployment on.");
    runs.getByRole("button", { name: "Deploy again" });
    await runs.findByText(/1 GiB memory/);
    expect(writes().at(-1)?.body).toEqual({ memory_bytes: 1_073_741_824, port: null });
  });

  it("ask before what was changed and not saved is left behind", async () => {
    const { user, router } = await open("/apps/shop/settings", {
      [`GET ${ENV}`]: { items: [] },
      "GET /api/v1/apps/shop/edge": edgeSettings,
    });
    const memory = region("How it runs").getByLabelText<HTMLInputElement>("Memory of a replica");
    await user.clear(memory);
    await user.type(memory, "2G");
    router.history.push("/apps/shop/settings#elsewhere");
    await waitFor(() => expect(router.state.location.hash).toBe("elsewhere"));
    expect(screen.queryByRole("dialog")).toBeNull();
    const traffic = screen.getByRole("link", { name: "Traffic" });
    await user.click(traffic);
    const dialog = () => within(screen.getByRole("dialog", { name: "Leave without saving?" }));
    expect(document.activeElement).toBe(dialog().getByRole("button", { name: "Stay" }));
    await user.click(dialog().getByRole("button", { name: "Stay" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(router.state.location.pathname).toBe("/apps/shop/settings");
    expect(memory.value).toBe("2G");
    await user.click(traffic);
    await user.click(dialog().getByRole("button", { name: "Leave" }));
    await screen.findByRole("heading", { name: "Maintenance" });
    expect(router.state.location.pathname).toBe("/apps/shop/traffic");
    // Nothing was changed here.
    await user.click(screen.getByRole("link", { name: "Settings" }));
    await screen.findByRole("heading", { name: "How it runs" });
  });

  it("find a variable by a part of its name, where there are many", async () => {
    const items = Array.from({ length: 12 }, (_, number) => variable(`VALUE_${number}`));
    const { user } = await open("/apps/shop/settings", { [`GET ${ENV}`]: { items } });
    const env = region("Environment");
    const part = await env.findByLabelText("Name contains");
    expect(env.getAllByRole("listitem")).toHaveLength(12);
    await user.type(part, "value_1");
    expect(env.getAllByRole("listitem")).toHaveLength(3);
    await user.type(part, "x");
    env.getByText("None of the 12 fits.");
  });

  it("take variables in, and show only names", async () => {
    let items = [variable("LOG_LEVEL")];
    const { user, writes } = await open("/apps/shop/settings", {
      [`GET ${ENV}`]: () => ({ items }),
      [`PATCH ${ENV}`]: ({ body }: Asked) => {
        const { set, remove = [] } = body as { set?: object; remove?: string[] };
        items = [...items, ...Object.keys(set ?? {}).map(variable)].filter(
          ({ name }) => !remove.includes(name),
        );
        return { items };
      },
      "POST /api/v1/apps/shop/redeploy": deployment,
      [`GET /api/v1/deployments/${deployment.id}`]: deployment,
    });
    const env = region("Environment");
    await env.findByText("LOG_LEVEL", { selector: "code" });
    await user.type(env.getByLabelText("Name"), "API_KEY");
    await user.type(env.getByLabelText("Value"), "hush");
    await user.click(env.getByRole("button", { name: "Set variable" }));
    await env.findByText("API_KEY is set, from the next deployment on.");
    expect(document.body.innerHTML).not.toContain("hush");
    expect(env.getByLabelText<HTMLInputElement>("Value").value).toBe("");

    await user.click(env.getByRole("button", { name: "Remove LOG_LEVEL" }));
    const dialog = within(screen.getByRole("dialog", { name: "Remove LOG_LEVEL?" }));
    await user.click(dialog.getByRole("button", { name: "Remove" }));
    await env.findByText("LOG_LEVEL is removed, from the next deployment on.");
    await waitFor(() => expect(document.activeElement?.textContent).toBe("Environment"));

    await user.click(env.getByRole("button", { name: "Deploy again" }));
    await waitFor(() => expect(screen.queryByRole("region", { name: "Environment" })).toBeNull());
    expect(writes().map(({ path, body }) => [path, body])).toEqual([
      [ENV, { set: { API_KEY: "hush" } }],
      [ENV, { remove: ["LOG_LEVEL"] }],
      ["/api/v1/apps/shop/redeploy", undefined],
    ]);
  });

  it("take several variables in at once, once all of them can be read", async () => {
    const { user, writes } = await open("/apps/shop/settings", {
      [`GET ${ENV}`]: { items: [] },
      [`PATCH ${ENV}`]: { items: [variable("A"), variable("B")] },
    });
    const env = region("Environment");
    await user.click(env.getByRole("button", { name: "Set several at once" }));
    const field = env.getByLabelText<HTMLTextAreaElement>("Variables");
    expect(document.activeElement).toBe(field);
    await user.paste("A=hush\nB");
    await user.click(env.getByRole("button", { name: "Set all of them" }));
    env.getByText("Line 2 is not NAME=value.");
    expect(writes()).toEqual([]);
    await user.clear(field);
    await user.paste("A=hush\nB='x y'");
    await user.click(env.getByRole("button", { name: "Set all of them" }));
    await env.findByText("2 variables set, from the next deployment on.");
    expect(writes().map(({ body }) => body)).toEqual([{ set: { A: "hush", B: "x y" } }]);
    expect(document.body.innerHTML).not.toContain("hush");
    const opener = env.getByRole("button", { name: "Set several at once" });
    expect(document.activeElement).toBe(opener);
    await user.click(opener);
    await user.click(env.getByRole("button", { name: "Forget them" }));
    expect(document.activeElement?.textContent).toBe("Set several at once");
  });

  it("keep what was typed where a variable is refused", async () => {
    const { user } = await open("/apps/shop/settings", {
      [`GET ${ENV}`]: { items: [] },
      [`PATCH ${ENV}`]: problem(422, "It is not valid", "set: a name begins with no digit"),
    });
    const env = region("Environment");
    await user.type(env.getByLabelText("Name"), "1A");
    await user.click(env.getByRole("button", { name: "Set variable" }));
    await env.findByText(/begins with no digit/);
    expect(env.getByLabelText<HTMLInputElement>("Name").value).toBe("1A");
  });
});
