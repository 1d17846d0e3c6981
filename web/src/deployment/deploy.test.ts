import { describe, expect, it } from "vitest";
import type { AppSettings } from "../api/types";
import { app } from "../test/samples";
import { ALL_AT_ONCE, asked, type DeployDraft, hasSource, noCanary, whatComes } from "./deploy";

const canary = (edits: Partial<DeployDraft>) => asked({ ...ALL_AT_ONCE, canary: true, ...edits });

describe("a deployment", () => {
  it("says nothing of a canary where there is to be none", () => {
    expect(asked({ ...ALL_AT_ONCE, percent: "much" })).toEqual({ body: {}, wrong: {} });
  });

  it("begins with a part, for so long", () => {
    expect(canary({})).toEqual({
      body: { canary: { percent: 10, within_ms: 86_400_000 } },
      wrong: {},
    });
  });

  it.each<[Partial<DeployDraft>, string]>([
    [{ percent: "0" }, "percent"],
    [{ percent: "100" }, "percent"],
    [{ percent: "10%" }, "percent"],
    [{ hours: "" }, "hours"],
    [{ hours: "169" }, "hours"],
  ])("%o is wrong at %s, and nothing is sent", (edits, field) => {
    const { body, wrong } = canary(edits);
    expect(Object.keys(wrong)).toEqual([field]);
    expect(body).toEqual({});
  });

  it.each<[Partial<AppSettings>, string]>([
    [{}, "The newest commit of main is built"],
    [{ branch: null }, "The newest commit of the default branch is built"],
    [{ tag: "v1" }, "Tag v1 is built"],
    [{ commit: "0123456789abcdef" }, "Commit 0123456789 is built"],
    [{ image: "busybox:1" }, "busybox:1 is pulled"],
    [{ upload: "blake3:5a", branch: null }, "What was sent last is built"],
    [{ upload: "blake3:5a" }, "What was pushed last is built"],
  ])("of %o: %s", (edits, text) => expect(whatComes({ ...app.settings, ...edits })).toBe(text));

  it("needs something to be made from", () => {
    expect(hasSource(app.settings)).toBe(true);
    expect(hasSource({ ...app.settings, repository: null })).toBe(false);
  });
});

describe("a canary", () => {
  const settings = (edits: Partial<AppSettings>) => ({
    ...app,
    settings: { ...app.settings, ...edits },
  });

  it("is for what is live, has requests and shares nothing", () => {
    expect(noCanary(app)).toBeUndefined();
    expect(noCanary({ ...app, live: null })).toMatch(/nothing is live/);
    expect(noCanary(settings({ routed: false }))).toMatch(/No address/);
    expect(noCanary(settings({ volumes: { "/data": { volume: "data" } } }))).toMatch(/volumes/);
  });
});
