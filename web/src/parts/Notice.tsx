import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { advice, isMissing, NO_ANSWER, problemOf } from "../api/problem";
import { Skeleton } from "./Skeleton";
import { Heading } from "./Small";

/** What went wrong, and what to do about it. */
export function Fault({
  error,
  retry,
  again = "Try again",
  page = false,
}: {
  error: unknown;
  retry?: () => void;
  /** Whether it is all that there is of a page, whose heading it has then. */
  page?: boolean;
  /** What trying again is called. */
  again?: string;
}) {
  const problem = problemOf(error);
  return (
    <section className="fault" role="alert">
      {page ? <Heading title={problem.title}>{problem.title}</Heading> : <h2>{problem.title}</h2>}
      <p>{problem.detail}</p>
      <p className="fault-do">{advice(problem)}</p>
      <div className="actions">
        {retry ? (
          <button type="button" onClick={retry}>
            {again}
          </button>
        ) : null}
        {problem.status === 404 ? <Link to="/">All apps</Link> : null}
      </div>
      {problem.request_id ? (
        <p className="faint">
          Request <code>{problem.request_id}</code>
        </p>
      ) : null}
    </section>
  );
}

/** The same in one line, where the page has something to show all the same. */
export function Stale({ error, retry }: { error: unknown; retry: () => void }) {
  const { status, title } = problemOf(error);
  // Then it is said at the top of the page, once for everything.
  if (status === NO_ANSWER) return null;
  return (
    <p className="stale" role="status">
      Could not be brought up to date: {title.toLowerCase()}.{" "}
      <button type="button" className="link" onClick={retry}>
        Try again
      </button>
    </p>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <div className="loading" role="status">
      <span className="loading-line" aria-hidden="true" />
      Loading {what}…
    </div>
  );
}

interface Answer<T> {
  data: T | undefined;
  error: unknown;
  refetch: () => unknown;
}

/**
 * Loading, failed, out of date, or there: the four ways an answer can be. `page`: without it, there
 * is no page at all.
 */
export function Answered<T>({
  answer,
  what,
  page = false,
  children,
}: {
  answer: Answer<T>;
  what: string;
  page?: boolean;
  children: (data: T) => ReactNode;
}) {
  const retry = () => void answer.refetch();
  // What was there and is deleted now must not look as if it were.
  const missing = answer.data === undefined || (page && isMissing(answer.error));
  // An error is forgotten when it is asked again; until there is an answer, it stays in sight.
  const [failed, setFailed] = useState(answer.error);
  if (answer.error && answer.error !== failed) setFailed(answer.error);
  if (answer.data === undefined || missing) {
    if (failed) return <Fault error={failed} retry={retry} page={page} />;
    return page ? <Skeleton what={what} /> : <Loading what={what} />;
  }
  return (
    <>
      {answer.error ? <Stale error={answer.error} retry={retry} /> : null}
      {children(answer.data)}
    </>
  );
}
