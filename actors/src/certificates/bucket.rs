//! What edges find: the key that they share, certificates, and proofs.
//!
//! Invariants: only this writes to the bucket, but for what edges that hear nothing of the control plane tell each
//! other, which is removed with the first look. What is in it follows from the journal, from which edges
//! live, and from the orders under way: a bucket that was wiped is filled again, and what nobody wants
//! any more is removed. No private key is in it but sealed, and with the newest key of the fleet: that goes to edges
//! that have said something since it was made, and while this process listened, before what they need it for. What edges may do alone is put there
//! anew with every look: that it is so is how they know that the control plane lives.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_nats::jetstream::kv;
use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use crypto_box::PublicKey;
use crypto_box::aead::OsRng;
use futures_util::TryStreamExt as _;
use hythe_core::certificate::{
    Authority, Certificate, CertificateIssuer, Certificates, ChallengeKind, ContactAddress,
};
use hythe_core::ids::{CertificateId, ChallengeId, EdgeId};
use hythe_core::observed::{EdgeSeen, Observed};
use hythe_core::time::{Millis, Timestamp};
use hythe_core::wire::FORMAT;
use hythe_core::wire::certificate::{
    ALONE_KEY, AloneMessage, AloneTerms, CertificateMessage, ChallengeMessage, FleetKeyMessage,
    LentAccount, MOST_BYTES, SealedKey, Signed, certificate_key, challenge_key, fleet_key,
};
use hythe_core::wire::subjects;
use hythe_core::wire::worker::SealingKey;
use hythe_store::Secret;
use hythe_store::steps::Step;
use zeroize::Zeroizing;

use super::client;
use super::kept::{self, FLEET_KEY, Kept, random};
use crate::bus::BusError;
use crate::control::Control;

/// How often all of it is looked at, whether it is as it should be.
const LOOK_EVERY: Millis = Millis::seconds(5 * 60);
/// An edge that was not heard of for so long gets the key anew when it is.
const EDGE_FORGOTTEN: Millis = Millis::seconds(24 * 3_600);
/// What was removed is still listed, as removed, until edges must have heard of it.
const TRACES_KEPT: Millis = Millis::seconds(3_600);
/// How long the bucket may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a nonce.
const NONCE: usize = 24;
/// Bytes of roots that edges are told: a byte takes up to four of a message, which has at most [`MOST_BYTES`].
const MOST_ROOTS: usize = 48 * 1024;

/// What is to be there under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish {
    Fleet { edge: EdgeId, key: SealingKey, fleet: u64, only: bool },
    Certificate { id: CertificateId, version: u64, fleet: u64, signed: Option<Signed> },
    Challenge(ChallengeMessage),
    Alone(Permission),
}

impl Wish {
    /// Whether edges need the fleet's key for it.
    const fn is_sealed(&self) -> bool {
        match self {
            Self::Certificate { .. } | Self::Alone(_) => true,
            Self::Fleet { .. } | Self::Challenge(_) => false,
        }
    }
}

/// What is known of the fleet's newest key, and of who has heard of it.
#[derive(Debug, Default)]
struct Turn {
    /// Its version; 0 before there is one.
    fleet: u64,
    /// When what was heard last of each edge had been written as it came. Whoever says nothing since is not given
    /// it: that may be the very edge that it was made for the loss of.
    before: BTreeMap<EdgeId, Timestamp>,
    /// Whether nothing in the bucket is sealed with an older one any more.
    whole: bool,
}

impl Turn {
    fn notice(&mut self, fleet: u64, observed: &Observed) {
        if self.fleet == fleet {
            return;
        }
        // Of a key that was there when this process was started, whatever it hears live is a word of since.
        let known = observed.edges.iter().filter(|_| self.fleet != 0);
        let before = known.map(|(id, edge)| (*id, edge.said_at)).collect();
        *self = Self { fleet, before, whole: false };
    }

