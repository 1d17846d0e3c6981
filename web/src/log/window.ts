// Which rows of a long list are in sight.
//
// Rows have one height. Browsers lose precision, or stop, at elements of some ten million pixels:
// the element that gives the scrollbar its length is capped, and beyond the cap the way through
// the rows is scaled to the way of the scrollbar.

/** The most that the element may be high, in pixels. */
export const MOST_HEIGHT = 8_000_000;

export interface View {
  /** Rows. */
  count: number;
  rowHeight: number;
  /** The height of what is seen. */
  viewport: number;
  scrollTop: number;
  /** Rows beyond the edges that are made as well. */
  overscan?: number;
  mostHeight?: number;
}

export interface Span {
  /** The first row to make, and the one after the last. */
  first: number;
  end: number;
  /** Where the first row lies within the element. */
  top: number;
  /** How high the element is. */
  height: number;
}

export function inSight(view: View): Span {
  const { count, rowHeight, viewport, overscan = 8, mostHeight = MOST_HEIGHT } = view;
  const whole = count * rowHeight;
  const height = Math.min(whole, mostHeight);
  const way = Math.max(0, height - viewport);
  const scrollTop = Math.min(Math.max(0, view.scrollTop), way);
  // Where the top edge would be without the cap.
  const at = whole > mostHeight ? (scrollTop / way) * (whole - viewport) : scrollTop;
  const first = Math.max(0, Math.floor(at / rowHeight) - overscan);
  const end = Math.min(count, Math.ceil((at + viewport) / rowHeight) + overscan);
  return { first, end, top: scrollTop - (at - first * rowHeight), height };
}

/** Whether the end is in sight, give or take a row. */
export function atEnd(
  scrollTop: number,
  viewport: number,
  scrollHeight: number,
  rowHeight: number,
) {
  return scrollHeight - scrollTop - viewport <= rowHeight;
}

/**
 * Whether the view goes on following the end, after a scroll. Only going up lets go of it: rows
 * that arrived between scrolling and hearing about it must not.
 */
export function follows(
  was: boolean,
  before: number,
  now: { scrollTop: number; viewport: number; scrollHeight: number; rowHeight: number },
): boolean {
  if (atEnd(now.scrollTop, now.viewport, now.scrollHeight, now.rowHeight)) return true;
  return was && now.scrollTop >= before;
}
