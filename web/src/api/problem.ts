// What went wrong, whether the server says so or cannot be asked.

import type { Problem } from "./types";

/** A request that did not do what was asked for. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.name = "ProblemError";
    this.problem = problem;
  }
}

/**
 * There was no answer. What `fetch` rejects with is a `TypeError`, as are most mistakes of the page: told
 * apart where it is called, nobody has to guess.
 */
export class NoAnswer extends Error {
  constructor(cause: unknown) {
    super("there was no answer", { cause });
    this.name = "NoAnswer";
  }
}

/** The status of a problem that the page itself found: there was no answer. */
export const NO_ANSWER = 0;

export function isUnauthorized(error: unknown): boolean {
  return error instanceof ProblemError && error.problem.status === 401;
}

/** The status of a problem that is the page's own. */
const MISTAKE = -1;

/** Whether there is no such thing. */
export function isMissing(error: unknown): boolean {
  return error instanceof ProblemError && error.problem.status === 404;
}

/** Whether asking again may help, without anybody doing anything. */
export function mayPass(error: unknown): boolean {
  const { status } = problemOf(error);
  return status === NO_ANSWER || status === 429 || status >= 500;
}

/** What an answer of 400 and above says; a proxy in between may say anything. */
export function answered(status: number, body: unknown): ProblemError {
  if (isProblem(body)) return new ProblemError({ ...body, status });
  return new ProblemError({
    type: "about:blank",
    title: `The server answered ${status}`,
    status,
    detail: "This is not an answer that Hythe gives: something in between may have given it.",
  });
}

/** Any error, in the same form. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof NoAnswer) {
    return {
      type: "about:blank",
      title: "Hythe does not answer",
      status: NO_ANSWER,
      detail: "The server may be restarting, or the network may be down. Your apps keep serving.",
    };
  }
  return {
    type: "about:blank",
    title: "This page made a mistake",
    status: MISTAKE,
    detail: error instanceof Error ? error.message : String(error),
  };
}

/**
 * What to do about it, where the answer itself does not say. `wanted`: somebody asked for something to be
 * done, which nothing does again by itself.
 */
export function advice({ status, retry_after }: Problem, wanted = false): string {
  const wait = retry_after ? ` in ${retry_after} s` : " in a moment";
  if (status === MISTAKE) {
    return "Load the page again. Where it makes the same mistake then, that is a bug of this version.";
  }
  if (status === NO_ANSWER) {
    return wanted
      ? "Whether it was done is not known: look once Hythe answers again, before you ask once more."
      : "It is asked again by itself. If this stays, look whether Hythe runs: hythe up.";
  }
  if (status === 404) return "It may have been deleted, or the address may be mistyped.";
  if (status === 421) return "Open Hythe under an address that it knows, such as 127.0.0.1.";
  if (status === 429 || status === 503 || status === 504) return `Try again${wait}.`;
  if (status >= 500) return "Hythe's log says more; look for the request below.";
  return "";
}

function isProblem(body: unknown): body is Problem {
  return (
    typeof body === "object" &&
    body !== null &&
    "title" in body &&
    typeof body.title === "string" &&
    "detail" in body &&
    typeof body.detail === "string"
  );
}
