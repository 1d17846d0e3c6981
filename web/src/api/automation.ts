// What deploys an app by itself, and what it does by itself.

import { client, idempotency, signalled, unwrap } from "./http";
import type { SetCron, UpdatePreviews, UpdateTriggers } from "./types";

const ofApp = (app: string) => ({ path: { app }, header: idempotency() });
const ofHook = (hook: string) => ({ path: { hook }, header: idempotency() });
const ofCron = (app: string, cron: string) => ({ path: { app, cron }, header: idempotency() });

export const hooks = {
  /** Those of the app's repository. */
  list: (app: string, signal?: AbortSignal) =>
    unwrap(client.GET("/api/v1/hooks", { params: { query: { app } }, ...signalled(signal) })),

  /** Its secret is in the answer, and never again. */
  create: (app: string, provider: string | undefined) =>
    unwrap(
      client.POST("/api/v1/hooks", {
        params: { header: idempotency() },
        body: { app, ...(provider ? { provider } : {}) },
      }),
    ),

  rotate: (hook: string) =>
    unwrap(client.POST("/api/v1/hooks/{hook}/rotate", { params: ofHook(hook) })),

  remove: (hook: string) => unwrap(client.DELETE("/api/v1/hooks/{hook}", { params: ofHook(hook) })),

  deliveries: (hook: string, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/hooks/{hook}/deliveries", {
        params: { path: { hook } },
        ...signalled(signal),
      }),
    ),
};

export const triggers = {
  show: (app: string, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/apps/{app}/triggers", {
        params: { path: { app } },
        ...signalled(signal),
      }),
    ),

  update: (app: string, change: UpdateTriggers) =>
    unwrap(client.PATCH("/api/v1/apps/{app}/triggers", { params: ofApp(app), body: change })),
};

export const previews = {
  list: (app: string, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/apps/{app}/previews", {
        params: { path: { app } },
        ...signalled(signal),
      }),
    ),

  update: (app: string, change: UpdatePreviews) =>
    unwrap(client.PATCH("/api/v1/apps/{app}/previews", { params: ofApp(app), body: change })),

  remove: (app: string, number: number) =>
    unwrap(
      client.DELETE("/api/v1/apps/{app}/previews/{number}", {
        params: { path: { app, number }, header: idempotency() },
      }),
    ),
};

export const crons = {
  list: (app: string, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/apps/{app}/crons", { params: { path: { app } }, ...signalled(signal) }),
    ),

  /** In place of one of that name, where there is one. */
  set: (app: string, cron: string, body: SetCron) =>
    unwrap(client.PUT("/api/v1/apps/{app}/crons/{cron}", { params: ofCron(app, cron), body })),

  run: (app: string, cron: string) =>
    unwrap(client.POST("/api/v1/apps/{app}/crons/{cron}/run", { params: ofCron(app, cron) })),

  pause: (app: string, cron: string) =>
    unwrap(client.POST("/api/v1/apps/{app}/crons/{cron}/pause", { params: ofCron(app, cron) })),

  resume: (app: string, cron: string) =>
    unwrap(client.POST("/api/v1/apps/{app}/crons/{cron}/resume", { params: ofCron(app, cron) })),

  remove: (app: string, cron: string) =>
    unwrap(client.DELETE("/api/v1/apps/{app}/crons/{cron}", { params: ofCron(app, cron) })),
};
