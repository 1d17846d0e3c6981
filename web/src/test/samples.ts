// Answers of the API, in its real shape, for tests.

import type {
  App,
  Canary,
  Certificate,
  CertificateSettings,
  Cron,
  Delivery,
  Deployment,
  Domain,
  EdgeSettings,
  EventEntry,
  GitHubApp,
  Hook,
  Housekeeping,
  Preview,
  PreviewSettings,
  Problem,
  Replica,
  Run,
  ServerStatus,
  Session,
  Site,
  Worker,
  WorkerHousekeeping,
} from "../api/types";

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

const live = {
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

const TOKEN = "5f0c".repeat(16);
const wanted = `wanted: a TXT record at _hythe.shop.example.com that says "${TOKEN}"`;

/** Just added, and looked for once: nothing is set yet. */
export const pending: Domain = {
  host: "shop.example.com",
  mode: "main",
  redirects_to: null,
  state: "pending",
  detail: `${wanted}; found: no TXT record (at 1.1.1.1:53, 8.8.8.8:53, 9.9.9.9:53)`,
  added_at: THEN,
  verified_at: null,
  failing_since: null,
  trusted_until: null,
  proof: { type: "TXT", name: "_hythe.shop.example.com", value: TOKEN },
  target: [
    { type: "CNAME", name: "shop.example.com", value: "edge.example.net" },
    { type: "A", name: "shop.example.com", value: "203.0.113.7" },
  ],
  check: {
    at: LATER,
    verdict: "absent",
    detail: `${wanted}; found: no TXT record (at 1.1.1.1:53, 8.8.8.8:53, 9.9.9.9:53)`,
    leads: "elsewhere",
    leads_detail:
      "shop.example.com leads elsewhere: A 198.51.100.4 (at 1.1.1.1:53); wanted: CNAME edge.example.net or A 203.0.113.7",
    resolvers: ["1.1.1.1:53", "8.8.8.8:53", "9.9.9.9:53"].map((resolver) => ({
      resolver,
      proof: "no TXT record",
      leads: "A 198.51.100.4",
    })),
  },
};

/** Proven, and nothing left to do. */
export const verified: Domain = {
  ...pending,
  host: "xn--bcher-kva.example",
  unicode: "bücher.example",
  mode: "redirect",
  redirects_to: "shop.example.com",
  state: "verified",
  detail: "xn--bcher-kva.example leads here: A 203.0.113.7 (at 1.1.1.1:53)",
  verified_at: LATER,
  proof: { type: "TXT", name: "_hythe.xn--bcher-kva.example", value: "77aa".repeat(16) },
  target: [{ type: "A", name: "xn--bcher-kva.example", value: "203.0.113.7" }],
  check: {
    at: LATER,
    verdict: "proven",
    detail: "the TXT record at _hythe.xn--bcher-kva.example is there (at 1.1.1.1:53)",
    leads: "here",
    leads_detail: "xn--bcher-kva.example leads here: A 203.0.113.7 (at 1.1.1.1:53)",
    resolvers: [
      { resolver: "1.1.1.1:53", proof: `TXT "${"77aa".repeat(16)}"`, leads: "A 203.0.113.7" },
    ],
  },
};

const inFront =
  'old.example.com leads to Cloudflare, which stands in front (A 104.16.1.1 (at 1.1.1.1:53)). Certificates that are proven by HTTP-01 or TLS-ALPN-01 can fail behind it: switch its proxy off for this host ("DNS only"), or have Cloudflare show its own certificate; wanted without it: CNAME edge.example.net';

/** Proven, and behind a content delivery network. */
export const proxied: Domain = {
  ...pending,
  host: "old.example.com",
  mode: "serve",
  state: "verified",
  detail: inFront,
  verified_at: LATER,
  proof: { type: "TXT", name: "_hythe.old.example.com", value: "09ef".repeat(16) },
  target: [{ type: "CNAME", name: "old.example.com", value: "edge.example.net" }],
  check: {
    at: LATER,
    verdict: "proven",
    detail: "the TXT record at _hythe.old.example.com is there (at 1.1.1.1:53)",
    leads: "proxied",
    network: "Cloudflare",
    leads_detail: inFront,
    resolvers: [
      { resolver: "1.1.1.1:53", proof: `TXT "${"09ef".repeat(16)}"`, leads: "A 104.16.1.1" },
    ],
  },
};

export const issued: Certificate = {
  id: "019eb2a4-5f00-7c11-9d3c-0000000000f1",
  names: ["shop.example.com"],
  app: "shop",
  state: "valid",
  detail: "it is served",
  issuer: "letsencrypt",
  challenge: "http-01",
  serial: "04a1b2",
  not_before: THEN,
  not_after: new Date(Date.now() + 80 * 86_400_000 + 60_000).toISOString(),
  renew_at: new Date(Date.now() + 50 * 86_400_000 + 60_000).toISOString(),
};

/** One that was not to be had so far. */
export const failing: Certificate = {
  names: ["old.example.com"],
  app: "shop",
  state: "failing",
  detail: "old.example.com leads elsewhere; set its CNAME to edge.example.net",
  next_attempt: new Date(Date.now() + 30 * 60_000 + 30_000).toISOString(),
};

/** One that somebody brought, for several hosts. */
export const given: Certificate = {
  ...issued,
  id: "019eb2a4-5f00-7c11-9d3c-0000000000f2",
  names: ["intranet.example", "*.intranet.example"],
  app: null,
  detail: "it is served, and nobody renews it",
  issuer: "own",
  challenge: null,
  renew_at: null,
};

export const certificateSettings: CertificateSettings = {
  cas: ["letsencrypt"],
  agreed: ["letsencrypt"],
  challenges: ["http-01", "tls-alpn-01"],
  email: "ops@example.com",
  external: [],
  local: false,
};

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

export const event: EventEntry = {
  sequence: 42,
  type: "app.environment_changed",
  says: "its environment changed: DATABASE_URL set",
  aggregate: "app",
  id: app.id,
  version: 7,
  time: LATER,
  actor: "owner",
  correlation: "019eb2a4-5f00-7c11-9d3c-0000000000e2",
  causation: null,
  data: {},
};

/** What followed from it. */
export const effect: EventEntry = {
  ...event,
  sequence: 43,
  type: "deployment.went_live",
  says: "it went live",
  aggregate: "deployment",
  id: deployment.id,
  actor: "system",
  causation: 42,
};

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

export const problem = (status: number, title: string, detail: string): Problem => ({
  type: "/problems/conflict",
  title,
  status,
  detail,
  request_id: "019eb2a4-5f00-7c11-9d3c-0000000000e1",
});
