//! Deployments.

use std::collections::BTreeMap;

use hythe_core::deployment::StageName;
use hythe_core::ids::DeploymentId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AppRef, AsOf, CreateCanary, ProcessType, Time};

/// A static site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Site {
    /// Digest of the list of its files: the same files and rules have the same one.
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    pub id: String,
    /// How many files.
    pub files: u32,
    /// How many bytes they have together, uncompressed.
    pub bytes: u64,
}

/// One attempt to bring one version of an app live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deployment {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: DeploymentId,
    /// The app.
    pub app: AppRef,
    /// Counts the app's deployments from 1.
    #[schema(example = 3)]
    pub number: u64,
    /// The stage that it is in.
    pub status: DeploymentStatus,
    /// Whether nothing more will happen to it by itself: it is live, or it is over.
    pub settled: bool,
    /// What it waits for, in plain words; nothing once it is settled and, live, has as many replicas
    /// as it is to have.
    #[schema(example = "all replicas to pass their health check")]
    pub waiting_for: Option<String>,
    /// When that wait ends in a failure, where it does.
    pub waiting_until: Option<Time>,
    /// What it is made from.
    pub source: DeploymentSource,
    /// The earlier deployment whose image it takes, where it does: a rollback, a restart.
    pub takes_over: Option<TakesOver>,
    /// The commit that was built, once that is known, and where it is made from a repository.
    #[schema(example = "0123456789abcdef0123456789abcdef01234567")]
    pub commit: Option<String>,
    /// The image, once there is one.
    #[schema(example = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    pub image: Option<String>,
    /// The port that its replicas answer on, once that is known.
    pub port: Option<u16>,
    /// The static site that it is, where it is one: edges serve it, and there are no replicas and no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Site>,
    /// How many replicas it is to have.
    pub replicas: u16,
    /// What runs besides, without traffic, by name.
    pub process_types: BTreeMap<String, ProcessType>,
    /// What runs before they start, where anything does.
    #[schema(example = json!(["bin/migrate"]))]
    pub release_command: Option<Vec<String>>,
    /// What runs once it is live, where anything does, and how that stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_deploy: Option<PostDeploy>,
    /// Where the app answers.
    #[schema(example = "http://shop.localhost:8080")]
    pub url: String,
    /// The stages that it came to, oldest first.
    pub stages: Vec<StageEntry>,
    /// How long the stages took.
    pub durations_ms: Durations,
    /// Why it failed, where it did.
    pub failure: Option<Failure>,
    /// Who asked for it.
    #[schema(example = "owner")]
    pub requested_by: String,
    /// When it was asked for.
    pub created_at: Time,
    /// As of when, where the past was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOf>,
    /// Which part of the requests it takes, in per cent, where it is a canary that does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary_percent: Option<u8>,
}

/// Which deployment, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentRef {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: DeploymentId,
    /// Counts the app's deployments from 1.
    pub number: u64,
    /// The stage that it is in.
    pub status: DeploymentStatus,
    /// The commit that was built, once that is known.
    pub commit: Option<String>,
    /// When it was asked for.
    pub created_at: Time,
    /// How its post-deploy command stands, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_deploy: Option<PostDeployStatus>,
}

/// A command that runs once after a deployment went live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PostDeploy {
    /// A program and its arguments.
    #[schema(example = json!(["bin/warm-up"]))]
    pub command: Vec<String>,
    /// How it stands.
    pub status: PostDeployStatus,
    /// Why it failed, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The last lines of log before that, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

/// How a post-deploy command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PostDeployStatus {
    /// It runs once the deployment is live.
    Outstanding,
    /// It runs.
    Running,
    /// It has ended well.
    Done,
    /// It has failed, or was not run in time; the version stays as it is.
    Failed,
    /// Its deployment was over before it could run.
    NotRun,
}

impl PostDeployStatus {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Outstanding => "outstanding",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::NotRun => "not_run",
        }
    }
}

/// The stages of a deployment.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentStatus {
    /// Waits for its turn: one deployment of an app moves at a time.
    Requested,
    /// Waits for a builder.
    Queued,
    /// A builder fetches and builds.
    Building,
    /// Waits for a place to run.
    Built,
    /// Replicas start and are checked.
    Starting,
    /// All replicas are healthy.
    Healthy,
    /// The edges take up the new route.
    Switching,
    /// Requests to the version before finish.
    Draining,
    /// It has the traffic.
    Live,
    /// Another version took its place.
    Superseded,
    /// It failed.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// Its release command runs, before its replicas start.
    Releasing,
}

impl DeploymentStatus {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.stage().as_str()
    }

    /// The stage that this names.
    #[must_use]
    pub const fn stage(self) -> StageName {
        match self {
            Self::Requested => StageName::Requested,
            Self::Queued => StageName::Queued,
            Self::Building => StageName::Building,
            Self::Built => StageName::Built,
            Self::Starting => StageName::Starting,
            Self::Healthy => StageName::Healthy,
            Self::Switching => StageName::Switching,
            Self::Draining => StageName::Draining,
            Self::Live => StageName::Live,
            Self::Superseded => StageName::Superseded,
            Self::Failed => StageName::Failed,
            Self::Cancelled => StageName::Cancelled,
            Self::Releasing => StageName::Releasing,
        }
    }
}

