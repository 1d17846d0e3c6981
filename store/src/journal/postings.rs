//! The stream index in its file: rows `(stream, first version) → sequences`.
//!
//! Derived from the log and never trusted blindly: every row carries a check sum, and whoever
//! follows it checks that the record belongs to the stream and the version asked for. The file
//! also says up to which event it is complete, and that event's hash, so that an index of another
//! history is not mistaken for this one's, and the sum of all rows' check sums: a row that is gone
//! would make a stream look shorter than it is.

use crate::steps::Step;
use hythe_core::record::{AggregateKind, StreamId};
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableError};
use uuid::Uuid;

use super::record::Hash;
use super::tables::{self, CHECKPOINTS, INDEXED, POSTINGS};
use super::tail::{Run, Segment};
use super::varint;
use crate::durable::commit;
use crate::error::{StoreError, database};
use crate::guard::INDEX;

/// Rows with fewer entries are extended rather than followed by another.
const MERGE_BELOW: usize = 96;
/// Entries of one row.
const MOST_ENTRIES: usize = 1024;
const POSITION: &str = "position";
const ROWS: &str = "rows";
const READING: &str = "read the stream index";
const WRITING: &str = "write the stream index";

pub(crate) fn key(stream: &StreamId, version: u64) -> [u8; 25] {
    let mut key = [0; 25];
    key[0] = stream.kind.number();
    key[1..17].copy_from_slice(stream.id.as_bytes());
    key[17..].copy_from_slice(&version.to_be_bytes());
    key
}

/// The stream and the first version of a key.
pub(crate) fn unkey(key: &[u8; 25]) -> Result<(StreamId, u64), StoreError> {
    let damaged = || StoreError::damaged(INDEX, "a key does not decode");
    let kind = AggregateKind::from_number(key[0]).ok_or_else(damaged)?;
    let id = key[1..].first_chunk::<16>().ok_or_else(damaged)?;
    let version = key.last_chunk::<8>().ok_or_else(damaged)?;
    Ok((StreamId { kind, id: Uuid::from_bytes(*id) }, u64::from_be_bytes(*version)))
}

fn check_sum(key: &[u8; 25], body: &[u8]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(key).update(body);
    let mut sum = [0; 8];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    sum
}

fn encode(key: &[u8; 25], sequences: &[u64]) -> Vec<u8> {
    let mut row = vec![0; 8];
    let mut before = 0;
    for sequence in sequences {
        varint::put(&mut row, sequence - before);
        before = *sequence;
    }
    let sum = check_sum(key, &row[8..]);
    row[..8].copy_from_slice(&sum);
    row
}

pub(crate) fn decode(key: &[u8; 25], row: &[u8]) -> Result<Vec<u64>, StoreError> {
    let damaged = |what: &str| StoreError::damaged(INDEX, what.to_owned());
    let (sum, body) = row.split_first_chunk::<8>().ok_or_else(|| damaged("a row is cut short"))?;
    if check_sum(key, body) != *sum {
        return Err(damaged("a row does not fit its check sum"));
    }
    let mut sequences = Vec::new();
    let (mut before, mut body) = (0u64, body);
    while !body.is_empty() {
        let delta = varint::take(&mut body).ok_or_else(|| damaged("a row does not decode"))?;
        before = before.checked_add(delta).ok_or_else(|| damaged("a row does not decode"))?;
        sequences.push(before);
    }
    if sequences.is_empty() {
        return Err(damaged("a row does not decode"));
    }
    Ok(sequences)
}

fn last_run(
    table: &impl ReadableTable<[u8; 25], &'static [u8]>,
    stream: &StreamId,
    below: u64,
) -> Result<Option<Run>, StoreError> {
    let mut rows = table.range(key(stream, 0)..=key(stream, below)).map_err(database(READING))?;
    let Some(row) = rows.next_back() else { return Ok(None) };
    let (at, row) = row.map_err(database(READING))?;
    let at = at.value();
    let (_, first) = unkey(&at)?;
    Ok(Some(Run { first, sequences: decode(&at, row.value())? }))
}

/// Looks things up in the index, as of one moment.
#[derive(Debug)]
pub(crate) struct Lookup(ReadTransaction);

impl Lookup {
    pub(crate) fn new(index: &Database) -> Result<Self, StoreError> {
        Ok(Self(index.begin_read().map_err(database(READING))?))
    }

