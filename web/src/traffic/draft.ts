// How edges serve an app, as a form has it, and what of a form is a change.

import type { EdgeProtocol, EdgeRate, EdgeSettings, EdgeWww, UpdateEdge } from "../api/types";
import { sizeOf, sizeText } from "../format/size";

/** Spans are in seconds; where a field is empty, there is no limit, or the usual one. */
export interface Draft {
  sticky: boolean;
  compress: boolean;
  accessLog: boolean;
  www: EdgeWww;
  protocol: EdgeProtocol;
  perSecond: string;
  burst: string;
  body: string;
  wait: string;
  answer: string;
  sleep: string;
}

export type Wrong = Partial<Record<keyof Draft, string>>;

export function draftOf(settings: EdgeSettings): Draft {
  const { rate, body_bytes, wait_ms, answer_within_ms, sleep_after_ms } = settings;
  return {
    sticky: settings.sticky,
    compress: settings.compress,
    accessLog: settings.access_log,
    www: settings.www,
    protocol: settings.protocol,
    perSecond: rate ? String(rate.per_second) : "",
    burst: rate ? String(rate.burst) : "",
    body: body_bytes == null ? "" : sizeText(body_bytes),
    wait: String(wait_ms / 1000),
    answer: answer_within_ms == null ? "" : String(answer_within_ms / 1000),
    sleep: sleep_after_ms == null ? "" : String(sleep_after_ms / 1000),
  };
}

/** The most that the API takes for a rate (`EdgeRate` in the API's document). */
const MOST_RATE = 1_000_000;
/** The longest that requests wait for a start, and an answer may take, in seconds (`UpdateEdge`). */
const MOST_WAIT = 300;
const MOST_ANSWER = 3600;
/** The shortest and the longest without a request before an app is put to sleep, in seconds. */
const LEAST_SLEEP = 5;
const MOST_SLEEP = 30 * 24 * 3600;

/** What is other than it is now; and what cannot be, by field. */
export function changeOf(
  settings: EdgeSettings,
  draft: Draft,
): { change: UpdateEdge; wrong: Wrong } {
  const now = draftOf(settings);
  const change: UpdateEdge = {};
  const wrong: Wrong = {};
  if (draft.sticky !== now.sticky) change.sticky = draft.sticky;
  if (draft.compress !== now.compress) change.compress = draft.compress;
  if (draft.accessLog !== now.accessLog) change.access_log = draft.accessLog;
  if (draft.www !== now.www) change.www = draft.www;
  if (draft.protocol !== now.protocol) change.protocol = draft.protocol;
  if (draft.perSecond !== now.perSecond || draft.burst !== now.burst) {
    change.rate = rate(draft, wrong);
  }
  if (draft.body !== now.body) change.body_bytes = body(draft.body, wrong);
  if (draft.wait !== now.wait) {
    const ms = milliseconds(draft.wait.trim() || "0", 0, MOST_WAIT);
    if (ms === undefined) wrong.wait = `Seconds, 0 to ${MOST_WAIT}.`;
    else change.wait_ms = ms;
  }
  if (draft.answer !== now.answer) {
    const given = draft.answer.trim();
    const ms = given ? milliseconds(given, 1, MOST_ANSWER) : null;
    if (ms === undefined) wrong.answer = `Seconds, 1 to ${MOST_ANSWER}; empty for the usual 600.`;
    else change.answer_within_ms = ms;
  }
  if (draft.sleep !== now.sleep) {
    const given = draft.sleep.trim();
    const ms = given ? milliseconds(given, LEAST_SLEEP, MOST_SLEEP) : null;
    if (ms === undefined)
      wrong.sleep = `Seconds, ${LEAST_SLEEP} to ${MOST_SLEEP}; empty for never.`;
    else change.sleep_after_ms = ms;
  }
  return { change, wrong };
}

function rate({ perSecond, burst }: Draft, wrong: Wrong): EdgeRate | null {
  const given = perSecond.trim();
  if (!given && !burst.trim()) return null;
  const each = count(given);
  // As many at once as in two seconds, as the command line has it.
  const most = burst.trim() ? count(burst.trim()) : Math.min(MOST_RATE, 2 * (each ?? 1));
  const text = `A whole number from 1 to ${MOST_RATE.toLocaleString("en")}`;
  if (each === undefined) wrong.perSecond = `${text}; both empty for no limit.`;
  if (most === undefined) wrong.burst = `${text}; empty for as many as in two seconds.`;
  return each === undefined || most === undefined ? null : { per_second: each, burst: most };
}

function count(text: string): number | undefined {
  const number = /^\d+$/.test(text) ? Number(text) : 0;
  return number >= 1 && number <= MOST_RATE ? number : undefined;
}

function body(text: string, wrong: Wrong): number | null {
  if (!text.trim()) return null;
  const bytes = sizeOf(text);
  if (!bytes) wrong.body = "Bytes, or a number with K, M or G, such as 10M; empty for no limit.";
  return bytes ?? null;
}

function milliseconds(text: string, least: number, most: number): number | undefined {
  const seconds = /^\d+(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  return seconds >= least && seconds <= most ? Math.round(seconds * 1000) : undefined;
}
