//! Opening a journal: a new one is laid out, an old one is checked for being what it claims.

use redb::{Database, ReadableDatabase, ReadableTable, TableError};

use super::group::{HEAD, encode_head};
use super::record::{GENESIS, Hash, carried_hash};
use super::storage::{Part, Storage};
use super::tables::{self, CLAIMS, META, RECORDS, SECRET_KEYS, SECRETS};
use crate::error::{StoreError, database, io};
use crate::secrets::key::MasterKey;

/// The layout of the log's file. A later one is refused, an earlier one would be read.
const FORMAT: u32 = 1;
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
    let file = storage.open(Part::Log).map_err(io("open the journal's file"))?;
    if file.len().map_err(io("open the journal's file"))? == 0 {
        return Err(StoreError::damaged("journal.redb", "the file is empty"));
    }
    let log = tables::open_on(file, cache_bytes)?;
    check(&log, key)?;
    Ok(log)
}

/// Makes sure that the file is a journal that this version and this key can use. `key` is absent
/// where nobody wants to write or decrypt.
fn check(log: &Database, key: Option<&MasterKey>) -> Result<(), StoreError> {
    let txn = log.begin_read().map_err(database(DOING))?;
    let meta = match txn.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => {
            return Err(StoreError::damaged("table meta", "it is missing"));
        }
        other => other.map_err(database(DOING))?,
    };
    let format = meta.get(FORMAT_KEY).map_err(database(DOING))?;
    let format = format.and_then(|value| value.value().try_into().ok().map(u32::from_be_bytes));
    match format {
        Some(FORMAT) => {}
        Some(found) if found > FORMAT => {
            return Err(StoreError::Newer { found, known: FORMAT });
        }
        Some(_) | None => return Err(StoreError::damaged("table meta", "it has no format")),
    }
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
    Ok(())
}

fn lay_out(log: &Database, key: &MasterKey) -> Result<(), StoreError> {
    let txn = log.begin_write().map_err(database(DOING))?;
    {
        txn.open_table(RECORDS).map_err(database(DOING))?;
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
    }
    txn.commit().map_err(database(DOING))
}

/// The last event and its hash. The log and the note of its head must agree: the chain alone
/// would not show that its end was cut off.
pub(crate) fn log_head(log: &Database) -> Result<(u64, Hash), StoreError> {
    let txn = log.begin_read().map_err(database(DOING))?;
    let records = txn.open_table(RECORDS).map_err(database(DOING))?;
    let last = match records.last().map_err(database(DOING))? {
        Some((at, value)) => (at.value(), carried_hash(at.value(), value.value())?),
        None => (0, GENESIS),
    };
    let meta = txn.open_table(META).map_err(database(DOING))?;
    let noted = meta.get(HEAD).map_err(database(DOING))?;
    if noted.is_none_or(|noted| noted.value() != encode_head(last)) {
        return Err(StoreError::damaged_at(
            last.0,
            "the log ends here, but not by the note of its end: records are missing or added",
        ));
    }
    Ok(last)
}
