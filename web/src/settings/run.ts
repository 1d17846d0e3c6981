// How an app runs, as a form has it, and what of a form is a change.

import type { AppSettings, UpdateApp } from "../api/types";
import { sizeOf, sizeText } from "../format/size";

/** Where the port or the branch is empty, it is found by itself. */
export interface RunDraft {
  branch: string;
  port: string;
  memory: string;
  cpus: string;
}

export type RunWrong = Partial<Record<keyof RunDraft, string>>;

export const draftOf = ({ branch, port, memory_bytes, cpu_millis }: AppSettings): RunDraft => ({
  branch: branch ?? "",
  port: port == null ? "" : String(port),
  memory: sizeText(memory_bytes),
  cpus: String(cpu_millis / 1000),
});

/** Whether it follows a branch, which can be another one. */
export const followsBranch = ({ repository, upload, image, tag, commit }: AppSettings) =>
  Boolean(repository) && !upload && !image && !tag && !commit;

/** What is other than it is now; and what cannot be, by field. How much may be had, the server knows. */
export function changeOf(
  settings: AppSettings,
  draft: RunDraft,
): { change: UpdateApp; wrong: RunWrong } {
  const now = draftOf(settings);
  const change: UpdateApp = {};
  const wrong: RunWrong = {};
  if (draft.branch !== now.branch) change.branch = draft.branch.trim() || null;
  if (draft.port !== now.port) {
    const port = draft.port.trim() ? number(draft.port, /^\d+$/) : null;
    if (port === undefined || (port !== null && port > 65_535)) {
      wrong.port = "A whole number from 1 to 65535; empty to have it found.";
    } else {
      change.port = port;
    }
  }
  if (draft.memory !== now.memory) {
    const bytes = sizeOf(draft.memory);
    if (bytes) change.memory_bytes = bytes;
    else wrong.memory = "Bytes, or a number with K, M or G, such as 512M.";
  }
  if (draft.cpus !== now.cpus) {
    const cpus = number(draft.cpus, /^\d+(\.\d{1,3})?$/);
    if (cpus) change.cpu_millis = Math.round(cpus * 1000);
    else wrong.cpus = "A number such as 0.5 or 2.";
  }
  return { change, wrong };
}

/** Above 0, and written so; undefined where it is not. */
function number(text: string, form: RegExp): number | undefined {
  const given = form.test(text.trim()) ? Number(text) : 0;
  return given > 0 ? given : undefined;
}
