//! Backups: where they go by themselves, the last ones, and the mirror.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Time;

/// Makes a backup in a place that the server reaches.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateBackup {
    /// Where it goes: `file:///folder` of the server, or `s3://bucket/prefix`.
    #[schema(example = "s3://bucket/hythe?endpoint=https://s3.example.com")]
    pub to: String,
    /// The public half of the key that opens it; the server's own where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
}

/// Asks for a backup to be handed out.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DownloadBackup {
    /// The public half of the key that opens it; the server's own where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
}

/// Makes backups by itself.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetBackupSchedule {
    /// Where they go: `file:///folder` of the server, or `s3://bucket/prefix`.
    #[schema(example = "file:///srv/backups")]
    pub to: String,
    /// From one to the next, in milliseconds: one minute to 366 days.
    #[schema(example = 86_400_000)]
    pub every_ms: u64,
    /// How many stay there: 1 to 1,000.
    #[schema(example = 7)]
    pub keep: u16,
    /// The public half of the key that opens them; the server's own where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
}

/// Mirrors the journal while it grows.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetMirror {
    /// Where it goes: `file:///folder` of the server, or `s3://bucket/prefix`.
    #[schema(example = "file:///mnt/second-disk/hythe")]
    pub to: String,
    /// The public half of the key that opens it; the server's own where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
}

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupSchedule {
    /// Where backups go.
    pub to: String,
    /// From one to the next, in milliseconds.
    pub every_ms: u64,
    /// How many stay there.
    pub keep: u16,
    /// The public half of the key that opens them.
    pub recipient: String,
    /// When the next one is due.
    pub next_at: Time,
    /// Whether the last one is longer ago than twice the span.
    pub overdue: bool,
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupMade {
    /// Its id.
    pub id: Uuid,
    /// Where it lies; nothing where it was handed out.
    pub to: Option<String>,
    /// Its name there.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// The last event in it.
    pub head: u64,
    /// That event's hash.
    pub hash: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// When it was complete.
    pub at: Time,
}

/// A backup that could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupFailed {
    /// Its id.
    pub id: Uuid,
    /// Where it should have gone; nothing where it was to be handed out.
    pub to: Option<String>,
    /// Why it is not there, and what to do.
    pub why: String,
    /// When that was.
    pub at: Time,
}

/// How a backup that was asked for stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupRun {
    /// Its id: the one that it has among the last ones once it is made, or has failed.
    pub id: Uuid,
    /// What was made; nothing while it is being made.
    pub made: Option<BackupMade>,
}

/// The mirror.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MirrorStatus {
    /// Where it lies.
    pub to: String,
    /// The public half of the key that opens it.
    pub recipient: String,
    /// The last event that is there.
    pub head: u64,
    /// How long something has been waiting to be there, in milliseconds; 0 where all is.
    pub lag_ms: u64,
    /// When all was there last.
    pub whole_at: Option<Time>,
    /// Why the last attempt failed, where it did.
    pub trouble: Option<String>,
    /// Objects that it consists of.
    pub parts: u64,
}

/// How the installation is backed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupStatus {
    /// Backups that are made by themselves.
    pub schedule: Option<BackupSchedule>,
    /// The last one that was made.
    pub made: Option<BackupMade>,
    /// The last one that failed, while none was made since.
    pub failed: Option<BackupFailed>,
    /// Whether one is being made.
    pub running: bool,
    /// The mirror.
    pub mirror: Option<MirrorStatus>,
    /// The key file on the server that opens backups for which no recipient was given, where there
    /// is one. A copy of it belongs elsewhere.
    pub key_file: Option<String>,
}
