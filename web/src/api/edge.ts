// How edges serve an app.

import { client, idempotency, signalled, unwrap } from "./http";
import type { UpdateEdge } from "./types";

export const edge = {
  show: (app: string, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/apps/{app}/edge", { params: { path: { app } }, ...signalled(signal) }),
    ),

  update: (app: string, change: UpdateEdge) =>
    unwrap(
      client.PATCH("/api/v1/apps/{app}/edge", {
        params: { path: { app }, header: idempotency() },
        body: change,
      }),
    ),
};
