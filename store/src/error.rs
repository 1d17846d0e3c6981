//! What can go wrong in the store. Every message completes the sentence "failed to …" and says
//! what to do where there is something to do.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use hythe_core::claims::ClaimKey;
use hythe_core::record::{Sequence, Version};

use crate::guard::SOMEWHERE;
use crate::journal::NoRoom;
use crate::journal::claims::ClaimOwner;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the journal open.
    #[error(
        "open the journal in {}: {holder} is using it; stop that process, or ask the running \
         server instead", dir.display()
    )]
    InUse {
        /// The journal's directory.
        dir: PathBuf,
        /// Who holds it, as far as that is known.
        holder: String,
    },
    /// There is no journal there.
    #[error("open the journal in {}: there is none; check the data directory", dir.display())]
    Missing {
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// Written by a later version of Hythe.
    #[error(
        "open the journal: it has format {found} and this version of hythe knows up to {known}; \
         start the version that wrote it, or a newer one"
    )]
    Newer {
        /// The format found.
        found: u32,
        /// The latest format known.
        known: u32,
    },
    /// What is on the disk is not what was written.
    #[error(
        "read the journal: damaged at {place}: {what}; run `hythe journal verify`, then restore a \
         backup"
    )]
    Damaged {
        /// Where: a sequence, a table, a file.
        place: String,
        /// What is wrong there.
        what: String,
    },
    /// The master key is missing, wrong or not safe.
    #[error("use the master key {}: {why}", path.display())]
    MasterKey {
        /// The key file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// A secret that does not decrypt.
    #[error("decrypt secret {name} version {version} of {scope}: {why}")]
    Secret {
        /// Whose secret.
        scope: uuid::Uuid,
        /// Its name.
        name: String,
        /// Its version.
        version: u64,
        /// What is wrong.
        why: String,
    },
    /// The operating system refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no room on the file system, or the quota is used up.
    #[error("{doing}: {source}; make room on the file system of the data folder")]
    NoRoom {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database underneath refused.
    #[error("{doing}: {why}")]
    Database {
        /// What was being done.
        doing: String,
        /// What it said.
        why: String,
    },
    /// An event that this version cannot read.
    #[error(transparent)]
    Codec(#[from] crate::codec::CodecError),
    /// What was asked cannot be done as asked.
    #[error("{0}")]
    Invalid(String),
    /// The deadline passed first.
    #[error("wait for event {sequence}: it was not there within {waited:?}")]
    TimedOut {
        /// What was waited for.
        sequence: Sequence,
        /// For how long.
        waited: Duration,
    },
    /// A file failed and is not open again yet.
    #[error("use the {what}: its file failed and is being opened again; try again shortly")]
    Reopening {
        /// Which file.
        what: &'static str,
    },
    /// The journal is closed.
    #[error("use the journal: it is closed")]
    Closed,
}

impl StoreError {
    pub(crate) fn damaged(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Damaged { place: place.into(), what: what.into() }
    }

    pub(crate) fn damaged_at(sequence: u64, what: impl Into<String>) -> Self {
        Self::damaged(format!("event {sequence}"), what)
    }
}

/// Turns an error of the database into ours. Made for `map_err`.
pub(crate) fn database<E: Into<redb::Error>>(doing: &'static str) -> impl FnOnce(E) -> StoreError {
    move |error| {
        let error = error.into();
        if let redb::Error::Io(source) = error {
            // What is no database, or ends too early, is not the disk's failure.
            if matches!(source.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) {
                return StoreError::damaged(SOMEWHERE, source.to_string());
            }
            return io(doing)(source);
        }
        if let redb::Error::PreviousIo = error {
            let what = "the disk failed before; opening the file again";
            return io(doing)(std::io::Error::other(what));
        }
        if let redb::Error::DatabaseClosed = error {
            // Somebody else found it damaged or failing in the middle of this look.
            return StoreError::Reopening { what: "journal" };
        }
        if is_damage(&error) {
            return StoreError::damaged(SOMEWHERE, error.to_string());
        }
        StoreError::Database { doing: doing.into(), why: error.to_string() }
    }
}

/// Whether the database says that its file is not what it or we wrote: the journal's tables are
/// always there, under their types.
fn is_damage(error: &redb::Error) -> bool {
    matches!(
        error,
        redb::Error::Corrupted(_)
            | redb::Error::UpgradeRequired(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableIsNotMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::TableDoesNotExist(_)
    )
}

/// Turns an error in opening a file into ours: one that is not what was written is damaged. Made for
/// `map_err`.
pub(crate) fn opening(
    doing: &'static str,
    place: &'static str,
) -> impl FnOnce(std::io::Error) -> StoreError {
    move |source| match source.kind() == ErrorKind::InvalidData {
        true => StoreError::damaged(place, source.to_string()),
        false => io(doing)(source),
    }
}

/// Turns an error of the operating system into ours. Made for `map_err`.
pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> StoreError {
    move |source| {
        let doing = doing.into();
        if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            return StoreError::NoRoom { doing, source };
        }
        StoreError::Io { doing, source }
    }
}

/// Why an append did not happen. After any of these but [`AppendError::Storage`], nothing of the
/// append is in the journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The stream has moved on, or is not as far yet.
    #[error("append: the stream is at version {}, not {}", actual.0, expected.0)]
    WrongVersion {
        /// What the append expected.
        expected: Version,
        /// Where the stream is, appends queued before this one included.
        actual: Version,
    },
    /// A claimed key is taken, be it by the same stream.
    #[error("append: \"{}\" is taken by {}", key.0, owner.stream)]
    ClaimTaken {
        /// The key.
        key: ClaimKey,
        /// Who holds it.
        owner: ClaimOwner,
    },
    /// Larger than the journal takes.
    #[error("append: {what}")]
    TooLarge {
        /// What is too large, how large it is and what is allowed.
        what: String,
    },
    /// Not an append that makes sense.
    #[error("append: {what}")]
    Invalid {
        /// What is wrong with it.
        what: String,
    },
    /// Too much is waiting already. Nothing was queued.
    #[error("append: the journal is busy; try again in {} ms", retry_after.as_millis())]
    Busy {
        /// When it is worth another try.
        retry_after: Duration,
    },
    /// There is little room left, and the append can wait, or there is none at all.
    #[error("append: {0}")]
    NoRoom(NoRoom),
    /// The journal is closed.
    #[error("append: the journal is closed")]
    Closed,
    /// The disk or the database failed. Read the stream again before trying anew: only where the
    /// message says that the outcome is unknown can the append be in the journal after all.
    #[error("append: {0}")]
    Storage(String),
}
