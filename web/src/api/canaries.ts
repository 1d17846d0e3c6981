// A new version that takes a part of an app's requests.

import { client, idempotency, signalled, unwrap } from "./http";

const of = (app: string) => ({ path: { app }, header: idempotency() });

export const canaries = {
  show: (app: string, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/apps/{app}/canary", { params: { path: { app } }, ...signalled(signal) }),
    ),

  weigh: (app: string, percent: number) =>
    unwrap(client.PUT("/api/v1/apps/{app}/canary", { params: of(app), body: { percent } })),

  promote: (app: string) =>
    unwrap(client.POST("/api/v1/apps/{app}/canary/promote", { params: of(app) })),

  abort: (app: string) =>
    unwrap(client.POST("/api/v1/apps/{app}/canary/abort", { params: of(app) })),
};
