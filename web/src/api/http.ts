// What every question to the API goes through, typed by its document.

import type { Client } from "openapi-fetch";
import { answered, NoAnswer } from "./problem";
import type { paths } from "./schema.gen";

interface Params {
  path?: Record<string, string | number>;
  query?: Record<string, string | number | boolean | undefined>;
  header?: Record<string, string>;
}

/** A question, once its types have seen to it that it is one of the document's. */
interface Question {
  params?: Params;
  body?: unknown;
  signal?: AbortSignal;
}

/**
 * How long (ms) to wait before what has an idempotency key is sent again, where no answer came. It takes
 * effect once, however often it is sent; without that, nobody would know whether it did.
 */
const AGAIN = [400, 1_200];

let ahead = 0;

/** How far (ms) the server's clock is ahead of this one's. */
export const clockAhead = () => ahead;

async function ask(method: string, path: string, { params = {}, body, signal }: Question = {}) {
  const headers = new Headers(params.header);
  if (body !== undefined) headers.set("Content-Type", "application/json");
  const { response, text } = await asked(params.header ? AGAIN : [], () => {
    const init = {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ?? null,
    };
    return globalThis.fetch(new Request(addressOf(path, params), init));
  });
  // The clock here may be wrong by minutes; what has been running for how long must not be.
  const there = Date.parse(response.headers.get("date") ?? "");
  const difference = there - Date.now();
  if (!Number.isNaN(there)) ahead = Math.abs(difference) > 2_000 ? difference : 0;
  const said = text ? parsed(text) : undefined;
  if (!response.ok) return { error: said, response };
  // Such as the page of a network that wants somebody to log in first.
  if (text && said === undefined) throw answered(response.status, said);
  return { data: said, response };
}

/** An answer, whole. Where none comes, it is asked for again after each of `pauses`. */
async function asked(pauses: readonly number[], fetching: () => Promise<Response>) {
  for (const pause of pauses) {
    try {
      return await whole(fetching());
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      await new Promise((done) => setTimeout(done, pause));
    }
  }
  return whole(fetching());
}

async function whole(fetching: Promise<Response>) {
  try {
    const response = await fetching;
    return { response, text: await response.text() };
  } catch (error) {
    // Nobody wants to know any more.
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new NoAnswer(error);
  }
}

function addressOf(path: string, { path: named = {}, query = {} }: Params): string {
  const place = path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(named[name])),
  );
  const asked = Object.entries(query)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
  return asked.length > 0 ? `${place}?${asked.join("&")}` : place;
}

/** What a text in JSON says; nothing where it is none. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const asks = (method: string) => (path: string, question?: Question) => ask(method, path, question);

/** What can be asked is typed by the document. Of `openapi-fetch` only the types: they are all it takes. */
export const client = {
  GET: asks("GET"),
  POST: asks("POST"),
  PUT: asks("PUT"),
  PATCH: asks("PATCH"),
  DELETE: asks("DELETE"),
} as unknown as Pick<Client<paths>, "GET" | "POST" | "PUT" | "PATCH" | "DELETE">;

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
