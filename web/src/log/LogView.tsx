import { type ReactNode, useEffect, useId, useState, useSyncExternalStore } from "react";
import { ProblemError } from "../api/problem";
import { clock } from "../format/clock";
import { offset } from "../format/span";
import { counted } from "../format/text";
import { Fault } from "../parts/Notice";
import type { LogBuffer, Row } from "./buffer";
import { type FeedState, LogFeed } from "./feed";
import { LogRow } from "./LogRow";
import { Rows } from "./Rows";
import { save } from "./save";
import { some } from "./some";
import type { LogSource } from "./sources";

interface Log {
  source: LogSource;
  title: string;
  /** What its rows are called, for whoever hears the page. */
  label: string;
  /** What it counts. */
  one?: string;
  /** Whether nothing comes any more, although it does not say so. */
  over?: boolean;
  /** What is said where nothing is in it. */
  empty: string;
  /** Which rows are to be seen, where not all are. */
  keeps?: ((row: Row) => boolean) | undefined;
  /** The name of the file that it is saved as. */
  file: string;
  /** What of a row is saved. */
  text: (row: Row) => string;
  /** Whether rows bear the time of the day; else it is the time since the first one. */
  clocked?: boolean;
  /** Characters of what is before a row's text, besides the time. */
  columns?: number;
  /** What is above the rows. */
  children?: ReactNode;
}

/** A log: what there is of it, and what comes. Where another one is shown, it needs another key. */
export function LogView({ source, over = false, one = "line", ...log }: Log) {
  const label = useId();
  const [feed] = useState(() => new LogFeed(source));
  useSyncExternalStore(feed.subscribe, feed.version);
  useEffect(() => feed.start(), [feed]);
  const { buffer, state } = feed;
  return (
    <section className="log" aria-labelledby={label}>
      <div className="log-head">
        <h2 id={label}>{log.title}</h2>
        <span className="faint" role="status" data-feed={state.name}>
          {said(state, over)}
        </span>
        <span className="faint figure at-end">{counted(buffer.lines, one)}</span>
        {buffer.length > 0 ? (
          <button type="button" className="quiet" onClick={() => save(buffer, log.file, log.text)}>
            Save
          </button>
        ) : null}
      </div>
      {log.children}
      {state.name === "failed" ? (
        <Fault error={new ProblemError(state.problem)} retry={feed.again} />
      ) : buffer.length > 0 ? (
        <Shown buffer={buffer} one={one} {...log} />
      ) : (
        <p className="log-empty faint">
          {state.name === "loading" ? "Loading the log…" : log.empty}
        </p>
      )}
    </section>
  );
}

function Shown({
  buffer,
  one,
  label,
  keeps,
  clocked = false,
  columns = 0,
}: Pick<Log, "label" | "keeps" | "clocked" | "columns"> & { buffer: LogBuffer; one: string }) {
  const rows = keeps ? some(buffer, keeps) : buffer;
  const when = (at: number) => (clocked ? clock(at) : offset(at - (buffer.began ?? at)));
  if (rows.length === 0) {
    return (
      <p className="log-empty faint">
        None of the {counted(buffer.lines, one)} here fits. Others show as they come.
      </p>
    );
  }
  return (
    <>
      {buffer.dropped > 0 ? (
        <p className="log-dropped">
          Only the last {counted(buffer.most, one)} are kept in this page; the command{" "}
          <code>hythe logs</code> has all.
        </p>
      ) : null}
      <Rows
        // Where others are left, what was in sight says nothing of what is to be.
        key={keeps ? "some" : "all"}
        rows={rows}
        label={label}
        columns={columns}
        of={(row) => <LogRow row={row} when={when} />}
      />
    </>
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
