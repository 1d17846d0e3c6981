// What builds reach private images and repositories with: what is secret of it goes in, and never comes
// out again.

import { client, idempotency, signalled, unwrap } from "./http";

/** A login, and where it is for. */
export interface Login {
  place: string;
  username: string;
  set_at: string;
}

/** What can be done about logins of one kind. */
export interface Access {
  set: (place: string, username: string, password: string) => Promise<unknown>;
  remove: (place: string) => Promise<unknown>;
}

export const registries = {
  list: async (signal?: AbortSignal): Promise<Login[]> => {
    const { items } = await unwrap(client.GET("/api/v1/registries", { ...signalled(signal) }));
    return items.map(({ host, ...login }) => ({ place: host, ...login }));
  },

  set: (host: string, username: string, password: string) =>
    unwrap(
      client.PUT("/api/v1/registries/{host}", {
        params: { path: { host }, header: idempotency() },
        body: { username, password },
      }),
    ),

  remove: (host: string) =>
    unwrap(
      client.DELETE("/api/v1/registries/{host}", {
        params: { path: { host }, header: idempotency() },
      }),
    ),
};

export const sourceTokens = {
  list: async (signal?: AbortSignal): Promise<Login[]> => {
    const { items } = await unwrap(client.GET("/api/v1/sources/tokens", { ...signalled(signal) }));
    return items.map(({ prefix, ...login }) => ({ place: prefix, ...login }));
  },

  set: (prefix: string, username: string, password: string) =>
    unwrap(
      client.PUT("/api/v1/sources/tokens/{prefix}", {
        params: { path: { prefix }, header: idempotency() },
        body: { username, password },
      }),
    ),

  remove: (prefix: string) =>
    unwrap(
      client.DELETE("/api/v1/sources/tokens/{prefix}", {
        params: { path: { prefix }, header: idempotency() },
      }),
    ),
};

export const githubApps = {
  list: (signal?: AbortSignal) =>
    unwrap(client.GET("/api/v1/sources/github-apps", { ...signalled(signal) })),

  /** With where it is installed, which GitHub is asked for. */
  show: (app: string, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/sources/github-apps/{app}", {
        params: { path: { app } },
        ...signalled(signal),
      }),
    ),
};
