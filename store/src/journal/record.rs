//! One event as the log remembers it, and the hash that chains it to the one before.
//!
//! The hash covers the previous event's hash, the sequence and the event's canonical bytes (a
//! postcard header and the payload), so that no event can be changed, dropped, added or moved
//! without breaking the chain from there on. It does not depend on how the event is stored: the
//! canonical bytes are what journals of format 1 kept, `format | header | payload | hash` an event,
//! which stays readable; [`block`](super::block) is how events are kept now. The header may only
//! ever be changed under a new format number.

use hythe_core::claims::ClaimChange;
use hythe_core::ids::CorrelationId;
use hythe_core::record::{Actor, AggregateKind, Meta, Recorded, Sequence, StreamId, Version};
use hythe_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Payload;
use crate::error::StoreError;

/// A BLAKE3 hash.
pub type Hash = [u8; 32];

/// What stands for the hash before the first record.
pub const GENESIS: Hash = [0; 32];

const FORMAT: u8 = 1;

/// What is wrong where the chain is broken.
pub(crate) const BROKEN: &str = "its hash does not follow from its bytes and the record before it";

/// An event that is to be hashed or stored, with its place and circumstances.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'a> {
    pub(crate) sequence: u64,
    pub(crate) stream: StreamId,
    pub(crate) version: u64,
    pub(crate) meta: &'a Meta,
    pub(crate) schema: u16,
    pub(crate) payload: &'a [u8],
}

#[derive(Serialize)]
struct HeaderOf<'a> {
    kind: u8,
    id: [u8; 16],
    version: u64,
    at: u64,
    actor: &'a Actor,
    correlation: [u8; 16],
    causation: Option<u64>,
    schema: u16,
    claims: &'a [ClaimChange],
}

#[derive(Deserialize)]
struct Header {
    kind: u8,
    id: [u8; 16],
    version: u64,
    at: u64,
    actor: Actor,
    correlation: [u8; 16],
    causation: Option<u64>,
    schema: u16,
    claims: Vec<ClaimChange>,
}

/// An event of the log with its hash, which was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The event with its place and circumstances.
    pub event: Recorded<Payload>,
    /// What the append did to claims; on the first event of an append only.
    pub claims: Vec<ClaimChange>,
    /// The hash that the next record builds on.
    pub hash: Hash,
}

/// The hash of an event after another. `buffer` is for working in; the canonical header is left
/// there.
pub(crate) fn chain(
    buffer: &mut Vec<u8>,
    previous: &Hash,
    event: &Event<'_>,
    claims: &[ClaimChange],
) -> Result<Hash, StoreError> {
    buffer.clear();
    buffer.push(FORMAT);
    let header = HeaderOf {
        kind: event.stream.kind.number(),
        id: event.stream.id.into_bytes(),
        version: event.version,
        at: event.meta.at.0,
        actor: &event.meta.actor,
        correlation: event.meta.correlation.uuid().into_bytes(),
        causation: event.meta.causation.map(|sequence| sequence.0),
        schema: event.schema,
        claims,
    };
    *buffer = postcard::to_extend(&header, std::mem::take(buffer))
        .map_err(|error| StoreError::Invalid(format!("encode an event: {error}")))?;
    Ok(hash(previous, event.sequence, &[buffer, event.payload]))
}

fn hash(previous: &Hash, sequence: u64, parts: &[&[u8]]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous);
    hasher.update(&sequence.to_le_bytes());
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// The hash that a record of format 1 carries, unchecked.
pub(crate) fn carried_hash(sequence: u64, value: &[u8]) -> Result<Hash, StoreError> {
    value
        .last_chunk::<32>()
        .copied()
        .ok_or_else(|| StoreError::damaged_at(sequence, "the record is cut short"))
}

/// Reads a record of format 1 and checks it against the one before.
pub(crate) fn decode(sequence: u64, value: &[u8], previous: &Hash) -> Result<Stored, StoreError> {
    let Some((bytes, carried)) = value.split_last_chunk::<32>() else {
        return Err(StoreError::damaged_at(sequence, "the record is cut short"));
    };
    if hash(previous, sequence, &[bytes]) != *carried {
        return Err(StoreError::damaged_at(sequence, BROKEN));
    }
    let (event, claims) = parse(sequence, bytes)?;
    Ok(Stored { event, claims, hash: *carried })
}

