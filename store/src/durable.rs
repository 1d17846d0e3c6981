//! What makes something durable, as steps with a name.
//!
//! The only commits and renames of this crate's files, so that none is without one.

use std::io;
use std::path::Path;

use crate::steps::Step;
use redb::{CommitError, WriteTransaction};

/// Commits a transaction.
///
/// # Errors
/// Nobody knows then what the disk holds.
pub fn commit(txn: WriteTransaction, step: Step) -> Result<(), CommitError> {
    commit_of(txn, step, Vec::new)
}

/// Commits a transaction; `details` says what the step means this time.
///
/// # Errors
/// As [`commit`].
pub fn commit_of(
    txn: WriteTransaction,
    step: Step,
    details: impl FnOnce() -> Vec<String>,
) -> Result<(), CommitError> {
    #[expect(clippy::disallowed_methods, reason = "with its step")]
    txn.commit()?;
    step.passed_with(details);
    Ok(())
}

/// Puts a file, whole and synced, in its place, durably.
///
/// # Errors
/// Those of the file system; the file may be in its place all the same.
pub fn put_in_place(aside: &Path, path: &Path, step: Step) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "with its step")]
    std::fs::rename(aside, path)?;
    if let Some(folder) = path.parent() {
        // The rename itself lies in the folder: without this a power cut may undo it.
        std::fs::File::open(folder)?.sync_all()?;
    }
    step.passed();
    Ok(())
}
