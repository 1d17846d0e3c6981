//! Reading the log. Every record is checked against its hash before anybody sees it.

use hythe_core::record::{Recorded, Sequence, StreamId, Version};
use redb::{ReadTransaction, ReadableTable};

use super::Payload;
use super::limits::MOST_READ_BYTES;
use super::record::{GENESIS, Hash, Stored, carried_hash, decode};
use super::shared::Shared;
use super::tables::RECORDS;
use crate::error::{StoreError, database};

const DOING: &str = "read the journal";

type Records = redb::ReadOnlyTable<u64, &'static [u8]>;

fn records(txn: &ReadTransaction) -> Result<Records, StoreError> {
    txn.open_table(RECORDS).map_err(database(DOING))
}

/// The hash that the record after `sequence` builds on.
fn hash_of(table: &Records, sequence: u64) -> Result<Hash, StoreError> {
    if sequence == 0 {
        return Ok(GENESIS);
    }
    let value = table.get(sequence).map_err(database(DOING))?;
    let value = value.ok_or_else(|| StoreError::damaged_at(sequence, "the record is missing"))?;
    carried_hash(sequence, value.value())
}

/// The hash of one record, as it carries it; `None` beyond the end of the log.
pub(crate) fn hash_at(txn: &ReadTransaction, sequence: u64) -> Result<Option<Hash>, StoreError> {
    let table = records(txn)?;
    let last = table.last().map_err(database(DOING))?.map_or(0, |(at, _)| at.value());
    if sequence > last { Ok(None) } else { hash_of(&table, sequence).map(Some) }
}

/// Hands records after `from` to `take`, oldest first, until it says false or `upto` is passed.
/// `previous` is the hash of `from` where the caller knows it.
pub(crate) fn walk(
    txn: &ReadTransaction,
    from: u64,
    upto: u64,
    previous: Option<Hash>,
    mut take: impl FnMut(Stored, usize) -> bool,
) -> Result<(), StoreError> {
    if from >= upto {
        return Ok(());
    }
    let table = records(txn)?;
    let mut hash = match previous {
        Some(hash) => hash,
        None => hash_of(&table, from)?,
    };
    let mut expected = from + 1;
    for row in table.range(from + 1..=upto).map_err(database(DOING))? {
        let (at, value) = row.map_err(database(DOING))?;
        if at.value() != expected {
            break;
        }
        let stored = decode(expected, value.value(), &hash)?;
        hash = stored.hash;
        expected += 1;
        if !take(stored, value.value().len()) {
            return Ok(());
        }
    }
    if expected <= upto {
        return Err(StoreError::damaged_at(expected, "the record is missing"));
    }
    Ok(())
}

/// Records after `from` up to `upto`: at most `most`, and at most so many bytes.
pub(crate) fn stored(
    txn: &ReadTransaction,
    from: u64,
    upto: u64,
    most: usize,
) -> Result<Vec<Stored>, StoreError> {
    let mut found = Vec::new();
    if most == 0 {
        return Ok(found);
    }
    let mut bytes = 0;
    walk(txn, from, upto, None, |record, len| {
        found.push(record);
        bytes += len;
        found.len() < most && bytes < MOST_READ_BYTES
    })?;
    Ok(found)
}

/// Fetches the events of a stream at (version, sequence), checking that they are that.
pub(crate) fn fetch(
    txn: &ReadTransaction,
    stream: &StreamId,
    places: &[(u64, u64)],
) -> Result<Vec<Recorded<Payload>>, StoreError> {
    let table = records(txn)?;
    let mut found = Vec::with_capacity(places.len());
    let mut bytes = 0;
    let mut last: Option<(u64, Hash)> = None;
    for &(version, sequence) in places {
        let previous = match last {
            Some((at, hash)) if at + 1 == sequence => hash,
            Some(_) | None => hash_of(&table, sequence.saturating_sub(1))?,
        };
        let value = table.get(sequence).map_err(database(DOING))?;
        let value =
            value.ok_or_else(|| StoreError::damaged_at(sequence, "the record is missing"))?;
        let stored = decode(sequence, value.value(), &previous)?;
        last = Some((sequence, stored.hash));
        if stored.event.stream != *stream || stored.event.version != Version(version) {
            let what = format!("the index says it is version {version} of {stream}; it is not");
            return Err(StoreError::damaged_at(sequence, what));
        }
        bytes += value.value().len();
        found.push(stored.event);
        if bytes >= MOST_READ_BYTES {
            break;
        }
    }
    Ok(found)
}

impl Shared {
    /// Records after `from`, up to the durable head.
    pub(crate) fn read_stored(
        &self,
        from: Sequence,
        most: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let upto = self.head.borrow().0;
        stored(&self.read_log()?, from.0, upto, most)
    }

    /// Events of a stream after a version.
    pub(crate) fn read_stream(
        &self,
        stream: StreamId,
        after: Version,
        most: usize,
    ) -> Result<Vec<Recorded<Payload>>, StoreError> {
        // The tail first: what the indexer moves out of it meanwhile is in the file by then.
        let (first, in_tail) = self.tail().after(&stream, after.0);
        let mut places = match first {
            Some(first) if first <= after.0 + 1 => Vec::new(),
            Some(first) => self.lookup()?.between(&stream, after.0, first, most)?,
            None => self.lookup()?.between(&stream, after.0, u64::MAX, most)?,
        };
        let room = most - places.len().min(most);
        places.extend(in_tail.into_iter().take(room));
        if let Some(&(version, sequence)) = places.first()
            && version != after.0 + 1
        {
            let what = format!("the index has no version {} of {stream}", after.0 + 1);
            return Err(StoreError::damaged(format!("event {sequence}"), what));
        }
        fetch(&self.read_log()?, &stream, &places)
    }
}
