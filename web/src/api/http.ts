// What every question to the API goes through, typed by its document.

import createClient from "openapi-fetch";
import { answered } from "./problem";
import type { paths } from "./schema.gen";

export const client = createClient<paths>({
  // Asked for at every call, so that tests can put something in its place.
  fetch: (request) => globalThis.fetch(request),
});

let ahead = 0;

client.use({
  onResponse({ response }) {
    // The clock here may be wrong by minutes; what has been running for how long must not be.
    const there = Date.parse(response.headers.get("date") ?? "");
    const difference = there - Date.now();
    if (!Number.isNaN(there)) ahead = Math.abs(difference) > 2_000 ? difference : 0;
  },
});

/** How far (ms) the server's clock is ahead of this one's. */
export const clockAhead = () => ahead;

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The answer, or what it says is wrong. */
export async function unwrap<T>(asked: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await asked;
  if (!response.ok) throw answered(response.status, error);
  return data as T;
}

/** For a question that nobody may want the answer of any more. */
export const signalled = (signal: AbortSignal | undefined) => (signal ? { signal } : {});

/** What makes a repeated write take effect once. */
export function idempotency() {
  // `crypto.randomUUID` is missing on pages served without TLS under a name of their own.
  const random = crypto.getRandomValues(new Uint8Array(16));
  const key = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { "Idempotency-Key": key };
}
