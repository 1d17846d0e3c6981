// Which logs there are, and where they come from.

import { api } from "../api/client";
import type { LogPage } from "../api/types";
import { DROP, MOST_ROWS } from "./buffer";

export interface LogSource {
  /** What comes after the cursor; without one, what there is to begin with. */
  page: (cursor: string | undefined, signal: AbortSignal) => Promise<LogPage>;
  /** Where it is followed from there. */
  path: string;
  query: Record<string, string>;
  /** How many rows are kept at the most, and how many of them go at once. */
  keeps: [most: number, drop: number];
}

export const buildLog = (deployment: string): LogSource => ({
  page: (cursor, signal) => api.log(deployment, cursor, signal),
  path: `/api/v1/deployments/${encodeURIComponent(deployment)}/logs`,
  query: {},
  keeps: [MOST_ROWS, DROP],
});

/** What replicas of an app write. */
export const outputLog = (app: string): LogSource => ({
  page: (cursor, signal) => api.appLog(app, false, cursor, signal),
  path: pathOf(app),
  query: {},
  keeps: [MOST_ROWS, DROP],
});

/** What edges tell of an app's requests. All that is kept is looked at whenever some more come. */
export const accessLog = (app: string): LogSource => ({
  page: (cursor, signal) => api.appLog(app, true, cursor, signal),
  path: pathOf(app),
  query: { access: "true" },
  keeps: [20_000, 2_000],
});

const pathOf = (app: string) => `/api/v1/apps/${encodeURIComponent(app)}/logs`;
