import { expect, it } from "vitest";
import { edgeSettings } from "../test/samples";
import { allowedChange, allowedOf } from "./allowed";

const now = { ...edgeSettings, allow: ["10.0.0.0/8", "203.0.113.7"] };

it("is nothing where only blanks were touched", () => {
  expect(allowedChange(now, { ...allowedOf(now), allow: " 10.0.0.0/8\n\n203.0.113.7 \n" })).toEqual(
    {},
  );
});

it("puts the lines in place of those before", () => {
  expect(allowedChange(now, { allow: "2001:db8::/32", guards: "previews" })).toEqual({
    allow: ["2001:db8::/32"],
    guards: "previews",
  });
  expect(allowedChange(now, { allow: "", guards: "all" })).toEqual({ allow: [] });
});
