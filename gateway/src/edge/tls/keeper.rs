//! What this edge has of certificates and challenges, on disk and in force.
//!
//! Invariants:
//! - What cannot be used is told and left: what was there before stays in force.
//! - A certificate is on disk before it is in force, and in force before anybody is told of it.
//! - An older version does not take the place of one that is good for as long: a NATS server that lost its
//!   last writes may offer one.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use hythe_actors::node::Keys;
use hythe_core::certificate::gives_way;
use hythe_core::ids::{CertificateId, ChallengeId, EdgeId};
use hythe_core::names::HostName;
use hythe_core::wire::certificate::{
    ALONE_KEY, FleetKeyMessage, certificate_key, challenge_key, fleet_key,
};
use rustls::ServerConfig;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use super::Tls;
use super::certificate::{self, Certificate, Fleet, FleetKey, Unfit};
use super::challenge::{self, Challenge};
use super::folder::Folder;
use super::own::Own;
use super::shown::{Shown, Sources};
use crate::edge::EdgeError;

/// Certificates at once, and as many challenges. A certificate takes some 6 KB of memory, by reckoning:
/// its chain, its key, and what handshakes are made with.
const MOST: usize = 20_000;
/// Keys of the fleet: the one in use and the one before, for what was sealed with that.
pub(super) const MOST_FLEET_KEYS: usize = 2;
/// The format of [`FleetKeyMessage`] that this edge understands.
const FLEET_FORMAT: u16 = 1;

/// One change of the bucket.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) key: String,
    /// What lies there now.
    pub(super) value: Option<Bytes>,
}

/// What a key of the bucket stands for.
enum Entry {
    Certificate(CertificateId),
    Challenge(ChallengeId),
    /// What edges may do alone.
    Alone,
    /// What an edge that was alone came by in place of this one.
    Own(CertificateId),
    /// Another edge's, or of a version to come.
    Foreign,
}

impl Entry {
    fn of(key: &str) -> Self {
        if key == ALONE_KEY {
            return Self::Alone;
        }
        let after = |kind: &str| key.split_once('.').filter(|(first, _)| *first == kind);
        if let Some(id) = after("certificate").and_then(|(_, id)| id.parse().ok()) {
            return Self::Certificate(id);
        }
        if let Some(id) = after("own").and_then(|(_, id)| id.parse().ok()) {
            return Self::Own(id);
        }
        match after("challenge").and_then(|(_, id)| id.parse().ok()) {
            Some(id) => Self::Challenge(id),
            None => Self::Foreign,
        }
    }
}

/// What a message with a key of the fleet came to.
struct KeyTaken {
    /// Whether there is one here that was not there before.
    is_new: bool,
    /// Whether nothing in the bucket is sealed with another one any more.
    only: bool,
}

/// What a message came to.
pub(super) enum Looked {
    Opened(Certificate),
    /// No key of the fleet opens it yet.
    Sealed,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Keeper {
    edge: EdgeId,
    base_domain: Option<HostName>,
    keys: Keys,
    pub(super) folder: Folder,
    pub(super) fleet: Fleet,
    /// Whether the control plane has told this process which key is the newest.
    pub(super) told_key: bool,
    common: ServerConfig,
    pub(super) certificates: BTreeMap<CertificateId, Arc<Certificate>>,
    /// Those that no key of the fleet opens yet, as they came.
    pub(super) sealed: BTreeMap<CertificateId, Bytes>,
    challenges: BTreeMap<ChallengeId, Challenge>,
    /// What it does without the control plane.
    pub(super) own: Own,
    pub(super) tls: Arc<Tls>,
    /// Signalled when a report is due.
    changed: Arc<Notify>,
}

impl Keeper {
    pub(super) fn new(
        (edge, base_domain): (EdgeId, Option<HostName>),
        keys: Keys,
        folder: Folder,
        tls: Arc<Tls>,
        changed: Arc<Notify>,
    ) -> Result<Self, EdgeError> {
        Ok(Self {
            edge,
            base_domain,
            keys,
            folder,
            fleet: Fleet::default(),
            told_key: false,
            common: super::common().map_err(EdgeError::Tls)?,
            certificates: BTreeMap::new(),
            sealed: BTreeMap::new(),
            challenges: BTreeMap::new(),
            own: Own::default(),
            tls,
            changed,
        })
    }

