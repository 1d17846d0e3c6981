import {
  type CSSProperties,
  Fragment,
  type ReactNode,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import type { Row } from "./buffer";
import { follows, inSight } from "./window";

/** What a log shows: all that is kept of it, or what is left of that. */
export interface RowList {
  length: number;
  /** Rows that were here and are no more. */
  dropped: number;
  /** Characters of the longest one. */
  widest: number;
  row: (index: number) => Row | undefined;
}

/** What a row is high until one was measured. */
const ROW = 20;

/** Rows, of which only those in sight are made. */
export function Rows({
  rows,
  label,
  columns,
  of,
}: {
  rows: RowList;
  label: string;
  /** Characters of what is before the text, besides the time. */
  columns: number;
  of: (row: Row) => ReactNode;
}) {
  const scroller = useRef<HTMLElement>(null);
  const probe = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ viewport: 600, rowHeight: ROW });
  const [scrollTop, setScrollTop] = useState(0);
  const [following, setFollowing] = useState(true);
  const before = useRef({ scrollTop: 0, dropped: rows.dropped });

  const { viewport, rowHeight } = size;
  const { first, end, top, height } = inSight({
    count: rows.length,
    rowHeight,
    viewport,
    // While following, the end is drawn at once, not after the browser said that it scrolled.
    scrollTop: following ? Number.MAX_SAFE_INTEGER : scrollTop,
  });

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const measure = () => {
      const rowHeight = probe.current?.getBoundingClientRect().height || ROW;
      setSize({ viewport: element.clientHeight, rowHeight });
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  // After every drawing: stay at the end, or stay with the rows that are being read.
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const gone = rows.dropped - before.current.dropped;
    before.current.dropped = rows.dropped;
    if (following) element.scrollTop = element.scrollHeight;
    else if (gone > 0) element.scrollTop -= gone * rowHeight;
    before.current.scrollTop = element.scrollTop;
  });

  const scrolled = () => {
    const element = scroller.current;
    if (!element) return;
    const now = {
      scrollTop: element.scrollTop,
      viewport: element.clientHeight,
      scrollHeight: element.scrollHeight,
      rowHeight,
    };
    setFollowing(follows(following, before.current.scrollTop, now));
    before.current.scrollTop = element.scrollTop;
    setScrollTop(element.scrollTop);
  };

  const made: { index: number; row: Row }[] = [];
  for (let index = first; index < end; index += 1) {
    const row = rows.row(index);
    if (row) made.push({ index: rows.dropped + index, row });
  }

  return (
    <div className="log-frame">
      {/* biome-ignore-start lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
      <section
        ref={scroller}
        className="log-scroll"
        tabIndex={0}
        aria-label={label}
        onScroll={scrolled}
      >
        {/* biome-ignore-end lint/a11y/noNoninteractiveTabindex: as above */}
        <div className="log-row log-probe" ref={probe} aria-hidden="true">
          &nbsp;
        </div>
        <div
          className="log-all"
          style={
            {
              height,
              "--widest": Math.min(rows.widest, 4_100),
              "--columns": columns,
            } as CSSProperties
          }
        >
          <div className="log-rows" style={{ transform: `translateY(${top}px)` }}>
            {made.map(({ index, row }) => (
              <Fragment key={index}>{of(row)}</Fragment>
            ))}
          </div>
        </div>
      </section>
      {following ? null : (
        <button type="button" className="log-follow" onClick={() => setFollowing(true)}>
          To the end
        </button>
      )}
    </div>
  );
}
