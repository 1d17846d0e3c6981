// Projects: apps that belong together.

import { client, idempotency, signalled, unwrap } from "./http";

export const projects = {
  list: (signal?: AbortSignal) => unwrap(client.GET("/api/v1/projects", { ...signalled(signal) })),

  create: (name: string) =>
    unwrap(client.POST("/api/v1/projects", { params: { header: idempotency() }, body: { name } })),

  /** Only one that no app is in. */
  remove: (project: string) =>
    unwrap(
      client.DELETE("/api/v1/projects/{project}", {
        params: { path: { project }, header: idempotency() },
      }),
    ),
};
