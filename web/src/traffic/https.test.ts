import { describe, expect, it } from "vitest";
import type { EdgeSettings } from "../api/types";
import { edgeSettings } from "../test/samples";
import { type HttpsDraft, httpsChange, httpsOf } from "./https";

const told: EdgeSettings = {
  ...edgeSettings,
  hsts: { max_age: 2_592_000, subdomains: true, preload: false },
};
const changed = (edits: Partial<HttpsDraft>, now = edgeSettings) =>
  httpsChange(now, { ...httpsOf(now), ...edits });

describe("what browsers are told", () => {
  it("is nothing else where nothing was touched", () => {
    expect(changed({})).toEqual({ change: {}, wrong: {} });
    expect(changed({}, told)).toEqual({ change: {}, wrong: {} });
  });

  it.each<[Partial<HttpsDraft>, EdgeSettings, object]>([
    [{ https: "both" }, edgeSettings, { https: "both" }],
    [
      { span: "30d" },
      edgeSettings,
      { hsts: { max_age: 2_592_000, subdomains: false, preload: false } },
    ],
    [{ span: "0s" }, told, { hsts: { max_age: 0, subdomains: true, preload: false } }],
    [
      { subdomains: false },
      told,
      { hsts: { max_age: 2_592_000, subdomains: false, preload: false } },
    ],
    [
      { span: "365d", preload: true },
      told,
      { hsts: { max_age: 31_536_000, subdomains: true, preload: true } },
    ],
    [{ span: " " }, told, { hsts: null }],
    [{ span: "", preload: true }, edgeSettings, {}],
  ])("%o becomes a change", (edits, now, change) =>
    expect(changed(edits, now)).toEqual({ change, wrong: {} }),
  );

  it.each<[Partial<HttpsDraft>, RegExp]>([
    [{ span: "a month" }, /such as 30d/],
    [{ span: "731d" }, /up to 730d/],
    [{ preload: true }, /365d/],
    [{ span: "365d", subdomains: false, preload: true }, /all hosts below/],
  ])("%o cannot be", (edits, why) => {
    const { change, wrong } = changed(edits, told);
    expect(wrong.span).toMatch(why);
    expect(change.hsts).toBeUndefined();
  });
});
