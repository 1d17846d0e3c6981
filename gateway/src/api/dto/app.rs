//! Apps.

use std::collections::BTreeMap;

use hythe_core::ids::AppId;
use hythe_core::site::SiteMode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    AppGroup, AsOf, ContainerInside, DeploymentRef, HealthProbe, PreviewOf, ProcessCount,
    ProcessType, Time, Triggers, VolumeMount,
};

/// An app: its settings, and how it is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct App {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: AppId,
    /// Its name: one DNS label.
    #[schema(example = "shop")]
    pub name: String,
    /// The name of the project that it is in.
    #[schema(example = "default")]
    pub project: String,
    /// Where it answers; empty where no address leads to it.
    #[schema(example = "http://shop.localhost:8080")]
    pub url: String,
    /// How it is doing.
    pub status: AppStatus,
    /// The same in plain words, with the reason where something is wrong.
    #[schema(example = "2 of 2 replicas are healthy")]
    pub status_detail: String,
    /// Whether somebody stopped it; a deployment that goes live starts it again.
    pub stopped: bool,
    /// What people set.
    pub settings: AppSettings,
    /// What deploys it by itself.
    pub triggers: Triggers,
    /// Of what it is a preview, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<PreviewOf>,
    /// Replicas of the live deployment that are healthy now. That is not kept: of the past, 0. Those
    /// of processes beside web do not count here.
    pub replicas_healthy: u16,
    /// Replicas of the live deployment that there should be; none while the app is asleep.
    pub replicas_wanted: u16,
    /// The same for each process beside web that the live deployment has.
    pub processes: Vec<ProcessCount>,
    /// How many deployments were ever requested.
    pub deployments: u64,
    /// The deployment that has the traffic.
    pub live: Option<DeploymentRef>,
    /// The deployment that is on its way.
    pub rolling: Option<DeploymentRef>,
    /// The deployment that waits for its turn.
    pub waiting: Option<DeploymentRef>,
    /// The newest deployment, whatever became of it.
    pub latest: Option<DeploymentRef>,
    /// When it was created.
    pub created_at: Time,
    /// When anything about it changed last.
    pub updated_at: Time,
    /// As of when, where the past was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOf>,
}

/// How an app is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AppStatus {
    /// No deployment was ever requested.
    NeverDeployed,
    /// A deployment is on its way; `live` tells whether an earlier one serves meanwhile.
    Deploying,
    /// All replicas of the live deployment are healthy.
    Running,
    /// Some replicas of the live deployment are not healthy, or some of processes beside web do not
    /// run.
    Degraded,
    /// The live deployment has no healthy replica.
    Down,
    /// The live deployment has no healthy replica: they are started again and again, and do not
    /// stay healthy.
    CrashLoop,
    /// The workers of the live deployment have said nothing since the server started; or it is
    /// the past that was asked for, of which it is only known that a deployment was live.
    Unknown,
    /// Nothing is live: the last deployment failed, was cancelled or was replaced.
    Failed,
    /// Somebody stopped it.
    Stopped,
    /// Nobody asked for it for long: it has no replicas until somebody does, or is about to get them.
    Asleep,
}

impl AppStatus {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeverDeployed => "never_deployed",
            Self::Deploying => "deploying",
            Self::Running => "running",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::CrashLoop => "crash_loop",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Asleep => "asleep",
        }
    }
}

/// Which app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppRef {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: AppId,
    /// Its name.
    #[schema(example = "shop")]
    pub name: String,
}

