// The rows of a log: appended at the end, dropped at the front where there are too many.

import type { LogItem } from "../api/types";
import { clean } from "./clean";

export type Row =
  | { kind: "line"; number: number; at: number; stream: string; text: string }
  | { kind: "gap"; lost: number | undefined }
  | { kind: "note"; text: string };

/** Rows that are kept; about 60 MB of them. */
export const MOST_ROWS = 250_000;
/** Rows that go at once, so that dropping is rare. */
const DROP = 25_000;

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

  /** Rows that are kept. */
  get length(): number {
    return this.#rows.length;
  }

  /** Lines that ever arrived. */
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
        this.#rows.push({ kind: "line", number: item.number, at, stream: item.stream, text });
        break;
      }
      case "access":
        // Of an access log, which is not what this shows.
        break;
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
