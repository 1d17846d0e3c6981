//! All that lies beside the log as of one moment, for a backup; and putting it back.
//!
//! Secrets stay sealed: what is handed out are ciphertexts and wrapped data keys. They are taken
//! in one transaction with the note of the head, so they are exactly what belongs to the events up
//! to it: one that was deleted later is still there, one that was set later is not.

use redb::ReadableTable;

use hythe_core::record::Sequence;
use uuid::Uuid;

use super::Journal;
use super::cursor::PREFIX;
use super::group::HEAD;
use super::record::Hash;
use super::summary::Summary;
use super::tables::{META, SECRET_KEYS, SECRETS, SECRETS_CHANGED};
use crate::error::{StoreError, database};

const DOING: &str = "take a snapshot of the journal";
/// Bytes of secrets that one snapshot holds in memory.
const MOST_BYTES: usize = 512 * 1024 * 1024;
/// Rows put back in one transaction.
const BATCH: usize = 4096;

/// A secret as it lies in its table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SealedSecret {
    /// Whose.
    pub scope: Uuid,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// Nonce and ciphertext.
    pub sealed: Vec<u8>,
}

/// All secrets with what they are sealed with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealedSecrets {
    /// Data keys by scope, wrapped by the master key.
    pub keys: Vec<(Uuid, Vec<u8>)>,
    /// The secrets, in the order of scope, name and version.
    pub secrets: Vec<SealedSecret>,
}

/// What lies beside the log at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The last event.
    pub head: Sequence,
    /// Its hash.
    pub hash: Hash,
    /// The last event that came with a change of secrets; 0 where none is known.
    pub secrets_changed: Sequence,
    /// The secrets; none where they did not change since what the caller knows.
    pub secrets: Option<SealedSecrets>,
    /// How far everybody has come, by name.
    pub cursors: Vec<(String, Sequence)>,
}

impl Journal {
    /// What lies beside the log now. Secrets are left out where they did not change after `known`.
    ///
    /// # Errors
    /// What the database says; [`StoreError::Invalid`] for more secrets than fit in memory.
    pub fn snapshot(&self, known: Option<Sequence>) -> Result<Snapshot, StoreError> {
        self.shared().watched(|| self.take_snapshot(known))
    }

    fn take_snapshot(&self, known: Option<Sequence>) -> Result<Snapshot, StoreError> {
        let txn = self.shared().read_log()?;
        let meta = txn.open_table(META).map_err(database(DOING))?;
        let head = meta.get(HEAD).map_err(database(DOING))?;
        let (head, hash) =
            head.as_ref().and_then(|head| decode_head(head.value())).ok_or_else(|| {
                StoreError::damaged("journal.redb, table meta", "the note of the head is missing")
            })?;
        let changed = meta.get(SECRETS_CHANGED).map_err(database(DOING))?;
        let changed = changed.and_then(|value| value.value().try_into().ok());
        let secrets_changed = Sequence(changed.map_or(0, u64::from_be_bytes));
        let mut cursors = Vec::new();
        for row in meta.range(PREFIX..).map_err(database(DOING))? {
            let (key, value) = row.map_err(database(DOING))?;
            let Some(name) = key.value().strip_prefix(PREFIX) else { break };
            if let Ok(at) = value.value().try_into() {
                cursors.push((name.to_owned(), Sequence(u64::from_be_bytes(at))));
            }
        }
        let secrets = match known {
            Some(known) if secrets_changed <= known => None,
            Some(_) | None => Some(secrets(&txn)?),
        };
        Ok(Snapshot { head: Sequence(head), hash, secrets_changed, secrets, cursors })
    }

    /// Puts secrets back as they were, in place of all that are there, and cursors beside them.
    /// For a journal that nobody serves from yet.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) fn put_back(
        &self,
        secrets: &SealedSecrets,
        cursors: &[(String, Sequence)],
    ) -> Result<(), StoreError> {
        let doing = "put secrets back";
        {
            let txn = self.shared().write_log()?;
            {
                let mut keys = txn.open_table(SECRET_KEYS).map_err(database(doing))?;
                let mut table = txn.open_table(SECRETS).map_err(database(doing))?;
                keys.retain(|_, _| false).map_err(database(doing))?;
                table.retain(|_, _| false).map_err(database(doing))?;
                for (scope, wrapped) in &secrets.keys {
                    keys.insert(scope.into_bytes(), wrapped.as_slice()).map_err(database(doing))?;
                }
            }
            #[expect(clippy::disallowed_methods, reason = "no process serves from it yet")]
            txn.commit().map_err(database(doing))?;
        }
        for rows in secrets.secrets.chunks(BATCH) {
            let txn = self.shared().write_log()?;
            {
                let mut table = txn.open_table(SECRETS).map_err(database(doing))?;
                for row in rows {
                    let at = (row.scope.into_bytes(), row.name.as_str(), row.version);
                    table.insert(at, row.sealed.as_slice()).map_err(database(doing))?;
                }
            }
            #[expect(clippy::disallowed_methods, reason = "no process serves from it yet")]
            txn.commit().map_err(database(doing))?;
        }
        self.count_secrets(doing)?;
        for (name, at) in cursors {
            self.save_cursor(name, *at)?;
        }
        Ok(())
    }
}

impl Journal {
    /// Notes the sum of the secrets that are there.
    fn count_secrets(&self, doing: &'static str) -> Result<(), StoreError> {
        let txn = self.shared().write_log()?;
        {
            let mut meta = txn.open_table(META).map_err(database(doing))?;
            let secrets = txn.open_table(SECRETS).map_err(database(doing))?;
            let keys = txn.open_table(SECRET_KEYS).map_err(database(doing))?;
            let mut summary = Summary::noted(&meta)?.without_secrets();
            summary.add_secrets(&meta, &secrets, &keys)?;
            summary.note(&mut meta)?;
        }
        #[expect(clippy::disallowed_methods, reason = "no process serves from it yet")]
        txn.commit().map_err(database(doing))
    }
}

fn decode_head(value: &[u8]) -> Option<(u64, Hash)> {
    let (sequence, hash) = value.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*sequence), hash.try_into().ok()?))
}

fn secrets(txn: &redb::ReadTransaction) -> Result<SealedSecrets, StoreError> {
    let mut found = SealedSecrets::default();
    let mut bytes = 0;
    let keys = txn.open_table(SECRET_KEYS).map_err(database(DOING))?;
    for row in keys.iter().map_err(database(DOING))? {
        let (scope, wrapped) = row.map_err(database(DOING))?;
        found.keys.push((Uuid::from_bytes(scope.value()), wrapped.value().to_vec()));
    }
    let table = txn.open_table(SECRETS).map_err(database(DOING))?;
    for row in table.iter().map_err(database(DOING))? {
        let (key, sealed) = row.map_err(database(DOING))?;
        let (scope, name, version) = key.value();
        bytes += sealed.value().len() + name.len() + 64;
        if bytes > MOST_BYTES {
            return Err(StoreError::Invalid(format!(
                "take a snapshot of the journal: there are more than {MOST_BYTES} bytes of secrets"
            )));
        }
        found.secrets.push(SealedSecret {
            scope: Uuid::from_bytes(scope),
            name: name.to_owned(),
            version,
            sealed: sealed.value().to_vec(),
        });
    }
    Ok(found)
}
