// Which host, and which path of one, leads to which app by the table in force.

import { client, signalled, unwrap } from "./http";
import type { Route } from "./types";

/** All of them; a page of the API has those of 200 apps. */
export async function allRoutes(signal?: AbortSignal): Promise<Route[]> {
  const all: Route[] = [];
  let cursor: string | undefined;
  do {
    const page = await unwrap(
      client.GET("/api/v1/routes", {
        params: { query: { limit: 200, ...(cursor ? { cursor } : {}) } },
        ...signalled(signal),
      }),
    );
    all.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor);
  return all;
}
