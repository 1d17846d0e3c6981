//! What this edge does without the control plane, on disk and in force: what it may do, what it came by itself,
//! what it proves, and how it went.
//!
//! Invariants:
//! - A certificate of its own stands in for one of the control plane's, and goes with it: when that is removed,
//!   or is good for as long.
//! - What was tried is on disk before it is tried: an edge that dies over and over does not ask more often.
//! - Of what other edges tell nothing is taken that is for other names, of another authority, or not good until when
//!   it says: who can write to the bucket could have it served for ever.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hythe_actors::certificates::{Obtained, good_until};
use hythe_core::certificate::{
    Alone, AloneHeld, AloneOrder, AlonePace, AloneTries, gives_way, is_silent,
};
use hythe_core::ids::{CertificateId, ChallengeId, EdgeId};
use hythe_core::time::Timestamp;
use hythe_core::wire::certificate::{
    AloneMessage, AloneTerms, CertificateMessage, ChallengeMessage, Signed,
};

use super::certificate::{self, Certificate, MOST_BYTES, Unfit};
use super::challenge::{self, Challenge};
use super::keeper::{Keeper, Looked, MOST_FLEET_KEYS};

/// The format of [`AloneMessage`] and [`CertificateMessage`] that this edge understands and writes.
const FORMAT: u16 = 1;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// What it may do, where it may do anything.
    terms: Option<AloneTerms>,
    /// The same, where no key of the fleet opens it yet.
    sealed: Option<Bytes>,
    /// By the certificate that each stands in for.
    pub(super) certificates: BTreeMap<CertificateId, Arc<Certificate>>,
    pub(super) challenges: BTreeMap<ChallengeId, Challenge>,
    tries: BTreeMap<CertificateId, AloneTries>,
}

impl Own {
    /// Whether it was told anything that it may do.
    pub(super) const fn has_terms(&self) -> bool {
        self.terms.is_some() || self.sealed.is_some()
    }

    pub(super) fn drop_certificates(&mut self, ids: &[CertificateId]) {
        for id in ids {
            self.certificates.remove(id);
        }
    }
}

/// What became of what an authority signed.
#[derive(Debug, Default)]
pub(super) enum Taken {
    /// It cannot be served.
    #[default]
    Useless,
    /// The control plane has something as good, or wants nothing any more.
    Needless,
    /// It is served; its message is for other edges, too.
    InForce(Bytes),
}

/// Which edge it is, and how patient.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who {
    pub(super) edge: EdgeId,
    pub(super) pace: AlonePace,
}

