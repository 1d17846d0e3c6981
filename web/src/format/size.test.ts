import { expect, it } from "vitest";
import { sizeOf, sizeText } from "./size";

it.each([
  [0, "0"],
  [1500, "1500"],
  [1024, "1K"],
  [10_485_760, "10M"],
  [1_610_612_736, "1536M"],
  [4_398_046_511_104, "4T"],
])("%d bytes are written %s", (bytes, text) => {
  expect(sizeText(bytes)).toBe(text);
  expect(sizeOf(text)).toBe(bytes);
});

it.each([
  [" 10 m ", 10_485_760],
  ["10 MiB", 10_485_760],
  ["2kB", 2048],
  ["", undefined],
  ["M", undefined],
  ["1.5G", undefined],
  ["-1", undefined],
  ["99999999999T", undefined],
])("%s is read as %s", (text, bytes) => expect(sizeOf(text)).toBe(bytes));
