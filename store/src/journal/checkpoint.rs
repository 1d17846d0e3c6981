//! Checkpoints: a projection's state at one event, so that start-up folds only what came after.
//!
//! They lie in the index file, because they are derived: lost, damaged, of another format or of
//! another history than the log's, a checkpoint is as good as none, and the projection is folded
//! anew.

use hythe_core::record::Sequence;

use super::cursor::check_name;
use super::limits::MOST_CHECKPOINT_BYTES;
use super::record::Hash;
use super::shared::Shared;
use super::tables::{self, CHECKPOINTS};
use crate::durable::commit;
use crate::error::{StoreError, database};
use crate::guard::{INDEX, LOG, contained};
use crate::steps::Step;
use redb::ReadableDatabase;

/// `format | sequence | hash of that event | hash of this all | bytes`.
const HEAD: usize = 4 + 8 + 32;

fn sum(head: &[u8], bytes: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(head).update(bytes);
    *hasher.finalize().as_bytes()
}

fn encode(format: u32, at: Sequence, event: &Hash, bytes: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEAD + 32 + bytes.len());
    value.extend_from_slice(&format.to_be_bytes());
    value.extend_from_slice(&at.0.to_be_bytes());
    value.extend_from_slice(event);
    let hash = sum(&value, bytes);
    value.extend_from_slice(&hash);
    value.extend_from_slice(bytes);
    value
}

fn decode(format: u32, value: &[u8]) -> Option<(Sequence, Hash, &[u8])> {
    let (head, rest) = value.split_first_chunk::<HEAD>()?;
    let (hash, bytes) = rest.split_first_chunk::<32>()?;
    if sum(head, bytes) != *hash || head[..4] != format.to_be_bytes() {
        return None;
    }
    let at = head[4..].first_chunk::<8>()?;
    Some((Sequence(u64::from_be_bytes(*at)), *head.last_chunk::<32>()?, bytes))
}

impl Shared {
    pub(crate) fn save_checkpoint(
        &self,
        name: &str,
        format: u32,
        at: Sequence,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        check_name(name)?;
        if bytes.len() > MOST_CHECKPOINT_BYTES {
            return Err(StoreError::Invalid(format!(
                "save checkpoint \"{name}\": {} bytes, at most {MOST_CHECKPOINT_BYTES}",
                bytes.len()
            )));
        }
        let event = self.view()?.hash_at(at.0)?;
        let event = event.ok_or_else(|| {
            StoreError::Invalid(format!("save checkpoint \"{name}\": there is no event {at}"))
        })?;
        let value = encode(format, at, &event, bytes);
        let doing = "save a checkpoint";
        self.with_index(|index| {
            let txn = tables::rare(index).map_err(database(doing))?;
            txn.open_table(CHECKPOINTS)
                .map_err(database(doing))?
                .insert(name, value.as_slice())
                .map_err(database(doing))?;
            commit(txn, Step::CheckpointSaved).map_err(database(doing))
        })
    }

    pub(crate) fn load_checkpoint(&self, name: &str, format: u32) -> Option<(Sequence, Vec<u8>)> {
        let doing = "load a checkpoint";
        let load = || -> Result<Option<(Sequence, Vec<u8>)>, StoreError> {
            let txn = self.with_index(|index| index.begin_read().map_err(database(doing)))?;
            let table = txn.open_table(CHECKPOINTS).map_err(database(doing))?;
            let Some(value) = table.get(name).map_err(database(doing))? else { return Ok(None) };
            let Some((at, event, bytes)) = decode(format, value.value()) else {
                return Ok(None);
            };
            let same = contained(LOG, || self.view()?.hash_at(at.0))? == Some(event);
            Ok(same.then(|| (at, bytes.to_vec())))
        };
        self.watched(|| contained(INDEX, load)).unwrap_or_else(|error| {
            tracing::warn!(%error, name, "a checkpoint cannot be read; its state is folded anew");
            None
        })
    }
}
