import { expect, it } from "vitest";
import { asked, type CronDraft, newDraft } from "./newCron";

const draft: CronDraft = {
  ...newDraft(),
  name: " tidy ",
  schedule: "30 3 * * *",
  zone: "Europe/Berlin",
  command: "sh -c 'rake tidy'",
};

it("asks for what was typed", () => {
  expect(asked(draft, ["other"])).toEqual({
    name: "tidy",
    body: {
      schedule: "30 3 * * *",
      time_zone: "Europe/Berlin",
      command: ["sh", "-c", "rake tidy"],
      timeout_ms: 3_600_000,
      overlap: "skip",
      paused: false,
    },
    wrong: {},
  });
});

it.each<[Partial<CronDraft>, keyof CronDraft]>([
  [{ name: "other" }, "name"],
  [{ command: "sh -c 'rake" }, "command"],
  [{ command: " " }, "command"],
  [{ within: "soon" }, "within"],
  [{ within: "0s" }, "within"],
])("of %j, %s cannot be", (edits, field) => {
  expect(Object.keys(asked({ ...draft, ...edits }, ["other"]).wrong)).toEqual([field]);
});
