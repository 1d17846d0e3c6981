//! Blocks: the records of the log as they lie on the disk, as many as fit a page of the database.
//!
//! A block is `format | records | hash | check sum`. A record says only what does not follow from
//! the one before it in the block, so blocks are read from their beginning. `hash` is the chain's
//! hash of the last record; the hashes of the others follow from it and are not kept. The check
//! sum covers the chain's hash before the block, the number of its first record and every byte
//! before it: a changed, missing, added or moved block is found without working out the chain, and
//! the chain shows the same once more. What a record means to the chain does not depend on how it
//! is packed ([`record::chain`](super::record::chain)).
//!
//! The last block is written again with every commit until it is full; which records share a
//! block follows from their sizes alone.

use hythe_core::claims::ClaimChange;
use hythe_core::ids::CorrelationId;
use hythe_core::record::{Actor, AggregateKind, Meta, Recorded, Sequence, StreamId, Version};
use hythe_core::time::Timestamp;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::record::{self, Hash};
use super::{Payload, varint};
use crate::error::StoreError;

/// The first byte. 1 was a record by itself.
const FORMAT: u8 = 2;
/// What fits a page of 4096 bytes beside the page's own head. A larger record has a block alone.
const MOST_BYTES: usize = 4080;
/// No record takes less: flags, time and the payload's length.
const LEAST_RECORD: usize = 3;
/// No block has more records.
pub(crate) const MOST_RECORDS: u64 = (MOST_BYTES / LEAST_RECORD) as u64;
const CHECK_SUM: usize = 16;
const TRAILER: usize = 32 + CHECK_SUM;

/// The next version of the stream of the record before.
const NEXT: u8 = 1;
const SAME_ACTOR: u8 = 2;
const SAME_CORRELATION: u8 = 4;
const SAME_SCHEMA: u8 = 8;
const CLAIMS: u8 = 16;
/// Because of the event just before this one.
const CAUSED_BY_LAST: u8 = 32;
/// Because of an earlier one: how much earlier follows.
const CAUSED_BEFORE: u8 = 64;
/// Because of any other: its number follows.
const CAUSED_BY: u8 = 96;
const CAUSED: u8 = 96;
const UNKNOWN: u8 = 128;

fn check_sum(previous: &Hash, first: u64, bytes: &[u8]) -> [u8; CHECK_SUM] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous);
    hasher.update(&first.to_le_bytes());
    hasher.update(bytes);
    let mut sum = [0; CHECK_SUM];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..CHECK_SUM]);
    sum
}

/// What the next record is told against.
#[derive(Clone, Debug)]
struct Before {
    stream: StreamId,
    version: u64,
    at: u64,
    actor: Actor,
    correlation: CorrelationId,
    schema: u16,
}

/// A record with its payload still in the block.
#[derive(Debug)]
pub(crate) struct Packed<'a> {
    pub(crate) stream: StreamId,
    pub(crate) version: u64,
    pub(crate) sequence: u64,
    meta: Meta,
    schema: u16,
    payload: &'a [u8],
    pub(crate) claims: Vec<ClaimChange>,
}

impl Packed<'_> {
    /// The record's hash in the chain.
    pub(crate) fn chain(&self, buffer: &mut Vec<u8>, previous: &Hash) -> Result<Hash, StoreError> {
        let event = record::Event {
            sequence: self.sequence,
            stream: self.stream,
            version: self.version,
            meta: &self.meta,
            schema: self.schema,
            payload: self.payload,
        };
        record::chain(buffer, previous, &event, &self.claims)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.payload.len() + 64
    }

    /// The event by itself, and what it did to claims.
    pub(crate) fn unpacked(self) -> (Recorded<Payload>, Vec<ClaimChange>) {
        let event = Recorded {
            sequence: Sequence(self.sequence),
            stream: self.stream,
            version: Version(self.version),
            meta: self.meta,
            event: Payload { schema: self.schema, bytes: self.payload.to_vec() },
        };
        (event, self.claims)
    }
}

/// A block in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    pub(crate) first: u64,
    /// The chain's hash of its last record.
    pub(crate) end: Hash,
    records: &'a [u8],
}

impl<'a> Block<'a> {
    /// A block that fits its check sum and what lies before it.
    pub(crate) fn open(first: u64, value: &'a [u8], previous: &Hash) -> Result<Self, StoreError> {
        let block = Self::unchecked(first, value)?;
        if let Some((bytes, sum)) = value.split_last_chunk::<CHECK_SUM>()
            && check_sum(previous, first, bytes) == *sum
        {
            return Ok(block);
        }
        Err(StoreError::damaged_at(
            first,
            "the block of events that begins here does not fit its check sum and the block before",
        ))
    }

    /// A block as far as it can be told from its ends.
    pub(crate) fn unchecked(first: u64, value: &'a [u8]) -> Result<Self, StoreError> {
        let cut = || StoreError::damaged_at(first, "the block of events is cut short");
        let (&format, _) = value.split_first().ok_or_else(cut)?;
        if format > FORMAT {
            return Err(StoreError::Newer { found: format.into(), known: FORMAT.into() });
        }
        let (value, _) = value.split_last_chunk::<CHECK_SUM>().ok_or_else(cut)?;
        let (value, end) = value.split_last_chunk::<32>().ok_or_else(cut)?;
        let (_, records) = value.split_first().ok_or_else(cut)?;
        Ok(Self { first, end: *end, records })
    }

