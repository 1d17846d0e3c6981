//! One record of the log: how an event becomes bytes, and the hash that chains it to the one before.
//!
//! A record is `format | header | payload | hash`. The hash covers the previous record's hash, the
//! sequence and every byte before it, so that no record can be changed, dropped, added or moved
//! without breaking the chain from there on. The header is postcard; it may only ever be changed
//! under a new format number, and every format ever written stays readable.

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

#[derive(Serialize, Deserialize)]
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

/// A record as it lies in the log, checked against its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The event with its place and circumstances.
    pub event: Recorded<Payload>,
    /// What the append did to claims; on the first event of an append only.
    pub claims: Vec<ClaimChange>,
    /// The hash that the next record builds on.
    pub hash: Hash,
}

/// Writes a record into `into` (emptied first) and returns its hash.
pub(crate) fn encode(
    into: &mut Vec<u8>,
    previous: &Hash,
    event: &Recorded<&Payload>,
    claims: &[ClaimChange],
) -> Result<Hash, StoreError> {
    into.clear();
    into.push(FORMAT);
    let header = Header {
        kind: event.stream.kind.number(),
        id: event.stream.id.into_bytes(),
        version: event.version.0,
        at: event.meta.at.0,
        actor: event.meta.actor.clone(),
        correlation: event.meta.correlation.uuid().into_bytes(),
        causation: event.meta.causation.map(|sequence| sequence.0),
        schema: event.event.schema,
        claims: claims.to_vec(),
    };
    *into = postcard::to_extend(&header, std::mem::take(into))
        .map_err(|error| StoreError::Invalid(format!("encode an event: {error}")))?;
    into.extend_from_slice(&event.event.bytes);
    let hash = chain(previous, event.sequence.0, into);
    into.extend_from_slice(&hash);
    Ok(hash)
}

/// The hash of a record: `bytes` is everything before it.
fn chain(previous: &Hash, sequence: u64, bytes: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous);
    hasher.update(&sequence.to_le_bytes());
    hasher.update(bytes);
    *hasher.finalize().as_bytes()
}

/// The hash that a record carries, unchecked.
pub(crate) fn carried_hash(sequence: u64, value: &[u8]) -> Result<Hash, StoreError> {
    value
        .last_chunk::<32>()
        .copied()
        .ok_or_else(|| StoreError::damaged_at(sequence, "the record is cut short"))
}

/// Reads a record and checks it against the one before.
pub(crate) fn decode(sequence: u64, value: &[u8], previous: &Hash) -> Result<Stored, StoreError> {
    let Some((bytes, hash)) = value.split_last_chunk::<32>() else {
        return Err(StoreError::damaged_at(sequence, "the record is cut short"));
    };
    if chain(previous, sequence, bytes) != *hash {
        return Err(StoreError::damaged_at(
            sequence,
            "its hash does not follow from its bytes and the record before it",
        ));
    }
    let (event, claims) = parse(sequence, bytes)?;
    Ok(Stored { event, claims, hash: *hash })
}

/// The stream and the version that a record says it has, unchecked.
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

    fn sample(payload: &Payload) -> Recorded<&Payload> {
        Recorded {
            sequence: Sequence(7),
            stream: StreamId { kind: AggregateKind::Deployment, id: Uuid::from_u128(3) },
            version: Version(300),
            meta: Meta {
                at: Timestamp(1_700_000_000_000),
                actor: Actor::Worker(WorkerId(Uuid::from_u128(4))),
                correlation: CorrelationId(Uuid::from_u128(5)),
                causation: Some(Sequence(6)),
            },
            event: payload,
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
        encode(&mut bytes, &[9; 32], &sample(&payload()), &claims()).unwrap();
        let back = decode(7, &bytes, &[9; 32]).unwrap();
        assert_eq!(back.event.event, payload());
        assert_eq!(back.event.meta, sample(&payload()).meta);
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
        encode(&mut bytes, &GENESIS, &sample(&payload()), &claims()).unwrap();
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
