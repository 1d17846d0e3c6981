// The API, typed by its document.

import createClient from "openapi-fetch";
import { answered } from "./problem";
import type { paths } from "./schema.gen";

const client = createClient<paths>({
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

async function unwrap<T>(asked: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await asked;
  if (!response.ok) throw answered(response.status, error);
  return data as T;
}

const signalled = (signal: AbortSignal | undefined) => (signal ? { signal } : {});

/** What makes a repeated write take effect once. */
function idempotency() {
  // `crypto.randomUUID` is missing on pages served without TLS under a name of their own.
  const random = crypto.getRandomValues(new Uint8Array(16));
  const key = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { "Idempotency-Key": key };
}

export const api = {
  session: (signal?: AbortSignal) =>
    unwrap(client.GET("/api/v1/session", { ...signalled(signal) })),

  signIn: (token: string) => unwrap(client.POST("/api/v1/session", { body: { token } })),

  signOut: () => unwrap(client.DELETE("/api/v1/session")),

  apps: (cursor: string | undefined, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/apps", {
        params: { query: { limit: 100, ...(cursor ? { cursor } : {}) } },
        ...signalled(signal),
      }),
    ),

  app: (app: string, signal?: AbortSignal) =>
    unwrap(client.GET("/api/v1/apps/{app}", { params: { path: { app } }, ...signalled(signal) })),

  env: (app: string, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/apps/{app}/env", { params: { path: { app } }, ...signalled(signal) }),
    ),

  domains: (app: string, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/apps/{app}/domains", {
        params: { path: { app } },
        ...signalled(signal),
      }),
    ),

  replicas: (app: string, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/apps/{app}/replicas", {
        params: { path: { app } },
        ...signalled(signal),
      }),
    ),

  deployments: (app: string, cursor: string | undefined, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/apps/{app}/deployments", {
        params: { path: { app }, query: { limit: 20, ...(cursor ? { cursor } : {}) } },
        ...signalled(signal),
      }),
    ),

  deployment: (deployment: string, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/deployments/{deployment}", {
        params: { path: { deployment } },
        ...signalled(signal),
      }),
    ),

  cancel: (deployment: string) =>
    unwrap(
      client.POST("/api/v1/deployments/{deployment}/cancel", {
        params: { path: { deployment }, header: idempotency() },
      }),
    ),

  rollback: (app: string, to: string) =>
    unwrap(
      client.POST("/api/v1/apps/{app}/rollback", {
        params: { path: { app }, header: idempotency() },
        body: { to, keep_settings: false },
      }),
    ),

  redeploy: (app: string) =>
    unwrap(
      client.POST("/api/v1/apps/{app}/redeploy", {
        params: { path: { app }, header: idempotency() },
      }),
    ),

  restart: (app: string) =>
    unwrap(
      client.POST("/api/v1/apps/{app}/restart", {
        params: { path: { app }, header: idempotency() },
      }),
    ),

  stop: (app: string) =>
    unwrap(
      client.POST("/api/v1/apps/{app}/stop", {
        params: { path: { app }, header: idempotency() },
      }),
    ),

  start: (app: string) =>
    unwrap(
      client.POST("/api/v1/apps/{app}/start", {
        params: { path: { app }, header: idempotency() },
      }),
    ),

  scale: (app: string, replicas: number) =>
    unwrap(
      client.POST("/api/v1/apps/{app}/scale", {
        params: { path: { app }, header: idempotency() },
        body: { replicas },
      }),
    ),

  log: (deployment: string, cursor: string | undefined, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/deployments/{deployment}/logs", {
        params: { path: { deployment }, query: { limit: 5000, ...(cursor ? { cursor } : {}) } },
        ...signalled(signal),
      }),
    ),
};
