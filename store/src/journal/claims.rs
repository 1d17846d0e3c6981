//! Claims in the log's file: which stream holds which unique key.
//!
//! The table is the fold of the claim changes in the log; `verify` compares the two.

use hythe_core::claims::{ClaimChange, ClaimKey};
use hythe_core::record::{AggregateKind, Sequence, StreamId};
use uuid::Uuid;

use super::limits::{MOST_CLAIMS, MOST_KEY_BYTES, MOST_NOTE_BYTES};
use crate::error::{AppendError, StoreError};

/// Who holds a claim, since when, and what was noted with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimOwner {
    /// The stream that took it.
    pub stream: StreamId,
    /// The event that took it.
    pub sequence: Sequence,
    /// What was to be remembered with it.
    pub note: Vec<u8>,
}

impl ClaimOwner {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(25 + self.note.len());
        bytes.push(self.stream.kind.number());
        bytes.extend_from_slice(self.stream.id.as_bytes());
        bytes.extend_from_slice(&self.sequence.0.to_be_bytes());
        bytes.extend_from_slice(&self.note);
        bytes
    }

    pub(crate) fn decode(key: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        let damaged = || StoreError::damaged(format!("claim \"{key}\""), "it does not decode");
        let (&kind, rest) = bytes.split_first().ok_or_else(damaged)?;
        let (id, rest) = rest.split_first_chunk::<16>().ok_or_else(damaged)?;
        let (sequence, note) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        Ok(Self {
            stream: StreamId {
                kind: AggregateKind::from_number(kind).ok_or_else(damaged)?,
                id: Uuid::from_bytes(*id),
            },
            sequence: Sequence(u64::from_be_bytes(*sequence)),
            note: note.to_vec(),
        })
    }
}

/// The key of a change.
pub(crate) const fn key(change: &ClaimChange) -> &ClaimKey {
    match change {
        ClaimChange::Take { key, note: _ } | ClaimChange::Release { key } => key,
    }
}

/// What one change does to a key that `held` holds, on behalf of `stream`: the new holder, or the
/// one in the way. A key is taken once, so that a repeated request finds the first one's note,
/// even where both concern the same stream.
pub(crate) fn apply(
    change: &ClaimChange,
    held: Option<ClaimOwner>,
    stream: StreamId,
    sequence: Sequence,
) -> Result<Option<ClaimOwner>, ClaimOwner> {
    match (change, held) {
        (ClaimChange::Take { key: _, note }, None) => {
            Ok(Some(ClaimOwner { stream, sequence, note: note.clone() }))
        }
        (ClaimChange::Take { key: _, note: _ }, Some(owner)) => Err(owner),
        (ClaimChange::Release { key: _ }, None) => Ok(None),
        (ClaimChange::Release { key: _ }, Some(owner)) => {
            Ok((owner.stream != stream).then_some(owner))
        }
    }
}

/// Refuses changes beyond the limits.
pub(crate) fn check(changes: &[ClaimChange]) -> Result<(), AppendError> {
    if changes.len() > MOST_CLAIMS {
        let what = format!("{} claim changes, at most {MOST_CLAIMS}", changes.len());
        return Err(AppendError::TooLarge { what });
    }
    for change in changes {
        let bytes = key(change).0.len();
        if bytes == 0 || bytes > MOST_KEY_BYTES {
            let what = format!("a claim's key of {bytes} bytes, 1 to {MOST_KEY_BYTES} allowed");
            return Err(AppendError::TooLarge { what });
        }
        match change {
            ClaimChange::Take { key: _, note } if note.len() > MOST_NOTE_BYTES => {
                let what =
                    format!("a claim's note of {} bytes, at most {MOST_NOTE_BYTES}", note.len());
                return Err(AppendError::TooLarge { what });
            }
            ClaimChange::Take { key: _, note: _ } | ClaimChange::Release { key: _ } => {}
        }
    }
    Ok(())
}
