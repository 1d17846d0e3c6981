//! Housekeeping: images that nobody can go back to any more, and build cache beyond its budget.

use hythe_core::ids::{AppId, DeploymentId, WorkerId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;

/// What may go, or what went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Housekeeping {
    /// How many earlier versions of each app stay, besides the live one.
    #[schema(example = 5)]
    pub keep_versions: u16,
    /// How many bytes of images each worker keeps before earlier versions go.
    #[schema(example = 107374182400_u64)]
    pub keep_image_bytes: u64,
    /// How long an earlier version is kept after it was replaced, but for the newest.
    #[schema(example = 15552000000_u64)]
    pub keep_image_ms: u64,
    /// How many bytes of build cache each worker keeps.
    #[schema(example = 21474836480_u64)]
    pub keep_cache_bytes: u64,
    /// How long build cache that no build uses is kept.
    #[schema(example = 1209600000)]
    pub keep_cache_ms: u64,
    /// Worker by worker.
    pub workers: Vec<WorkerHousekeeping>,
    /// What people sent to be built.
    #[serde(default)]
    pub uploads: UploadHousekeeping,
}

/// The uploads that the server has, and what of them may go or went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadHousekeeping {
    /// How many it has.
    pub count: u32,
    /// How many bytes they have together.
    pub bytes: u64,
    /// Which may go.
    pub going: Vec<DispensableUpload>,
    /// How many of those went; 0 where it was only looked.
    pub gone: u32,
    /// Why they could not be looked at, or the work broke off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// An upload that nobody refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DispensableUpload {
    /// Its digest.
    pub digest: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// When it was sent or deployed last.
    pub used_at: Time,
    /// Why it may go.
    pub why: String,
}

/// What a worker has, and what of it may go or went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerHousekeeping {
    /// The worker's id.
    #[schema(value_type = uuid::Uuid)]
    pub id: WorkerId,
    /// Its name.
    #[schema(example = "machine-1")]
    pub name: String,
    /// How many images of apps it has.
    pub images: u32,
    /// How large they are, in bytes; what several share is counted for each.
    pub image_bytes: u64,
    /// All of the disk that they lie on, in bytes; nothing where that cannot be seen.
    pub disk_bytes: Option<u64>,
    /// What is left of it.
    pub disk_free_bytes: Option<u64>,
    /// Images that nobody can go back to any more.
    pub going: Vec<DispensableImage>,
    /// Which of them went; empty where it was only looked.
    #[schema(value_type = Vec<uuid::Uuid>)]
    pub gone: Vec<DeploymentId>,
    /// Which of them stayed although they were to go.
    pub stayed: Vec<ImageThatStayed>,
    /// How large the build cache is that builds of this installation left, in bytes; some of it where
    /// there is very much.
    pub cache_bytes: u64,
    /// What of the build cache may go.
    pub cache_going: Vec<DispensableCache>,
    /// How many bytes of it went; 0 where it was only looked.
    pub cache_gone_bytes: u64,
    /// Why the worker could not be asked, or broke off.
    pub failed: Option<String>,
}

/// An image that nobody can go back to any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DispensableImage {
    /// The app that it was built for.
    #[schema(value_type = uuid::Uuid)]
    pub app: AppId,
    /// The app's name; nothing where it is gone.
    pub app_name: Option<String>,
    /// The deployment that it was built for.
    #[schema(value_type = uuid::Uuid)]
    pub deployment: DeploymentId,
    /// The image.
    pub image: String,
    /// How many bytes go with it at the most.
    pub bytes: u64,
    /// Why it may go.
    #[schema(example = "newer versions than are kept were live since")]
    pub why: String,
}

/// Build cache that may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DispensableCache {
    /// Its id, as the engine has it.
    pub id: String,
    /// What it came of.
    #[schema(example = "mount / from exec /bin/sh -c npm ci")]
    pub what: String,
    /// How large it is.
    pub bytes: u64,
    /// When a build used it last.
    pub used_at: Time,
    /// Why it may go.
    #[schema(example = "no build has used it for longer than cache is kept")]
    pub why: String,
}

/// An image that stayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageThatStayed {
    /// The deployment that it was built for.
    #[schema(value_type = uuid::Uuid)]
    pub deployment: DeploymentId,
    /// Why it stayed.
    pub why: String,
}
