// How the server is doing, and its workers.

import { client, signalled, unwrap } from "./http";

export const server = {
  status: (signal?: AbortSignal) => unwrap(client.GET("/api/v1/status", { ...signalled(signal) })),

  workers: (signal?: AbortSignal) =>
    unwrap(client.GET("/api/v1/workers", { ...signalled(signal) })),
};
