//! What edges find: the key that they share, certificates, and proofs.
//!
//! Invariants: only this writes to the bucket. What is in it follows from the journal, from which edges
//! live, and from the orders under way: a bucket that was wiped is filled again, and what nobody wants
//! any more is removed. No private key is in it but sealed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_nats::jetstream::kv;
use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use crypto_box::PublicKey;
use crypto_box::aead::OsRng;
use futures_util::TryStreamExt as _;
use hythe_core::certificate::Certificate;
use hythe_core::ids::{CertificateId, ChallengeId, EdgeId};
use hythe_core::time::{Millis, Timestamp};
use hythe_core::wire::FORMAT;
use hythe_core::wire::certificate::{
    CertificateMessage, ChallengeMessage, FleetKeyMessage, SealedKey, certificate_key,
    challenge_key, fleet_key,
};
use hythe_core::wire::subjects;
use hythe_core::wire::worker::SealingKey;
use hythe_store::steps::Step;
use zeroize::Zeroizing;

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

/// What is to be there under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish {
    Fleet { edge: EdgeId, key: SealingKey, fleet: u64 },
    Certificate { id: CertificateId, version: u64, fleet: u64 },
    Challenge(ChallengeMessage),
}

/// What is known of the bucket.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// The connection under which it was looked at last, and when that was.
    met: Option<(u64, Timestamp)>,
    there: BTreeMap<String, Wish>,
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
        let wanted = wishes(control, served, fleet);
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
            self.look(control, &bucket, &secret, &wanted).await?;
            self.met = Some((epoch, now));
        }
        let gone: Vec<String> =
            self.there.keys().filter(|key| !wanted.contains_key(*key)).cloned().collect();
        for key in gone {
            remove(&bucket, &key).await?;
            self.there.remove(&key);
        }
        self.unread.retain(|key, _| wanted.contains_key(key));
        for (key, wish) in wanted {
            if self.there.get(&key) == Some(&wish) {
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
        Ok(())
    }

    /// Sees what is there; removes what is no business of the bucket any more.
    async fn look(
        &mut self,
        control: &Control,
        bucket: &kv::Store,
        secret: &Zeroizing<[u8; FLEET_KEY]>,
        wanted: &BTreeMap<String, Wish>,
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
                None if key.starts_with("edge.") && young => {}
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

/// What is to be there, by its key.
fn wishes(
    control: &Control,
    served: &BTreeSet<CertificateId>,
    fleet: u64,
) -> BTreeMap<String, Wish> {
    let now = control.clock().now();
    let mut wishes = BTreeMap::new();
    control.read(|view| {
        let held = &view.installation.state.certificates.held;
        let served = served.iter().filter_map(|id| Some((*id, held.get(id)?)));
        for (id, Certificate { version, .. }) in served {
            let wish = Wish::Certificate { id, version: *version, fleet };
            wishes.insert(certificate_key(id), wish);
        }
    });
    control.observed(|observed| {
        let known =
            observed.edges.iter().filter(|(_, edge)| now.since(edge.heard_at) < EDGE_FORGOTTEN);
        for (edge, key) in known.filter_map(|(id, edge)| Some((*id, edge.sealing_key?))) {
            wishes.insert(fleet_key(edge), Wish::Fleet { edge, key, fleet });
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
        Wish::Fleet { edge: _, key, fleet: _ } => {
            let sealed = PublicKey::from(key.0).seal(&mut OsRng, secret.as_slice());
            let sealed = sealed.map_err(|error| error.to_string())?;
            serde_json::to_vec(&FleetKeyMessage { format: FORMAT, sealed })
        }
        Wish::Certificate { id, version, fleet: _ } => {
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
            };
            serde_json::to_vec(&message)
        }
        Wish::Challenge(message) => serde_json::to_vec(message),
    };
    bytes.map(Bytes::from).map_err(|error| error.to_string())
}

/// Whether what is there is what it should be.
fn is_still(bytes: &Bytes, wish: &Wish, secret: &Zeroizing<[u8; FLEET_KEY]>) -> bool {
    match wish {
        // Only the edge can open it: it is put there anew.
        Wish::Fleet { .. } => false,
        Wish::Challenge(message) => {
            serde_json::from_slice::<ChallengeMessage>(bytes).is_ok_and(|found| found == *message)
        }
        Wish::Certificate { id, version, fleet: _ } => {
            let found = serde_json::from_slice::<CertificateMessage>(bytes);
            found.is_ok_and(|found| {
                let bound = CertificateMessage::bound_to(*id, *version);
                found.version == *version && opens(&found.key, &bound, secret)
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
    use super::*;

    #[test]
    fn what_cannot_be_read_is_told_of_once_and_again_where_that_is_another_one() {
        let mut bucket = Bucket::default();
        let id = CertificateId::new(uuid::Uuid::from_u128(1));
        let wish = |version| Wish::Certificate { id, version, fleet: 1 };
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
