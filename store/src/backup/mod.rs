//! Backups: all that a server needs to be itself again, in encrypted parts.
//!
//! A part is a stream of frames inside an age file: events with their hashes, in order, and, as of
//! the last of them, the secrets (still sealed), their data keys (still wrapped), the master key
//! that unwraps those, and the few files that make the server this one. A backup is one part with
//! everything from the first event on; a mirror is many parts, each of which goes on where the one
//! before it ended.
//!
//! **What must hold.** A part is written for a recipient, whose secret half need not be on the
//! machine. A part that was cut short, changed, or does not follow from the one before it is
//! refused. A restoration works beside its target, compares everything with what the backup says
//! of itself, and only then moves it into place; what was there is moved aside, never removed.

mod changes;
mod frame;
pub mod key;
pub mod mirror;
mod read;
mod restore;
#[cfg(test)]
mod tests;
mod write;

use std::path::PathBuf;

use hythe_core::ids::InstallationId;
use hythe_core::record::Sequence;
use hythe_core::time::Timestamp;
use hythe_core::view::View;
use zeroize::Zeroizing;

pub use self::changes::Known;
pub use self::key::BackupKey;
pub use self::read::{Contents, inspect};
pub(crate) use self::restore::came_to_its_end;
pub use self::restore::{MARK, Replace, Restored, mark, restore, unmark};
pub use self::write::{Part, Segment, backup, records_only, segment};

use crate::error::{StoreError, io};

/// The version of the format that is written. Older ones stay readable.
pub const FORMAT: u32 = 1;

/// The files beside the journal that make a server this one. Nothing else is taken into a backup
/// and nothing else comes out of one.
pub const FILES: [&str; 3] = ["master.key", "instance", "owner.token"];

/// Bytes of one such file.
const MOST_FILE_BYTES: u64 = 64 * 1024;

/// Why a backup cannot be made, read or put back. Every message completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The journal refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key that cannot be used.
    #[error("use the backup key{}: {why}", place(.path.as_ref()))]
    Key {
        /// Its file, where it is in one.
        path: Option<PathBuf>,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// Made for another key.
    #[error(
        "open the backup: it was made for another key than this one; give the key that it was \
         made with (--key-file FILE, or HYTHE_BACKUP_KEY)"
    )]
    WrongKey,
    /// Something else than a backup.
    #[error("open the backup: {0}")]
    NotABackup(String),
    /// It ends too early.
    #[error("read the backup: it is cut short ({0}); take a whole copy, or an earlier backup")]
    Truncated(String),
    /// A later version of Hythe made it.
    #[error(
        "read the backup: it has format {found} and this version of hythe knows up to {known}; use \
         the version that made it, or a newer one"
    )]
    Newer {
        /// The format found.
        found: u32,
        /// The latest one known.
        known: u32,
    },
    /// It is not what was written.
    #[error("read the backup: it is damaged: {0}; take another copy, or an earlier backup")]
    Damaged(String),
    /// It must not be put there.
    #[error("restore: {0}")]
    Refused(String),
    /// The system refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
}

fn place(path: Option<&PathBuf>) -> String {
    path.map_or_else(String::new, |path| format!(" {}", path.display()))
}

fn failed(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> BackupError {
    let doing = doing.into();
    move |source| BackupError::Io { doing, source }
}

/// Which server is backed up, and what makes it that one.
#[derive(Clone, Debug)]
pub struct About {
    /// Which installation.
    pub installation: InstallationId,
    /// The version of Hythe that makes the backup.
    pub version: String,
    /// Now.
    pub at: Timestamp,
    /// The files of [`FILES`] that are there.
    pub files: Vec<File>,
}

/// One of [`FILES`].
#[derive(Clone)]
pub struct File {
    name: String,
    bytes: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "File({:?}, {} bytes)", self.name, self.bytes.len())
    }
}

impl About {
    /// Reads the files of a data directory.
    ///
    /// # Errors
    /// One of them cannot be read, or the master key is missing.
    pub fn read(
        dir: &std::path::Path,
        installation: InstallationId,
        version: &str,
        at: Timestamp,
    ) -> Result<Self, BackupError> {
        let mut files = Vec::new();
        for name in FILES {
            let path = dir.join(name);
            let doing = || format!("read {}", path.display());
            let bytes = match std::fs::read(&path) {
                Ok(bytes) => Zeroizing::new(bytes),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && name != FILES[0] => {
                    continue;
                }
                Err(error) => return Err(io(doing())(error).into()),
            };
            if bytes.len() as u64 > MOST_FILE_BYTES {
                let what = format!("{}: it has more than {MOST_FILE_BYTES} bytes", doing());
                return Err(StoreError::Invalid(what).into());
            }
            files.push(File { name: name.into(), bytes });
        }
        Ok(Self { installation, version: version.into(), at, files })
    }
}

/// The hash of a state: the same events give the same one, on every machine with this version.
///
/// # Errors
/// Never for a state that events made.
pub fn state_hash(view: &View) -> Result<blake3::Hash, StoreError> {
    let bytes = postcard::to_stdvec(view)
        .map_err(|error| StoreError::Invalid(format!("hash the state: {error}")))?;
    Ok(blake3::hash(&bytes))
}

/// The last event of something, with its hash in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The event.
    pub sequence: Sequence,
    /// Its hash.
    pub hash: String,
}
