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

  it("keeps requests, and says how many are not told", () => {
    const buffer = new LogBuffer();
    const told = { type: "access", edge: deployment, at: "2026-11-21T09:30:00.250Z" } as const;
    const request = {
      method: "GET",
      host: "shop.localhost",
      path: "/",
      client: "::1",
      sent: 3,
      took_us: 900,
    };
    buffer.append([
      // The API's document says of a request only that it is an object.
      { ...told, cursor: "c1", number: 1, request: request as object as Record<string, never> },
      { ...told, cursor: "c2", number: 2, left_out: 7 },
    ]);
    expect([buffer.row(0), buffer.row(1)]).toMatchObject([
      { kind: "request", request },
      { kind: "left_out", count: 7 },
    ]);
    expect(buffer).toMatchObject({ length: 2, lines: 1, cursor: "c2" });
  });

  it("says which replica or task wrote a line", () => {
    const buffer = new LogBuffer();
    buffer.append([
      line(1),
      { ...line(2), replica: 0 } as LogItem,
      { ...line(3), replica: 1, process: "worker" } as LogItem,
      { ...line(4), task: "release" } as LogItem,
    ]);
    const from = [0, 1, 2, 3].map((index) => buffer.row(index));
    expect(from).toMatchObject([
      { from: "" },
      { from: "0" },
      { from: "worker.1" },
      { from: "release" },
    ]);
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
