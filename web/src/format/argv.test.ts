import { expect, it } from "vitest";
import { argvOf } from "./argv";

it.each<[string, string[] | undefined]>([
  ["", []],
  ["  rake   tidy ", ["rake", "tidy"]],
  ["sh -c 'echo \"$A\" && ls'", ["sh", "-c", 'echo "$A" && ls']],
  ['say "two words" ""', ["say", "two words", ""]],
  ['say "a \\"b\\" \\n"', ["say", 'a "b" \\n']],
  ["a\\ b c'd'\"e\"", ["a b", "cde"]],
  ["x \\", ["x", "\\"]],
  ["sh -c 'echo", undefined],
  ["say \"it's", undefined],
])("%j is %j", (text, words) => expect(argvOf(text)).toEqual(words));
