// Of the journal, and what is answered where something is wrong.

import type { EventEntry, Problem } from "../../api/types";
import { app, deployment, LATER } from "./apps";

export const event: EventEntry = {
  sequence: 42,
  type: "app.environment_changed",
  says: "its environment changed: DATABASE_URL set",
  aggregate: "app",
  id: app.id,
  version: 7,
  time: LATER,
  actor: "owner",
  correlation: "019eb2a4-5f00-7c11-9d3c-0000000000e2",
  causation: null,
  data: {},
};

/** What followed from it. */
export const effect: EventEntry = {
  ...event,
  sequence: 43,
  type: "deployment.went_live",
  says: "it went live",
  aggregate: "deployment",
  id: deployment.id,
  actor: "system",
  causation: 42,
};

export const problem = (status: number, title: string, detail: string): Problem => ({
  type: "/problems/conflict",
  title,
  status,
  detail,
  request_id: "019eb2a4-5f00-7c11-9d3c-0000000000e1",
});
