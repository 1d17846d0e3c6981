//! Opening a journal: a new one is laid out, an old one is checked for being what it claims.

use crate::steps::Step;
use redb::{Database, ReadableDatabase, TableError};

use super::block::Growing;
use super::group::{HEAD, encode_head};
use super::reader::View;
use super::record::GENESIS;
use super::storage::{Part, Storage};
use super::summary::Summary;
use super::tables::{self, BLOCKS, CLAIMS, META, SECRET_KEYS, SECRETS};
use crate::durable::commit;
use crate::error::{StoreError, database, io, opening};
use crate::guard::LOG;
use crate::secrets::key::MasterKey;

/// The layout of the log's file. A later one is refused, an earlier one is raised: 1 kept records
/// one by one, which are read and written on in blocks; 2 kept no check sums of what lies beside
/// the log.
const FORMAT: u32 = 3;
const WITHOUT_SUMMARY: u32 = 2;
const RECORD_BY_RECORD: u32 = 1;
const FORMAT_KEY: &str = "format";
const KEY_CHECK: &str = "master-key-check";
const DOING: &str = "open the journal";

/// Opens the log's file. Where there is none, a new one is laid out with this key and then put in
/// its place whole, so that a crash cannot leave half a journal, and an emptied file is never
/// taken for a new one.
pub(crate) fn log(
    storage: &dyn Storage,
    key: Option<&MasterKey>,
    cache_bytes: usize,
) -> Result<Database, StoreError> {
    let there = storage.has(Part::Log).map_err(io("look for the journal's file"))?;
    if let (false, Some(key)) = (there, key) {
        let apart = storage.begin(Part::Log).map_err(io("make the journal's file"))?;
        let log = tables::open_on(apart, cache_bytes)?;
        lay_out(&log, key)?;
        drop(log);
        storage.keep(Part::Log).map_err(io("make the journal's file"))?;
    }
    let log = file(storage, key, cache_bytes)?;
    Summary::check(&log.begin_read().map_err(database(DOING))?)?;
    Ok(log)
}

/// Opens the log's file for what it claims to be, without a look at what lies beside the log.
pub(crate) fn file(
    storage: &dyn Storage,
    key: Option<&MasterKey>,
    cache_bytes: usize,
) -> Result<Database, StoreError> {
    let file = storage.open(Part::Log).map_err(opening("open the journal's file", LOG))?;
    if file.len().map_err(io("open the journal's file"))? == 0 {
        return Err(StoreError::damaged(LOG, "the file is empty"));
    }
    let log = tables::open_on(file, cache_bytes)?;
    if check(&log, key)? < FORMAT {
        raise(&log)?;
    }
    Ok(log)
}

/// Makes room for blocks in a log of format 1, notes the check sums that neither it nor format 2
/// has, and keeps out whoever only knows those: it would change rows and not their sums.
fn raise(log: &Database) -> Result<(), StoreError> {
    let summary = Summary::of(&log.begin_read().map_err(database(DOING))?)?;
    let txn = log.begin_write().map_err(database(DOING))?;
    txn.open_table(BLOCKS).map_err(database(DOING))?;
    {
        let mut meta = txn.open_table(META).map_err(database(DOING))?;
        meta.insert(FORMAT_KEY, FORMAT.to_be_bytes().as_slice()).map_err(database(DOING))?;
        summary.note(&mut meta)?;
    }
    #[expect(clippy::disallowed_methods, reason = "an upgrade: the next start does it if need be")]
    txn.commit().map_err(database(DOING))
}

/// Makes sure that the file is a journal that this version and this key can use. `key` is absent
/// where nobody wants to write or decrypt. The format that it has.
fn check(log: &Database, key: Option<&MasterKey>) -> Result<u32, StoreError> {
    let txn = log.begin_read().map_err(database(DOING))?;
    let meta = match txn.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => {
            return Err(StoreError::damaged("journal.redb, table meta", "it is missing"));
        }
        other => other.map_err(database(DOING))?,
    };
    let format = meta.get(FORMAT_KEY).map_err(database(DOING))?;
    let format = format.and_then(|value| value.value().try_into().ok().map(u32::from_be_bytes));
    let format = match format {
        Some(known @ (FORMAT | WITHOUT_SUMMARY | RECORD_BY_RECORD)) => known,
        Some(found) if found > FORMAT => {
            return Err(StoreError::Newer { found, known: FORMAT });
        }
        Some(_) | None => {
            return Err(StoreError::damaged("journal.redb, table meta", "it has no format"));
        }
    };
    if let Some(key) = key {
        let check = meta.get(KEY_CHECK).map_err(database(DOING))?;
        if check.is_none_or(|check| check.value() != *key.derive("check")) {
            return Err(StoreError::MasterKey {
                path: key.path().into(),
                why: "it is not the key that this journal was made with; put the right one back \
                      from a backup"
                    .into(),
            });
        }
    }
    Ok(format)
}

fn lay_out(log: &Database, key: &MasterKey) -> Result<(), StoreError> {
    let txn = log.begin_write().map_err(database(DOING))?;
    {
        txn.open_table(BLOCKS).map_err(database(DOING))?;
        txn.open_table(CLAIMS).map_err(database(DOING))?;
        txn.open_table(SECRETS).map_err(database(DOING))?;
        txn.open_table(SECRET_KEYS).map_err(database(DOING))?;
        let mut meta = txn.open_table(META).map_err(database(DOING))?;
        let head = encode_head((0, GENESIS));
        let check = key.derive("check");
        for (name, value) in [
            (FORMAT_KEY, FORMAT.to_be_bytes().as_slice()),
            (HEAD, head.as_slice()),
            (KEY_CHECK, check.as_slice()),
        ] {
            meta.insert(name, value).map_err(database(DOING))?;
        }
        Summary::default().note(&mut meta)?;
    }
    commit(txn, Step::JournalDrafted).map_err(database(DOING))
}

/// The last block of the log, to be written on. The log and the note of its head must agree: the
/// chain alone would not show that its end was cut off.
pub(crate) fn end(log: &Database) -> Result<Growing, StoreError> {
    let txn = log.begin_read().map_err(database(DOING))?;
    let end = View::new(&txn)?.growing()?;
    let meta = txn.open_table(META).map_err(database(DOING))?;
    let noted = meta.get(HEAD).map_err(database(DOING))?;
    if noted.is_none_or(|noted| noted.value() != encode_head(end.head())) {
        return Err(StoreError::damaged_at(
            end.head().0,
            "the log ends here, but not by the note of its end: records are missing or added",
        ));
    }
    Ok(end)
}