/// What people set for an app. It holds from the next deployment on; domains at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppSettings {
    /// The git repository that it is made from. Nothing can be deployed without one, an upload or an
    /// image.
    #[schema(example = "https://git.example/shop.git")]
    pub repository: Option<String>,
    /// The upload that it is made from, where it is one; with `branch` and `commit`, it is what was
    /// pushed here by git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    pub upload: Option<String>,
    /// The image of a registry that it is, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "ghcr.io/team/shop:1.2")]
    pub image: Option<String>,
    /// The branch that is deployed, or a tag where no branch has that name; without one (and
    /// without `tag` and `commit`), the repository's own default branch.
    #[schema(example = "main")]
    pub branch: Option<String>,
    /// The tag that is deployed, where it is always the same one.
    #[schema(example = "v1.2.0")]
    pub tag: Option<String>,
    /// The commit that is deployed, where it is always the same one.
    pub commit: Option<String>,
    /// The Dockerfile in the repository; found by itself where none is given.
    #[schema(example = "docker/Dockerfile")]
    pub dockerfile: Option<String>,
    /// The folder of the repository whose files the build sees; all of it where none is given.
    #[schema(example = "apps/web")]
    pub build_context: Option<String>,
    /// The stage of the Dockerfile that becomes the image; its last one where none is given.
    pub build_target: Option<String>,
    /// Build arguments. They can be read in the image's history: nothing secret.
    #[schema(example = json!({"VERSION": "1.2"}))]
    pub build_args: BTreeMap<String, String>,
    /// Environment variables of the app that its build may read, as BuildKit's secrets.
    #[schema(example = json!(["NPM_TOKEN"]))]
    pub build_secrets: Vec<String>,
    /// How long one build may take once a builder works on it.
    #[schema(example = 1_800_000)]
    pub build_within_ms: u64,
    /// Whether the repository's submodules are fetched, and theirs.
    pub submodules: bool,
    /// Whether files that git LFS keeps elsewhere are fetched.
    pub lfs: bool,
    /// Whether what is built is served by the edges, without a container.
    #[serde(rename = "static", default)]
    pub site: StaticMode,
    /// The port that the app listens on; found from the image where none is given.
    #[schema(example = 3000)]
    pub port: Option<u16>,
    /// How many replicas.
    #[schema(example = 2)]
    pub replicas: u16,
    /// What is asked of a replica. Where nothing is set: the image's own `HEALTHCHECK` where it has
    /// one, else `/` over HTTP with any answer below 500, else that whatever listens on the port
    /// answers in another language.
    pub health: Option<HealthProbe>,
    /// What `health` asks for, where it does so over HTTP.
    #[schema(example = "/healthz")]
    pub health_path: Option<String>,
    /// From one health check to the next, where that is set: else as the image says where its own
    /// check is used, 5,000 ms for a command, or 500 ms.
    #[schema(example = 500)]
    pub health_interval_ms: Option<u64>,
    /// How long one health check may take, where that is set; else as the image says, or 5,000 ms.
    #[schema(example = 5000)]
    pub health_timeout_ms: Option<u64>,
    /// How many failures in a row make a healthy replica unhealthy, where that is set; else as the
    /// image says, or 3.
    #[schema(example = 3)]
    pub health_retries: Option<u16>,
    /// How long a replica may take to become healthy, where that is set; else 60,000 ms, or longer
    /// where the image asks for it.
    #[schema(example = 60000)]
    pub health_start_within_ms: Option<u64>,
    /// Bytes of memory that one replica may use.
    #[schema(example = 536_870_912)]
    pub memory_bytes: u64,
    /// Thousandths of a CPU that one replica may use.
    #[schema(example = 1000)]
    pub cpu_millis: u32,
    /// Processes and threads that one replica may have.
    #[schema(example = 512)]
    pub processes: u32,
    /// Host names besides the app's own.
    #[schema(example = json!(["shop.example.com"]))]
    pub domains: Vec<String>,
    /// What runs in each replica in place of the image's command: a program and its arguments, run
    /// by no shell. The image's entrypoint stays.
    #[schema(example = json!(["npm", "start"]))]
    pub command: Option<Vec<String>>,
    /// What runs besides, without traffic, by name.
    pub process_types: BTreeMap<String, ProcessType>,
    /// What runs in each replica in place of the image's entrypoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Its volumes, by the folder in its containers.
    #[serde(default)]
    pub volumes: BTreeMap<String, VolumeMount>,
    /// Whether an address leads to it.
    #[serde(default = "yes")]
    pub routed: bool,
    /// The group that it belongs to, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<AppGroup>,
    /// How its containers are within, where not as its image says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<ContainerInside>,
    /// What runs once for each deployment, in a container of its image, before its replicas start;
    /// where it fails, so does the deployment. A program and its arguments, run by no shell.
    #[schema(example = json!(["bin/migrate"]))]
    pub release_command: Option<Vec<String>>,
    /// How long that may take.
    #[schema(example = 600_000)]
    pub release_within_ms: Option<u64>,
    /// What runs once for each deployment, in a container of its image, after it went live; where it
    /// fails, the version stays. A program and its arguments, run by no shell.
    #[schema(example = json!(["bin/warm-up"]))]
    pub post_deploy_command: Option<Vec<String>>,
    /// How long that may take.
    #[schema(example = 600_000)]
    pub post_deploy_within_ms: Option<u64>,
    /// How long requests to a version may go on after the traffic moved to the next one.
    #[schema(example = 30000)]
    pub drain_within_ms: u64,
    /// How long a replica has from SIGTERM until SIGKILL.
    #[schema(example = 10000)]
    pub stop_within_ms: u64,
}

/// A page of apps, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppPage {
    /// The apps.
    pub items: Vec<App>,
    /// Give this as `cursor` for the next page; nothing where this is the last one.
    pub next: Option<String>,
    /// As of when, where the past was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOf>,
}

const fn yes() -> bool {
    true
}

/// Whether what is built is served by the edges themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StaticMode {
    /// Files that a build leaves to be served as they are go to the edges, unless the app has something that
    /// needs a container: a start, release or post-deploy command, processes, volumes, a group.
    #[default]
    Auto,
    /// It is a static site; a build that leaves none fails.
    On,
    /// It always gets a container.
    Off,
}

impl From<SiteMode> for StaticMode {
    fn from(mode: SiteMode) -> Self {
        match mode {
            SiteMode::Auto => Self::Auto,
            SiteMode::On => Self::On,
            SiteMode::Off => Self::Off,
        }
    }
}

impl From<StaticMode> for SiteMode {
    fn from(mode: StaticMode) -> Self {
        match mode {
            StaticMode::Auto => Self::Auto,
            StaticMode::On => Self::On,
            StaticMode::Off => Self::Off,
        }
    }
}
