// How an app's previews are made, in words, as the command line says it.

import type { PreviewSettings } from "../api/types";

const HOUR = 3_600_000;

/** Terms and what they are, for a list. */
export function made(settings: PreviewSettings, count: number): [string, string][] {
  const names = (list: string[]) => (list.length > 0 ? list.join(", ") : "none");
  const env = {
    none: "none of the app's",
    all: "all of the app's",
    some: names(settings.env_names),
  };
  return [
    ["Previews", `${count} of at most ${settings.most}`],
    ["Forks", settings.forks === "never" ? "never" : "allowed, without anything secret"],
    ["Drafts", settings.drafts ? "yes" : "no"],
    ["Variables", env[settings.env]],
    ["Only theirs", names(settings.set)],
    [
      "Kept",
      settings.keep_ms == null
        ? "as long as the pull request is open"
        : `${settings.keep_ms / HOUR} h without a push`,
    ],
  ];
}
