// A health check in a line.

import type { AppSettings } from "../api/types";
import { span } from "./span";

/** What is asked of a replica, and how often: `GET /up, 200-299, every 10.0 s`. */
export function check(settings: AppSettings): string {
  const interval = settings.health_interval_ms;
  const within = settings.health_start_within_ms;
  return [
    probe(settings.health),
    interval == null ? null : `every ${span(interval)}`,
    within == null ? null : `healthy within ${span(within)}`,
  ]
    .filter((part) => part !== null)
    .join(", ");
}

function probe(health: AppSettings["health"]): string {
  switch (health?.type) {
    case undefined:
      return "the image's HEALTHCHECK, or else any answer below 500";
    case "http":
      return `GET ${health.path}, ${health.statuses ?? "200-399"}`;
    case "tcp":
      return "a connection to the port";
    case "command":
      return health.command.join(" ");
    case "image":
      return "the image's HEALTHCHECK";
    case "none":
      return "none: whatever runs is healthy";
  }
}
