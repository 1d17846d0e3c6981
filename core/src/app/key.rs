//! The key that an app's builds reach a private repository with over ssh.
//!
//! Its public half is for everybody to see. The private half is in no event: it lies with the app's
//! other secrets, under [`SourceKey::SECRET`] and its version, and goes with the app.

use serde::{Deserialize, Serialize};

use super::{ActiveApp, AppEvent};
use crate::installation::SshKey;
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// The key that is to be given to a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceKey {
    /// Its public half.
    pub key: SshKey,
    /// Its version: the first one is 1.
    pub version: u64,
    /// Since when.
    pub at: Timestamp,
}

impl SourceKey {
    /// The name under which the private half lies: no variable can have it.
    pub const SECRET: &str = "source/key";
}

impl ActiveApp {
    /// The version that the next key has.
    #[must_use]
    pub fn next_source_key(&self) -> u64 {
        self.source_key.as_ref().map_or(0, |key| key.version) + 1
    }

    pub(super) fn set_source_key(&self, key: SourceKey) -> Result<Vec<AppEvent>, Rejection> {
        if key.version != self.next_source_key() {
            return Err(Rejection::conflict(
                "the app was given another key at the same moment; look at that one, or try again",
            ));
        }
        Ok(vec![AppEvent::SourceKeySet(key)])
    }
}
