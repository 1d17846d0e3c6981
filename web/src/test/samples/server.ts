// Of the server.

import type {
  GitHubApp,
  Housekeeping,
  ServerStatus,
  Worker,
  WorkerHousekeeping,
} from "../../api/types";
import { app, earlier, LATER, THEN } from "./apps";

export const serverStatus: ServerStatus = {
  ready: true,
  version: "0.1.0",
  installation: "019eb2a4-5f00-7c11-9d3c-0000000000aa",
  checks: [{ name: "nats", ok: true, detail: "it answers" }],
  journal: {
    head: 1234,
    bytes: 1_572_864,
    disk_free_bytes: 8_589_934_592,
    disk_bytes: 17_179_869_184,
  },
  backup: {
    schedule: null,
    made: null,
    failed: null,
    running: false,
    mirror: null,
    key_file: null,
  },
  restored_at: null,
  warnings: [],
};

export const worker: Worker = {
  id: "019eb2a4-5f00-7c11-9d3c-00000000000a",
  name: "local",
  status: "ready",
  detail: null,
  memory_bytes: 8_589_934_592,
  cpu_millis: 2000,
  engine: "27.1.0",
  replicas: 3,
  builds: 1,
  builds_at_once: 2,
  build_remarks: [],
  seen_at: LATER,
  joined_at: THEN,
};

/** What a worker has of images and build cache. */
export const machine: WorkerHousekeeping = {
  id: worker.id,
  name: "local",
  images: 7,
  image_bytes: 1_572_864,
  going: [
    {
      app: app.id,
      app_name: "shop",
      deployment: earlier.id,
      image: "sha256:00",
      bytes: 524_288,
      why: "newer versions than are kept were live since",
    },
  ],
  gone: [],
  stayed: [],
  cache_bytes: 2048,
  cache_going: [],
  cache_gone_bytes: 0,
  disk_bytes: 17_179_869_184,
  disk_free_bytes: 8_589_934_592,
};

export const housekeeping: Housekeeping = {
  keep_versions: 5,
  keep_image_bytes: 107_374_182_400,
  keep_image_ms: 15_552_000_000,
  keep_cache_bytes: 21_474_836_480,
  keep_cache_ms: 1_209_600_000,
  workers: [machine],
};

export const githubApp: GitHubApp = {
  id: "019eb2a4-5f00-7c11-9d3c-00000000000b",
  app_id: "123456",
  slug: "hythe-9d3c0a1b",
  owner: "octo-org",
  server: "https://github.com",
  page: "https://github.com/apps/hythe-9d3c0a1b",
  install_page: "https://github.com/apps/hythe-9d3c0a1b/installations/new",
  settings_page: "https://github.com/organizations/octo-org/settings/apps/hythe-9d3c0a1b",
  hook_url: "https://hythe.example.com/hooks/github/019eb2a4-5f00-7c11-9d3c-00000000000b",
  created_at: THEN,
  secret_set_at: THEN,
  secret_told: true,
  key_set_at: LATER,
};
