// How the server is doing, its backups and its workers.

import { client, idempotency, signalled, unwrap } from "./http";

export const server = {
  status: (signal?: AbortSignal) => unwrap(client.GET("/api/v1/status", { ...signalled(signal) })),

  workers: (signal?: AbortSignal) =>
    unwrap(client.GET("/api/v1/workers", { ...signalled(signal) })),

  /** To a place that the server reaches; it may be made still when this is answered. */
  backUp: (to: string, recipient: string) =>
    unwrap(
      client.POST("/api/v1/backups", {
        params: { header: idempotency() },
        body: { to, recipient },
      }),
    ),
};