    /// Takes what was kept on disk into force. What of it cannot be used is told, and left there: the
    /// control plane may put what is missing to it.
    pub(super) fn load(&mut self) {
        let began = Instant::now();
        match self.folder.fleet() {
            Ok(Some(bytes)) => self.load_fleet(&bytes),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "could not read the keys of the fleet"),
        }
        let mut ids = self.folder.certificates().unwrap_or_else(|error| {
            tracing::error!(%error, "could not read the certificates kept on disk");
            Vec::new()
        });
        if ids.len() > MOST {
            tracing::error!(there = ids.len(), most = MOST, "too many certificates on disk");
            ids.truncate(MOST);
        }
        for (id, bytes, looked) in self.look_at_all(&ids) {
            match looked {
                Ok(Looked::Opened(found)) => {
                    self.certificates.insert(id, Arc::new(found));
                }
                Ok(Looked::Sealed) => {
                    tracing::error!(certificate = %id, error = %Unfit::Sealed, "refused a certificate");
                    self.sealed.insert(id, bytes);
                }
                Err(error) => {
                    tracing::error!(certificate = %id, error, "refused a certificate on disk");
                }
            }
        }
        self.load_own();
        self.publish();
        if !ids.is_empty() {
            let (read, took) = (self.certificates.len(), began.elapsed());
            tracing::info!(read, of = ids.len(), ?took, "serving the certificates kept on disk");
        }
    }

    /// Reads certificates on all cores: looking at a private key takes most of the time.
    pub(super) fn look_at_all(
        &self,
        ids: &[CertificateId],
    ) -> Vec<(CertificateId, Bytes, Outcome)> {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let share = ids.len().div_ceil(threads).max(1);
        let one = |id: CertificateId| {
            let bytes = match self.folder.certificate(id) {
                Ok(bytes) => bytes.unwrap_or_default(),
                Err(error) => return (id, Bytes::new(), Err(error.to_string())),
            };
            let looked = self.look(id, &bytes).map_err(|unfit| unfit.to_string());
            (id, bytes, looked)
        };
        let one = &one;
        thread::scope(|scope| {
            let shares = ids.chunks(share);
            let threads: Vec<_> = shares
                .map(|ids| scope.spawn(move || ids.iter().map(|id| one(*id)).collect::<Vec<_>>()))
                .collect();
            let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
            joined.flat_map(Result::unwrap_or_default).collect()
        })
    }

    fn load_fleet(&mut self, bytes: &[u8]) {
        let messages: Vec<FleetKeyMessage> = match serde_json::from_slice(bytes) {
            Ok(messages) => messages,
            Err(error) => {
                tracing::error!(%error, "could not read the keys of the fleet kept on disk");
                return;
            }
        };
        // One more is there where a death came before it was let go of.
        for message in messages.into_iter().take(MOST_FLEET_KEYS + 1) {
            match self.open_key(message) {
                Ok(key) => self.fleet.0.push(key),
                Err(error) => tracing::error!(error, "could not open a key of the fleet"),
            }
        }
    }

    pub(super) fn look(&self, id: CertificateId, bytes: &[u8]) -> Result<Looked, Unfit> {
        let message = certificate::read(id, bytes)?;
        match certificate::open(message, mark(bytes), &self.fleet, &self.common) {
            Ok(found) => Ok(Looked::Opened(found)),
            Err(Unfit::Sealed) => Ok(Looked::Sealed),
            Err(unfit) => Err(unfit),
        }
    }