    /// Its records, oldest first. Ends with the first one that does not decode.
    pub(crate) fn records(&self) -> Records<'a> {
        Records { left: self.records, next: self.first, before: None }
    }
}

/// Reads the records of a block.
#[derive(Debug)]
pub(crate) struct Records<'a> {
    left: &'a [u8],
    next: u64,
    before: Option<Before>,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Packed<'a>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left.is_empty() {
            return None;
        }
        let Some(packed) = self.take() else { return Some(Err(self.undecodable())) };
        self.next += 1;
        Some(Ok(packed))
    }
}

fn take<'a>(from: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(len)?;
    *from = rest;
    Some(taken)
}

fn take_uuid(from: &mut &[u8]) -> Option<Uuid> {
    Uuid::from_slice(take(from, 16)?).ok()
}

fn take_postcard<T: DeserializeOwned>(from: &mut &[u8]) -> Option<T> {
    let (value, rest) = postcard::take_from_bytes(from).ok()?;
    *from = rest;
    Some(value)
}

/// What a record says, but for what the next one is told against.
struct Rest<'a> {
    causation: Option<u64>,
    claims: Vec<ClaimChange>,
    payload: &'a [u8],
}

impl<'a> Records<'a> {
    /// Goes on to a record by its number and takes it; none where it is not in the rest of the block.
    pub(crate) fn seek(&mut self, sequence: u64) -> Result<Option<Packed<'a>>, StoreError> {
        // How many there can be says it mostly, and spares taking all of them apart.
        let most = (self.left.len() / LEAST_RECORD) as u64;
        if sequence.checked_sub(self.next).is_none_or(|ahead| ahead >= most) {
            return Ok(None);
        }
        while self.next < sequence && !self.left.is_empty() {
            if self.step().is_none() {
                return Err(self.undecodable());
            }
            self.next += 1;
        }
        self.next().transpose()
    }

    fn undecodable(&mut self) -> StoreError {
        self.left = &[];
        StoreError::damaged_at(self.next, "the record does not decode")
    }

    /// `None` where the bytes are no record.
    fn take(&mut self) -> Option<Packed<'a>> {
        let Rest { causation, claims, payload } = self.step()?;
        let Before { stream, version, at, actor, correlation, schema } = self.before.as_ref()?;
        let meta = Meta {
            at: Timestamp(*at),
            actor: actor.clone(),
            correlation: *correlation,
            causation: causation.map(Sequence),
        };
        let (stream, version, schema) = (*stream, *version, *schema);
        Some(Packed { stream, version, sequence: self.next, meta, schema, payload, claims })
    }

    /// Takes in the next record. `None` where the bytes are none.
    fn step(&mut self) -> Option<Rest<'a>> {
        let from = &mut self.left;
        let before = self.before.as_ref();
        let flags = *take(from, 1)?.first()?;
        if flags & UNKNOWN != 0 {
            return None;
        }
        let (stream, version) = match flags & NEXT {
            0 => {
                let kind = AggregateKind::from_number(*take(from, 1)?.first()?)?;
                (StreamId { kind, id: take_uuid(from)? }, varint::take(from)?)
            }
            _ => (before?.stream, before?.version.checked_add(1)?),
        };
        let later = varint::take_signed(from)?;
        let at = before.map_or(0, |before| before.at).wrapping_add_signed(later);
        let actor = match flags & SAME_ACTOR {
            0 => Some(take_postcard(from)?),
            _ => None,
        };
        let correlation = match flags & SAME_CORRELATION {
            0 => CorrelationId(take_uuid(from)?),
            _ => before?.correlation,
        };
        let causation = match flags & CAUSED {
            CAUSED_BY_LAST => Some(self.next.checked_sub(1)?),
            CAUSED_BEFORE => Some(self.next.checked_sub(varint::take(from)?)?),
            CAUSED_BY => Some(varint::take(from)?),
            _ => None,
        };
        let schema = match flags & SAME_SCHEMA {
            0 => u16::try_from(varint::take(from)?).ok()?,
            _ => before?.schema,
        };
        let claims = match flags & CLAIMS {
            0 => Vec::new(),
            _ => take_postcard(from)?,
        };
        let len = usize::try_from(varint::take(from)?).ok()?;
        let payload = take(from, len)?;
        match &mut self.before {
            Some(before) => {
                (before.stream, before.version, before.at) = (stream, version, at);
                (before.correlation, before.schema) = (correlation, schema);
                if let Some(actor) = actor {
                    before.actor = actor;
                }
            }
            None => {
                let actor = actor?;
                self.before = Some(Before { stream, version, at, actor, correlation, schema });
            }
        }
        Some(Rest { causation, claims, payload })
    }
}