    /// Whether an edge may be given it. What lay there when this process began to listen may be the last word of
    /// one that is lost, from before the key was made.
    fn may_have(&self, id: EdgeId, edge: &EdgeSeen) -> bool {
        edge.live && self.before.get(&id) != Some(&edge.said_at)
    }

    /// Whether an edge that lives still has to say something. Until then nothing is sealed with it: that edge
    /// could not open it.
    fn waits(&self, observed: &Observed, now: Timestamp) -> bool {
        let mut live = observed.edges.iter().filter(|(_, edge)| edge.is_alive(now));
        live.any(|(id, edge)| edge.sealing_key.is_some() && !self.may_have(*id, edge))
    }
}

/// What edges may do alone.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Permission {
    directories: BTreeSet<String>,
    /// Authorities that edges are lent an account at, and its version.
    lent: BTreeMap<Authority, u64>,
    email: Option<ContactAddress>,
    challenges: Vec<ChallengeKind>,
    fleet: u64,
}

impl Permission {
    /// None where the owner agreed to no terms, or lets nothing be proven that edges can prove. Of accounts that
    /// have to be bound to one that people have edges are lent ours: what binds them may be used once only.
    fn of(state: &Certificates, fleet: u64) -> Option<Self> {
        let settings = &state.settings;
        let (bound, open): (Vec<Authority>, Vec<Authority>) = settings
            .usable()
            .into_iter()
            .partition(|authority| settings.external.contains_key(authority));
        let directories: BTreeSet<String> =
            open.iter().map(|authority| authority.directory().to_owned()).collect();
        let kept = |authority: Authority| {
            let version = state.accounts.get(&authority)?.version;
            Some((authority, version))
        };
        let lent: BTreeMap<Authority, u64> = bound.into_iter().filter_map(kept).collect();
        let mut challenges = settings.challenges();
        challenges.retain(|kind| match kind {
            ChallengeKind::Http01 | ChallengeKind::TlsAlpn01 => true,
            ChallengeKind::Dns01 => false,
        });
        if (directories.is_empty() && lent.is_empty()) || challenges.is_empty() {
            return None;
        }
        Some(Self { directories, lent, email: settings.email.clone(), challenges, fleet })
    }
}

/// Who signed a certificate, where that is an authority that speaks ACME.
fn signed(certificate: &Certificate) -> Option<Signed> {
    match &certificate.issued.by {
        CertificateIssuer::Acme { authority, challenge: _ } => Some(Signed {
            directory: authority.directory().to_owned(),
            not_before: certificate.issued.not_before,
        }),
        CertificateIssuer::Local | CertificateIssuer::Own => None,
    }
}

/// What is known of the bucket.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// The connection under which it was looked at last, and when that was.
    met: Option<(u64, Timestamp)>,
    there: BTreeMap<String, Wish>,
    turn: Turn,
    /// What is not there because it cannot be read, and why: it is tried each time, and told of once.
    unread: BTreeMap<String, (Wish, String)>,
}

impl Bucket {
    /// Whether it is new that this cannot be read.
    fn is_news(&mut self, key: &str, wish: &Wish, why: &str) -> bool {
        let same = |(of, told): &(Wish, String)| of == wish && told == why;
        if self.unread.get(key).is_some_and(same) {
            return false;
        }
        self.unread.insert(key.to_owned(), (wish.clone(), why.to_owned()));
        true
    }

    /// Has in the bucket what is to be in it, where NATS is there.
    pub(super) async fn settle(&mut self, control: &Control, served: &BTreeSet<CertificateId>) {
        if control.bus().state().borrow().epoch().is_none() {
            return;
        }
        if let Err(error) = Box::pin(self.try_settle(control, served)).await {
            tracing::warn!(%error, "certificates are published again soon");
            self.met = None;
            control.bus().ensure_streams().await.ok();
        }
    }

