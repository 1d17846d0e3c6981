import { readFile } from "node:fs/promises";
import openapiTS, { astToString, COMMENT_HEADER } from "openapi-typescript";
import { expect, it } from "vitest";

it("has types that follow from the document (npm run types)", async () => {
  const document = new URL("../../openapi.json", import.meta.url);
  const types = new URL("./schema.gen.ts", import.meta.url);
  const made = COMMENT_HEADER + astToString(await openapiTS(document));
  expect(await readFile(types, "utf8")).toBe(made);
}, 60_000);
