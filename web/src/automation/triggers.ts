// What deploys an app by itself, as a form has it.

import type { DeployOn, Triggers, UpdateTriggers } from "../api/types";
import { lines } from "../format/lines";

export interface TriggerDraft {
  deployOn: DeployOn;
  tags: string;
  /** Patterns, one a line. */
  watchPaths: string;
}

export const draftOf = ({ deploy_on, tags, watch_paths }: Triggers): TriggerDraft => ({
  deployOn: deploy_on,
  tags: tags ?? "",
  watchPaths: watch_paths.join("\n"),
});

export function changeOf(now: Triggers, draft: TriggerDraft): UpdateTriggers {
  const change: UpdateTriggers = {};
  const tags = draft.tags.trim();
  if (draft.deployOn !== now.deploy_on) change.deploy_on = draft.deployOn;
  if (draft.deployOn === "tag" && tags !== (now.tags ?? "")) {
    // A pattern is of tags: said together, it holds whatever was so before. `*` is all of them.
    change.deploy_on = "tag";
    change.tags = tags || "*";
  }
  const paths = lines(draft.watchPaths);
  if (paths.join("\n") !== now.watch_paths.join("\n")) change.watch_paths = paths;
  return change;
}
