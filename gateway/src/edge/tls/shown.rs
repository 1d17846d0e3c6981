//! What is shown to clients and authorities at this moment, by host.
//!
//! Invariant: of several certificates for one host it is the one that is good for longest, and of two that are
//! good for as long the control plane's and not this edge's own; none is shown that is over.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use hythe_core::ids::{CertificateId, ChallengeId};
use hythe_core::names::HostName;
use hythe_core::time::Timestamp;
use rustls::ServerConfig;

use super::certificate::Certificate;
use super::challenge::{Answer, Challenge};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Shown {
    hosts: HashMap<Box<str>, Arc<Certificate>>,
    /// By the host that the others are right below.
    wildcards: HashMap<Box<str>, Arc<Certificate>>,
    /// For clients that ask for none of these.
    usual: Option<Arc<Certificate>>,
    answers: HashMap<Box<str>, Vec<(String, Bytes, Timestamp)>>,
    proofs: HashMap<Box<str>, (Arc<ServerConfig>, Timestamp)>,
    /// Those that are answered.
    pub(super) challenges: BTreeSet<ChallengeId>,
    /// How many certificates there are.
    pub(super) held: usize,
    /// How many of them this edge came by itself.
    pub(super) own: usize,
    /// When the first of them is over that no other one takes the place of.
    pub(super) soonest: Option<Timestamp>,
    /// When something of this is over.
    pub(super) until: Option<Timestamp>,
}

/// What it is made of.
#[derive(Debug)]
pub(super) struct Sources<'a> {
    pub(super) certificates: &'a BTreeMap<CertificateId, Arc<Certificate>>,
    pub(super) challenges: &'a BTreeMap<ChallengeId, Challenge>,
    /// What this edge came by itself, by the certificate that it stands in for.
    pub(super) own: &'a BTreeMap<CertificateId, Arc<Certificate>>,
    /// What this edge has to prove itself.
    pub(super) own_challenges: &'a BTreeMap<ChallengeId, Challenge>,
    pub(super) base_domain: Option<&'a HostName>,
    /// Whether anybody connects by TLS.
    pub(super) listens: bool,
}

impl Shown {
    pub(super) fn new(sources: &Sources<'_>, now: Timestamp) -> Self {
        let mut shown = Self::default();
        for (id, certificate) in sources.certificates {
            let own = sources.own.get(id).filter(|own| own.not_after > now);
            let good = Some(certificate).filter(|good| good.not_after > now);
            // Where the own one is for all of its names, nobody misses it.
            let until = match (good, own) {
                (Some(good), Some(own)) if own.names.is_superset(&good.names) => {
                    good.not_after.max(own.not_after)
                }
                (Some(good), _) => good.not_after,
                (None, Some(own)) => own.not_after,
                (None, None) => continue,
            };
            shown.held += 1;
            shown.own += usize::from(own.is_some());
            shown.soonest = sooner(shown.soonest, until);
            for one in good.into_iter().chain(own) {
                shown.until = sooner(shown.until, one.not_after);
                shown.show(one);
            }
        }
        let usual = sources.base_domain.and_then(|base| shown.wildcards.get(base.as_str()));
        shown.usual = usual.cloned();
        // Of two for one host the control plane's is shown, which comes later here.
        let challenges = sources.own_challenges.values().chain(sources.challenges.values());
        for challenge in challenges.filter(|open| open.until > now) {
            let host = Box::from(challenge.host.as_str());
            match &challenge.answer {
                Answer::Http { token, body } => {
                    let answer = (token.clone(), body.clone(), challenge.until);
                    shown.answers.entry(host).or_default().push(answer);
                }
                Answer::Tls(config) if sources.listens => {
                    shown.proofs.insert(host, (Arc::clone(config), challenge.until));
                }
                Answer::Tls(_) => continue,
            }
            shown.challenges.insert(challenge.id);
            shown.until = sooner(shown.until, challenge.until);
        }
        shown
    }

    /// Shows a certificate for each of its names that no other one is good for as long for.
    fn show(&mut self, certificate: &Arc<Certificate>) {
        for name in certificate.names() {
            let map = if name.is_wildcard() { &mut self.wildcards } else { &mut self.hosts };
            let other = map.get(name.name().as_str());
            if other.is_none_or(|other| other.not_after < certificate.not_after) {
                map.insert(Box::from(name.name().as_str()), Arc::clone(certificate));
            }
        }
    }

    /// The certificate for a host (lower case, without port): its own, or the one for all right below the
    /// host above it.
    pub(super) fn certificate(&self, host: &str) -> Option<&Arc<Certificate>> {
        self.hosts.get(host).or_else(|| {
            let (_, above) = host.split_once('.')?;
            self.wildcards.get(above)
        })
    }

    /// The one for clients that ask for no host, or for one without a certificate.
    pub(super) fn usual(&self) -> Option<&Arc<Certificate>> {
        self.usual.as_ref()
    }

    /// What an authority gets that asks a host for this token.
    pub(super) fn answer(&self, host: &str, token: &str, now: Timestamp) -> Option<Bytes> {
        let mut answers = self.answers.get(host)?.iter();
        let found = answers.find(|(known, _, until)| known == token && *until > now);
        found.map(|(_, body, _)| body.clone())
    }

    /// What a handshake with an authority is made with that asks for this host.
    pub(super) fn proof(&self, host: &str, now: Timestamp) -> Option<Arc<ServerConfig>> {
        let (config, until) = self.proofs.get(host)?;
        (*until > now).then(|| Arc::clone(config))
    }
}

fn sooner(one: Option<Timestamp>, other: Timestamp) -> Option<Timestamp> {
    Some(one.map_or(other, |one| one.min(other)))
}
