// From where an app may be seen, as a form has it.

import type { EdgeGuards, EdgeSettings, UpdateEdge } from "../api/types";
import { lines } from "../format/lines";

export interface Allowed {
  /** Addresses and ranges, one a line. */
  allow: string;
  guards: EdgeGuards;
}

export const allowedOf = ({ allow, guards }: EdgeSettings): Allowed => ({
  allow: allow.join("\n"),
  guards,
});

export function allowedChange(settings: EdgeSettings, draft: Allowed): UpdateEdge {
  const change: UpdateEdge = {};
  const wanted = lines(draft.allow);
  if (wanted.join("\n") !== settings.allow.join("\n")) change.allow = wanted;
  if (draft.guards !== settings.guards) change.guards = draft.guards;
  return change;
}
