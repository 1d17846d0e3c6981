import type { ReactNode } from "react";
import { moment } from "../format/moment";
import { counted } from "../format/text";
import { type AccessRequest, failureOf, placeOf, sentOf, statusOf, toneOf, tookOf } from "./access";
import type { Row } from "./buffer";

/** A row of a log. `when`: how it says a moment. */
export function LogRow({ row, when }: { row: Row; when: (at: number) => string }) {
  switch (row.kind) {
    case "line":
      return (
        <div className="log-row" data-stream={row.stream}>
          <span className="log-at">{when(row.at)}</span>
          {row.from ? <span className="log-from">{row.from}</span> : null}
          <span className="log-text">{row.text}</span>
        </div>
      );
    case "request":
      return (
        <div className="log-row" data-stream="request">
          <span className="log-at" title={moment(row.at)}>
            {when(row.at)}
          </span>
          <Request request={row.request} />
        </div>
      );
    case "left_out":
      return (
        <Told className="log-gap">
          {counted(row.count, "request")} not told: there were too many at once
        </Told>
      );
    case "gap":
      return (
        <Told className="log-gap">
          {row.lost ? `${counted(row.lost, "line")} got lost here` : "Lines got lost here"}
        </Told>
      );
    case "note":
      return <Told className="log-note">{row.text}</Told>;
  }
}

function Request({ request }: { request: AccessRequest }) {
  const failure = failureOf(request);
  return (
    <>
      <span className="log-status" data-tone={toneOf(request)}>
        {statusOf(request)}
      </span>
      <span className="log-method">{request.method}</span>
      <span className="log-figure">{tookOf(request)}</span>
      <span className="log-figure">{sentOf(request)}</span>
      <span className="log-text">
        {placeOf(request)}
        {failure ? <span className="log-failed"> {failure}</span> : null}
        <span className="faint"> {request.client}</span>
      </span>
    </>
  );
}

function Told({ className, children }: { className: string; children: ReactNode }) {
  return (
    <div className={`log-row ${className}`}>
      <span className="log-at" />
      <span className="log-text">{children}</span>
    </div>
  );
}
