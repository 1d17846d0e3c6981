//! Cursors: how far somebody has come in the journal, under a name.
//!
//! Saving one costs no commit of its own while others commit: it rides along, at the latest after
//! [`JournalOptions::cursor_within`](super::JournalOptions::cursor_within). So a crash may set a
//! cursor back, never forward: whoever resumes from one does the last steps again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use redb::{Database, ReadableDatabase, WriteTransaction};

use super::limits::{MOST_CURSORS, MOST_NAME_BYTES};
use super::summary::Summary;
use super::tables::META;
use crate::error::{StoreError, database};

/// Of a cursor's name, in the table of single values.
pub(crate) const PREFIX: &str = "cursor/";
const DOING: &str = "read the cursors";

/// All cursors, as last saved.
#[derive(Debug, Default)]
pub(crate) struct Cursors {
    values: BTreeMap<String, u64>,
    dirty: BTreeSet<String>,
    dirty_since: Option<Instant>,
}

impl Cursors {
    pub(crate) fn load(log: &Database) -> Result<Self, StoreError> {
        let txn = log.begin_read().map_err(database(DOING))?;
        let table = txn.open_table(META).map_err(database(DOING))?;
        let mut values = BTreeMap::new();
        for row in table.range(PREFIX..).map_err(database(DOING))? {
            let (key, value) = row.map_err(database(DOING))?;
            let Some(name) = key.value().strip_prefix(PREFIX) else { break };
            let value = value.value().try_into().map_err(|_| {
                StoreError::damaged(
                    format!("journal.redb, cursor \"{name}\""),
                    "it does not decode",
                )
            })?;
            values.insert(name.to_owned(), u64::from_be_bytes(value));
        }
        Ok(Self { values, ..Self::default() })
    }

    pub(crate) fn get(&self, name: &str) -> u64 {
        self.values.get(name).copied().unwrap_or(0)
    }

    /// Whether the writer has to hear of it: nothing was waiting to be written before.
    pub(crate) fn set(&mut self, name: &str, value: u64) -> Result<bool, StoreError> {
        check_name(name)?;
        if !self.values.contains_key(name) && self.values.len() >= MOST_CURSORS {
            return Err(StoreError::Invalid(format!(
                "save cursor \"{name}\": there are {MOST_CURSORS} already"
            )));
        }
        if self.values.insert(name.to_owned(), value) == Some(value) {
            return Ok(false);
        }
        self.dirty.insert(name.to_owned());
        let first = self.dirty_since.is_none();
        self.dirty_since.get_or_insert_with(Instant::now);
        Ok(first)
    }

    /// How long until what is waiting must be written.
    pub(crate) fn due(&self, within: Duration) -> Option<Duration> {
        self.dirty_since.map(|since| within.saturating_sub(since.elapsed()))
    }

    /// What is to be written with a commit that ends at `head`: nothing beyond it.
    pub(crate) fn writable(&self, head: u64) -> Vec<(String, u64)> {
        let values = self.dirty.iter().map(|name| (name.clone(), self.get(name)));
        values.filter(|(_, value)| *value <= head).collect()
    }

    /// Notes that these values are on the disk.
    pub(crate) fn written(&mut self, values: &[(String, u64)]) {
        for (name, value) in values {
            if self.get(name) == *value {
                self.dirty.remove(name);
            }
        }
        // Also where some had to stay behind: they are looked at again a while later.
        self.dirty_since = (!self.dirty.is_empty()).then(Instant::now);
    }
}

pub(crate) fn write(txn: &WriteTransaction, values: &[(String, u64)]) -> Result<(), StoreError> {
    let doing = "write the cursors";
    let mut table = txn.open_table(META).map_err(database(doing))?;
    let mut summary = Summary::noted(&table)?;
    for (name, value) in values {
        let (key, value) = (format!("{PREFIX}{name}"), value.to_be_bytes());
        let before = table.insert(key.as_str(), value.as_slice()).map_err(database(doing))?;
        if let Some(before) = before {
            summary.cursor(&key, before.value());
        }
        summary.cursor(&key, &value);
    }
    summary.note(&mut table)
}

pub(crate) fn check_name(name: &str) -> Result<(), StoreError> {
    if name.is_empty() || name.len() > MOST_NAME_BYTES {
        return Err(StoreError::Invalid(format!(
            "use a name of {} bytes: 1 to {MOST_NAME_BYTES} are allowed",
            name.len()
        )));
    }
    Ok(())
}
