import { expect, it } from "vitest";
import { longText, secondsOf } from "./long";

it.each([
  [0, "0s"],
  [90, "90s"],
  [5_400, "90m"],
  [43_200, "12h"],
  [2_592_000, "30d"],
])("%d seconds are written %s", (seconds, text) => {
  expect(longText(seconds)).toBe(text);
  expect(secondsOf(text)).toBe(seconds);
});

it.each([
  [" 30 D ", 2_592_000],
  ["30", undefined],
  ["1.5h", undefined],
  ["-1d", undefined],
  ["1w", undefined],
  ["", undefined],
  ["99999999999999d", undefined],
])("%s is read as %s", (text, seconds) => expect(secondsOf(text)).toBe(seconds));
