// Commands that are run once, beside the replicas.

import { client, idempotency, signalled, unwrap } from "./http";

export const runs = {
  /** Those that run now. */
  list: (app: string, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/apps/{app}/runs", { params: { path: { app } }, ...signalled(signal) }),
    ),

  stop: (run: string) =>
    unwrap(
      client.POST("/api/v1/runs/{run}/stop", {
        params: { path: { run }, header: idempotency() },
      }),
    ),
};
