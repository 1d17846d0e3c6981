//! Encrypting and decrypting: XChaCha20-Poly1305 under a data key per scope.
//!
//! The associated data binds a ciphertext to its scope, name and version, and a wrapped key to its
//! scope, so that nothing can be passed off for something else by moving it in the table. Nonces
//! are random; with 24 bytes they do not repeat.

use std::collections::BTreeSet;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use redb::{ReadOnlyTable, ReadableTable, Table, WriteTransaction};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::key::{MasterKey, random};
use super::{Secret, SecretChange};
use crate::error::{AppendError, StoreError, database};
use crate::journal::limits::{MOST_SECRET_BYTES, MOST_SECRET_NAME_BYTES, MOST_SECRETS};
use crate::journal::summary::Summary;
use crate::journal::tables::{SECRET_KEYS, SECRETS};

const NONCE: usize = 24;

type SecretKey = ([u8; 16], &'static str, u64);

/// Seals and opens the secrets of one installation.
#[derive(Debug)]
pub(crate) struct Vault {
    master: MasterKey,
}

impl Vault {
    pub(crate) const fn new(master: MasterKey) -> Self {
        Self { master }
    }

    pub(crate) const fn master(&self) -> &MasterKey {
        &self.master
    }

    fn wrapping(&self) -> Zeroizing<[u8; 32]> {
        self.master.derive("wrap data keys")
    }

    fn unwrap_key(&self, scope: Uuid, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        open(&*self.wrapping(), wrapped, &key_binding(scope)).filter(|key| key.len() == 32)
    }

    /// Decrypts one secret.
    pub(crate) fn read(
        &self,
        keys: &ReadOnlyTable<[u8; 16], &'static [u8]>,
        secrets: &ReadOnlyTable<SecretKey, &'static [u8]>,
        (scope, name, version): (Uuid, &str, u64),
    ) -> Result<Option<Secret>, StoreError> {
        let doing = "read a secret";
        let refuse =
            |why: &str| StoreError::Secret { scope, name: name.into(), version, why: why.into() };
        let at = (scope.into_bytes(), name, version);
        let Some(sealed) = secrets.get(at).map_err(database(doing))? else {
            return Ok(None);
        };
        let wrapped = keys.get(scope.into_bytes()).map_err(database(doing))?;
        let wrapped = wrapped.ok_or_else(|| refuse("its scope has no data key"))?;
        let key = self
            .unwrap_key(scope, wrapped.value())
            .ok_or_else(|| refuse("the data key does not open with this master key"))?;
        let value = open(&key, sealed.value(), &binding(scope, name, version))
            .ok_or_else(|| refuse("the ciphertext was changed or moved"))?;
        Ok(Some(Secret(value)))
    }

    /// Applies changes that [`Vault::refusal`] let pass.
    pub(crate) fn apply(
        &self,
        txn: &WriteTransaction,
        changes: &[SecretChange],
        summary: &mut Summary,
    ) -> Result<(), StoreError> {
        let doing = "write a secret";
        let mut keys = txn.open_table(SECRET_KEYS).map_err(database(doing))?;
        let mut secrets = txn.open_table(SECRETS).map_err(database(doing))?;
        for change in changes {
            match change {
                SecretChange::Put { scope, name, version, value } => {
                    let key = self.data_key(&mut keys, *scope, summary)?;
                    let sealed = seal(&key, value.expose(), &binding(*scope, name, *version))?;
                    let at = (scope.into_bytes(), name.as_str(), *version);
                    // There is none before it: that was looked at.
                    secrets.insert(at, sealed.as_slice()).map_err(database(doing))?;
                    summary.secret(at, &sealed);
                }
                SecretChange::Delete { scope, name } => {
                    let (id, name) = (scope.into_bytes(), name.as_str());
                    let gone = |key: ([u8; 16], &str, u64), value: &[u8]| {
                        summary.secret(key, value);
                        false
                    };
                    secrets
                        .retain_in((id, name, 0)..=(id, name, u64::MAX), gone)
                        .map_err(database(doing))?;
                }
                SecretChange::DeleteScope { scope } => {
                    let id = scope.into_bytes();
                    if let Some(key) = keys.remove(id).map_err(database(doing))? {
                        summary.data_key(id, key.value());
                    }
                    let gone = |key: ([u8; 16], &str, u64), value: &[u8]| {
                        summary.secret(key, value);
                        false
                    };
                    match Uuid::from_u128(scope.as_u128().wrapping_add(1)) {
                        next if next.is_nil() => secrets.retain_in((id, "", 0).., gone),
                        next => secrets.retain_in((id, "", 0)..(next.into_bytes(), "", 0), gone),
                    }
                    .map_err(database(doing))?;
                }
            }
        }
        Ok(())
    }

    fn data_key(
        &self,
        keys: &mut Table<'_, [u8; 16], &'static [u8]>,
        scope: Uuid,
        summary: &mut Summary,
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let doing = "write a secret";
        if let Some(wrapped) = keys.get(scope.into_bytes()).map_err(database(doing))? {
            return self.unwrap_key(scope, wrapped.value()).ok_or_else(|| StoreError::MasterKey {
                path: self.master.path().into(),
                why: format!("it does not open the data key of {scope}"),
            });
        }
        let mut key = Zeroizing::new(vec![0; 32]);
        random(&mut key)?;
        let wrapped = seal(&*self.wrapping(), &key, &key_binding(scope))?;
        keys.insert(scope.into_bytes(), wrapped.as_slice()).map_err(database(doing))?;
        summary.data_key(scope.into_bytes(), &wrapped);
        Ok(key)
    }

    /// Why changes cannot be applied, if so. Changes nothing.
    pub(crate) fn refusal(
        &self,
        txn: &WriteTransaction,
        changes: &[SecretChange],
    ) -> Result<Option<AppendError>, StoreError> {
        if let Err(error) = check(changes) {
            return Ok(Some(error));
        }
        let doing = "read the secrets";
        let keys = txn.open_table(SECRET_KEYS).map_err(database(doing))?;
        let secrets = txn.open_table(SECRETS).map_err(database(doing))?;
        let mut seen = BTreeSet::new();
        for change in changes {
            match change {
                SecretChange::Put { scope, name, version, value: _ } => {
                    let at = (scope.into_bytes(), name.as_str(), *version);
                    let there = secrets.get(at).map_err(database(doing))?.is_some();
                    if there || !seen.insert(at) {
                        let what = format!("secret {name} has a version {version} already");
                        return Ok(Some(AppendError::Invalid { what }));
                    }
                    let wrapped = keys.get(scope.into_bytes()).map_err(database(doing))?;
                    let opens =
                        wrapped.is_none_or(|key| self.unwrap_key(*scope, key.value()).is_some());
                    if !opens {
                        let why = format!("the data key of {scope} does not open");
                        return Ok(Some(AppendError::Storage(why)));
                    }
                }
                SecretChange::Delete { .. } | SecretChange::DeleteScope { .. } => {}
            }
        }
        Ok(None)
    }
}

/// About how many bytes a change takes.
pub(crate) fn size(change: &SecretChange) -> usize {
    match change {
        SecretChange::Put { scope: _, name, version: _, value } => {
            name.len() + value.expose().len() + 128
        }
        SecretChange::Delete { scope: _, name } => name.len() + 64,
        SecretChange::DeleteScope { scope: _ } => 64,
    }
}

fn check(changes: &[SecretChange]) -> Result<(), AppendError> {
    let too_large = |what| Err(AppendError::TooLarge { what });
    if changes.len() > MOST_SECRETS {
        return too_large(format!("{} secrets, at most {MOST_SECRETS}", changes.len()));
    }
    for change in changes {
        match change {
            SecretChange::Put { scope: _, name, version: _, value } => {
                let len = value.expose().len();
                if len > MOST_SECRET_BYTES {
                    return too_large(format!(
                        "a secret of {len} bytes, at most {MOST_SECRET_BYTES}"
                    ));
                }
                if name.is_empty() || name.len() > MOST_SECRET_NAME_BYTES {
                    return too_large(format!(
                        "a secret's name of {} bytes, 1 to {MOST_SECRET_NAME_BYTES} allowed",
                        name.len()
                    ));
                }
            }
            SecretChange::Delete { .. } | SecretChange::DeleteScope { .. } => {}
        }
    }
    Ok(())
}

fn binding(scope: Uuid, name: &str, version: u64) -> Vec<u8> {
    // Fixed lengths first, so that no two bindings share their bytes.
    let mut bytes = b"hythe secret v1".to_vec();
    bytes.extend_from_slice(scope.as_bytes());
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(name.as_bytes());
    bytes
}

fn key_binding(scope: Uuid) -> Vec<u8> {
    let mut bytes = b"hythe data key v1".to_vec();
    bytes.extend_from_slice(scope.as_bytes());
    bytes
}

fn cipher(key: &[u8]) -> Option<XChaCha20Poly1305> {
    XChaCha20Poly1305::new_from_slice(key).ok()
}

fn seal(key: &[u8], plain: &[u8], binding: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut nonce = [0; NONCE];
    random(&mut nonce)?;
    let sealed = cipher(key)
        .and_then(|cipher| {
            cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: binding }).ok()
        })
        .ok_or_else(|| StoreError::Invalid("encrypt a secret".into()))?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn open(key: &[u8], sealed: &[u8], binding: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, text) = sealed.split_first_chunk::<NONCE>()?;
    let plain =
        cipher(key)?.decrypt(&XNonce::from(*nonce), Payload { msg: text, aad: binding }).ok()?;
    Some(Zeroizing::new(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ciphertext_opens_only_where_it_belongs() {
        let (scope, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = seal(&[7; 32], b"value", &binding(scope, "NAME", 3)).unwrap();
        let plain = open(&[7; 32], &sealed, &binding(scope, "NAME", 3)).unwrap();
        assert_eq!(plain.as_slice(), b"value");
        assert!(open(&[8; 32], &sealed, &binding(scope, "NAME", 3)).is_none());
        assert!(open(&[7; 32], &sealed, &binding(other, "NAME", 3)).is_none());
        assert!(open(&[7; 32], &sealed, &binding(scope, "NAMF", 3)).is_none());
        assert!(open(&[7; 32], &sealed, &binding(scope, "NAME", 4)).is_none());
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&[7; 32], &flipped, &binding(scope, "NAME", 3)).is_none());
        }
    }
}
