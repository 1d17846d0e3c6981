import { describe, expect, it } from "vitest";
import { ago, ahead, offset, running, span } from "./span";

describe("span", () => {
  it.each([
    [0, "0 ms"],
    [-5, "0 ms"],
    [999, "999 ms"],
    [999.7, "1.0 s"],
    [1000, "1.0 s"],
    [12_440, "12.4 s"],
    [59_949, "59.9 s"],
    [59_960, "1 min"],
    [185_000, "3 min 05 s"],
    [3_599_600, "1 h"],
    [7_800_000, "2 h 10 min"],
    [86_400_000, "1 d"],
    [356_400_000, "4 d 3 h"],
    [Number.NaN, "–"],
  ])("%d ms is %s", (ms, text) => expect(span(ms)).toBe(text));
});

describe("running", () => {
  it.each([
    [-1, "0 s"],
    [999, "0 s"],
    [59_999, "59 s"],
    [61_500, "1 min 01 s"],
  ])("%d ms is %s", (ms, text) => expect(running(ms)).toBe(text));
});

describe("ago", () => {
  const now = 1_800_000_000_000;
  it.each([
    [-5000, "just now"],
    [0, "just now"],
    [12_000, "12 s ago"],
    [60_000, "1 min ago"],
    [3_600_000 * 5, "5 h ago"],
    [86_400_000, "1 day ago"],
    [86_400_000 * 59, "59 days ago"],
    [86_400_000 * 61, "2 months ago"],
    [86_400_000 * 800, "2 years ago"],
  ])("%d ms is %s", (past, text) => expect(ago(now - past, now)).toBe(text));
});

describe("ahead", () => {
  const now = 1_800_000_000_000;
  it.each([
    [-5_000, "now"],
    [12_500, "in 12 s"],
    [3_540_000, "in 59 min"],
    [3_600_000 * 47, "in 47 h"],
    [86_400_000 * 7, "in 7 days"],
  ])("%d ms from now is %s", (left, text) => expect(ahead(now + left, now)).toBe(text));
});

describe("offset", () => {
  it.each([
    [-1, "0:00.0"],
    [3_290, "0:03.2"],
    [727_000, "12:07.0"],
    [3_723_400, "1:02:03.4"],
  ])("%d ms is %s", (ms, text) => expect(offset(ms)).toBe(text));
});
