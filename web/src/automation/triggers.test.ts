import { expect, it } from "vitest";
import type { Triggers } from "../api/types";
import { changeOf, draftOf, type TriggerDraft } from "./triggers";

const now: Triggers = { deploy_on: "push", tags: null, watch_paths: ["apps/web/**"] };
const changed = (edits: Partial<TriggerDraft>, from = now) =>
  changeOf(from, { ...draftOf(from), ...edits });

it("is nothing where nothing was touched", () => expect(changed({})).toEqual({}));

it.each<[Partial<TriggerDraft>, object]>([
  [{ deployOn: "off" }, { deploy_on: "off" }],
  [{ deployOn: "tag" }, { deploy_on: "tag" }],
  [
    { deployOn: "tag", tags: "v*" },
    { deploy_on: "tag", tags: "v*" },
  ],
  // What is not shown is not sent.
  [{ tags: "v*" }, {}],
  [{ watchPaths: "" }, { watch_paths: [] }],
  [{ watchPaths: "apps/web/**\n!**/*.md\n" }, { watch_paths: ["apps/web/**", "!**/*.md"] }],
])("%o becomes %o", (edits, change) => expect(changed(edits)).toEqual(change));

it("takes all tags where the pattern is emptied", () => {
  const tags: Triggers = { deploy_on: "tag", tags: "v*", watch_paths: [] };
  expect(changed({ tags: " " }, tags)).toEqual({ deploy_on: "tag", tags: "*" });
});
