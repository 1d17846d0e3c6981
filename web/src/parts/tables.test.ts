import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";

it("every table of the dashboard is made with the parts that say what they are", () => {
  const src = new URL("..", import.meta.url);
  const files = readdirSync(src, { recursive: true, encoding: "utf8" });
  const own = files.filter(
    (file) =>
      file.endsWith(".tsx") &&
      /<(table|thead|tbody|tr|th|td)[\s>]/.test(readFileSync(new URL(file, src), "utf8")),
  );
  expect(own).toEqual(["parts/Table.tsx"]);
});
