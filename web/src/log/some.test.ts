import { expect, it } from "vitest";
import { LogBuffer } from "./buffer";
import { some } from "./some";

it("leaves the rows that are looked for, in their order", () => {
  const buffer = new LogBuffer();
  buffer.append([
    { type: "gap", lost: 1 },
    { type: "note", text: "one" },
    { type: "gap", lost: 2 },
  ]);
  const left = some(buffer, (row) => row.kind === "gap");
  expect(left.length).toBe(2);
  expect([left.row(0), left.row(1), left.row(2)]).toEqual([
    { kind: "gap", lost: 1 },
    { kind: "gap", lost: 2 },
    undefined,
  ]);
});
