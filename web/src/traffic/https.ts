// What becomes of requests without TLS, and what browsers are told about that, as a form has it.

import type { EdgeHsts, EdgeHttps, EdgeSettings, UpdateEdge } from "../api/types";
import { longText, secondsOf } from "../format/long";

export interface HttpsDraft {
  https: EdgeHttps;
  /** For how long browsers are told to come by https only; empty where they are told nothing. */
  span: string;
  subdomains: boolean;
  preload: boolean;
}

export const httpsOf = ({ https, hsts }: EdgeSettings): HttpsDraft => ({
  https,
  span: hsts ? longText(hsts.max_age) : "",
  subdomains: hsts?.subdomains ?? false,
  preload: hsts?.preload ?? false,
});

/** Bounds of `EdgeHsts` in the API's document, in seconds. */
const MOST = 63_072_000;
const YEAR = 31_536_000;

export interface HttpsWrong {
  span?: string;
}

/** What is other than it is now; and what cannot be. */
export function httpsChange(
  settings: EdgeSettings,
  draft: HttpsDraft,
): { change: UpdateEdge; wrong: HttpsWrong } {
  const change: UpdateEdge = {};
  if (draft.https !== settings.https) change.https = draft.https;
  if (!draft.span.trim()) {
    if (settings.hsts) change.hsts = null;
    return { change, wrong: {} };
  }
  const now = httpsOf(settings);
  const same =
    draft.span === now.span && draft.subdomains === now.subdomains && draft.preload === now.preload;
  if (same) return { change, wrong: {} };
  const seconds = secondsOf(draft.span);
  if (seconds === undefined || seconds > MOST) {
    return {
      change,
      wrong: { span: "A whole number with d, h, m or s, such as 30d, up to 730d; or empty." },
    };
  }
  if (draft.preload && (!draft.subdomains || seconds < YEAR)) {
    return { change, wrong: { span: "To be built in, it takes 365d, and all hosts below." } };
  }
  const { subdomains, preload } = draft;
  const hsts: EdgeHsts = { max_age: seconds, subdomains, preload };
  return { change: { ...change, hsts }, wrong: {} };
}