impl Keeper {
    /// Takes what was kept on disk into force, as far as it is of use.
    pub(super) fn load_own(&mut self) {
        match self.folder.alone() {
            Ok(Some(bytes)) => self.consider_terms(bytes),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "could not read what this edge may do alone"),
        }
        self.load_tries();
        self.load_own_certificates();
    }

    /// Takes in what the edge in whose place this one came did after this one had looked: until then it went on.
    pub(super) fn catch_up(&mut self) {
        if self.settle_keys_or_tell() {
            self.open_what_was_sealed();
            self.let_go_of_keys_after(MOST_FLEET_KEYS);
        }
        self.load_tries();
        self.load_own_certificates();
        self.publish();
    }

    /// Takes what lies on disk, and no key opened, into force.
    fn open_what_was_sealed(&mut self) {
        let ids: Vec<CertificateId> = self.sealed.keys().copied().collect();
        for (id, _, looked) in self.look_at_all(&ids) {
            if let Ok(Looked::Opened(found)) = looked {
                self.sealed.remove(&id);
                self.certificates.insert(id, Arc::new(found));
            }
        }
        self.terms_with_another_key();
    }

    fn load_tries(&mut self) {
        match self.folder.tries() {
            Ok(Some(bytes)) => {
                let tries = serde_json::from_slice(&bytes);
                self.own.tries = tries.unwrap_or_else(|error| {
                    tracing::error!(%error, "could not read what this edge has tried alone");
                    BTreeMap::new()
                });
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "could not read what this edge has tried alone"),
        }
    }

    pub(super) fn load_own_certificates(&mut self) {
        let ids = self.folder.own_certificates().unwrap_or_else(|error| {
            tracing::error!(%error, "could not read the certificates of this edge's own");
            Vec::new()
        });
        // No more than there are of those that they stand in for.
        for id in ids {
            let Some(theirs) = self.certificates.get(&id).map(|theirs| theirs.not_after) else {
                continue;
            };
            let bytes = match self.folder.own(id) {
                Ok(bytes) => bytes.unwrap_or_default(),
                Err(error) => {
                    tracing::error!(certificate = %id, %error, "could not read an own certificate");
                    continue;
                }
            };
            match self.look(id, &bytes) {
                Ok(Looked::Opened(own)) if gives_way(own.not_after, theirs) || own.is_over() => {
                    self.forget_own(&[id]);
                }
                Ok(Looked::Opened(own)) => {
                    let held = self.own.certificates.get(&id);
                    if held.is_none_or(|held| held.not_after < own.not_after) {
                        self.own.certificates.insert(id, Arc::new(own));
                    }
                }
                Ok(Looked::Sealed) => {
                    tracing::error!(certificate = %id, "no key of the fleet opens an own certificate");
                }
                Err(error) => {
                    tracing::error!(certificate = %id, %error, "refused an own certificate on disk");
                }
            }
        }
    }

    /// Takes in what the edge may do alone.
    pub(super) fn take_terms(&mut self, value: Option<&Bytes>) {
        let before = (self.own.terms.clone(), self.own.sealed.clone());
        match value {
            Some(bytes) => self.consider_terms(bytes.clone()),
            None => (self.own.terms, self.own.sealed) = (None, None),
        }
        if before == (self.own.terms.clone(), self.own.sealed.clone()) {
            return;
        }
        if let Err(error) = self.folder.keep_alone(value.map(|bytes| &**bytes)) {
            tracing::error!(%error, "could not keep on disk what this edge may do alone");
        }
    }

    /// Tries again what no key opened.
    pub(super) fn terms_with_another_key(&mut self) {
        if let Some(bytes) = self.own.sealed.take() {
            self.consider_terms(bytes);
        }
    }

    fn consider_terms(&mut self, bytes: Bytes) {
        match self.open_terms(&bytes) {
            Ok(Some(terms)) => (self.own.terms, self.own.sealed) = (Some(terms), None),
            Ok(None) => self.own.sealed = Some(bytes),
            Err(error) => {
                tracing::error!(error, "refused what this edge may do alone; what it had stays");
            }
        }
    }

    /// None where no key of the fleet opens it yet.
    fn open_terms(&self, bytes: &[u8]) -> Result<Option<AloneTerms>, String> {
        if bytes.len() > MOST_BYTES {
            return Err(format!("its message has {} bytes, more than {MOST_BYTES}", bytes.len()));
        }
        let message: AloneMessage =
            serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if message.format != FORMAT {
            return Err(format!("its format is {}, this edge reads {FORMAT}", message.format));
        }
        let Some(plain) = self.fleet.open(&message.sealed, AloneMessage::BOUND) else {
            return Ok(None);
        };
        serde_json::from_slice(&plain).map(Some).map_err(|error| error.to_string())
    }

    /// What is to be ordered now, and on which terms. `begun` is when orders were begun lately.
    pub(super) fn due(&self, who: Who, begun: &[Timestamp]) -> Option<(AloneOrder, AloneTerms)> {
        let terms = self.own.terms.as_ref()?;
        let (now, Who { edge, pace }) = (super::now(), who);
        // Most of the time there is nothing to look at.
        if !is_silent(terms.at, pace, now) {
            return None;
        }
        let tls = self.tls.ports.https.is_some();
        let alone = Alone { edge, terms, pace, tls, tries: &self.own.tries, begun };
        let order = alone.next(&self.held(), now)?;
        Some((order, terms.clone()))
    }

    fn held(&self) -> Vec<AloneHeld> {
        let held = self.certificates.values().filter_map(|theirs| {
            let own = self.own.certificates.get(&theirs.id);
            let latest = own.filter(|own| own.not_after > theirs.not_after).unwrap_or(theirs);
            Some(AloneHeld {
                id: theirs.id,
                names: theirs.names.clone(),
                signed: latest.signed.clone()?,
                not_after: latest.not_after,
            })
        });
        held.collect()
    }

    /// How it went with a certificate until now.
    pub(super) fn tries(&self, id: CertificateId) -> AloneTries {
        self.own.tries.get(&id).copied().unwrap_or_default()
    }

    /// Notes how it goes with a certificate; nothing is well.
    pub(super) fn tried(&mut self, id: CertificateId, tries: Option<AloneTries>) {
        match tries {
            Some(tries) => self.own.tries.extend([(id, tries)]),
            None => self.own.tries.retain(|one, _| *one != id),
        }
        let there = &self.certificates;
        self.own.tries.retain(|id, _| there.contains_key(id));
        let bytes = serde_json::to_vec(&self.own.tries).map_err(std::io::Error::from);
        if let Err(error) = bytes.and_then(|bytes| self.folder.keep_tries(&bytes)) {
            tracing::error!(%error, "could not keep on disk what this edge has tried alone");
        }
    }

    /// What was kept of the account at an authority.
    pub(super) fn account(&self, directory: &str) -> Option<Bytes> {
        self.folder.account(directory).unwrap_or_else(|error| {
            tracing::error!(%error, directory, "could not read an account kept on disk");
            None
        })
    }

    /// Keeps the account at an authority, or forgets it.
    pub(super) fn keep_account(&self, directory: &str, bytes: Option<&[u8]>) {
        if let Err(error) = self.folder.keep_account(directory, bytes) {
            tracing::error!(%error, directory, "could not keep on disk how an account stands");
        }
    }

    /// Proves something from now on; whether it can.
    pub(super) fn prove(&mut self, message: ChallengeMessage) -> bool {
        let id = message.id;
        match challenge::of(message, [0; 32]) {
            Ok(challenge) => {
                self.own.challenges.insert(id, challenge);
                self.publish();
                true
            }
            Err(error) => {
                tracing::error!(challenge = %id, error, "could not make a proof");
                false
            }
        }
    }

    /// Proves these no more.
    pub(super) fn take_back(&mut self, ids: &[ChallengeId]) {
        let now = super::now();
        self.own.challenges.retain(|id, proof| !ids.contains(id) && proof.until > now);
        self.publish();
    }

    /// Takes into force what the edge came by itself.
    pub(super) fn take_own(&mut self, order: &AloneOrder, obtained: &Obtained) -> Taken {
        let id = order.id;
        let Some(theirs) = self.certificates.get(&id) else {
            tracing::info!(certificate = %id, "the control plane has removed what was renewed");
            return Taken::Needless;
        };
        if gives_way(obtained.not_after, theirs.not_after) {
            tracing::info!(certificate = %id, "what the control plane has is good for as long");
            return Taken::Needless;
        }
        if obtained.not_after <= super::now() {
            tracing::error!(certificate = %id, "what was signed is over by this machine's clock");
            return Taken::Useless;
        }
        let version = theirs.version;
        // Another edge may have another key by now, and what lies on disk is read with what lies beside it.
        self.settle_keys_or_tell();
        let bytes = match self.sealed_own(order, obtained, version) {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) => {
                tracing::error!(certificate = %id, error, "could not seal an own certificate");
                return Taken::Useless;
            }
        };
        match self.look(id, &bytes) {
            Ok(Looked::Opened(own)) => {
                self.put_own_in_force(own, &bytes);
                Taken::InForce(bytes)
            }
            Ok(Looked::Sealed) => {
                tracing::error!(certificate = %id, "could not open an own certificate again");
                Taken::Useless
            }
            Err(error) => {
                tracing::error!(certificate = %id, %error, "refused an own certificate");
                Taken::Useless
            }
        }
    }

    /// Takes into force what other edges came by, where it is good for longer than what is here.
    pub(super) fn take_told(&mut self, told: Vec<(CertificateId, Bytes)>) {
        for (id, bytes) in told {
            let Some(theirs) = self.certificates.get(&id) else { continue };
            let own = self.own.certificates.get(&id);
            let latest = own.map_or(theirs.not_after, |own| own.not_after.max(theirs.not_after));
            match self.look_at_told(theirs, &bytes) {
                Ok(Looked::Opened(told)) if gives_way(told.not_after, latest) => {}
                Ok(Looked::Opened(told)) => {
                    tracing::info!(certificate = %id, "another edge has renewed a certificate");
                    self.put_own_in_force(told, &bytes);
                }
                Ok(Looked::Sealed) => {
                    tracing::debug!(certificate = %id, "no key opens what another edge renewed");
                }
                Err(error) => {
                    tracing::error!(certificate = %id, %error, "refused what another edge renewed");
                }
            }
        }
    }

    /// Looks at what another edge came by in place of this one.
    fn look_at_told(&self, theirs: &Certificate, bytes: &[u8]) -> Result<Looked, Unfit> {
        let message = certificate::read(theirs.id, bytes)?;
        let authority = |signed: Option<&Signed>| signed.map(|by| by.directory.clone());
        let same = authority(message.signed.as_ref()) == authority(theirs.signed.as_ref());
        if !same || !message.names.is_subset(&theirs.names) {
            return Err(Unfit::Stranger);
        }
        let until = good_until(&message.chain).map_err(Unfit::Chain)?;
        if until != message.not_after {
            return Err(Unfit::Untrue);
        }
        self.look(theirs.id, bytes)
    }

    fn put_own_in_force(&mut self, own: Certificate, bytes: &[u8]) {
        let id = own.id;
        // A full disk must not keep it from being served. Where its key is not on disk, neither is it to be.
        let kept = self
            .settle_keys()
            .and_then(|_| self.folder.keep_own(id, bytes).map_err(|error| error.to_string()));
        if let Err(error) = kept {
            tracing::error!(certificate = %id, %error, "could not keep an own certificate on disk");
        }
        self.own.certificates.insert(id, Arc::new(own));
        self.publish();
    }

    fn sealed_own(
        &self,
        order: &AloneOrder,
        obtained: &Obtained,
        version: u64,
    ) -> Result<Vec<u8>, String> {
        let bound = CertificateMessage::bound_to(order.id, version);
        let (directory, not_before) = (order.directory.clone(), obtained.not_before);
        let message = CertificateMessage {
            format: FORMAT,
            id: order.id,
            version,
            names: order.names.as_set().clone(),
            chain: obtained.chain.clone(),
            key: self.fleet.seal(&obtained.key, &bound)?,
            not_after: obtained.not_after,
            signed: Some(Signed { directory, not_before }),
        };
        serde_json::to_vec(&message).map_err(|error| error.to_string())
    }

    /// Removes from disk what is served no more.
    pub(super) fn forget_own(&self, ids: &[CertificateId]) {
        for id in ids {
            if let Err(error) = self.folder.remove_own(*id) {
                tracing::error!(certificate = %id, %error, "could not remove an own certificate");
            }
        }
    }

    pub(super) fn drop_own_that_is_over(&mut self, now: Timestamp) {
        let over = self.own.certificates.iter().filter(|(_, own)| own.not_after <= now);
        let over: Vec<CertificateId> = over.map(|(id, _)| *id).collect();
        self.own.drop_certificates(&over);
        self.own.challenges.retain(|_, proof| proof.until > now);
        self.forget_own(&over);
    }
}