    async fn try_settle(
        &mut self,
        control: &Control,
        served: &BTreeSet<CertificateId>,
    ) -> Result<(), String> {
        let (epoch, now) = (control.bus().state().borrow().epoch(), control.clock().now());
        let Some(epoch) = epoch else { return Ok(()) };
        let fresh =
            |(met, at): (u64, Timestamp)| met == epoch && now.since(at) < LOOK_EVERY && at <= now;
        let fleet = control.read(|view| view.installation.state.certificates.fleet);
        let waits = control.observed(|observed| {
            self.turn.notice(fleet, observed);
            self.turn.waits(observed, now)
        });
        let wanted = wishes(control, served, &self.turn);
        if self.met.is_some_and(fresh) && wanted == self.there {
            return Ok(());
        }
        if fleet == 0 {
            return Ok(());
        }
        let bucket = within(control.bus().certificates_bucket())
            .await?
            .map_err(|error| error.to_string())?;
        let secret = kept::fleet_key(control, fleet)?;
        if !self.met.is_some_and(fresh) {
            self.look(control, &bucket, &secret, (&wanted, waits)).await?;
            self.met = Some((epoch, now));
        }
        // An edge that is waited for keeps what it has until it is given the new key.
        let stays = |key: &&String| wanted.contains_key(*key) || (waits && is_of_edge(key));
        let gone: Vec<String> = self.there.keys().filter(|key| !stays(key)).cloned().collect();
        for key in gone {
            remove(&bucket, &key).await?;
            self.there.remove(&key);
        }
        self.unread.retain(|key, _| wanted.contains_key(key));
        // A key goes before what it opens.
        let (sealed, open): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|(_, wish)| wish.is_sealed());
        for (key, wish) in open.into_iter().chain(sealed) {
            if self.there.get(&key) == Some(&wish) || (waits && wish.is_sealed()) {
                continue;
            }
            match content(control, &wish, &secret) {
                Ok(bytes) => {
                    put(&bucket, &key, bytes).await?;
                    self.unread.remove(&key);
                    self.there.insert(key, wish);
                }
                // One that cannot be read keeps none of the others from the edges.
                Err(why) => {
                    if self.is_news(&key, &wish, &why) {
                        tracing::warn!(key, why, "something for edges is not published");
                    }
                }
            }
        }
        // With the next round edges are told so. What could not be read here they seal anew by themselves.
        self.turn.whole = !waits;
        Ok(())
    }

    /// Sees what is there; removes what is no business of the bucket any more.
    async fn look(
        &mut self,
        control: &Control,
        bucket: &kv::Store,
        secret: &Zeroizing<[u8; FLEET_KEY]>,
        (wanted, waits): (&BTreeMap<String, Wish>, bool),
    ) -> Result<(), String> {
        self.there.clear();
        let keys = within(bucket.keys()).await?.map_err(|error| error.to_string())?;
        let keys: Vec<String> =
            within(keys.try_collect()).await?.map_err(|error| error.to_string())?;
        let since = control.observed(|observed| observed.started_at);
        let young = control.clock().now().since(since) < EDGE_FORGOTTEN;
        for key in keys {
            match wanted.get(&key) {
                Some(wish) => {
                    let found = within(bucket.get(key.as_str())).await?;
                    let found = found.map_err(|error| error.to_string())?;
                    if found.is_some_and(|bytes| is_still(&bytes, wish, secret)) {
                        self.there.insert(key, wish.clone());
                    }
                }
                // After a start, edges have to be heard of first.
                None if is_of_edge(&key) && (young || waits) => {}
                None => remove(bucket, &key).await?,
            }
        }
        self.sweep(control, bucket).await
    }

    /// Removes what is left of proofs that were removed: each has a key of its own, so that there would be
    /// more and more.
    async fn sweep(&self, control: &Control, bucket: &kv::Store) -> Result<(), String> {
        let prefix = format!("$KV.{}.challenge.", subjects::CERTIFICATES_BUCKET);
        let subjects = within(bucket.stream.info_with_subjects(format!("{prefix}*"))).await?;
        let subjects = subjects.map_err(|error| error.to_string())?;
        let subjects: Vec<(String, usize)> =
            within(subjects.try_collect()).await?.map_err(|error| error.to_string())?;
        let now = control.clock().now();
        for (subject, _) in subjects {
            let id =
                subject.strip_prefix(prefix.as_str()).and_then(|id| id.parse::<ChallengeId>().ok());
            let made = id.and_then(|id| id.uuid().get_timestamp()).map(|made| made.to_unix());
            let made =
                made.map_or(Timestamp(0), |(seconds, _)| Timestamp(seconds.saturating_mul(1_000)));
            let is_there = id.is_some_and(|id| self.there.contains_key(&challenge_key(id)));
            if is_there || now.since(made) < TRACES_KEPT {
                continue;
            }
            #[expect(clippy::disallowed_methods, reason = "with its step")]
            let purge = bucket.stream.purge().filter(subject);
            let purged = Step::CertificatesDropped.take(purge.into_future());
            within(purged).await?.map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// Whether an edge's box lies under a key.
fn is_of_edge(key: &str) -> bool {
    key.starts_with("edge.")
}

/// What is to be there, by its key.
fn wishes(
    control: &Control,
    served: &BTreeSet<CertificateId>,
    turn: &Turn,
) -> BTreeMap<String, Wish> {
    let now = control.clock().now();
    let (fleet, only) = (turn.fleet, turn.whole);
    let mut wishes = BTreeMap::new();
    control.read(|view| {
        let state = &view.installation.state.certificates;
        let served = served.iter().filter_map(|id| Some((*id, state.held.get(id)?)));
        for (id, held) in served {
            let (version, signed) = (held.version, signed(held));
            let wish = Wish::Certificate { id, version, fleet, signed };
            wishes.insert(certificate_key(id), wish);
        }
        let permission = Permission::of(state, fleet);
        wishes.extend(permission.map(|it| (ALONE_KEY.to_owned(), Wish::Alone(it))));
    });
    control.observed(|observed| {
        let known = observed.edges.iter().filter(|(id, edge)| {
            now.since(edge.heard_at) < EDGE_FORGOTTEN && turn.may_have(**id, edge)
        });
        for (edge, key) in known.filter_map(|(id, edge)| Some((*id, edge.sealing_key?))) {
            wishes.insert(fleet_key(edge), Wish::Fleet { edge, key, fleet, only });
        }
    });
    for message in control.certificates().given() {
        wishes.insert(challenge_key(message.id), Wish::Challenge(message));
    }
    wishes
}

/// What is put there.
fn content(
    control: &Control,
    wish: &Wish,
    secret: &Zeroizing<[u8; FLEET_KEY]>,
) -> Result<Bytes, String> {
    let bytes = match wish {
        Wish::Fleet { edge: _, key, fleet: _, only } => {
            let sealed = PublicKey::from(key.0).seal(&mut OsRng, secret.as_slice());
            let sealed = sealed.map_err(|error| error.to_string())?;
            serde_json::to_vec(&FleetKeyMessage { format: FORMAT, sealed, only: *only })
        }
        Wish::Certificate { id, version, fleet: _, signed } => {
            let held = control.read(|view| {
                let held = view.installation.state.certificates.held.get(id);
                held.filter(|held| held.version == *version).cloned()
            });
            let held = held.ok_or("a certificate was renewed at the same moment")?;
            let kept = Kept::of(control, *id, *version)?;
            let message = CertificateMessage {
                format: FORMAT,
                id: *id,
                version: *version,
                names: held.names.as_set().clone(),
                chain: kept.chain.clone(),
                key: seal(&kept.key, &CertificateMessage::bound_to(*id, *version), secret)?,
                not_after: held.issued.not_after,
                signed: signed.clone(),
            };
            serde_json::to_vec(&message)
        }
        Wish::Challenge(message) => serde_json::to_vec(message),
        Wish::Alone(Permission { directories, lent, email, challenges, fleet: _ }) => {
            let terms = AloneTerms {
                at: control.clock().now(),
                directories: directories.clone(),
                accounts: accounts(control, lent),
                email: email.clone(),
                challenges: challenges.clone(),
                roots: roots(control)?,
            };
            return alone(terms, secret).map(Bytes::from);
        }
    };
    bytes.map(Bytes::from).map_err(|error| error.to_string())
}

/// Accounts as they are lent to edges. One that cannot be read, or that the authority does not know any more, keeps
/// them from asking there, and from nothing else. It is read again with the next look.
fn accounts(control: &Control, lent: &BTreeMap<Authority, u64>) -> BTreeMap<String, LentAccount> {
    let read = |(authority, version): (&Authority, &u64)| {
        let directory = authority.directory();
        match lent_account(kept::read(control, &authority.account_secret(), *version)) {
            Ok(account) => Some((directory.to_owned(), account)),
            Err(why) => {
                tracing::warn!(
                    directory,
                    why,
                    again_within = %LOOK_EVERY,
                    "edges that are alone cannot ask an authority: its account cannot be read"
                );
                None
            }
        }
    };
    lent.iter().filter_map(read).collect()
}

fn lent_account(read: Result<Option<Secret>, String>) -> Result<LentAccount, String> {
    let secret = read?.ok_or("it is gone from the secrets")?;
    let text = secret.expose_str().ok_or("it is no text")?;
    Ok(LentAccount(text.to_owned()))
}

/// Terms as edges read them. What one needs most goes without the roots rather than not at all.
fn alone(mut terms: AloneTerms, secret: &Zeroizing<[u8; FLEET_KEY]>) -> Result<Vec<u8>, String> {
    let message = |terms: &AloneTerms| -> Result<Vec<u8>, String> {
        let plain = serde_json::to_vec(terms).map(Zeroizing::new);
        let plain = plain.map_err(|error| error.to_string())?;
        let sealed = seal(&plain, AloneMessage::BOUND, secret)?;
        serde_json::to_vec(&AloneMessage { format: FORMAT, sealed })
            .map_err(|error| error.to_string())
    };
    let whole = message(&terms)?;
    if whole.len() <= MOST_BYTES {
        return Ok(whole);
    }
    if terms.roots.take().is_some() {
        tracing::warn!(
            bytes = whole.len(),
            most = MOST_BYTES,
            "edges that are alone trust only their own machine's roots: with those of the file what they may \
             do has more bytes than they read"
        );
        let less = message(&terms)?;
        if less.len() <= MOST_BYTES {
            return Ok(less);
        }
    }
    Err(format!("what edges may do alone has more bytes than they read, which is {MOST_BYTES}"))
}

/// The roots that are trusted besides the machine's. A file of very many is one of public authorities, which
/// the machines of edges trust by themselves.
fn roots(control: &Control) -> Result<Option<String>, String> {
    let Some(path) = &control.certificates().config().roots else { return Ok(None) };
    let bytes = client::read(path)?;
    if bytes.len() > MOST_ROOTS {
        tracing::warn!(
            path = %path.display(),
            bytes = bytes.len(),
            most = MOST_ROOTS,
            "edges that are alone trust only their own machine's roots: the file is too large for them"
        );
        return Ok(None);
    }
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|_| format!("read the roots in {}: it is no PEM", path.display()))
}

/// Whether what is there is what it should be.
fn is_still(bytes: &Bytes, wish: &Wish, secret: &Zeroizing<[u8; FLEET_KEY]>) -> bool {
    match wish {
        // Only the edge can open it: it is put there anew.
        Wish::Fleet { .. } => false,
        // It says when it was put there.
        Wish::Alone(_) => false,
        Wish::Challenge(message) => {
            serde_json::from_slice::<ChallengeMessage>(bytes).is_ok_and(|found| found == *message)
        }
        Wish::Certificate { id, version, fleet: _, signed } => {
            let found = serde_json::from_slice::<CertificateMessage>(bytes);
            found.is_ok_and(|found| {
                let bound = CertificateMessage::bound_to(*id, *version);
                found.version == *version
                    && found.signed == *signed
                    && opens(&found.key, &bound, secret)
            })
        }
    }
}

fn seal(
    key: &[u8],
    bound: &[u8],
    secret: &Zeroizing<[u8; FLEET_KEY]>,
) -> Result<SealedKey, String> {
    let nonce = *random::<NONCE>()?;
    let cipher = XChaCha20Poly1305::new_from_slice(secret.as_slice());
    let cipher = cipher.map_err(|error| error.to_string())?;
    let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: key, aad: bound });
    let sealed = sealed.map_err(|error| error.to_string())?;
    Ok(SealedKey([nonce.as_slice(), &sealed].concat()))
}

