import { expect, it } from "vitest";
import { wrongFile } from "./files";

it.each([
  [0, /empty/],
  [48 * 1024 + 1, /49,153 bytes, and at most 49,152/],
])("%d bytes are wrong", (size, why) => expect(wrongFile({ size })).toMatch(why));

it.each([1, 48 * 1024])("%d bytes may be right", (size) =>
  expect(wrongFile({ size })).toBeUndefined(),
);
