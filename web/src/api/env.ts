// An app's environment variables: values go in, and never come out again.

import { client, idempotency, signalled, unwrap } from "./http";
import type { ChangeEnv } from "./types";

export const env = {
  list: (app: string, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/apps/{app}/env", { params: { path: { app } }, ...signalled(signal) }),
    ),

  change: (app: string, change: ChangeEnv) =>
    unwrap(
      client.PATCH("/api/v1/apps/{app}/env", {
        params: { path: { app }, header: idempotency() },
        body: change,
      }),
    ),
};
