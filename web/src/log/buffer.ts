// The rows of a log: appended at the end, dropped at the front where there are too many.

import type { LogItem } from "../api/types";
import { type AccessRequest, requestOf, width } from "./access";
import { clean } from "./clean";

export type Row =
  | { kind: "line"; number: number; at: number; stream: string; from: string; text: string }
  | { kind: "request"; at: number; request: AccessRequest }
  | { kind: "left_out"; count: number }
  | { kind: "gap"; lost: number | undefined }
  | { kind: "note"; text: string };

/** Rows that are kept; about 60 MB of them. */
export const MOST_ROWS = 250_000;
/** Rows that go at once, so that dropping is rare. */
export const DROP = 25_000;

export class LogBuffer {
  #rows: Row[] = [];
  #dropped = 0;
  #lines = 0;
  #widest = 0;
  #began: number | undefined;
  #cursor: string | undefined;
  #ended = false;
  #most: number;
  #drop: number;

  constructor(most = MOST_ROWS, drop = DROP) {
    this.#most = most;
    this.#drop = drop;
  }

  /** Rows before the first one that is kept. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The most rows that are kept. */
  get most(): number {
    return this.#most;
  }

  /** Rows that are kept. */
  get length(): number {
    return this.#rows.length;
  }

  /** Lines, or requests, that ever arrived. */
  get lines(): number {
    return this.#lines;
  }

  /** Characters of the longest line. */
  get widest(): number {
    return this.#widest;
  }

  /** When the first line was written. */
  get began(): number | undefined {
    return this.#began;
  }

  /** Where to resume. */
  get cursor(): string | undefined {
    return this.#cursor;
  }

  /** Whether the log said that it is over. */
  get ended(): boolean {
    return this.#ended;
  }

  row(index: number): Row | undefined {
    return this.#rows[index];
  }

  append(items: Iterable<LogItem>): void {
    for (const item of items) {
      this.#take(item);
    }
    if (this.#rows.length > this.#most) {
      const surplus = Math.max(this.#drop, this.#rows.length - this.#most);
      this.#rows.splice(0, surplus);
      this.#dropped += surplus;
    }
  }

  #take(item: LogItem): void {
    switch (item.type) {
      case "line": {
        // Delivered again after a reconnect.
        if (item.cursor === this.#cursor) break;
        this.#cursor = item.cursor;
        const text = clean(item.text);
        const at = Date.parse(item.at);
        this.#began ??= at;
        this.#lines += 1;
        this.#widest = Math.max(this.#widest, text.length);
        const { number, stream } = item;
        this.#rows.push({ kind: "line", number, at, stream, from: from(item), text });
        break;
      }
      case "access": {
        if (item.cursor === this.#cursor) break;
        this.#cursor = item.cursor;
        const request = requestOf(item.request);
        if (request) {
          this.#lines += 1;
          this.#widest = Math.max(this.#widest, width(request));
          this.#rows.push({ kind: "request", at: Date.parse(item.at), request });
        }
        if (item.left_out) this.#rows.push({ kind: "left_out", count: item.left_out });
        break;
      }
      case "gap":
        this.#rows.push({ kind: "gap", lost: item.lost ?? undefined });
        break;
      case "note":
        // What a log ends with.
        this.#rows.push({ kind: "note", text: clean(item.text) });
        this.#ended = true;
        break;
      case "end":
        // One builder says no more; after a crash another may go on.
        break;
    }
  }
}

/** Which replica, or which task, of an app wrote a line; nothing for a build. */
function from({ process, replica, task }: Extract<LogItem, { type: "line" }>): string {
  if (task) return task;
  if (replica == null) return "";
  return process ? `${process}.${replica}` : String(replica);
}
