import { describe, expect, it } from "vitest";
import type { LogItem } from "../api/types";
import { LogBuffer } from "./buffer";

const deployment = "019eb2a4-5f00-7c11-9d3c-0a1b2c3d4e5f";

const line = (number: number, text = `line ${number}`): LogItem => ({
  type: "line",
  cursor: `c${number}`,
  deployment,
  replica: null,
  number,
  at: "2026-11-21T09:30:00.250Z",
  stream: "stdout",
  text,
});

describe("LogBuffer", () => {
  it("keeps lines, gaps and notes in order and knows where to resume", () => {
    const buffer = new LogBuffer();
    buffer.append([
      line(7, "\u001b[32mok\u001b[0m"),
      { type: "gap", lost: 3 },
      line(11),
      { type: "end", deployment, replica: null },
      { type: "note", text: "the image is built" },
    ]);
    expect([0, 1, 2, 3].map((index) => buffer.row(index)?.kind)).toEqual([
      "line",
      "gap",
      "line",
      "note",
    ]);
    expect(buffer.row(0)).toMatchObject({ text: "ok", number: 7 });
    expect(buffer).toMatchObject({ length: 4, lines: 2, cursor: "c11", ended: true, widest: 7 });
  });

  it("shows once what is delivered again", () => {
    const buffer = new LogBuffer();
    buffer.append([line(1), line(2)]);
    buffer.append([line(2), line(3)]);
    expect(buffer.length).toBe(3);
  });

  it("drops from the front, many at once, and counts what it dropped", () => {
    const buffer = new LogBuffer(100, 40);
    for (let number = 1; number <= 1000; number += 1) {
      buffer.append([line(number)]);
      expect(buffer.length).toBeLessThanOrEqual(100);
    }
    expect(buffer.dropped + buffer.length).toBe(1000);
    expect(buffer.row(buffer.length - 1)).toMatchObject({ number: 1000 });
    expect(buffer.row(0)).toMatchObject({ number: buffer.dropped + 1 });
  });

  it("takes more at once than it can keep", () => {
    const buffer = new LogBuffer(100, 40);
    buffer.append(Array.from({ length: 350 }, (_, index) => line(index + 1)));
    expect(buffer.length).toBe(100);
    expect(buffer.dropped).toBe(250);
  });
});