    /// Takes changes in, in the order in which they were made.
    pub(super) fn take(&mut self, changes: Vec<Change>) {
        let own = fleet_key(self.edge);
        // A key goes before what it opens.
        let (keys, rest): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|change| change.key == own);
        let mut wanted: BTreeMap<CertificateId, Option<(Certificate, Bytes)>> = BTreeMap::new();
        let (mut turned, mut only) = (false, false);
        for value in keys.into_iter().filter_map(|change| change.value) {
            if let Some(taken) = self.take_key(&value) {
                turned |= taken.is_new;
                only = taken.only;
            }
        }
        if turned {
            for (id, bytes) in std::mem::take(&mut self.sealed) {
                self.consider(id, bytes, &mut wanted);
            }
            self.terms_with_another_key();
            self.load_own_certificates();
        }
        let mut told = Vec::new();
        for Change { key, value } in rest {
            match (Entry::of(&key), value) {
                (Entry::Certificate(id), Some(value)) => self.consider(id, value, &mut wanted),
                (Entry::Certificate(id), None) => drop(wanted.insert(id, None)),
                (Entry::Challenge(id), Some(value)) => self.challenge(id, &value),
                (Entry::Challenge(id), None) => drop(self.challenges.remove(&id)),
                (Entry::Alone, value) => self.take_terms(value.as_ref()),
                (Entry::Own(id), Some(value)) => told.push((id, value)),
                // It gives way to what the control plane has, and not to nothing.
                (Entry::Own(_), None) | (Entry::Foreign, _) => {}
            }
        }
        self.put_in_force(wanted);
        self.take_told(told);
        if only {
            self.let_go_of_keys_after(1);
        }
    }

    /// Keeps what is wanted on disk and shows it; forgets what is gone.
    fn put_in_force(&mut self, wanted: BTreeMap<CertificateId, Option<(Certificate, Bytes)>>) {
        let mut files = Vec::new();
        let mut gone = Vec::new();
        let mut came = Vec::new();
        for (id, wanted) in wanted {
            match wanted {
                Some((certificate, bytes)) => {
                    files.push((id, bytes));
                    came.push(certificate);
                }
                None => gone.push(id),
            }
        }
        // A full disk must not keep a renewed certificate from being served; a restart then begins with
        // the older one until NATS has told it better.
        if let Err(error) = self.folder.keep(&files) {
            tracing::error!(%error, "could not keep certificates on disk");
        }
        let (taken, over) = (came.len(), came.iter().filter(|one| one.is_over()).count());
        let mut over_own = gone.clone();
        for certificate in came {
            self.sealed.remove(&certificate.id);
            let own = self.own.certificates.get(&certificate.id);
            // One for names that this is for no more stands in for nothing.
            if own.is_some_and(|own| {
                gives_way(own.not_after, certificate.not_after)
                    || !own.names.is_subset(&certificate.names)
            }) {
                over_own.push(certificate.id);
            }
            self.certificates.insert(certificate.id, Arc::new(certificate));
        }
        let mut removed = 0_usize;
        for id in &gone {
            self.sealed.remove(id);
            removed += usize::from(self.certificates.remove(id).is_some());
        }
        self.own.drop_certificates(&over_own);
        self.publish();
        self.forget_own(&over_own);
        for id in &gone {
            if let Err(error) = self.folder.remove(*id) {
                tracing::error!(certificate = %id, %error, "could not remove a certificate from disk");
            }
        }
        if over > 0 {
            tracing::warn!(over, "certificates came that are over; they are not served");
        }
        if taken > 0 || removed > 0 {
            let held = self.certificates.len();
            tracing::info!(taken, removed, held, "certificates in force");
        }
    }

    fn consider(
        &mut self,
        id: CertificateId,
        bytes: Bytes,
        wanted: &mut BTreeMap<CertificateId, Option<(Certificate, Bytes)>>,
    ) {
        let held = self.certificates.get(&id);
        if held.is_some_and(|held| held.mark == mark(&bytes)) {
            // It may have been removed and put back in between.
            wanted.remove(&id);
            return;
        }
        let full = held.is_none() && self.certificates.len() + self.sealed.len() >= MOST;
        if full {
            tracing::error!(certificate = %id, most = MOST, "refused a certificate: there are too many");
            return;
        }
        match self.look(id, &bytes) {
            Ok(Looked::Opened(new)) => {
                let older = held
                    .filter(|held| new.version < held.version && new.not_after <= held.not_after);
                if let Some(held) = older {
                    let (old, new) = (held.version, new.version);
                    tracing::warn!(certificate = %id, old, new, "refused an older certificate");
                    return;
                }
                wanted.insert(id, Some((new, bytes)));
            }
            Ok(Looked::Sealed) => {
                // Over and over until the key is there: one line for each is enough.
                if self.sealed.insert(id, bytes).is_none() {
                    let error = Unfit::Sealed;
                    tracing::warn!(certificate = %id, %error, "a certificate waits for its key");
                }
            }
            Err(error) => {
                tracing::error!(certificate = %id, %error, "refused a certificate");
            }
        }
    }

    fn challenge(&mut self, id: ChallengeId, bytes: &[u8]) {
        let mark = mark(bytes);
        let held = self.challenges.get(&id);
        if held.is_some_and(|held| held.mark == mark) {
            return;
        }
        let now = super::now();
        if held.is_none() && self.challenges.len() >= MOST {
            self.challenges.retain(|_, challenge| challenge.until > now);
            if self.challenges.len() >= MOST {
                tracing::error!(challenge = %id, most = MOST, "refused a challenge: too many");
                return;
            }
        }
        match challenge::read(id, bytes, mark) {
            Ok(challenge) => drop(self.challenges.insert(id, challenge)),
            Err(error) => tracing::error!(challenge = %id, error, "refused a challenge"),
        }
    }

    /// Takes a key of the fleet in; none where it cannot be.
    fn take_key(&mut self, bytes: &[u8]) -> Option<KeyTaken> {
        let message = serde_json::from_slice(bytes).map_err(|error| error.to_string());
        let new = match message.and_then(|message| self.open_key(message)) {
            Ok(new) => new,
            Err(error) => {
                tracing::error!(error, "refused a key of the fleet");
                return None;
            }
        };
        // What another edge has put there meanwhile is to be lost no more than what is here.
        let came = self.settle_keys_or_tell();
        self.told_key = true;
        let (fleet, only) = (&mut self.fleet.0, new.message.only);
        if fleet.first().is_some_and(|known| known.key == new.key) {
            self.let_go_of_keys_after(MOST_FLEET_KEYS);
            return Some(KeyTaken { is_new: came, only });
        }
        fleet.retain(|known| known.key != new.key);
        fleet.insert(0, new);
        // With the new one on disk before anything is sealed with it.
        self.keep_keys();
        self.let_go_of_keys_after(MOST_FLEET_KEYS);
        Some(KeyTaken { is_new: true, only })
    }

    pub(super) fn open_key(&self, message: FleetKeyMessage) -> Result<FleetKey, String> {
        if message.format != FLEET_FORMAT {
            let format = message.format;
            return Err(format!("its format is {format}, this edge reads {FLEET_FORMAT}"));
        }
        let plain = self.keys.unseal(&message.sealed).map_err(|_| {
            "it is sealed for another key than this edge has; the control plane seals it anew once it \
             has heard of this one"
                .to_owned()
        })?;
        let key = <[u8; 32]>::try_from(plain.as_slice());
        let key = key.map_err(|_| format!("it has {} bytes, not 32", plain.len()))?;
        Ok(FleetKey { message, key: Zeroizing::new(key) })
    }

    /// The keys of the bucket under which what is here should lie.
    fn bucket_keys(&self) -> impl Iterator<Item = String> {
        let certificates = self.certificates.keys().chain(self.sealed.keys());
        let challenges = self.challenges.keys().map(|id| challenge_key(*id));
        let alone = self.own.has_terms().then(|| ALONE_KEY.to_owned());
        certificates.map(|id| certificate_key(*id)).chain(challenges).chain(alone)
    }

    /// Whether there is something here that has none of these keys in the bucket.
    pub(super) fn lacks(&self, present: &BTreeSet<String>) -> bool {
        self.bucket_keys().any(|key| !present.contains(&key))
    }

    /// Drops what has none of these keys in the bucket.
    pub(super) fn keep_only(&mut self, present: &BTreeSet<String>) {
        let gone = self.bucket_keys().filter(|key| !present.contains(key));
        let gone: Vec<_> = gone.map(|key| Change { key, value: None }).collect();
        tracing::warn!(gone = gone.len(), "what the control plane did not put back is dropped");
        self.take(gone);
    }

    /// Sees to what is over by now.
    pub(super) fn tick(&mut self) {
        let now = super::now();
        if self.tls.shown.load().until.is_some_and(|until| until <= now) {
            self.challenges.retain(|_, challenge| challenge.until > now);
            self.drop_own_that_is_over(now);
            self.publish();
        }
    }

    pub(super) fn publish(&self) {
        let sources = Sources {
            certificates: &self.certificates,
            challenges: &self.challenges,
            own: &self.own.certificates,
            own_challenges: &self.own.challenges,
            base_domain: self.base_domain.as_ref(),
            listens: self.tls.ports.https.is_some(),
        };
        let shown = Shown::new(&sources, super::now());
        let told = self.tls.challenges() == shown.challenges;
        self.tls.shown.store(Arc::new(shown));
        if !told {
            self.changed.notify_one();
        }
    }
}

/// What a message on disk came to.
pub(super) type Outcome = Result<Looked, String>;

fn mark(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}
