//! The tables in the journal's two files. A name and its types never change their meaning.

use redb::{Database, StorageBackend, TableDefinition, TransactionError, WriteTransaction};

use super::storage::{Backend, Part, Storage};
use crate::error::{StoreError, database, opening};
use crate::guard::{INDEX, SOMEWHERE};

/// The log: sequence of the first record → block.
pub(crate) const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");
/// The beginning of a log that was made in format 1: sequence → record. Absent in others.
pub(crate) const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
/// Key → owner.
pub(crate) const CLAIMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("claims");
/// (scope, name, version) → nonce and ciphertext.
pub(crate) const SECRETS: TableDefinition<'_, ([u8; 16], &str, u64), &[u8]> =
    TableDefinition::new("secrets");
/// Scope → its data key, wrapped.
pub(crate) const SECRET_KEYS: TableDefinition<'_, [u8; 16], &[u8]> =
    TableDefinition::new("secret_keys");
/// Single values: `format`, `head`, `master-key-check`, `secrets-changed`, `summary`, and
/// `cursor/<name>`.
pub(crate) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// In [`META`]: the last event whose commit changed secrets.
pub(crate) const SECRETS_CHANGED: &str = "secrets-changed";

/// In the index file: (stream, first version) → sequences.
pub(crate) const POSTINGS: TableDefinition<'_, [u8; 25], &[u8]> = TableDefinition::new("postings");
/// In the index file: name → format, position, hashes, bytes.
pub(crate) const CHECKPOINTS: TableDefinition<'_, &str, &[u8]> =
    TableDefinition::new("checkpoints");
/// In the index file: up to where the log is indexed, and the sum of its rows.
pub(crate) const INDEXED: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("indexed");

/// Opens the index file as a database.
pub(crate) fn open_index(
    storage: &dyn Storage,
    cache_bytes: usize,
) -> Result<Database, StoreError> {
    let file = storage.open(Part::Index);
    open_on(file.map_err(opening("open the stream index's file", INDEX))?, cache_bytes)
}

/// Makes sure that every page is what the database wrote, and free only what is. Looks at all of
/// them.
pub(crate) fn check_pages(file: &mut Database) -> Result<(), StoreError> {
    if file.check_integrity().map_err(database("check the pages of a file"))? {
        return Ok(());
    }
    let what = "a page does not fit its check sum, or is in use and held for free";
    Err(StoreError::damaged(SOMEWHERE, what))
}

/// Opens a file as a database: repaired where a crash left it so, made where it is empty.
pub(crate) fn open_on(
    file: Box<dyn StorageBackend>,
    cache_bytes: usize,
) -> Result<Database, StoreError> {
    Database::builder()
        .set_cache_size(cache_bytes)
        .create_with_backend(Backend(file))
        .map_err(database("open the journal's file"))
}

/// A transaction in a file that is written now and then: it costs more, and spares the walk
/// through the file at the start after a crash.
pub(crate) fn rare(database: &Database) -> Result<WriteTransaction, TransactionError> {
    let mut txn = database.begin_write()?;
    txn.set_quick_repair(true);
    Ok(txn)
}
