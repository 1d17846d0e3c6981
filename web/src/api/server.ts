// How the server is doing, its backups, its workers and what they keep.

import { client, idempotency, signalled, unwrap } from "./http";

export const server = {
  status: (signal?: AbortSignal) => unwrap(client.GET("/api/v1/status", { ...signalled(signal) })),

  workers: (signal?: AbortSignal) =>
    unwrap(client.GET("/api/v1/workers", { ...signalled(signal) })),

  /** What may go. Workers are asked for it, which takes as long as they need. */
  housekeeping: () => unwrap(client.GET("/api/v1/housekeeping")),

  /** Lets go of that now, and says what went. */
  letGo: () => unwrap(client.POST("/api/v1/housekeeping", { params: { header: idempotency() } })),

  /** To a place that the server reaches; it may be made still when this is answered. */
  backUp: (to: string, recipient: string) =>
    unwrap(
      client.POST("/api/v1/backups", {
        params: { header: idempotency() },
        body: { to, recipient },
      }),
    ),
};
