import {
  type CSSProperties,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import { ProblemError } from "../api/problem";
import { offset } from "../format/span";
import { counted } from "../format/text";
import { Fault } from "../parts/Notice";
import { type LogBuffer, MOST_ROWS, type Row } from "./buffer";
import { type FeedState, LogFeed } from "./feed";
import { follows, inSight } from "./window";

/** The log of a deployment's build. */
export function LogView({ deployment, over }: { deployment: string; over: boolean }) {
  const label = useId();
  const [feed] = useState(() => new LogFeed(deployment));
  useSyncExternalStore(feed.subscribe, feed.version);
  useEffect(() => feed.start(), [feed]);
  const { buffer, state } = feed;
  return (
    <section className="log" aria-labelledby={label}>
      <div className="log-head">
        <h2 id={label}>Build log</h2>
        <span className="faint" role="status" data-feed={state.name}>
          {said(state, over)}
        </span>
        <span className="faint figure at-end">{counted(buffer.lines, "line")}</span>
        {buffer.length > 0 ? (
          <button type="button" className="quiet" onClick={() => save(buffer, deployment)}>
            Save
          </button>
        ) : null}
      </div>
      {state.name === "failed" ? (
        <Fault error={new ProblemError(state.problem)} />
      ) : buffer.length > 0 ? (
        <Rows buffer={buffer} />
      ) : (
        <p className="log-empty faint">
          {state.name === "loading"
            ? "Loading the log…"
            : over || state.name === "ended"
              ? "This deployment has no build log: nothing had to be built, or it ended before."
              : "Nothing yet. Lines appear here as the build writes them."}
        </p>
      )}
    </section>
  );
}

function said(state: FeedState, over: boolean): string {
  switch (state.name) {
    case "loading":
      return "loading";
    case "following":
      return over ? "" : "following";
    case "reconnecting":
      return "reconnecting; nothing is lost";
    case "ended":
      return "complete";
    case "failed":
      return "";
  }
}

/** What a row is high until one was measured. */
const ROW = 20;

function Rows({ buffer }: { buffer: LogBuffer }) {
  const scroller = useRef<HTMLElement>(null);
  const probe = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ viewport: 600, rowHeight: ROW });
  const [scrollTop, setScrollTop] = useState(0);
  const [following, setFollowing] = useState(true);
  const before = useRef({ scrollTop: 0, dropped: buffer.dropped });

  const { viewport, rowHeight } = size;
  const { first, end, top, height } = inSight({
    count: buffer.length,
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
    const gone = buffer.dropped - before.current.dropped;
    before.current.dropped = buffer.dropped;
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

  const rows: { index: number; row: Row }[] = [];
  for (let index = first; index < end; index += 1) {
    const row = buffer.row(index);
    if (row) rows.push({ index: buffer.dropped + index, row });
  }

  return (
    <div className="log-frame">
      {buffer.dropped > 0 ? (
        <p className="log-dropped">
          Only the last {counted(MOST_ROWS, "line")} are kept in this page; the command{" "}
          <code>hythe logs</code> has all.
        </p>
      ) : null}
      {/* biome-ignore-start lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
      <section
        ref={scroller}
        className="log-scroll"
        tabIndex={0}
        aria-label="Lines of the build log"
        onScroll={scrolled}
      >
        {/* biome-ignore-end lint/a11y/noNoninteractiveTabindex: as above */}
        <div className="log-row log-probe" ref={probe} aria-hidden="true">
          &nbsp;
        </div>
        <div
          className="log-all"
          style={{ height, "--widest": Math.min(buffer.widest, 4_100) } as CSSProperties}
        >
          <div className="log-rows" style={{ transform: `translateY(${top}px)` }}>
            {rows.map(({ index, row }) => (
              <LogRow key={index} row={row} began={buffer.began} />
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

function LogRow({ row, began }: { row: Row; began: number | undefined }) {
  switch (row.kind) {
    case "line":
      return (
        <div className="log-row" data-stream={row.stream}>
          <span className="log-at">{offset(row.at - (began ?? row.at))}</span>
          <span className="log-text">{row.text}</span>
        </div>
      );
    case "gap":
      return (
        <div className="log-row log-gap">
          <span className="log-at" />
          <span className="log-text">
            {row.lost ? `${counted(row.lost, "line")} got lost here` : "Lines got lost here"}
          </span>
        </div>
      );
    case "note":
      return (
        <div className="log-row log-note">
          <span className="log-at" />
          <span className="log-text">{row.text}</span>
        </div>
      );
  }
}

/** A file of what is kept: what is out of sight is not in the page, so the browser cannot find it. */
function save(buffer: LogBuffer, deployment: string) {
  const lines: string[] = [];
  for (let index = 0; index < buffer.length; index += 1) {
    const row = buffer.row(index);
    if (row?.kind === "line") lines.push(row.text);
    if (row?.kind === "gap") lines.push(`[${row.lost ? counted(row.lost, "line") : "lines"} lost]`);
    if (row?.kind === "note") lines.push(`[${row.text}]`);
  }
  const url = URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `build-${deployment}.log`;
  link.click();
  URL.revokeObjectURL(url);
}
