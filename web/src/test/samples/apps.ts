// Of an app, its deployments and how it is served.

import type {
  App,
  Canary,
  Deployment,
  EdgeSettings,
  Replica,
  Session,
  Site,
} from "../../api/types";

/** Long enough ago that nothing is `just now`. */
export const THEN = "2026-11-01T10:00:00.000Z";
export const LATER = "2026-11-01T10:01:00.000Z";

export const session: Session = {
  actor: "owner",
  base_domain: "localhost",
  url_pattern: "http://{app}.localhost:8080",
  version: "0.1.0",
  expires_at: null,
};

export const live = {
  id: "019eb2a4-5f00-7c11-9d3c-000000000002",
  number: 2,
  status: "live",
  created_at: THEN,
  commit: "0123456789abcdef0123456789abcdef01234567",
  post_deploy: null,
} as const;

export const app: App = {
  id: "019eb2a4-5f00-7c11-9d3c-0a1b2c3d4e5f",
  name: "shop",
  project: "default",
  created_at: THEN,
  updated_at: LATER,
  deployments: 2,
  live,
  latest: live,
  processes: [],
  replicas_healthy: 1,
  replicas_wanted: 1,
  status: "running",
  status_detail: "version #2 has the traffic",
  stopped: false,
  triggers: { deploy_on: "push", tags: null, watch_paths: [] },
  url: "http://shop.localhost:8080",
  settings: {
    repository: "https://git.example/shop.git",
    branch: "main",
    build_args: {},
    build_secrets: [],
    build_within_ms: 1_800_000,
    cpu_millis: 1000,
    domains: [],
    drain_within_ms: 30_000,
    health: { type: "http", path: "/up" },
    health_path: "/up",
    lfs: false,
    memory_bytes: 536_870_912,
    port: 3000,
    process_types: {},
    processes: 512,
    replicas: 1,
    routed: true,
    stop_within_ms: 10_000,
    submodules: false,
    volumes: {},
  },
};

export const deployment: Deployment = {
  id: live.id,
  number: 2,
  app: { id: app.id, name: app.name },
  commit: live.commit,
  created_at: THEN,
  durations_ms: { total: 61_000, building: 40_000 },
  image: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  process_types: {},
  replicas: 1,
  requested_by: "owner",
  settled: true,
  source: { repository: "https://git.example/shop.git", branch: "main" },
  stages: [
    { stage: "requested", at: THEN, duration_ms: 10 },
    { stage: "live", at: LATER, duration_ms: null },
  ],
  status: "live",
  url: app.url,
};

/** The version before. */
export const earlier: Deployment = {
  ...deployment,
  id: "019eb2a4-5f00-7c11-9d3c-000000000001",
  number: 1,
  status: "superseded",
};

/** A static site in the place of replicas. */
export const site: Site = {
  id: "5a01c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  files: 12,
  bytes: 1_572_864,
};

/** Version #3, on a part of the requests. */
export const canary: Canary = {
  app: { id: app.id, name: app.name },
  deployment: {
    ...live,
    id: "019eb2a4-5f00-7c11-9d3c-000000000003",
    number: 3,
    status: "healthy",
  },
  live,
  percent: 10,
  started: true,
  targets: ["127.0.0.1:32768"],
  until: new Date(Date.now() + 5 * 3_600_000 + 60_000).toISOString(),
};

export const replica: Replica = {
  deployment: live,
  healthy: true,
  index: 0,
  process: "web",
  log: [],
  restarts: 0,
  restarts_in_a_row: 0,
  state: "healthy",
  worker: "local",
  worker_id: "019eb2a4-5f00-7c11-9d3c-00000000000a",
};

export const edgeSettings: EdgeSettings = {
  maintenance: false,
  sticky: false,
  www: "both",
  rate: null,
  users: [],
  allow: [],
  guards: "all",
  wait_ms: 0,
  body_bytes: null,
  answer_within_ms: null,
  sleep_after_ms: null,
  compress: true,
  protocol: "http1",
  https: "redirect",
  access_log: true,
  mounts: [],
};
