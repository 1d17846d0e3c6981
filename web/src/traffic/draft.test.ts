import { describe, expect, it } from "vitest";
import { edgeSettings } from "../test/samples";
import { changeOf, type Draft, draftOf } from "./draft";

const changed = (edits: Partial<Draft>, now = edgeSettings) =>
  changeOf(now, { ...draftOf(now), ...edits });

describe("a change of how edges serve", () => {
  it("is nothing where nothing was touched", () => {
    expect(changed({})).toEqual({ change: {}, wrong: {} });
  });

  it.each<[Partial<Draft>, object]>([
    [{ sticky: true }, { sticky: true }],
    [{ compress: false }, { compress: false }],
    [{ accessLog: false }, { access_log: false }],
    [{ www: "remove" }, { www: "remove" }],
    [{ protocol: "h2c" }, { protocol: "h2c" }],
    [{ perSecond: "20", burst: "50" }, { rate: { per_second: 20, burst: 50 } }],
    [{ perSecond: " 20 " }, { rate: { per_second: 20, burst: 40 } }],
    [{ perSecond: "1000000" }, { rate: { per_second: 1_000_000, burst: 1_000_000 } }],
    [{ body: "10M" }, { body_bytes: 10_485_760 }],
    [{ wait: "20" }, { wait_ms: 20_000 }],
    [{ wait: "" }, { wait_ms: 0 }],
    [{ answer: "1.5" }, { answer_within_ms: 1_500 }],
    [{ sleep: "1800" }, { sleep_after_ms: 1_800_000 }],
  ])("%o becomes %o", (edits, change) => expect(changed(edits)).toEqual({ change, wrong: {} }));

  it("goes back to no limit where a field is emptied", () => {
    const limited = {
      ...edgeSettings,
      rate: { per_second: 20, burst: 50 },
      body_bytes: 1500,
      answer_within_ms: 30_000,
      sleep_after_ms: 60_000,
    };
    expect(draftOf(limited)).toMatchObject({
      perSecond: "20",
      body: "1500",
      answer: "30",
      sleep: "60",
    });
    const emptied = { perSecond: "", burst: "", body: " ", answer: "", sleep: "" };
    expect(changed(emptied, limited)).toEqual({
      change: { rate: null, body_bytes: null, answer_within_ms: null, sleep_after_ms: null },
      wrong: {},
    });
  });

  it.each<[Partial<Draft>, keyof Draft]>([
    [{ perSecond: "0" }, "perSecond"],
    [{ perSecond: "1000001" }, "perSecond"],
    [{ burst: "5" }, "perSecond"],
    [{ perSecond: "5", burst: "many" }, "burst"],
    [{ body: "0" }, "body"],
    [{ body: "1.5G" }, "body"],
    [{ wait: "301" }, "wait"],
    [{ wait: "-1" }, "wait"],
    [{ answer: "0.5" }, "answer"],
    [{ answer: "1h" }, "answer"],
    [{ sleep: "4" }, "sleep"],
    [{ sleep: "2592001" }, "sleep"],
  ])("says of %o what %s takes", (edits, field) => {
    expect(Object.keys(changed(edits).wrong)).toEqual([field]);
  });
});