fn opens(key: &SealedKey, bound: &[u8], secret: &Zeroizing<[u8; FLEET_KEY]>) -> bool {
    let Some((nonce, sealed)) = key.0.split_first_chunk::<NONCE>() else { return false };
    let Ok(cipher) = XChaCha20Poly1305::new_from_slice(secret.as_slice()) else { return false };
    let opened = cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: bound });
    opened.map(Zeroizing::new).is_ok()
}

async fn put(bucket: &kv::Store, key: &str, bytes: Bytes) -> Result<(), String> {
    #[expect(clippy::disallowed_methods, reason = "with its step")]
    let put = Step::CertificatesPut.take(bucket.put(key, bytes));
    within(put).await?.map(drop).map_err(|error| error.to_string())
}

async fn remove(bucket: &kv::Store, key: &str) -> Result<(), String> {
    #[expect(clippy::disallowed_methods, reason = "with its step")]
    let removed = Step::CertificatesDropped.take(bucket.delete(key));
    within(removed).await?.map_err(|error| error.to_string())
}

async fn within<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let what = "use the bucket of certificates".to_owned();
    let late = |_| BusError::TimedOut { what, waited: ANSWER_WITHIN }.to_string();
    tokio::time::timeout(ANSWER_WITHIN, work).await.map_err(late)
}

