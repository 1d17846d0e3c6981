//! Reading the log. Every event that is read is checked against the chain of hashes before anybody
//! sees it. The newest are handed out from memory ([`recent`](super::recent)).
//!
//! The events of a stream lie all over the log. Where many of them are wanted, a few threads fetch
//! a part each, so that one waits for the disk while another works.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};

use hythe_core::claims::ClaimChange;
use hythe_core::record::{Recorded, Sequence, StreamId, Version};
use redb::{AccessGuard, ReadOnlyTable, ReadTransaction, ReadableTable, TableError};

use super::Payload;
use super::block::{Block, Growing, MOST_RECORDS};
use super::limits::MOST_READ_BYTES;
use super::pages::unchecked;
use super::record::{BROKEN, GENESIS, Hash, Stored, carried_hash, decode, peek};
use super::shared::Shared;
use super::tables::{BLOCKS, RECORDS};
use crate::error::{StoreError, database};
use crate::guard::INDEX;

const DOING: &str = "read the journal";

/// Events of a stream that are not worth another thread.
const ALONE: usize = 24;
/// Threads for one stream, with the caller's.
const MOST_THREADS: usize = 4;
/// Threads that help others to read, all together.
const MOST_HELPERS: usize = 8;
/// Events of a stream that lie closer than this share their blocks.
const APART: u64 = 32;

static HELPERS: AtomicUsize = AtomicUsize::new(0);

type Table = ReadOnlyTable<u64, &'static [u8]>;

fn missing(sequence: u64) -> StoreError {
    StoreError::damaged_at(sequence, "the record is missing")
}