    /// The last event of a stream: version and sequence.
    pub(crate) fn last(&self, stream: &StreamId) -> Result<Option<(u64, u64)>, StoreError> {
        let table = self.0.open_table(POSTINGS).map_err(database(READING))?;
        let run = last_run(&table, stream, u64::MAX)?;
        Ok(run.and_then(|run| Some((run.last(), *run.sequences.last()?))))
    }

    /// The stream's events with versions in `after+1..before`, at most `most`.
    pub(crate) fn between(
        &self,
        stream: &StreamId,
        after: u64,
        before: u64,
        most: usize,
    ) -> Result<Vec<(u64, u64)>, StoreError> {
        let table = self.0.open_table(POSTINGS).map_err(database(READING))?;
        let from = last_run(&table, stream, after.saturating_add(1))?.map_or(0, |run| run.first);
        let mut found = Vec::new();
        let rows =
            table.range(key(stream, from)..=key(stream, u64::MAX)).map_err(database(READING))?;
        for row in rows {
            let (at, row) = row.map_err(database(READING))?;
            let at = at.value();
            let (_, first) = unkey(&at)?;
            for (version, sequence) in (first..).zip(decode(&at, row.value())?) {
                if version >= before || found.len() == most {
                    return Ok(found);
                }
                if version > after {
                    found.push((version, sequence));
                }
            }
        }
        Ok(found)
    }
}

/// Up to which event the index is complete, and that event's hash. `None`: not an index yet.
pub(crate) fn position(index: &Database) -> Result<Option<(u64, Hash)>, StoreError> {
    position_in(&index.begin_read().map_err(database(READING))?)
}

/// The same, as of one moment.
pub(crate) fn position_in(txn: &ReadTransaction) -> Result<Option<(u64, Hash)>, StoreError> {
    let table = match txn.open_table(INDEXED) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        other => other.map_err(database(READING))?,
    };
    let Some(value) = table.get(POSITION).map_err(database(READING))? else { return Ok(None) };
    let value = value.value();
    match (value.first_chunk::<8>(), value.last_chunk::<32>(), value.len()) {
        (Some(sequence), Some(hash), 40) => Ok(Some((u64::from_be_bytes(*sequence), *hash))),
        _other => Err(StoreError::damaged(INDEX, "its position does not decode")),
    }
}

/// What the sum of all rows is made of: their check sums, and how many they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rows {
    sum: u64,
    count: u64,
}

impl Rows {
    fn part(row: &[u8]) -> u64 {
        row.first_chunk::<8>().map_or(0, |sum| u64::from_be_bytes(*sum))
    }

    fn add(&mut self, row: &[u8]) {
        self.sum = self.sum.wrapping_add(Self::part(row));
        self.count = self.count.wrapping_add(1);
    }

    fn remove(&mut self, row: &[u8]) {
        self.sum = self.sum.wrapping_sub(Self::part(row));
        self.count = self.count.wrapping_sub(1);
    }

    /// What was noted; `None` where an earlier version wrote the index.
    fn noted(
        table: &impl ReadableTable<&'static str, &'static [u8]>,
    ) -> Result<Option<Self>, StoreError> {
        let Some(value) = table.get(ROWS).map_err(database(READING))? else { return Ok(None) };
        let value = value.value();
        match (value.first_chunk::<8>(), value.last_chunk::<8>(), value.len()) {
            (Some(sum), Some(count), 16) => {
                Ok(Some(Self { sum: u64::from_be_bytes(*sum), count: u64::from_be_bytes(*count) }))
            }
            _other => Err(StoreError::damaged(INDEX, "the sum of its rows does not decode")),
        }
    }

    fn note(self, table: &mut Table<'_, &'static str, &'static [u8]>) -> Result<(), StoreError> {
        let value = [self.sum.to_be_bytes(), self.count.to_be_bytes()].concat();
        table.insert(ROWS, value.as_slice()).map_err(database(WRITING))?;
        Ok(())
    }

    /// Counts the rows, each of which must also be found by its key: behind a page that leads
    /// astray it would be there and missing at once.
    fn of(table: &impl ReadableTable<[u8; 25], &'static [u8]>) -> Result<Self, StoreError> {
        let mut rows = Self::default();
        for row in table.iter().map_err(database(READING))? {
            let (key, row) = row.map_err(database(READING))?;
            if table.get(key.value()).map_err(database(READING))?.is_none() {
                return Err(StoreError::damaged(INDEX, "a row is not found by its key"));
            }
            rows.add(row.value());
        }
        Ok(rows)
    }
}

