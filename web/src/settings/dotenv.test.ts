import { expect, it } from "vitest";
import { readDotenv } from "./dotenv";

it.each<[string, Record<string, string>]>([
  ["", {}],
  ["# settings\n\n  A=1  \n", { A: "1" }],
  ["export B='two $words # here'", { B: "two $words # here" }],
  ['C="line\\nbreak \\"x\\" $y"', { C: 'line\nbreak "x" $y' }],
  ["EMPTY=\nQUOTED=''", { EMPTY: "", QUOTED: "" }],
  ["URL=postgres://u:p$w@h/db?a=b#c", { URL: "postgres://u:p$w@h/db?a=b#c" }],
  ["D=x y # a comment\r\nE = 2", { D: "x y", E: "2" }],
  ["F=# nothing", { F: "" }],
  ["G='1' # a comment", { G: "1" }],
  ["__proto__=1", Object.fromEntries([["__proto__", "1"]])],
])("%j is read", (text, set) => expect(readDotenv(text)).toEqual({ set, wrong: undefined }));

it.each([
  ["A=1\nA B=hush", "Line 2 is not NAME=value."],
  ["1A=hush", "Line 1 is not NAME=value."],
  ["=hush", "Line 1 is not NAME=value."],
  ["hush", "Line 1 is not NAME=value."],
  ["A='hush", "Line 1 has a quote that is not closed on it."],
  ['A="hush\\"', "Line 1 has a quote that is not closed on it."],
  ["A='hush'hush", "Line 1 has a quote that is not closed on it."],
  ["A=1\n\nA=hush", "Line 3 sets A once more."],
])("%j is refused, without its value", (text, wrong) => {
  expect(readDotenv(text)).toEqual({ set: {}, wrong });
  expect(wrong).not.toContain("hush");
});