fn put_postcard<T: serde::Serialize>(into: &mut Vec<u8>, value: &T) -> Result<(), StoreError> {
    *into = postcard::to_extend(value, std::mem::take(into))
        .map_err(|error| StoreError::Invalid(format!("encode an event: {error}")))?;
    Ok(())
}

fn pack(
    into: &mut Vec<u8>,
    before: Option<&Before>,
    event: &record::Event<'_>,
    claims: &[ClaimChange],
) -> Result<(), StoreError> {
    let start = into.len();
    let mut flags = 0;
    into.push(flags);
    let meta = event.meta;
    match before {
        Some(before)
            if before.stream == event.stream
                && before.version.checked_add(1) == Some(event.version) =>
        {
            flags |= NEXT;
        }
        Some(_) | None => {
            into.push(event.stream.kind.number());
            into.extend_from_slice(event.stream.id.as_bytes());
            varint::put(into, event.version);
        }
    }
    let since = before.map_or(0, |before| before.at);
    varint::put_signed(into, meta.at.0.wrapping_sub(since).cast_signed());
    if before.is_some_and(|before| before.actor == meta.actor) {
        flags |= SAME_ACTOR;
    } else {
        put_postcard(into, &meta.actor)?;
    }
    if before.is_some_and(|before| before.correlation == meta.correlation) {
        flags |= SAME_CORRELATION;
    } else {
        into.extend_from_slice(meta.correlation.uuid().as_bytes());
    }
    match meta.causation {
        None => {}
        Some(cause) if cause.0.checked_add(1) == Some(event.sequence) => flags |= CAUSED_BY_LAST,
        Some(cause) => match event.sequence.checked_sub(cause.0) {
            Some(back) => {
                flags |= CAUSED_BEFORE;
                varint::put(into, back);
            }
            None => {
                flags |= CAUSED_BY;
                varint::put(into, cause.0);
            }
        },
    }
    if before.is_some_and(|before| before.schema == event.schema) {
        flags |= SAME_SCHEMA;
    } else {
        varint::put(into, event.schema.into());
    }
    if !claims.is_empty() {
        flags |= CLAIMS;
        put_postcard(into, &claims)?;
    }
    varint::put(into, event.payload.len() as u64);
    into.extend_from_slice(event.payload);
    into[start] = flags;
    Ok(())
}

/// The last block of the log, which still has room.
#[derive(Clone, Debug)]
pub(crate) struct Growing {
    first: u64,
    previous: Hash,
    bytes: Vec<u8>,
    before: Option<Before>,
    /// The sequence of the record that comes next.
    next: u64,
    /// The chain's hash of the last record; `previous` while there is none.
    end: Hash,
}

impl Growing {
    /// An empty block for the record `first`, after one of this hash.
    pub(crate) fn new(first: u64, previous: Hash) -> Self {
        Self { first, previous, bytes: vec![FORMAT], before: None, next: first, end: previous }
    }

    /// A block that is in the log, to be written on. Checked whole, the chain included.
    pub(crate) fn resume(first: u64, value: &[u8], previous: Hash) -> Result<Self, StoreError> {
        let block = Block::open(first, value, &previous)?;
        let mut growing = Self::new(first, previous);
        let (mut records, mut buffer) = (block.records(), Vec::new());
        while let Some(packed) = records.next().transpose()? {
            growing.end = packed.chain(&mut buffer, &growing.end)?;
        }
        if growing.end != block.end {
            return Err(StoreError::damaged_at(first, record::BROKEN));
        }
        (growing.before, growing.next) = (records.before, records.next);
        growing.bytes.extend_from_slice(block.records);
        Ok(growing)
    }

    pub(crate) const fn first(&self) -> u64 {
        self.first
    }

    const fn is_empty(&self) -> bool {
        self.before.is_none()
    }

    /// The last event and its hash.
    pub(crate) const fn head(&self) -> (u64, Hash) {
        (self.next - 1, self.end)
    }

    /// Adds a record where there is room; its hash, or `None` where the block is full. `buffer`
    /// is for working in.
    pub(crate) fn push(
        &mut self,
        buffer: &mut Vec<u8>,
        event: &record::Event<'_>,
        claims: &[ClaimChange],
    ) -> Result<Option<Hash>, StoreError> {
        let len = self.bytes.len();
        pack(&mut self.bytes, self.before.as_ref(), event, claims)?;
        if self.bytes.len() + TRAILER > MOST_BYTES && !self.is_empty() {
            self.bytes.truncate(len);
            return Ok(None);
        }
        self.end = record::chain(buffer, &self.end, event, claims)?;
        self.before = Some(Before {
            stream: event.stream,
            version: event.version,
            at: event.meta.at.0,
            actor: event.meta.actor.clone(),
            correlation: event.meta.correlation,
            schema: event.schema,
        });
        self.next += 1;
        Ok(Some(self.end))
    }

    /// The block as it lies in the log.
    pub(crate) fn value(&self, into: &mut Vec<u8>) {
        into.clear();
        into.extend_from_slice(&self.bytes);
        into.extend_from_slice(&self.end);
        let sum = check_sum(&self.previous, self.first, into);
        into.extend_from_slice(&sum);
    }
}

#[cfg(test)]
mod tests;
