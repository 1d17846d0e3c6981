// Certificates of the installation: keys go in, and never come out again.

import { client, idempotency, signalled, unwrap } from "./http";

export const certificates = {
  list: (signal?: AbortSignal) =>
    unwrap(client.GET("/api/v1/certificates", { ...signalled(signal) })),

  settings: (signal?: AbortSignal) =>
    unwrap(client.GET("/api/v1/certificates/settings", { ...signalled(signal) })),

  /** One that somebody else signed, with its key, both in PEM. */
  add: (certificate: string, key: string) =>
    unwrap(
      client.POST("/api/v1/certificates", {
        params: { header: idempotency() },
        body: { certificate, key },
      }),
    ),

  /** The answer does not wait for the order. */
  renew: (which: string) =>
    unwrap(
      client.POST("/api/v1/certificates/{which}/renew", {
        params: { path: { which }, header: idempotency() },
      }),
    ),

  remove: (which: string) =>
    unwrap(
      client.DELETE("/api/v1/certificates/{which}", {
        params: { path: { which }, header: idempotency() },
      }),
    ),
};
