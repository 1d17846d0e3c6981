// How it stands with an app's canary.

import type { App, Canary, DeploymentStatus } from "../api/types";

/** The stages in which a canary is still to begin. */
const BEFORE: DeploymentStatus[] = [
  "requested",
  "queued",
  "building",
  "built",
  "releasing",
  "starting",
];

/**
 * Whether it takes its part, or is to; nothing where it is over or promoted: what is known of it may
 * be older than what is known of the app.
 */
export function standing(
  app: App,
  canary: Canary | null | undefined,
): "takes" | "ahead" | undefined {
  const { rolling } = app;
  if (!canary || rolling?.id !== canary.deployment.id) return undefined;
  if (canary.started) return "takes";
  return BEFORE.includes(rolling.status) ? "ahead" : undefined;
}

/** Who gets how many of the requests. */
export function sharesOf({ percent, live }: Canary): string {
  const rest = live ? `#${live.number}` : "nobody";
  return `takes ${percent}% of the requests, ${rest} the others`;
}
