import { describe, expect, it } from "vitest";
import type { App, Deployment, DeploymentStatus } from "../api/types";
import { canComeBack, cancellable, LABEL, passage, shares, taken } from "./passage";

const start = Date.parse("2026-11-21T09:30:00.000Z");

function deployment(
  way: [DeploymentStatus, number | null][],
  more: Partial<Deployment> = {},
): Deployment {
  let at = start;
  const stages = way.map(([stage, duration]) => {
    const entry = { stage, at: new Date(at).toISOString(), duration_ms: duration };
    at += duration ?? 0;
    return entry;
  });
  return {
    id: "019eb2a4-5f00-7c11-9d3c-0a1b2c3d4e5f",
    app: { id: "019eb2a4-5f00-7c11-9d3c-000000000000", name: "shop" },
    number: 1,
    status: way.at(-1)?.[0] ?? "requested",
    settled: false,
    source: { repository: "https://git.example/shop.git" },
    replicas: 1,
    process_types: {},
    url: "http://shop.localhost:8080",
    stages,
    durations_ms: {},
    requested_by: "owner",
    created_at: new Date(start).toISOString(),
    ...more,
  };
}

describe("passage", () => {
  it("shows what is ahead of one that moves", () => {
    const steps = passage(
      deployment([
        ["requested", 10],
        ["queued", 20],
        ["building", null],
      ]),
    );
    expect(steps.map(({ stage, state }) => `${stage} ${state}`)).toEqual([
      "requested done",
      "queued done",
      "building here",
      "built ahead",
      "starting ahead",
      "healthy ahead",
      "switching ahead",
      "draining ahead",
      "live ahead",
    ]);
  });

  it("goes past the build of what an earlier deployment has built", () => {
    const of = { deployment: "019eb2a4-5f00-7c11-9d3c-000000000001", number: 1 };
    const ahead = (rebuilt: boolean) =>
      passage(deployment([["requested", null]], { takes_over: { ...of, rebuilt } })).map(
        ({ stage }) => stage,
      );
    expect(ahead(false)).not.toContain("building");
    expect(ahead(false)).toContain("starting");
    expect(ahead(true)).toContain("building");
  });

  it("runs a release command once, where there is one", () => {
    const ahead = (way: [DeploymentStatus, number | null][], release_command?: string[]) =>
      passage(deployment(way, release_command ? { release_command } : {}))
        .filter(({ state }) => state === "ahead")
        .map(({ stage }) => stage);
    const before: [DeploymentStatus, number | null][] = [["built", null]];
    expect(ahead(before)[0]).toBe("starting");
    expect(ahead(before, ["bin/migrate"])[0]).toBe("releasing");
    const after: [DeploymentStatus, number | null][] = [
      ["built", 5],
      ["releasing", 900],
      ["built", null],
    ];
    expect(ahead(after, ["bin/migrate"])[0]).toBe("starting");
  });

  it("ends where it failed and marks the stage that broke", () => {
    const steps = passage(
      deployment(
        [
          ["requested", 10],
          ["building", 500],
          ["failed", null],
        ],
        { settled: true, failure: { stage: "building", message: "no", log: [] } },
      ),
    );
    expect(steps.map(({ stage, state, broke }) => [stage, state, broke])).toEqual([
      ["requested", "done", false],
      ["building", "done", true],
      ["failed", "end", false],
    ]);
  });

  it("does not go on from live", () => {
    const steps = passage(deployment([["live", null]], { settled: true }));
    expect(steps).toHaveLength(1);
    expect(steps[0]?.state).toBe("end");
  });

  it("has words for a deployment without any stage yet", () => {
    expect(passage(deployment([])).every(({ state }) => state === "ahead")).toBe(true);
    expect(Object.values(LABEL).every(({ name, doing }) => name && doing)).toBe(true);
  });
});

describe("shares", () => {
  it("adds up what was spent, not how long it has been live", () => {
    const steps = passage(
      deployment(
        [
          ["requested", 0],
          ["building", 3000],
          ["starting", 1000],
          ["live", 86_400_000],
          ["superseded", null],
        ],
        { settled: true },
      ),
    );
    expect(shares(steps, start)).toEqual([
      { stage: "requested", ms: 0, part: 0.004, here: false },
      { stage: "building", ms: 3000, part: 0.75, here: false },
      { stage: "starting", ms: 1000, part: 0.25, here: false },
    ]);
  });

  it("grows with the stage that it is in, and never below nothing", () => {
    const steps = passage(
      deployment([
        ["requested", 1000],
        ["building", null],
      ]),
    );
    expect(shares(steps, start + 2000)[1]).toMatchObject({ ms: 1000, part: 0.5, here: true });
    expect(shares(steps, start - 9000)[1]).toMatchObject({ ms: 0 });
    expect(shares(passage(deployment([["requested", null]])), start)).toEqual([]);
  });
});

describe("cancellable", () => {
  it.each<[DeploymentStatus, boolean]>([
    ["requested", true],
    ["building", true],
    ["healthy", true],
    ["switching", false],
    ["draining", false],
  ])("%s: %s", (stage, possible) =>
    expect(cancellable(deployment([[stage, null]]))).toBe(possible),
  );

  it("not when it is over", () => {
    expect(cancellable(deployment([["cancelled", null]], { settled: true }))).toBe(false);
  });
});

it("says how long it took, or has taken so far", () => {
  expect(taken(deployment([["live", null]], { durations_ms: { total: 4200 } }), start)).toBe(4200);
  expect(taken(deployment([["building", null]]), start + 700)).toBe(700);
});

describe("canComeBack", () => {
  it("is so for what was built, is over and has no traffic", () => {
    const app = { live: { id: "live" } } as App;
    const image = "sha256:5a";
    const over = deployment([["superseded", null]], { settled: true, image });
    expect(canComeBack(over, app)).toBe(true);
    expect(canComeBack({ ...over, id: "live" }, app)).toBe(false);
    expect(canComeBack({ ...over, settled: false }, app)).toBe(false);
    expect(canComeBack({ ...over, image: null }, app)).toBe(false);
  });
});
