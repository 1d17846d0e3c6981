// What happened, who made it so, and why.

import { client, signalled, unwrap } from "./http";

/** So many events are asked for at a time. */
const PAGE = 50;

/** Which events: of an app, and by whom; all where nothing is said. */
export interface WantedEvents {
  app: string | undefined;
  who: string | undefined;
}

export const journal = {
  /** The newest, or the newest before one; oldest of them first. */
  events: ({ app, who }: WantedEvents, before: number | undefined, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/events", {
        params: {
          query: {
            last: PAGE,
            ...(before === undefined ? {} : { before }),
            ...(app ? { app } : {}),
            ...(who ? { who } : {}),
          },
        },
        ...signalled(signal),
      }),
    ),

  /** What is different of an app between two moments or deployments; between one and now. */
  diff: (app: string, from: string, to: string | undefined) =>
    unwrap(
      client.GET("/api/v1/apps/{app}/diff", {
        params: { path: { app }, query: { from, ...(to ? { to } : {}) } },
      }),
    ),

  /** What an event goes back to, and what followed from it. */
  why: (sequence: number, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/v1/events/{sequence}/why", {
        params: { path: { sequence }, query: { effects: true } },
        ...signalled(signal),
      }),
    ),
};
