// What of the places that apps would like to have at hosts they have.

import type { App, Route } from "../api/types";

/** Whether the app is at this place by the table in force. */
export const isThere = (routes: Route[], app: App, at: string) =>
  routes.some((route) => route.app.id === app.id && route.path && route.host + route.path === at);

/** Other apps at paths of this app's hosts, by their place. */
export function guests(routes: Route[], app: App): { at: string; app: string }[] {
  const own = new Set(
    routes.filter((route) => route.app.id === app.id && !route.path).map(({ host }) => host),
  );
  return routes
    .filter((route) => route.path && own.has(route.host) && route.app.id !== app.id)
    .map((route) => ({ at: `${route.host}${route.path}`, app: route.app.name }))
    .sort((one, other) => one.at.localeCompare(other.at));
}
