// A log as a file: what is out of sight is not in the page, so the browser cannot find it there.

import { counted } from "../format/text";
import type { LogBuffer, Row } from "./buffer";

export function save(buffer: LogBuffer, file: string, text: (row: Row) => string) {
  const lines: string[] = [];
  for (let index = 0; index < buffer.length; index += 1) {
    const row = buffer.row(index);
    if (row) lines.push(text(row));
  }
  const url = URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = file;
  link.click();
  URL.revokeObjectURL(url);
}

/** A row in one line; of a request, all that is told of it. */
export function textOf(row: Row): string {
  switch (row.kind) {
    case "line":
      return row.text;
    case "request":
      return JSON.stringify({ at: new Date(row.at).toISOString(), ...row.request });
    case "left_out":
      return `[${counted(row.count, "request")} not told: there were too many]`;
    case "gap":
      return `[${row.lost ? counted(row.lost, "line") : "lines"} lost]`;
    case "note":
      return `[${row.text}]`;
  }
}

/** The same with when and by which replica it was written. */
export function outputOf(row: Row): string {
  if (row.kind !== "line") return textOf(row);
  return [new Date(row.at).toISOString(), row.from, row.text].filter(Boolean).join(" ");
}
