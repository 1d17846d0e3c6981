import { expect, it } from "vitest";
import { moment } from "./moment";

it("says the zone that a moment is told in", () => {
  const at = "2026-11-21T09:30:00.250Z";
  const parts = new Intl.DateTimeFormat([], { timeZoneName: "short" }).formatToParts(new Date(at));
  const zone = parts.find(({ type }) => type === "timeZoneName")?.value;
  expect(zone).toBeTruthy();
  expect(moment(at)).toContain(zone);
  expect(moment(at)).toContain("2026");
  expect(moment(Date.parse(at))).toBe(moment(at));
});