/// A stretch of the log as it lies in the file, under its first sequence.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece<'a> {
    /// One event, in a log that was made in format 1.
    Record(u64, &'a [u8]),
    /// A block of events.
    Block(u64, &'a [u8]),
}

/// A block with its sequence.
type Row<'a> = (u64, AccessGuard<'a, &'static [u8]>);

/// The log as of one moment. To be short-lived: it keeps space from being used again.
///
/// What is read is checked here, event by event, so that its pages need not be; but for the end of
/// the log, which is written on.
pub(crate) struct View {
    /// Where the log was made in format 1: its records, and the last of them.
    records: Option<(Table, u64)>,
    blocks: Table,
}

impl View {
    pub(crate) fn new(txn: &ReadTransaction) -> Result<Self, StoreError> {
        let blocks = txn.open_table(BLOCKS).map_err(database(DOING))?;
        let records = match txn.open_table(RECORDS) {
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(database(DOING)(error)),
            Ok(table) => {
                let last = table.last().map_err(database(DOING))?.map_or(0, |(at, _)| at.value());
                Some((table, last))
            }
        };
        Ok(Self { records, blocks })
    }

    /// The record of an event that was written in format 1.
    fn record(&self, sequence: u64) -> Result<Option<AccessGuard<'_, &'static [u8]>>, StoreError> {
        match &self.records {
            Some((records, last)) if sequence <= *last => {
                let value = records.get(sequence).map_err(database(DOING))?;
                value.ok_or_else(|| missing(sequence)).map(Some)
            }
            Some(_) | None => Ok(None),
        }
    }

    /// The last block that begins at `sequence` or before, which has that event if any has.
    fn block(&self, sequence: u64) -> Result<Option<Row<'_>>, StoreError> {
        let mut rows = self.blocks.range(..=sequence).map_err(database(DOING))?;
        let row = rows.next_back().transpose().map_err(database(DOING))?;
        Ok(row.map(|(at, value)| (at.value(), value)))
    }

    /// The block that an event must be in, with the hash that it builds on: both in one look-up,
    /// since a block's neighbour is next to it.
    fn block_after(
        &self,
        sequence: u64,
    ) -> Result<(u64, AccessGuard<'_, &'static [u8]>, Hash), StoreError> {
        // Two blocks begin within this distance, or else the one before is looked up by itself.
        let near = sequence.saturating_sub(2 * MOST_RECORDS);
        let mut rows = self.blocks.range(near..=sequence).map_err(database(DOING))?;
        let row = rows.next_back().transpose().map_err(database(DOING))?;
        let (at, value) = row.ok_or_else(|| missing(sequence))?;
        let before = rows.next_back().transpose().map_err(database(DOING))?;
        let previous = match before {
            Some((at, value)) => Block::unchecked(at.value(), value.value())?.end,
            None => self.hash_before(at.value())?,
        };
        Ok((at.value(), value, previous))
    }

    /// The hash that what begins with the event `first` builds on.
    fn hash_before(&self, first: u64) -> Result<Hash, StoreError> {
        let last = first.saturating_sub(1);
        if last == 0 {
            return Ok(GENESIS);
        }
        if let Some(value) = self.record(last)? {
            return carried_hash(last, value.value());
        }
        let (at, value) = self.block(last)?.ok_or_else(|| missing(last))?;
        Ok(Block::unchecked(at, value.value())?.end)
    }

    /// Hands over what holds the events from `from` on, oldest first, until `take` says false.
    pub(crate) fn pieces(
        &self,
        from: u64,
        take: impl FnMut(Piece<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        unchecked(|| self.each_piece(from, take))
    }

    fn each_piece(
        &self,
        from: u64,
        mut take: impl FnMut(Piece<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        if let Some((records, _)) = &self.records {
            for row in records.range(from..).map_err(database(DOING))? {
                let (at, value) = row.map_err(database(DOING))?;
                if !take(Piece::Record(at.value(), value.value()))? {
                    return Ok(());
                }
            }
        }
        let first = self.block(from)?.map_or(from, |(at, _)| at);
        for row in self.blocks.range(first..).map_err(database(DOING))? {
            let (at, value) = row.map_err(database(DOING))?;
            if !take(Piece::Block(at.value(), value.value()))? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The last block, to be written on; an empty one where there is none.
    pub(crate) fn growing(&self) -> Result<Growing, StoreError> {
        match self.block(u64::MAX)? {
            Some((first, value)) => Growing::resume(first, value.value(), self.hash_before(first)?),
            None => {
                let next = self.records.as_ref().map_or(0, |(_, last)| *last) + 1;
                Ok(Growing::new(next, self.hash_before(next)?))
            }
        }
    }

    /// The hash of one event; `None` beyond the end of the log.
    pub(crate) fn hash_at(&self, sequence: u64) -> Result<Option<Hash>, StoreError> {
        if sequence == 0 {
            return Ok(Some(GENESIS));
        }
        unchecked(|| self.hash_there(sequence))
    }

    fn hash_there(&self, sequence: u64) -> Result<Option<Hash>, StoreError> {
        if let Some(value) = self.record(sequence)? {
            return carried_hash(sequence, value.value()).map(Some);
        }
        if sequence > self.growing()?.head().0 {
            return Ok(None);
        }
        let found = self.stored(sequence - 1, sequence, 1)?;
        Ok(found.first().map(|stored| stored.hash))
    }

    /// Hands events after `from` to `take`, oldest first, until it says false or `upto` is passed.
    /// With each comes about how many bytes it takes.
    pub(crate) fn walk(
        &self,
        from: u64,
        upto: u64,
        mut take: impl FnMut(Recorded<Payload>, usize) -> bool,
    ) -> Result<(), StoreError> {
        let take = |event, _claims, _hash, bytes| take(event, bytes);
        Walk { upto, expected: from + 1, known: None, chained: false, take }.run(self)
    }

    /// As [`View::walk`], with claims and hashes; works out the whole chain.
    pub(crate) fn walk_stored(
        &self,
        from: u64,
        upto: u64,
        mut take: impl FnMut(Stored, usize) -> bool,
    ) -> Result<(), StoreError> {
        let take = |event, claims, hash, bytes| take(Stored { event, claims, hash }, bytes);
        Walk { upto, expected: from + 1, known: None, chained: true, take }.run(self)
    }

    /// Events after `from` up to `upto`: at most `most`, and at most so many bytes.
    pub(crate) fn events(
        &self,
        from: u64,
        upto: u64,
        most: usize,
    ) -> Result<Vec<Recorded<Payload>>, StoreError> {
        let mut page = Page::new(most);
        if most > 0 {
            self.walk(from, upto, |event, bytes| page.take(event, bytes))?;
        }
        Ok(page.found)
    }

    /// As [`View::events`], with claims and hashes.
    pub(crate) fn stored(
        &self,
        from: u64,
        upto: u64,
        most: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let mut page = Page::new(most);
        if most > 0 {
            self.walk_stored(from, upto, |stored, bytes| page.take(stored, bytes))?;
        }
        Ok(page.found)
    }

    /// Fetches the events of a stream at (version, sequence), checking that they are that.
    pub(crate) fn fetch(
        &self,
        stream: &StreamId,
        places: &[(u64, u64)],
    ) -> Result<Vec<Recorded<Payload>>, StoreError> {
        let parts = parts(places);
        if parts <= 1 {
            return self.fetch_part(stream, places, MOST_READ_BYTES);
        }
        let most = MOST_READ_BYTES / parts;
        let mut parts = places.chunks(places.len().div_ceil(parts));
        let own = parts.next().unwrap_or_default();
        std::thread::scope(|scope| {
            let parts: Vec<_> = parts
                .map(|part| {
                    let help = Helper::take().and_then(|helper| {
                        let work = move || {
                            let _until_done = helper;
                            self.fetch_part(stream, part, most)
                        };
                        let thread = std::thread::Builder::new().name("journal-read".into());
                        thread.spawn_scoped(scope, work).ok()
                    });
                    (part, help)
                })
                .collect();
            let mut found = self.fetch_part(stream, own, most)?;
            let mut whole = found.len() == own.len();
            for (part, help) in parts {
                // Beyond what one read returns there may be no gap.
                if !whole {
                    break;
                }
                let fetched = match help {
                    Some(thread) => match thread.join() {
                        Ok(fetched) => fetched?,
                        Err(panic) => resume_unwind(panic),
                    },
                    None => self.fetch_part(stream, part, most)?,
                };
                whole = fetched.len() == part.len();
                found.extend(fetched);
            }
            Ok(found)
        })
    }

    fn fetch_part(
        &self,
        stream: &StreamId,
        places: &[(u64, u64)],
        most_bytes: usize,
    ) -> Result<Vec<Recorded<Payload>>, StoreError> {
        unchecked(|| self.fetch_each(stream, places, most_bytes))
    }

    fn fetch_each(
        &self,
        stream: &StreamId,
        places: &[(u64, u64)],
        most_bytes: usize,
    ) -> Result<Vec<Recorded<Payload>>, StoreError> {
        let mut page = Page { most_bytes, ..Page::new(places.len()) };
        let mut left = places;
        while let [(version, sequence), rest @ ..] = left {
            let (version, sequence) = (*version, *sequence);
            let before = left.len();
            if let Some(value) = self.record(sequence)? {
                let stored = decode(sequence, value.value(), &self.hash_before(sequence)?)?;
                let event = &stored.event;
                check_place(stream, version, sequence, (event.stream, event.version.0))?;
                left = rest;
                if !page.take(stored.event, value.value().len()) {
                    break;
                }
                continue;
            }
            let (first, value, previous) = self.block_after(sequence)?;
            let mut records = Block::open(first, value.value(), &previous)?.records();
            // Neighbours in the stream often share a block.
            while let [(version, sequence), rest @ ..] = left
                && let Some(packed) = records.seek(*sequence)?
            {
                check_place(stream, *version, *sequence, (packed.stream, packed.version))?;
                left = rest;
                let bytes = packed.bytes();
                if !page.take(packed.unpacked().0, bytes) {
                    return Ok(page.found);
                }
            }
            if left.len() == before {
                return Err(missing(sequence));
            }
        }
        Ok(page.found)
    }

    /// The stream and the version that an event says it has, unchecked.
    pub(crate) fn peek(&self, sequence: u64) -> Result<(StreamId, u64), StoreError> {
        unchecked(|| self.peek_at(sequence))
    }

    fn peek_at(&self, sequence: u64) -> Result<(StreamId, u64), StoreError> {
        if let Some(value) = self.record(sequence)? {
            return peek(sequence, value.value());
        }
        let (first, value) = self.block(sequence)?.ok_or_else(|| missing(sequence))?;
        let found = Block::unchecked(first, value.value())?.records().seek(sequence)?;
        let packed = found.ok_or_else(|| missing(sequence))?;
        Ok((packed.stream, packed.version))
    }
}

fn check_place(
    stream: &StreamId,
    version: u64,
    sequence: u64,
    found: (StreamId, u64),
) -> Result<(), StoreError> {
    if found == (*stream, version) {
        return Ok(());
    }
    let what = format!("it takes event {sequence} for version {version} of {stream}");
    Err(StoreError::damaged(INDEX, what))
}

/// The first version after `after` that is missing among (version, sequence), and the event that is there in
/// its place. Whoever folds events would not know that one is missing.
fn gap(after: u64, places: &[(u64, u64)]) -> Option<(u64, u64)> {
    let expected = places.iter().zip(after.saturating_add(1)..);
    let mut gaps = expected.filter(|((version, _), expected)| version != expected);
    gaps.next().map(|((_, sequence), missing)| (missing, *sequence))
}

/// How many parts the fetching of events is worth, which are in the order of the log.
fn parts(places: &[(u64, u64)]) -> usize {
    let (Some((_, first)), Some((_, last))) = (places.first(), places.last()) else { return 1 };
    match last.saturating_sub(*first) / places.len() as u64 >= APART {
        true => (places.len() / ALONE).clamp(1, MOST_THREADS),
        false => 1,
    }
}

/// One of the threads that may help. Its place is free again when it is dropped.
struct Helper;

impl Helper {
    fn take() -> Option<Self> {
        let before = HELPERS.fetch_add(1, Ordering::Relaxed);
        let helper = Self;
        (before < MOST_HELPERS).then_some(helper)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        HELPERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What one read gathers.
struct Page<T> {
    found: Vec<T>,
    most: usize,
    bytes: usize,
    most_bytes: usize,
}

impl<T> Page<T> {
    fn new(most: usize) -> Self {
        Self { found: Vec::new(), most, bytes: 0, most_bytes: MOST_READ_BYTES }
    }

    /// Adds one; whether another may follow.
    fn take(&mut self, one: T, bytes: usize) -> bool {
        self.found.push(one);
        self.bytes += bytes;
        self.found.len() < self.most && self.bytes < self.most_bytes
    }
}

/// A walk along the log.
struct Walk<T> {
    upto: u64,
    expected: u64,
    /// The hash before what comes next, where it is known.
    known: Option<Hash>,
    /// Whether every hash is worked out.
    chained: bool,
    /// Gets event, claims, hash (all zero where none is worked out) and size.
    take: T,
}

impl<T: FnMut(Recorded<Payload>, Vec<ClaimChange>, Hash, usize) -> bool> Walk<T> {
    fn run(mut self, view: &View) -> Result<(), StoreError> {
        if self.expected > self.upto {
            return Ok(());
        }
        let (mut stopped, mut buffer) = (false, Vec::new());
        view.pieces(self.expected, |piece| {
            let (Piece::Record(first, _) | Piece::Block(first, _)) = piece;
            if first > self.expected {
                return Ok(false);
            }
            let previous = self.known.map_or_else(|| view.hash_before(first), Ok)?;
            stopped = match piece {
                Piece::Record(at, value) => !self.record(at, value, &previous)?,
                Piece::Block(first, value) => {
                    !self.block(&Block::open(first, value, &previous)?, previous, &mut buffer)?
                }
            };
            Ok(!stopped && self.expected <= self.upto)
        })?;
        if !stopped && self.expected <= self.upto {
            return Err(missing(self.expected));
        }
        Ok(())
    }

    /// Whether to go on, as from `block`.
    fn record(&mut self, at: u64, value: &[u8], previous: &Hash) -> Result<bool, StoreError> {
        let stored = decode(at, value, previous)?;
        self.known = Some(stored.hash);
        self.expected += 1;
        Ok((self.take)(stored.event, stored.claims, stored.hash, value.len()))
    }

    fn block(
        &mut self,
        block: &Block<'_>,
        previous: Hash,
        buffer: &mut Vec<u8>,
    ) -> Result<bool, StoreError> {
        let mut hash = previous;
        for packed in block.records() {
            let packed = packed?;
            if self.chained {
                hash = packed.chain(buffer, &hash)?;
            }
            if packed.sequence < self.expected {
                continue;
            }
            if packed.sequence > self.upto {
                return Ok(false);
            }
            self.expected += 1;
            let bytes = packed.bytes();
            let (event, claims) = packed.unpacked();
            if !(self.take)(event, claims, hash, bytes) {
                return Ok(false);
            }
        }
        if self.chained && hash != block.end {
            return Err(StoreError::damaged_at(block.first, BROKEN));
        }
        self.known = Some(block.end);
        Ok(true)
    }
}

impl Shared {
    /// Events after `from`, up to the durable head.
    pub(crate) fn read(
        &self,
        from: Sequence,
        most: usize,
    ) -> Result<Vec<Recorded<Payload>>, StoreError> {
        let upto = self.head.borrow().0;
        match self.remembered(from.0, upto, most)? {
            Some(found) => Ok(found),
            None => self.view()?.events(from.0, upto, most),
        }
    }

    /// The same with claims and hashes, up to an event that is durable.
    pub(crate) fn read_stored(
        &self,
        from: Sequence,
        upto: Sequence,
        most: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        self.view()?.stored(from.0, upto.0, most)
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
            before => self.looked_up(|index| {
                index.between(&stream, after.0, before.unwrap_or(u64::MAX), most)
            })?,
        };
        let room = most - places.len().min(most);
        places.extend(in_tail.into_iter().take(room));
        if let Some((missing, sequence)) = gap(after.0, &places) {
            let what = format!("it has no version {missing} of {stream} before event {sequence}");
            return Err(StoreError::damaged(INDEX, what));
        }
        self.view()?.fetch(&stream, &places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_many_events_that_lie_apart_are_fetched_by_several() {
        let places = |count: u64, apart: u64| -> Vec<(u64, u64)> {
            (1..=count).map(|version| (version, version * apart)).collect()
        };
        for (count, apart, expected) in
            [(0, 1, 1), (1, 1000, 1), (47, 1000, 1), (48, 1000, 2), (100, 1000, 4), (512, 1000, 4)]
        {
            assert_eq!(parts(&places(count, apart)), expected, "{count}");
        }
        assert_eq!(parts(&places(512, 20)), 1);
    }

    #[test]
    fn a_gap_is_found_wherever_it_is() {
        for (after, places, expected) in [
            (0, vec![], None),
            (u64::MAX, vec![], None),
            (0, vec![(1, 5), (2, 9)], None),
            (7, vec![(8, 5), (9, 9)], None),
            (0, vec![(2, 9)], Some((1, 9))),
            (7, vec![(8, 5), (10, 9), (11, 12)], Some((9, 9))),
            (7, vec![(8, 5), (8, 5)], Some((9, 5))),
        ] {
            assert_eq!(gap(after, &places), expected, "{after} {places:?}");
        }
    }
}
