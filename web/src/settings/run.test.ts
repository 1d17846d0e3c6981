import { expect, it } from "vitest";
import type { UpdateApp } from "../api/types";
import { app } from "../test/samples";
import { changeOf, draftOf, followsBranch, type RunDraft } from "./run";

const { settings } = app;
const change = (edits: Partial<RunDraft>) => changeOf(settings, { ...draftOf(settings), ...edits });

it("has what is so, and nothing of that is a change", () => {
  expect(draftOf(settings)).toEqual({ branch: "main", port: "3000", memory: "512M", cpus: "1" });
  expect(change({})).toEqual({ change: {}, wrong: {} });
});

const CHANGES: [Partial<RunDraft>, UpdateApp][] = [
  [{ port: "8080" }, { port: 8080 }],
  [{ port: " " }, { port: null }],
  [{ branch: "" }, { branch: null }],
  [{ branch: " next " }, { branch: "next" }],
  [{ memory: "1G" }, { memory_bytes: 1_073_741_824 }],
  [{ cpus: "0.25" }, { cpu_millis: 250 }],
];

it.each(CHANGES)("%j changes %j", (edits, expected) => {
  expect(change(edits)).toEqual({ change: expected, wrong: {} });
});

const WRONG: [Partial<RunDraft>, string][] = [
  [{ port: "0" }, "port"],
  [{ port: "65536" }, "port"],
  [{ port: "80.5" }, "port"],
  [{ memory: "" }, "memory"],
  [{ memory: "0" }, "memory"],
  [{ memory: "lots" }, "memory"],
  [{ cpus: "0" }, "cpus"],
  [{ cpus: "1,5" }, "cpus"],
  [{ cpus: "" }, "cpus"],
];

it.each(WRONG)("%j cannot be", (edits, field) => {
  const { change: asked, wrong } = change(edits);
  expect(Object.keys(wrong)).toEqual([field]);
  expect(asked).toEqual({});
});

it("follows a branch where nothing else says what it is", () => {
  expect(followsBranch(settings)).toBe(true);
  expect(followsBranch({ ...settings, tag: "v1" })).toBe(false);
  expect(followsBranch({ ...settings, repository: null, image: "a:1" })).toBe(false);
});