impl From<StageName> for DeploymentStatus {
    fn from(stage: StageName) -> Self {
        match stage {
            StageName::Requested => Self::Requested,
            StageName::Queued => Self::Queued,
            StageName::Building => Self::Building,
            StageName::Built => Self::Built,
            StageName::Starting => Self::Starting,
            StageName::Healthy => Self::Healthy,
            StageName::Switching => Self::Switching,
            StageName::Draining => Self::Draining,
            StageName::Live => Self::Live,
            StageName::Superseded => Self::Superseded,
            StageName::Failed => Self::Failed,
            StageName::Cancelled => Self::Cancelled,
            StageName::Releasing => Self::Releasing,
        }
    }
}

/// What a deployment is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentSource {
    /// The git repository, where it is made from one.
    pub repository: Option<String>,
    /// The upload, where it is made from one; with `branch` and `commit`, it is what was pushed here by
    /// git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    pub upload: Option<String>,
    /// The image of a registry, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "ghcr.io/team/shop:1.2")]
    pub image: Option<String>,
    /// The digest that the image's name stood for, once that is known. It is what runs, and what a
    /// rollback or redeploy runs, whatever the name stands for by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The branch that was asked for.
    pub branch: Option<String>,
    /// The tag that was asked for.
    pub tag: Option<String>,
    /// The commit that was asked for.
    pub commit: Option<String>,
    /// The Dockerfile that was asked for.
    pub dockerfile: Option<String>,
}

/// The earlier deployment whose image another one takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TakesOver {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub deployment: DeploymentId,
    /// Its number, where it is kept.
    pub number: Option<u64>,
    /// Whether its image was gone, so that it is built again from the commit.
    pub rebuilt: bool,
}

/// A stage that a deployment came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StageEntry {
    /// The stage.
    pub stage: DeploymentStatus,
    /// When it came to it.
    pub at: Time,
    /// How long it stayed; nothing while it is in it.
    pub duration_ms: Option<u64>,
}

/// How long the stages took, in milliseconds; a stage that was not reached, or is not over, is
/// left out as `null`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Durations {
    /// Waited for its turn.
    pub requested: Option<u64>,
    /// Waited for a builder.
    pub queued: Option<u64>,
    /// Fetched and built.
    pub building: Option<u64>,
    /// Waited for a place to run.
    pub built: Option<u64>,
    /// Its release command ran.
    pub releasing: Option<u64>,
    /// Started and checked.
    pub starting: Option<u64>,
    /// Healthy, until the switch began.
    pub healthy: Option<u64>,
    /// The edges took up the route.
    pub switching: Option<u64>,
    /// Requests to the version before finished.
    pub draining: Option<u64>,
    /// From the request until it was live, or was over.
    pub total: Option<u64>,
}

/// Why a deployment failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// The stage in which it failed.
    pub stage: DeploymentStatus,
    /// What went wrong and, where known, what to do.
    pub message: String,
    /// The last lines of log before it, oldest first.
    pub log: Vec<String>,
}

/// A deployment to make. Everything may be left out: then it is made from the app's settings.
/// What is given is saved as the app's settings too, except a `tag` or `commit`, which holds for
/// this deployment only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"branch": "main"}))]
pub struct CreateDeployment {
    /// The git repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2048)]
    pub repository: Option<String>,
    /// What was sent with `PUT /api/v1/uploads/{digest}`. Not together with any of the others that
    /// say what it is made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 71)]
    pub upload: Option<String>,
    /// An image of a registry, which is pulled: nothing is built. As above.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 460)]
    pub image: Option<String>,
    /// The branch, or a tag where no branch has that name. Not together with `tag` or `commit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub branch: Option<String>,
    /// A tag, for this deployment only. Not together with `branch` or `commit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub tag: Option<String>,
    /// A whole commit id of 40 or 64 hexadecimal digits, for this deployment only. Not together
    /// with `branch` or `tag`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub commit: Option<String>,
    /// The Dockerfile's path in the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub dockerfile: Option<String>,
    /// The port that the app listens on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub port: Option<u16>,
    /// Build anew, whatever earlier builds left; for this deployment only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_cache: Option<bool>,
    /// Once healthy it takes a part of the requests, beside the version that is live, until it is
    /// promoted. It is taken back where nobody does so in time, where a newer deployment is asked for, or
    /// where none of its replicas is healthy any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<CreateCanary>,
}

/// Where to go back to. Everything may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"to": "3"}))]
pub struct CreateRollback {
    /// The number or the id of a deployment; the version that was live before the present one where
    /// nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 40)]
    pub to: Option<String>,
    /// Only what runs goes back; the app's settings, variables and domains stay as they are.
    pub keep_settings: bool,
}

/// A page of deployments, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentPage {
    /// The deployments.
    pub items: Vec<Deployment>,
    /// Give this as `cursor` for the next page; nothing where this is the last one.
    pub next: Option<String>,
    /// As of when, where the past was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOf>,
}
