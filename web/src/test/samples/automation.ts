// Of what an app does by itself: webhooks, previews, cron jobs, commands.

import type { Cron, Delivery, Hook, Preview, PreviewSettings, Run } from "../../api/types";
import { app, deployment, LATER, live, THEN } from "./apps";
import { worker } from "./server";

export const hook: Hook = {
  id: "019eb2a4-5f00-7c11-9d3c-00000000000b",
  provider: "github",
  repository: "git.example/shop",
  apps: [{ id: app.id, name: "shop", deploys_on: "pushes to main" }],
  created_at: THEN,
  secret_set_at: THEN,
  statuses: "https://api.github.com",
  comments: null,
  deployments: null,
  setup: {
    page: "Settings → Webhooks → Add webhook",
    url: null,
    path: "/hooks/github/019eb2a4-5f00-7c11-9d3c-00000000000b",
    content_type: "application/json",
    secret_field: "Secret",
    events: ["Pushes", "Pull requests"],
  },
};

/** A push that was deployed. */
export const delivered: Delivery = {
  id: "d-1",
  hook: hook.id,
  at: LATER,
  event: "push",
  reference: "main",
  commit: live.commit,
  sender: "octocat",
  outcome: "deployed",
  reason: null,
  apps: [
    { id: app.id, name: "shop", outcome: "deployed", reason: null, deployment: deployment.id },
  ],
};

/** One that was not signed with the webhook's secret. */
export const unsigned: Delivery = {
  id: null,
  hook: hook.id,
  at: THEN,
  event: "push",
  reference: null,
  commit: null,
  sender: null,
  outcome: "refused",
  reason: "its signature is not of this webhook's secret",
  apps: [],
};

export const previewSettings: PreviewSettings = {
  on: true,
  most: 10,
  forks: "never",
  drafts: false,
  env: "some",
  env_names: ["LOG_LEVEL"],
  set: ["DATABASE_URL"],
  keep_ms: 1_209_600_000,
};

export const preview: Preview = {
  number: 4,
  title: "Prices in euros",
  page: "https://git.example/shop/pulls/4",
  author: "ada",
  branch: "prices",
  fork: false,
  commit: "89abcdef0123456789abcdef0123456789abcdef",
  app: "shop-pr-4",
  app_id: "019eb2a4-5f00-7c11-9d3c-00000000000c",
  url: "http://shop-pr-4.localhost:8080",
  status: "failed",
  status_detail: "the build failed: npm ci ended with exit code 1",
  deployment: { ...live, number: 3, status: "failed" },
  created_at: THEN,
  pushed_at: LATER,
};

export const cron: Cron = {
  name: "tidy",
  command: ["rake", "tidy"],
  schedule: "30 3 * * *",
  time_zone: "Europe/Berlin",
  timeout_ms: 3_600_000,
  overlap: "skip",
  paused: false,
  next_at: new Date(Date.now() + 5 * 3_600_000 + 60_000).toISOString(),
  waits: null,
  runs: [
    {
      id: "019eb2a4-5f00-7c11-9d3c-0000000000d1",
      due_at: null,
      begun_at: LATER,
      end: null,
      code: null,
    },
    {
      id: "019eb2a4-5f00-7c11-9d3c-0000000000d2",
      due_at: THEN,
      begun_at: THEN,
      end: "exit code 1",
      code: 1,
    },
  ],
  skipped: { first_at: THEN, last_at: THEN, why: "it was running still" },
};

/** A command that goes on by itself. */
export const run: Run = {
  id: "019eb2a4-5f00-7c11-9d3c-0000000000c1",
  app_id: app.id,
  deployment: deployment.id,
  worker: worker.id,
  program: "rails",
  arguments: 2,
  terminal: false,
  detached: true,
  asked_at: LATER,
  until: new Date(Date.now() + 3_600_000).toISOString(),
};