/// Makes sure that no row is missing and none is there that was not written. What a row says is
/// checked when it is read. Takes about a second per million rows.
pub(crate) fn check(index: &Database) -> Result<(), StoreError> {
    let txn = index.begin_read().map_err(database(READING))?;
    let noted = Rows::noted(&txn.open_table(INDEXED).map_err(database(READING))?)?;
    let there = Rows::of(&txn.open_table(POSTINGS).map_err(database(READING))?)?;
    match noted {
        Some(noted) if noted == there => Ok(()),
        Some(_) => Err(StoreError::damaged(INDEX, "rows are missing, changed or added")),
        None => {
            let txn = tables::rare(index).map_err(database(WRITING))?;
            there.note(&mut txn.open_table(INDEXED).map_err(database(WRITING))?)?;
            #[expect(clippy::disallowed_methods, reason = "an upgrade, done again if need be")]
            txn.commit().map_err(database(WRITING))
        }
    }
}

/// Makes an empty index.
pub(crate) fn create(index: &Database) -> Result<(), StoreError> {
    let txn = tables::rare(index).map_err(database(WRITING))?;
    txn.open_table(POSTINGS).map_err(database(WRITING))?;
    txn.open_table(CHECKPOINTS).map_err(database(WRITING))?;
    {
        let mut indexed = txn.open_table(INDEXED).map_err(database(WRITING))?;
        put_position(&mut indexed, (0, [0; 32]))?;
        Rows::default().note(&mut indexed)?;
    }
    commit(txn, Step::IndexMade).map_err(database(WRITING))
}

fn put_position(
    table: &mut Table<'_, &'static str, &'static [u8]>,
    (sequence, hash): (u64, Hash),
) -> Result<(), StoreError> {
    let value = [sequence.to_be_bytes().as_slice(), &hash].concat();
    table.insert(POSITION, value.as_slice()).map_err(database(WRITING))?;
    Ok(())
}

/// Adds a segment, which must begin where the index ends, in one commit.
pub(crate) fn add(index: &Database, segment: &Segment) -> Result<(), StoreError> {
    let mut streams: Vec<_> = segment.streams.iter().collect();
    // In the order of the keys: pages are written once each, and two runs write the same file.
    streams.sort_unstable_by_key(|(stream, run)| key(stream, run.first));
    let damaged = |what: String| StoreError::damaged(INDEX, what);
    let txn = tables::rare(index).map_err(database(WRITING))?;
    {
        let mut table = txn.open_table(POSTINGS).map_err(database(WRITING))?;
        let mut indexed = txn.open_table(INDEXED).map_err(database(WRITING))?;
        let noted = Rows::noted(&indexed)?;
        let mut rows = noted.ok_or_else(|| damaged("it has no sum of its rows".into()))?;
        for (stream, run) in streams {
            let mut whole = run.clone();
            if let Some(last) = last_run(&table, stream, u64::MAX)? {
                if last.last() + 1 != run.first {
                    let what =
                        format!("{stream} ends at {}, not before {}", last.last(), run.first);
                    return Err(damaged(what));
                }
                if last.sequences.len() < MERGE_BELOW {
                    whole = last;
                    whole.sequences.extend_from_slice(&run.sequences);
                }
            } else if run.first != 1 {
                return Err(damaged(format!("{stream} is missing before version {}", run.first)));
            }
            let mut first = whole.first;
            for part in whole.sequences.chunks(MOST_ENTRIES) {
                let at = key(stream, first);
                let row = encode(&at, part);
                rows.add(&row);
                let before = table.insert(at, row.as_slice()).map_err(database(WRITING))?;
                if let Some(before) = before {
                    rows.remove(before.value());
                }
                first += part.len() as u64;
            }
        }
        put_position(&mut indexed, segment.upto)?;
        rows.note(&mut indexed)?;
    }
    commit(txn, Step::IndexExtended).map_err(database(WRITING))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_come_back(deltas in proptest::collection::vec(1u64..u64::from(u32::MAX), 1..200)) {
            let mut sequences = Vec::new();
            let mut at = 0;
            for delta in deltas {
                at += delta;
                sequences.push(at);
            }
            let row = encode(&[3; 25], &sequences);
            prop_assert_eq!(decode(&[3; 25], &row).unwrap(), sequences);
            prop_assert!(decode(&[4; 25], &row).is_err());
            prop_assert!(decode(&[3; 25], &row[..row.len() - 1]).is_err());
        }
    }
}
