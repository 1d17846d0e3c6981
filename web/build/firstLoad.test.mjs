import { expect, it } from "vitest";
import { circle, inline, loads, MOST, tooLarge } from "./firstLoad.mjs";

/** @type {(name: string, imports?: string[], code?: string) => import("./firstLoad.mjs").Chunk} */
const chunk = (name, imports = [], code = name) => ({
  fileName: `${name}.js`,
  name,
  imports: imports.map((file) => `${file}.js`),
  code,
});

const CHUNKS = [
  chunk("index", ["vendor"]),
  chunk("vendor"),
  chunk("AppsPage", ["parts"]),
  chunk("parts", ["vendor"]),
  chunk("AppLayout", ["parts"]),
  chunk("LogsPage", ["rows"]),
  chunk("rows"),
];

it("a page is loaded with all that it needs, each file once", () => {
  const all = loads(CHUNKS, "index.js", ["AppsPage.js", "LogsPage.js"]);
  expect(all.map(({ page, files }) => [page, ...files])).toEqual([
    ["AppsPage", "index.js", "vendor.js", "AppsPage.js", "parts.js"],
    ["LogsPage", "index.js", "vendor.js", "LogsPage.js", "rows.js", "AppLayout.js", "parts.js"],
  ]);
  expect(all[1]?.bytes).toBeGreaterThan(all[0]?.bytes ?? 0);
});

it("a build that makes a page too large says so, with what is in it", () => {
  const load = (page = "", bytes = 0) => ({ page, bytes, files: ["a.js"] });
  expect(tooLarge([load("AppsPage", MOST.first), load("LogsPage", MOST.any)])).toEqual([]);
  expect(tooLarge([load("AppsPage", MOST.first + 1), load("LogsPage", MOST.any + 1)])).toEqual([
    `AppsPage loads ${MOST.first + 1} bytes: a.js; ${MOST.first} at the most`,
    `LogsPage loads ${MOST.any + 1} bytes: a.js; ${MOST.any} at the most`,
  ]);
  // Under another name nothing would be looked at.
  expect(tooLarge([load("LogsPage", 1)])).toEqual(["there is no AppsPage among the pages"]);
});

it("files that need one another are found", () => {
  expect(circle(CHUNKS)).toBeUndefined();
  expect(circle([...CHUNKS, chunk("a", ["b"]), chunk("b", ["c"]), chunk("c", ["a"])])).toEqual([
    "a.js",
    "b.js",
    "c.js",
    "a.js",
  ]);
});

it.each([
  ['<script type="module" crossorigin src="/assets/index.js"></script>', 0],
  ['<link rel="stylesheet" href="/style.css"><p>no onload here</p>', 0],
  ["<script>run()</script>", 1],
  ['<body onload="run()">', 1],
  ["<style>p {}</style>", 1],
  ['<p style="color: red">', 1],
])("%s has %d things that the policy forbids", (html, count) => {
  expect(inline(html)).toHaveLength(count);
});