#[cfg(test)]
mod tests {
    use hythe_core::limits::EDGE_LEASE;
    use hythe_core::observed::Carries;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_key_waits_for_edges_that_live_and_goes_to_nobody_who_is_silent() {
        let id = |n| EdgeId::new(Uuid::from_u128(n));
        let seen = |said: u64, heard: u64, serves: bool| EdgeSeen {
            said_at: Timestamp(said),
            sealing_key: serves.then_some(SealingKey([1; 32])),
            ..EdgeSeen::new(1, Carries::Known { busy: vec![], leaving: vec![] }, Timestamp(heard))
        };
        let now = |after: u64| Timestamp(10_000 + after);
        let mut observed = Observed::starting_at(Timestamp(0));
        observed.edges.insert(id(1), seen(5, 10_000, true));
        observed.edges.insert(id(2), seen(6, 10_000, true));
        // Of one that serves no certificates nothing is expected.
        observed.edges.insert(id(3), seen(7, 10_000, false));
        let may = |turn: &Turn, observed: &Observed| -> Vec<bool> {
            [1, 2].map(|n| turn.may_have(id(n), &observed.edges[&id(n)])).to_vec()
        };

        // What a server finds when it is started it gives to all who say anything from then on.
        let mut turn = Turn::default();
        let lay_there = EdgeSeen { live: false, ..observed.edges[&id(2)].clone() };
        let live = observed.edges.insert(id(2), lay_there).unwrap();
        turn.notice(1, &observed);
        assert_eq!(may(&turn, &observed), [true, false], "it may be lost since long before");
        assert!(turn.waits(&observed, now(0)) && !turn.waits(&observed, now(EDGE_LEASE.0)));
        observed.edges.insert(id(2), live);
        turn.notice(1, &observed);
        assert_eq!((may(&turn, &observed), turn.waits(&observed, now(0))), (vec![true; 2], false));
        turn.whole = true;
        turn.notice(1, &observed);
        assert!(turn.whole, "it is no other one");

        turn.notice(2, &observed);
        assert!(!turn.whole && turn.waits(&observed, now(0)));
        assert_eq!(may(&turn, &observed), [false, false]);
        // The first one says something; the clock of the server, which is set, is no word of the other's.
        observed.edges.insert(id(1), seen(15, 10_500, true));
        observed.edges.insert(id(2), seen(6, 10_700, true));
        assert_eq!(may(&turn, &observed), [true, false]);
        assert!(turn.waits(&observed, now(700)));
        assert!(!turn.waits(&observed, now(700 + EDGE_LEASE.0)), "not for ever");
        // What it said before and NATS gives out late is no word of since.
        let late = EdgeSeen { live: false, ..seen(8, 98_000, true) };
        observed.edges.insert(id(2), late);
        assert_eq!(may(&turn, &observed), [true, false]);
        // It was only away.
        observed.edges.insert(id(2), seen(90_000, 99_000, true));
        assert_eq!(may(&turn, &observed), [true, true]);
    }

