//! The file of a ledger: one that failed is opened again.
//!
//! The database refuses everything after an error of the disk, since nobody knows then what the
//! disk holds. A disk that was full for a while must not stop an agent for good, so the next write
//! opens the file anew: what was committed is there, what was not is not.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{
    Database, ReadTransaction, ReadableDatabase as _, StorageError, TransactionError,
    WriteTransaction,
};

/// Bytes of memory for redb.
const CACHE: usize = 4 * 1024 * 1024;

/// A file that is open, or will be again.
#[derive(Debug)]
pub(crate) struct LedgerFile {
    path: PathBuf,
    open: Mutex<Option<Database>>,
}

impl LedgerFile {
    /// Opens it, made where there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, redb::Error> {
        let open = Mutex::new(Some(database(path)?));
        Ok(Self { path: path.to_owned(), open })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Database>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin_write(&self) -> Result<WriteTransaction, redb::Error> {
        self.begin(Database::begin_write)
    }

    pub(crate) fn begin_read(&self) -> Result<ReadTransaction, redb::Error> {
        self.begin(|database| database.begin_read())
    }

    fn begin<T>(
        &self,
        begin: impl Fn(&Database) -> Result<T, TransactionError>,
    ) -> Result<T, redb::Error> {
        let mut open = self.lock();
        if let Some(file) = open.as_ref() {
            match begin(file) {
                Err(TransactionError::Storage(StorageError::PreviousIo)) => {}
                other => return other.map_err(Into::into),
            }
        }
        // Closed first: it is locked while it is open.
        *open = None;
        let file = database(&self.path)?;
        tracing::info!(path = %self.path.display(), "a ledger was opened again");
        let begun = begin(&file);
        *open = Some(file);
        begun.map_err(Into::into)
    }
}

fn database(path: &Path) -> Result<Database, redb::Error> {
    Ok(Database::builder().set_cache_size(CACHE).create(path)?)
}
