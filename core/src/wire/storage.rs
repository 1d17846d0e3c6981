//! Between control plane and workers: which images and how much build cache a worker keeps, and
//! which of it it is to let go. Questions and answers; nothing of it is kept in NATS, and everything can be asked again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::ids::{AppId, DeploymentId, InstallationId, WorkerId};
use crate::names::{BadText, ImageId, bad, shown, text};
use crate::time::Timestamp;

/// Images that one answer tells of; the rest is told of once some of these are gone.
pub const MOST_IMAGES: usize = 2_000;
/// Names that one question takes away.
pub const MOST_REMOVED: usize = 200;

/// Records of the build cache that one answer tells of: those that were used longest ago.
pub const MOST_CACHE: usize = 1_000;
/// Records that one question takes away.
pub const MOST_CACHE_REMOVED: usize = 100;

/// What a worker is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageQuestion {
    /// Format of this message; 1.
    pub format: u16,
    /// Whose worker is meant.
    pub installation: InstallationId,
    /// What is asked.
    pub wanted: StorageWanted,
}

/// What a worker is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StorageWanted {
    /// Which images there are.
    Survey,
    /// That these names go, and the images that have no other. What a container uses stays.
    Remove(Vec<ImageName>),
    /// That these records of the build cache go. What a build uses stays.
    RemoveCache(Vec<CacheId>),
}

text!(
    /// A record of the build cache, as the engine names it: 1 to 64 lower-case letters and digits.
    CacheId, "a record of the build cache", |text| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            Ok(())
        } else {
            Err(format!("has 1 to 64 lower-case letters and digits; got {}", shown(text)))
        }
    }
);

/// A record of the build cache that came of a build of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheRecord {
    /// Which.
    pub id: CacheId,
    /// What it came of, as BuildKit says it.
    pub what: String,
    /// How large it is.
    pub bytes: u64,
    /// When a build used it last, or made it.
    pub used_at: Timestamp,
    /// Whether a build uses it now, or an image is made of it.
    pub in_use: bool,
}

/// The name that an image has for a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ImageName {
    /// The app.
    pub app: AppId,
    /// The deployment.
    pub deployment: DeploymentId,
}

/// An image that a worker keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredImage {
    /// The image.
    pub id: ImageId,
    /// Its names.
    pub names: Vec<ImageName>,
    /// How large it is, in bytes, together with what it shares with others.
    pub bytes: u64,
    /// Whether a container uses it.
    pub used: bool,
}

/// A file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskRoom {
    /// All of it.
    pub whole: u64,
    /// What is left.
    pub free: u64,
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageAnswer {
    /// Format of this message; 1.
    pub format: u16,
    /// Who answers.
    pub worker: WorkerId,
    /// What it says.
    pub said: StorageSaid,
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StorageSaid {
    /// What there is.
    Stored {
        /// The images that this installation built; at the most [`MOST_IMAGES`].
        images: Vec<StoredImage>,
        /// The disk that they lie on, where that can be seen.
        disk: Option<DiskRoom>,
        /// The build cache of our builds; at the most [`MOST_CACHE`].
        #[serde(default)]
        cache: Vec<CacheRecord>,
    },
    /// What became of records of the build cache.
    CacheRemoved {
        /// How many bytes are free for it.
        bytes: u64,
    },
    /// What became of the names: those that did not go, and why.
    Removed {
        /// Names that are gone.
        gone: Vec<ImageName>,
        /// Names that stayed, each with the reason.
        stayed: Vec<(ImageName, String)>,
    },
    /// The engine could not be asked.
    Failed {
        /// Why, and what to do.
        why: String,
    },
}
