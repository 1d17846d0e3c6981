// Deleting apps, and having them back.

import { client, idempotency, signalled, unwrap } from "./http";

export const deleted = {
  list: (signal?: AbortSignal) =>
    unwrap(client.GET("/api/v1/deleted-apps", { ...signalled(signal) })),

  /** For a day it can be had back. */
  remove: (app: string) =>
    unwrap(
      client.DELETE("/api/v1/apps/{app}", { params: { path: { app }, header: idempotency() } }),
    ),

  restore: (app: string) =>
    unwrap(
      client.POST("/api/v1/apps/{app}/restore", {
        params: { path: { app }, header: idempotency() },
      }),
    ),
};
