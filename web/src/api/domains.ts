// An app's own domains.

import { client, idempotency, signalled, unwrap } from "./http";
import type { DomainMode } from "./types";

const of = (app: string, host: string) => ({ path: { app, host }, header: idempotency() });

export const domains = {
  list: (app: string, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/apps/{app}/domains", {
        params: { path: { app } },
        ...signalled(signal),
      }),
    ),

  /** Without a mode, the first is the main one and later ones redirect there. */
  add: (app: string, host: string, mode: DomainMode | undefined) =>
    unwrap(
      client.POST("/api/v1/apps/{app}/domains", {
        params: { path: { app }, header: idempotency() },
        body: { host, ...(mode ? { mode } : {}) },
      }),
    ),

  setMode: (app: string, host: string, mode: DomainMode) =>
    unwrap(
      client.PATCH("/api/v1/apps/{app}/domains/{host}", {
        params: of(app, host),
        body: { mode },
      }),
    ),

  /** Asks the resolvers now. */
  check: (app: string, host: string) =>
    unwrap(
      client.POST("/api/v1/apps/{app}/domains/{host}/check", {
        params: { path: { app, host } },
      }),
    ),

  remove: (app: string, host: string) =>
    unwrap(client.DELETE("/api/v1/apps/{app}/domains/{host}", { params: of(app, host) })),
};
