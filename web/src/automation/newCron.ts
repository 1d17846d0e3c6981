// A cron job as it is typed, and as the API takes it.

import type { CronOverlap, SetCron } from "../api/types";
import { argvOf } from "../format/argv";
import { secondsOf } from "../format/long";

export interface CronDraft {
  name: string;
  schedule: string;
  zone: string;
  command: string;
  within: string;
  overlap: CronOverlap;
}

export type CronWrong = Partial<Record<keyof CronDraft, string>>;

/** Its hours are those of whoever sets it, unless they say otherwise. */
export const newDraft = (): CronDraft => ({
  name: "",
  schedule: "",
  zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  command: "",
  within: "1h",
  overlap: "skip",
});

/** What to ask for; and what cannot be, by field. What a schedule may say, the server knows. */
export function asked(
  draft: CronDraft,
  taken: string[],
): { name: string; body: SetCron; wrong: CronWrong } {
  const name = draft.name.trim();
  const wrong: CronWrong = {};
  if (taken.includes(name)) {
    wrong.name = "There is one of this name. Remove it first, or choose another name.";
  }
  const command = argvOf(draft.command);
  if (!command) wrong.command = "It has a quote that is not closed.";
  else if (command.length === 0) wrong.command = "A program, and what it is given.";
  const within = secondsOf(draft.within);
  if (!within) wrong.within = "A whole number with d, h, m or s behind it, such as 10m.";
  const body: SetCron = {
    schedule: draft.schedule.trim(),
    time_zone: draft.zone.trim() || null,
    command: command ?? [],
    timeout_ms: (within ?? 0) * 1000,
    overlap: draft.overlap,
    paused: false,
  };
  return { name, body, wrong };
}
