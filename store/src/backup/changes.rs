//! What changed beside the log since the part before: remembered as hashes, never as values.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::frame::Frame;
use crate::journal::record::Hash;
use crate::journal::snapshot::{SealedSecret, SealedSecrets};

/// The secrets that the parts so far hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    keys: BTreeMap<Uuid, Hash>,
    secrets: BTreeMap<(Uuid, String, u64), Hash>,
}

fn hash(bytes: &[u8]) -> Hash {
    *blake3::hash(bytes).as_bytes()
}

impl Known {
    /// What there is now.
    pub(super) fn of(secrets: &SealedSecrets) -> Self {
        let keys = secrets.keys.iter().map(|(scope, wrapped)| (*scope, hash(wrapped)));
        let of =
            |row: &SealedSecret| ((row.scope, row.name.clone(), row.version), hash(&row.sealed));
        Self { keys: keys.collect(), secrets: secrets.secrets.iter().map(of).collect() }
    }

    /// The frames that lead from here to `now`.
    pub(super) fn changes(&self, now: &SealedSecrets) -> Vec<Frame> {
        let next = Self::of(now);
        let gone = self.secrets.keys().filter(|key| !next.secrets.contains_key(*key));
        let mut frames: Vec<Frame> = gone
            .map(|(scope, name, version)| Frame::SecretGone {
                scope: *scope,
                name: name.clone(),
                version: *version,
            })
            .collect();
        let gone = self.keys.keys().filter(|scope| !next.keys.contains_key(*scope));
        frames.extend(gone.map(|scope| Frame::KeyGone { scope: *scope }));
        let new = now.keys.iter().filter(|(scope, _)| self.keys.get(scope) != next.keys.get(scope));
        frames.extend(new.map(key));
        let new = now.secrets.iter().filter(|row| {
            let at = (row.scope, row.name.clone(), row.version);
            self.secrets.get(&at) != next.secrets.get(&at)
        });
        frames.extend(new.map(secret));
        frames
    }
}

/// All of them.
pub(super) fn all(now: &SealedSecrets) -> impl Iterator<Item = Frame> + '_ {
    now.keys.iter().map(key).chain(now.secrets.iter().map(secret))
}

fn key((scope, wrapped): &(Uuid, Vec<u8>)) -> Frame {
    Frame::Key { scope: *scope, wrapped: wrapped.clone() }
}

fn secret(row: &SealedSecret) -> Frame {
    Frame::Secret {
        scope: row.scope,
        name: row.name.clone(),
        version: row.version,
        sealed: row.sealed.clone(),
    }
}
