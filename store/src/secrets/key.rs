//! The master key: 32 random bytes in a file that only its owner may read.
//!
//! It is made once, with the journal. A journal without its key, or with another one, is refused
//! rather than given a new key: its secrets would be lost without a word.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::steps::Step;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::durable::put_in_place;
use crate::error::{StoreError, io};

const LEN: usize = 32;

/// The key that everything secret of one installation comes down to.
#[derive(Clone)]
pub struct MasterKey {
    bytes: Zeroizing<[u8; LEN]>,
    path: PathBuf,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("path", &self.path).finish_non_exhaustive()
    }
}

impl MasterKey {
    /// Takes 32 bytes for the key, as a test or a restored backup does.
    #[must_use]
    pub fn from_bytes(bytes: Zeroizing<[u8; LEN]>) -> Self {
        Self { bytes, path: PathBuf::from("(in memory)") }
    }

    /// Reads the key file.
    ///
    /// # Errors
    /// [`StoreError::MasterKey`] where it is missing, has another length, or others may read it.
    pub fn load(path: &Path) -> Result<Self, StoreError> {
        let refuse = |why: String| StoreError::MasterKey { path: path.into(), why };
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(refuse(
                    "it is missing, and the journal cannot be used without it; put it back from \
                     a backup"
                        .into(),
                ));
            }
            Err(error) => return Err(refuse(error.to_string())),
        };
        let about = file.metadata().map_err(|error| refuse(error.to_string()))?;
        if about.mode() & 0o077 != 0 {
            return Err(refuse(format!(
                "others may read it (mode {:04o}); run `chmod 600` on it",
                about.mode() & 0o7777
            )));
        }
        if about.len() != LEN as u64 {
            return Err(refuse(format!(
                "it has {} bytes instead of {LEN}; put it back from a backup",
                about.len()
            )));
        }
        let mut bytes = Zeroizing::new([0; LEN]);
        file.read_exact(&mut *bytes).map_err(|error| refuse(error.to_string()))?;
        Ok(Self { bytes, path: path.into() })
    }

    /// Reads the key file, made first where there is none. For a new journal only.
    ///
    /// # Errors
    /// As [`MasterKey::load`], and whatever keeps the file from being written.
    pub fn load_or_create(path: &Path) -> Result<Self, StoreError> {
        if path.exists() {
            return Self::load(path);
        }
        let doing = || format!("write the master key {}", path.display());
        let mut bytes = Zeroizing::new([0; LEN]);
        random(&mut *bytes)?;
        // Written aside and renamed: a crash leaves no key or a whole one.
        let aside = path.with_extension("new");
        match std::fs::remove_file(&aside) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(io(doing())(error)),
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&aside)
            .map_err(io(doing()))?;
        file.write_all(&*bytes).map_err(io(doing()))?;
        file.sync_all().map_err(io(doing()))?;
        put_in_place(&aside, path, Step::MasterKeyMade).map_err(io(doing()))?;
        Self::load(path)
    }

    /// A key for one purpose. Different purposes give unrelated keys; the same one always the
    /// same key.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; LEN]> {
        let mut out = Zeroizing::new([0; LEN]);
        let extract = Hkdf::<Sha256>::new(Some(b"hythe master key"), &*self.bytes);
        // Fails only for outputs beyond 255 hashes; this is one.
        let expanded = extract.expand_multi_info(&[b"hythe/v1/", purpose.as_bytes()], &mut *out);
        debug_assert!(expanded.is_ok(), "32 bytes are within HKDF's bound");
        out
    }

    /// Where the key came from, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Fills with random bytes from the system.
pub(crate) fn random(into: &mut [u8]) -> Result<(), StoreError> {
    getrandom::fill(into).map_err(|error| StoreError::Database {
        doing: "get random bytes".into(),
        why: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let first = MasterKey::load_or_create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        let second = MasterKey::load_or_create(&path).unwrap();
        assert_eq!(*first.bytes, *second.bytes);
        assert_eq!(*first.derive("a"), *second.derive("a"));
        assert_ne!(*first.derive("a"), *first.derive("b"));
        assert!(!format!("{first:?}").contains(&hex::encode(*first.bytes)));
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        MasterKey::load_or_create(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = MasterKey::load(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_key_of_another_length_or_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        assert!(MasterKey::load(&path).unwrap_err().to_string().contains("missing"));
        MasterKey::load_or_create(&path).unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(31).unwrap();
        let error = MasterKey::load_or_create(&path).unwrap_err().to_string();
        assert!(error.contains("31 bytes"), "{error}");
    }
}