/// The stream and the version that a record of format 1 says it has, unchecked.
pub(crate) fn peek(sequence: u64, value: &[u8]) -> Result<(StreamId, u64), StoreError> {
    let bytes = value.split_last_chunk::<32>().map_or(value, |(bytes, _)| bytes);
    let (event, _) = parse(sequence, bytes)?;
    Ok((event.stream, event.version.0))
}

fn parse(sequence: u64, bytes: &[u8]) -> Result<(Recorded<Payload>, Vec<ClaimChange>), StoreError> {
    let Some((&format, rest)) = bytes.split_first() else {
        return Err(StoreError::damaged_at(sequence, "the record is empty"));
    };
    if format != FORMAT {
        return Err(StoreError::Newer { found: format.into(), known: FORMAT.into() });
    }
    let (header, payload) = postcard::take_from_bytes::<Header>(rest).map_err(|error| {
        StoreError::damaged_at(sequence, format!("the header does not decode: {error}"))
    })?;
    let Some(kind) = AggregateKind::from_number(header.kind) else {
        let what = format!("no aggregate has number {}", header.kind);
        return Err(StoreError::damaged_at(sequence, what));
    };
    let event = Recorded {
        sequence: Sequence(sequence),
        stream: StreamId { kind, id: Uuid::from_bytes(header.id) },
        version: Version(header.version),
        meta: Meta {
            at: Timestamp(header.at),
            actor: header.actor,
            correlation: CorrelationId(Uuid::from_bytes(header.correlation)),
            causation: header.causation.map(Sequence),
        },
        event: Payload { schema: header.schema, bytes: payload.to_vec() },
    };
    Ok((event, header.claims))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hythe_core::claims::ClaimKey;
    use hythe_core::ids::WorkerId;

    /// Writes a record as format 1 has it.
    fn encode(into: &mut Vec<u8>, previous: &Hash, claims: &[ClaimChange]) {
        let (meta, payload) = (meta(), payload());
        let event = Event {
            sequence: 7,
            stream: StreamId { kind: AggregateKind::Deployment, id: Uuid::from_u128(3) },
            version: 300,
            meta: &meta,
            schema: payload.schema,
            payload: &payload.bytes,
        };
        let hash = chain(into, previous, &event, claims).unwrap();
        into.extend_from_slice(&payload.bytes);
        into.extend_from_slice(&hash);
    }

    fn meta() -> Meta {
        Meta {
            at: Timestamp(1_700_000_000_000),
            actor: Actor::Worker(WorkerId(Uuid::from_u128(4))),
            correlation: CorrelationId(Uuid::from_u128(5)),
            causation: Some(Sequence(6)),
        }
    }

    fn payload() -> Payload {
        Payload { schema: 1, bytes: b"payload".to_vec() }
    }

    fn claims() -> Vec<ClaimChange> {
        vec![ClaimChange::Take { key: ClaimKey("app-name/a".into()), note: vec![1, 2] }]
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let mut bytes = Vec::new();
        encode(&mut bytes, &[9; 32], &claims());
        let back = decode(7, &bytes, &[9; 32]).unwrap();
        assert_eq!(back.event.event, payload());
        assert_eq!(back.event.meta, meta());
        assert_eq!(back.event.version, Version(300));
        assert_eq!(back.claims, claims());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(7, &flipped, &[9; 32]).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(decode(7, &bytes[..len], &[9; 32]).is_err(), "length {len}");
        }
        assert!(decode(8, &bytes, &[9; 32]).is_err());
        assert!(decode(7, &bytes, &[8; 32]).is_err());
    }

    /// The bytes of format 1, for ever. Fails: a format was changed that is on people's disks.
    #[test]
    fn format_1_is_frozen() {
        let mut bytes = Vec::new();
        encode(&mut bytes, &GENESIS, &claims());
        assert_eq!(
            hex::encode(&bytes),
            concat!(
                "010200000000000000000000000000000003ac0280d095ffbc310210000000000000000000000000",
                "000000040000000000000000000000000000000501060101000a6170702d6e616d652f6102010270",
                "61796c6f6164fd30ed100226de3fd7dafe463ccab2b4ec8716543a69e948add020cde788cb63",
            )
        );
    }
}
