// Sessions, apps, deployments and their logs; what else there is of an app has files of its own.

import { client, idempotency, signalled, unwrap } from "./http";
import type { CreateApp, CreateDeployment, UpdateApp } from "./types";

export { clockAhead } from "./http";

/** How many lines of an app's log a page begins with. */
const LAST = { tail: 2000 };

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

  /** As it was at a moment of the past. */
  appAt: (app: string, at: string) =>
    unwrap(client.GET("/api/v1/apps/{app}", { params: { path: { app }, query: { at } } })),

  create: (app: CreateApp) =>
    unwrap(client.POST("/api/v1/apps", { params: { header: idempotency() }, body: app })),

  update: (app: string, change: UpdateApp) =>
    unwrap(
      client.PATCH("/api/v1/apps/{app}", {
        params: { path: { app }, header: idempotency() },
        body: change,
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

  /** From the app's settings, where nothing else is said. */
  deploy: (app: string, asked: CreateDeployment) =>
    unwrap(
      client.POST("/api/v1/apps/{app}/deployments", {
        params: { path: { app }, header: idempotency() },
        body: asked,
      }),
    ),

  cancel: (deployment: string) =>
    unwrap(
      client.POST("/api/v1/deployments/{deployment}/cancel", {
        params: { path: { deployment }, header: idempotency() },
      }),
    ),

  /** To a deployment, or to what was live before where none is named. */
  rollback: (app: string, to: string | undefined, keepSettings: boolean) =>
    unwrap(
      client.POST("/api/v1/apps/{app}/rollback", {
        params: { path: { app }, header: idempotency() },
        body: { keep_settings: keepSettings, to: to ?? null },
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

  /** So many replicas of web, or of a process beside it. */
  scale: (app: string, process: string, replicas: number) =>
    unwrap(
      client.POST("/api/v1/apps/{app}/scale", {
        params: { path: { app }, header: idempotency() },
        body: process === "web" ? { replicas } : { processes: { [process]: replicas } },
      }),
    ),

  log: (deployment: string, cursor: string | undefined, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/deployments/{deployment}/logs", {
        params: { path: { deployment }, query: { limit: 5000, ...(cursor ? { cursor } : {}) } },
        ...signalled(signal),
      }),
    ),

  /** What replicas say or, with `access`, what edges tell of requests: the last lines, or those since. */
  appLog: (app: string, access: boolean, cursor: string | undefined, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/apps/{app}/logs", {
        params: {
          path: { app },
          query: { limit: 5000, ...(access ? { access } : {}), ...(cursor ? { cursor } : LAST) },
        },
        ...signalled(signal),
      }),
    ),
};
