// What a new app is made from, as it is typed and as the API takes it.

import type { CreateApp } from "../api/types";

export const FROM = [
  ["repository", "A git repository"],
  ["image", "An image of a registry"],
] as const;

export interface NewAppDraft {
  name: string;
  from: (typeof FROM)[number][0];
  /** The repository's address, or the image. */
  source: string;
  branch: string;
  port: string;
}

export const NOTHING_YET: NewAppDraft = {
  name: "",
  from: "repository",
  source: "",
  branch: "",
  port: "",
};

/** What to ask for. What cannot be is for the server to say: it knows all of the rules. */
export function asked({ name, from, source, branch, port }: NewAppDraft): CreateApp {
  const app = { name: name.trim(), ...(port.trim() ? { port: Number(port) } : {}) };
  if (from === "image") return { ...app, image: source.trim() };
  return {
    ...app,
    repository: source.trim(),
    ...(branch.trim() ? { branch: branch.trim() } : {}),
  };
}
