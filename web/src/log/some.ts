// What is left of a log's rows, where not all are to be seen.

import type { LogBuffer, Row } from "./buffer";
import type { RowList } from "./Rows";

export function some(buffer: LogBuffer, keeps: (row: Row) => boolean): RowList {
  const left: Row[] = [];
  for (let index = 0; index < buffer.length; index += 1) {
    const row = buffer.row(index);
    if (row && keeps(row)) left.push(row);
  }
  // How many of those that were dropped would be here is not known.
  return { length: left.length, dropped: 0, widest: buffer.widest, row: (index) => left[index] };
}
