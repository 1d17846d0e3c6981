//! Backups as things that are done: made and sent, on demand and by the schedule; the mirror that
//! follows the journal; and what a restored installation needs to run again.
//!
//! What is decided lies in the core (when a backup is due, what a restoration needs) and in the
//! store (what a backup consists of). A backup that was made, or could not be, is an event.

mod connector;
mod make;
pub mod mirror;
mod names;
mod pipe;
pub mod place;
mod recovery;
mod schedule;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hythe_core::claims::ClaimChange;
use hythe_core::installation::{BackupRecipient, Installation, InstallationCommand};
use hythe_core::record::{Actor, Sequence};
use hythe_core::time::Timestamp;
use hythe_store::backup::{About, BackupError, BackupKey, key};
use tokio::sync::{Mutex, watch};

use crate::control::Control;

pub use self::make::{HandedOut, MakeError};
pub use self::place::{Place, PlaceError};

pub(crate) use self::mirror::run as keep_mirror;
pub(crate) use self::recovery::run as recover;
pub(crate) use self::schedule::run as keep_schedule;

/// How the mirror is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorState {
    /// The last event that is there.
    pub at: Sequence,
    /// When that was last seen to be all there is; zero where it never was.
    pub whole_at: Timestamp,
    /// Since when there is something that is not there yet.
    pub waiting_since: Option<Timestamp>,
    /// Why the last attempt failed, where it did.
    pub trouble: Option<String>,
    /// Parts that it consists of.
    pub parts: usize,
}

/// What backups need besides the journal. Clones share it.
#[derive(Clone)]
pub struct Backups(Arc<Inner>);

struct Inner {
    data: PathBuf,
    /// One backup at a time: two would only slow each other down.
    busy: Mutex<()>,
    mirror: watch::Sender<MirrorState>,
}

impl fmt::Debug for Backups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backups").field("data", &self.0.data).finish_non_exhaustive()
    }
}

impl Backups {
    pub(crate) fn new(data: PathBuf) -> Self {
        let mirror = watch::Sender::new(MirrorState::default());
        Self(Arc::new(Inner { data, busy: Mutex::new(()), mirror }))
    }

    /// The data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.0.data
    }

    /// Whether one is being made.
    #[must_use]
    pub fn busy(&self) -> bool {
        self.0.busy.try_lock().is_err()
    }

    /// How the mirror is doing.
    #[must_use]
    pub fn mirror(&self) -> MirrorState {
        self.0.mirror.borrow().clone()
    }

    /// The file of the key that is used where nobody gives another.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.0.data.join(key::FILE)
    }

    /// Whom backups are made for: the given one, or the holder of the key in the data directory,
    /// which is made where there is none. Blocks on the disk.
    ///
    /// # Errors
    /// The key file cannot be used.
    pub fn recipient(
        &self,
        given: Option<BackupRecipient>,
    ) -> Result<BackupRecipient, BackupError> {
        match given {
            // One that only looks like a key is refused now and not at every backup.
            Some(given) => Ok(BackupKey::parse(given.as_str())?.recipient().clone()),
            None => Ok(BackupKey::load_or_create(&self.key_file())?.0.recipient().clone()),
        }
    }
}

impl Control {
    /// What a backup says of this server. Blocks on the disk.
    fn about(&self) -> Result<About, BackupError> {
        let version = env!("CARGO_PKG_VERSION");
        About::read(self.backups().data(), self.installation(), version, self.clock().now())
    }

    /// Notes something that happened to the installation; tried until it is noted.
    async fn note(&self, command: InstallationCommand) {
        self.note_with(command, None).await;
    }

    /// As above, together with a claim.
    async fn note_with(&self, command: InstallationCommand, claim: Option<ClaimChange>) {
        let (id, meta) = (self.installation().uuid(), self.meta(Actor::System, None, None));
        let claims = claim.into_iter().collect();
        self.insist_claiming::<Installation>(id, command, meta, claims).await;
    }
}
