import { describe, expect, it } from "vitest";
import { follows, inSight, type View } from "./window";

const view = (more: Partial<View>): View => ({
  count: 1000,
  rowHeight: 20,
  viewport: 400,
  scrollTop: 0,
  overscan: 0,
  ...more,
});

describe("inSight", () => {
  it.each([
    ["nothing", { count: 0 }, { first: 0, end: 0, top: 0, height: 0 }],
    ["fewer than fit", { count: 5 }, { first: 0, end: 5, top: 0, height: 100 }],
    ["the beginning", {}, { first: 0, end: 20, top: 0, height: 20_000 }],
    ["half a row down", { scrollTop: 10 }, { first: 0, end: 21, top: 0, height: 20_000 }],
    ["the middle", { scrollTop: 10_000 }, { first: 500, end: 520, top: 10_000, height: 20_000 }],
    ["the end", { scrollTop: 19_600 }, { first: 980, end: 1000, top: 19_600, height: 20_000 }],
    ["past the end", { scrollTop: 99_999 }, { first: 980, end: 1000, top: 19_600, height: 20_000 }],
    ["above", { scrollTop: -50 }, { first: 0, end: 20, top: 0, height: 20_000 }],
    [
      "with overscan",
      { scrollTop: 10_000, overscan: 8 },
      { first: 492, end: 528, top: 9_840, height: 20_000 },
    ],
  ])("%s", (_name, more, expected) => expect(inSight(view(more))).toEqual(expected));

  it("reaches every row of more than the cap allows", () => {
    const count = 2_000_000;
    const capped = { count, mostHeight: 8_000_000 };
    const start = inSight(view(capped));
    expect(start).toEqual({ first: 0, end: 20, top: 0, height: 8_000_000 });
    const end = inSight(view({ ...capped, scrollTop: 8_000_000 - 400 }));
    expect(end.first).toBe(count - 20);
    expect(end.end).toBe(count);
    // The last row ends where the element ends.
    expect(end.top + 20 * 20).toBeCloseTo(8_000_000, 3);
    let before = -1;
    for (let scrollTop = 0; scrollTop <= 8_000_000 - 400; scrollTop += 99_999) {
      const { first, end: after, top } = inSight(view({ ...capped, scrollTop }));
      expect(first).toBeGreaterThan(before);
      // Rows cover what is seen.
      expect(top).toBeLessThanOrEqual(scrollTop + 0.001);
      expect(top + (after - first) * 20).toBeGreaterThanOrEqual(scrollTop + 400 - 0.001);
      before = first;
    }
  });
});

describe("follows", () => {
  const at = (scrollTop: number, scrollHeight = 20_000) => ({
    scrollTop,
    viewport: 400,
    scrollHeight,
    rowHeight: 20,
  });
  it.each([
    ["at the end", true, 19_600, at(19_600), true],
    ["rows came meanwhile", true, 19_600, at(19_600, 30_000), true],
    ["scrolled up", true, 19_600, at(19_000), false],
    ["scrolled down, not to the end", false, 10_000, at(12_000), false],
    ["back at the end", false, 19_000, at(19_590), true],
    ["everything fits", false, 0, at(0, 300), true],
  ])("%s", (_name, was, before, now, result) => expect(follows(was, before, now)).toBe(result));
});
