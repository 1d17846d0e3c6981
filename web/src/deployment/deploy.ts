// What a deployment is made from, and whether it takes only a part of the requests at first.

import type { App, AppSettings, CreateDeployment } from "../api/types";

/** Where the new version begins as a canary: its part in per cent, and how many hours it may go on. */
export interface DeployDraft {
  canary: boolean;
  percent: string;
  hours: string;
}

export type DeployWrong = Partial<Record<"percent" | "hours", string>>;

export const ALL_AT_ONCE: DeployDraft = { canary: false, percent: "10", hours: "24" };

const MOST_HOURS = 7 * 24;

/** A part of the requests, in per cent; undefined where it is none. */
export const partOf = (text: string) => whole(text, 99);

export const PART = "A whole number from 1 to 99.";

/** What to ask for; and what cannot be, by field. */
export function asked(draft: DeployDraft): { body: CreateDeployment; wrong: DeployWrong } {
  if (!draft.canary) return { body: {}, wrong: {} };
  const percent = partOf(draft.percent);
  const hours = whole(draft.hours, MOST_HOURS);
  const wrong: DeployWrong = {};
  if (percent === undefined) wrong.percent = PART;
  if (hours === undefined) wrong.hours = `Whole hours, 1 to ${MOST_HOURS}.`;
  if (percent === undefined || hours === undefined) return { body: {}, wrong };
  return { body: { canary: { percent, within_ms: hours * 3_600_000 } }, wrong };
}

function whole(text: string, most: number): number | undefined {
  const number = /^\d+$/.test(text.trim()) ? Number(text) : 0;
  return number >= 1 && number <= most ? number : undefined;
}

/** Whether it is said what the app is made from. */
export const hasSource = ({ image, repository, upload }: AppSettings) =>
  Boolean(image || repository || upload);

/** What comes live then. */
export function whatComes({ image, upload, commit, tag, branch }: AppSettings): string {
  if (image) return `${image} is pulled`;
  if (upload) return branch ? "What was pushed last is built" : "What was sent last is built";
  if (commit) return `Commit ${commit.slice(0, 10)} is built`;
  if (tag) return `Tag ${tag} is built`;
  return `The newest commit of ${branch ?? "the default branch"} is built`;
}

/** Why the new version cannot begin with a part of the requests; nothing where it can. */
export function noCanary(app: App): string | undefined {
  const { volumes, routed } = app.settings;
  if (!app.live) return "It gets all requests at once: nothing is live that could take the others.";
  if (routed === false)
    return "No address leads to it, so there are no requests to take a part of.";
  if (Object.keys(volumes ?? {}).length > 0) {
    return "It gets all requests at once: two versions never write to its volumes at the same time.";
  }
  return undefined;
}
