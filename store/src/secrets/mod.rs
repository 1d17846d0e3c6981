//! Secrets: values that no event ever holds.
//!
//! An event names a secret and its version; the value lies encrypted in a table beside the log,
//! written in the same commit. Every scope (a project, an app) has a data key of its own, wrapped
//! by a key derived from the master key, so that a scope goes with its key. Plaintext lives in
//! memory that is wiped when it is let go, and never shows in `Debug`.

pub mod key;
pub(crate) mod vault;

use std::fmt;

use uuid::Uuid;
use zeroize::Zeroizing;

/// A value that is wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes a value over.
    #[must_use]
    pub fn new(value: Vec<u8>) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value. Whoever copies it answers for the copy.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The value as text, where it is UTF-8.
    #[must_use]
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value.into_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// What an append does to secrets, in the same commit as its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretChange {
    /// Keeps a value under a name and a version that must be new there.
    Put {
        /// Whose secret.
        scope: Uuid,
        /// Its name, at most 256 bytes.
        name: String,
        /// Its version.
        version: u64,
        /// The value, at most 64 KiB.
        value: Secret,
    },
    /// Removes all versions of a name.
    Delete {
        /// Whose secret.
        scope: Uuid,
        /// Its name.
        name: String,
    },
    /// Removes all of a scope, its data key included.
    DeleteScope {
        /// Which scope.
        scope: Uuid,
    },
}
