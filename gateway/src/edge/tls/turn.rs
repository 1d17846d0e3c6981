//! A new key of the fleet takes the place of the one before.
//!
//! While one edge takes the place of another, both may write down which keys there are, and each what it knows: so
//! what is on disk is compared before anything is sealed, and before a key goes. What either has is kept, in the
//! order of whoever was told last by the control plane, which is the one that serves.
//!
//! Invariants: nothing is sealed with a key that is not on disk, and no key is let go before all that lies here is
//! sealed with the newest, so an edge that dies in between opens everything with what it has; and what was sealed anew
//! is the same as before, under the same id and version.

use bytes::Bytes;
use hythe_core::ids::CertificateId;
use hythe_core::wire::certificate::{AloneMessage, CertificateMessage, FleetKeyMessage};

use super::certificate::{self, FleetKey};
use super::keeper::{Keeper, MOST_FLEET_KEYS};

/// Certificates that are sealed anew before the folder is synced.
const AT_ONCE: usize = 256;

impl Keeper {
    /// Takes in what keys another edge put on disk, and has all of them there; whether there were any. An error is
    /// that the disk does not have all that are here.
    pub(super) fn settle_keys(&mut self) -> Result<bool, String> {
        let there = self.folder.fleet().map_err(|error| error.to_string())?.unwrap_or_default();
        let there = match serde_json::from_slice::<Vec<FleetKeyMessage>>(&there) {
            Ok(messages) => messages,
            Err(_) if there.is_empty() => Vec::new(),
            Err(error) => {
                tracing::error!(%error, "could not read the keys of the fleet kept on disk");
                Vec::new()
            }
        };
        if there.iter().eq(self.fleet.0.iter().map(|known| &known.message)) {
            return Ok(false);
        }
        let mut theirs = Vec::new();
        // One more is there where a death came before it was let go of.
        for message in there.into_iter().take(MOST_FLEET_KEYS + 1) {
            match self.open_key(message) {
                Ok(key) => theirs.push(key),
                Err(error) => tracing::error!(error, "could not open a key of the fleet"),
            }
        }
        let on_disk: Vec<_> = theirs.iter().map(|known| known.key.clone()).collect();
        let ours = std::mem::take(&mut self.fleet.0);
        let before = ours.len();
        let (first, then) = if self.told_key { (ours, theirs) } else { (theirs, ours) };
        let mut all: Vec<FleetKey> = Vec::new();
        for key in first.into_iter().chain(then) {
            if !all.iter().any(|known| known.key == key.key) {
                all.push(key);
            }
        }
        let came = all.len() > before;
        // What cannot be opened is left there where there is nothing to write: it may be wanted yet.
        let same = all.iter().map(|known| &known.key).eq(&on_disk);
        self.fleet.0 = all;
        if !same {
            self.put_keys().map_err(|error| error.to_string())?;
        }
        Ok(came)
    }

    /// The same, where it is told what goes wrong.
    pub(super) fn settle_keys_or_tell(&mut self) -> bool {
        self.settle_keys().unwrap_or_else(|error| {
            tracing::error!(error, "could not compare the fleet's keys with those on disk");
            false
        })
    }

    /// Lets go of all keys of the fleet but this many, the newest.
    pub(super) fn let_go_of_keys_after(&mut self, most: usize) {
        if self.fleet.0.len() <= most {
            return;
        }
        if let Err(error) = self.seal_anew() {
            // The control plane says so again. Of keys of long before there is to be an end, though.
            tracing::error!(error, "could not seal with the fleet's new key what is on disk");
            if most == 1 {
                return;
            }
        }
        self.fleet.0.truncate(most);
        self.keep_keys();
        tracing::info!(keys = most, "older keys of the fleet are gone");
    }

    /// Keeps on disk which keys there are.
    pub(super) fn keep_keys(&self) {
        if let Err(error) = self.put_keys() {
            tracing::error!(%error, "could not keep the fleet's key on disk");
        }
    }

    fn put_keys(&self) -> std::io::Result<()> {
        let messages: Vec<_> = self.fleet.0.iter().map(|known| &known.message).collect();
        self.folder.keep_fleet(&serde_json::to_vec(&messages)?)
    }

    /// Seals with the newest key what lies here under another one. What no key opens stays as it is.
    fn seal_anew(&self) -> Result<(), String> {
        let said = |error: std::io::Error| error.to_string();
        // When it came, the disk may have been full: without it nothing here could be opened after a restart.
        self.put_keys().map_err(said)?;
        for ids in self.folder.certificates().map_err(said)?.chunks(AT_ONCE) {
            let mut files = Vec::new();
            for id in ids {
                let bytes = self.folder.certificate(*id).map_err(said)?;
                let anew = bytes.map(|bytes| self.sealed_anew(*id, &bytes)).transpose()?.flatten();
                files.extend(anew.map(|bytes| (*id, bytes)));
            }
            self.folder.keep(&files).map_err(said)?;
        }
        for id in self.folder.own_certificates().map_err(said)? {
            let bytes = self.folder.own(id).map_err(said)?;
            let anew = bytes.map(|bytes| self.sealed_anew(id, &bytes)).transpose()?.flatten();
            if let Some(anew) = anew {
                self.folder.keep_own(id, &anew).map_err(said)?;
            }
        }
        let Some(bytes) = self.folder.alone().map_err(said)? else { return Ok(()) };
        let Ok(mut message) = serde_json::from_slice::<AloneMessage>(&bytes) else { return Ok(()) };
        let Some(plain) = self.fleet.open_older(&message.sealed, AloneMessage::BOUND) else {
            return Ok(());
        };
        message.sealed = self.fleet.seal(&plain, AloneMessage::BOUND)?;
        let bytes = serde_json::to_vec(&message).map_err(|error| error.to_string())?;
        self.folder.keep_alone(Some(&bytes)).map_err(said)
    }

    /// A certificate's message under the newest key; none where it is so, or cannot be.
    fn sealed_anew(&self, id: CertificateId, bytes: &[u8]) -> Result<Option<Bytes>, String> {
        let Ok(mut message) = certificate::read(id, bytes) else { return Ok(None) };
        let bound = CertificateMessage::bound_to(id, message.version);
        let Some(plain) = self.fleet.open_older(&message.key, &bound) else { return Ok(None) };
        message.key = self.fleet.seal(&plain, &bound)?;
        let bytes = serde_json::to_vec(&message).map_err(|error| error.to_string())?;
        Ok(Some(bytes.into()))
    }
}
