import { expect, it } from "vitest";
import { clean, MOST_CHARACTERS } from "./clean";

const ESC = "\u001b";

it.each([
  ["plain text stays", "npm ci: 12 packages", "npm ci: 12 packages"],
  ["tabs stay", "a\tb", "a\tb"],
  ["colours go", `${ESC}[1;31merror${ESC}[0m: no`, "error: no"],
  ["24-bit colours with colons go", `${ESC}[38:2::255:0:0mred${ESC}[m`, "red"],
  ["links go, their text stays", `${ESC}]8;;https://a.b${ESC}\\text${ESC}]8;;${ESC}\\`, "text"],
  ["titles ended by a bell go", `${ESC}]0;title\u0007after`, "after"],
  ["a one-byte control sequence goes", "\u009b2Kdone", "done"],
  ["a lone escape goes", `a${ESC}`, "a"],
  ["character sets go", `${ESC}(Bdone`, "done"],
  ["what was overwritten goes", "10 %\r50 %\r100 %\r", "100 %"],
  ["a line feed inside is made visible", "a\nb", "a⏎b"],
  ["nulls and bells go", "a\u0000\u0007b", "ab"],
  ["markup is only text", "<b>&amp;</b>", "<b>&amp;</b>"],
])("%s", (_name, input, output) => expect(clean(input)).toBe(output));

it("cuts what is too long and says so", () => {
  const line = clean("x".repeat(MOST_CHARACTERS + 1234));
  expect(line.endsWith(" … 1,234 more characters")).toBe(true);
});
