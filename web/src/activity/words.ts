// What an event is called, who made it so, and what a chain of them begins with.

import type { Beginning, EventEntry } from "../api/types";

/** By whom events can be asked for. */
export const WHO = [
  ["", "anybody"],
  ["owner", "the owner"],
  ["webhook", "webhooks"],
  ["worker", "workers"],
  ["system", "Hythe by itself"],
] as const;

export type Who = (typeof WHO)[number][0];

/** Who made it so: `webhook/github/ada` is `ada, by a webhook of github`. */
export function by(actor: string): string {
  const [kind, which, ...rest] = actor.split("/");
  if (kind === "system") return "Hythe by itself";
  if (kind === "worker") return "a worker";
  // A name may have slashes of its own.
  if (kind === "webhook" && rest.length > 0) return `${rest.join("/")}, by a webhook of ${which}`;
  return actor;
}

/** What the first event of a chain came from. */
export function began(beginning: Beginning, first: EventEntry | undefined): string {
  switch (beginning) {
    case "request":
      return `It began with a request of ${by(first?.actor ?? "somebody")}.`;
    case "report":
      return "It began with a report of a worker.";
    case "watch":
      return "It began with what Hythe noticed by itself.";
    case "unknown":
      return "What it began with is not recorded.";
  }
}