    #[test]
    fn an_account_is_lent_where_it_can_be_read_and_else_it_is_said_why() {
        let text = |bytes: &[u8]| Ok(Some(Secret::new(bytes.to_vec())));
        assert_eq!(lent_account(text(b"account")), Ok(LentAccount("account".to_owned())));
        for (read, why) in [
            (Ok(None), "it is gone from the secrets"),
            (text(b"\xff"), "it is no text"),
            (Err("the disk says no".to_owned()), "the disk says no"),
        ] {
            assert_eq!(lent_account(read), Err(why.to_owned()));
        }
    }

    #[test]
    fn terms_fit_in_what_edges_read_without_the_roots_where_need_be() {
        let secret = Zeroizing::new([7; FLEET_KEY]);
        let terms = |roots: Option<String>, directory: &str| AloneTerms {
            at: Timestamp(1),
            directories: [directory.to_owned()].into(),
            accounts: BTreeMap::new(),
            email: None,
            challenges: vec![ChallengeKind::Http01],
            roots,
        };
        let line = format!("{}\n", "A".repeat(64));
        let here = "https://ca.example/dir";
        for (roots, kept) in [
            (line.repeat(MOST_ROOTS / line.len()), true),
            // Each of these takes six bytes of JSON.
            ("\u{1}".repeat(MOST_ROOTS), false),
            (line.repeat(2 * MOST_ROOTS / line.len()), false),
        ] {
            let told = alone(terms(Some(roots.clone()), here), &secret).unwrap();
            assert!(told.len() <= MOST_BYTES, "{} bytes", told.len());
            let message: AloneMessage = serde_json::from_slice(&told).unwrap();
            let (nonce, sealed) = message.sealed.0.split_first_chunk::<NONCE>().unwrap();
            let cipher = XChaCha20Poly1305::new_from_slice(secret.as_slice()).unwrap();
            let payload = Payload { msg: sealed, aad: AloneMessage::BOUND };
            let plain = cipher.decrypt(&XNonce::from(*nonce), payload).unwrap();
            let read: AloneTerms = serde_json::from_slice(&plain).unwrap();
            assert_eq!(read, terms(kept.then_some(roots), here));
        }
        let why = alone(terms(None, &"a".repeat(MOST_BYTES)), &secret).unwrap_err();
        assert!(why.contains("more bytes than they read"), "{why}");
    }

    #[test]
    fn what_cannot_be_read_is_told_of_once_and_again_where_that_is_another_one() {
        let mut bucket = Bucket::default();
        let id = CertificateId::new(uuid::Uuid::from_u128(1));
        let wish = |version| Wish::Certificate { id, version, fleet: 1, signed: None };
        for (version, why, news) in [
            (1, "the secret is gone", true),
            (1, "the secret is gone", false),
            (1, "the secret is damaged", true),
            (2, "the secret is damaged", true),
            (2, "the secret is damaged", false),
        ] {
            assert_eq!(
                bucket.is_news("certificate.1", &wish(version), why),
                news,
                "{version} {why}"
            );
        }
        assert!(bucket.is_news("certificate.2", &wish(2), "the secret is damaged"));
    }
}
