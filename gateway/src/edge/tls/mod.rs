//! TLS: which certificate a client is shown, and what proves to certificate authorities that a host
//! leads here.
//!
//! What is shown ([`shown`]) is one map, put in force whole by an atomic store, so that a renewed
//! certificate holds for the next handshake and no connection notices. It is made of what the control
//! plane put into a bucket ([`feed`]), which is kept on disk as it came ([`folder`]) and looked at before it
//! counts ([`certificate`], [`keeper`]); a new key of the fleet takes the place of the one before ([`turn`]). Where
//! nothing is heard of the control plane, an edge renews by itself what it can ([`alone`], [`own`]).
//!
//! Architecture invariants: a handshake waits for nothing but its client; no certificate's private key is
//! on disk but sealed; an edge with its folder and nothing else serves what it served before.

mod accept;
mod alone;
mod certificate;
mod challenge;
mod feed;
mod figures;
mod folder;
mod keeper;
mod own;
mod shown;
mod turn;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use bytes::Bytes;
use hythe_core::certificate::AlonePace;
use hythe_core::ids::{ChallengeId, EdgeId};
use hythe_core::names::HostName;
use hythe_core::time::Timestamp;
use hythe_core::wire::worker::SealingKey;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::NoServerSessionStorage;
use tokio::sync::Notify;

use super::EdgeError;
use super::connection::millis;
use super::disk::Disk;

pub(crate) use accept::handshake;
pub(crate) use certificate::Certificate;
pub(crate) use feed::Feed;
pub(crate) use folder::Folder;

use alone::Renewer;
use figures::Figures;
use keeper::Keeper;
use shown::Shown;

/// What a client may speak after the handshake, what is preferred first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [HTTP2, b"http/1.1"];
pub(crate) const HTTP2: &[u8] = b"h2";

/// Where clients find an edge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) http: Option<u16>,
    /// None where nothing is served over TLS.
    pub(crate) https: Option<u16>,
}

/// What all cores share.
#[derive(Debug)]
pub(crate) struct Tls {
    shown: ArcSwap<Shown>,
    figures: Figures,
    sealing_key: SealingKey,
    pub(crate) ports: Ports,
}

/// What an edge is told of TLS.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) edge: EdgeId,
    pub(crate) ports: Ports,
    /// Whose wildcard certificate is shown where there is no other.
    pub(crate) base_domain: Option<HostName>,
    /// See [`EdgeLimits::certificates_stay`](super::EdgeLimits).
    pub(crate) stay: Duration,
    /// See [`EdgeLimits::alone`](super::EdgeLimits).
    pub(crate) alone: AlonePace,
    /// See [`EdgeLimits::alone_look`](super::EdgeLimits).
    pub(crate) look: Duration,
}

/// Takes what was kept on disk into force. What is returned with it follows the bucket.
pub(crate) fn open(
    told: Told,
    disk: &Disk,
    changed: Arc<Notify>,
) -> Result<(Arc<Tls>, Feed), EdgeError> {
    let keys = disk.sealing_keys()?;
    let tls = Arc::new(Tls {
        shown: ArcSwap::from_pointee(Shown::default()),
        figures: Figures::default(),
        sealing_key: keys.public(),
        ports: told.ports,
    });
    let Told { edge, ports: _, base_domain, stay, alone, look } = told;
    let folder = disk.certificates()?;
    let mut keeper = Keeper::new((edge, base_domain), keys, folder, Arc::clone(&tls), changed)?;
    keeper.load();
    let keeper = Arc::new(Mutex::new(keeper));
    let renewer = Renewer::new((edge, alone, look), Arc::clone(&tls), Arc::clone(&keeper));
    let feed = Feed::new(edge, stay, &keeper, renewer);
    Ok((tls, feed))
}

impl Tls {
    /// What the fleet's key has to be sealed for.
    pub(crate) fn sealing_key(&self) -> SealingKey {
        self.sealing_key
    }

    /// The challenges that are answered from here.
    pub(crate) fn challenges(&self) -> BTreeSet<ChallengeId> {
        self.shown.load().challenges.clone()
    }

    /// Whether clients get to this host (lower case, without port) by https.
    pub(crate) fn serves(&self, host: &str) -> bool {
        self.ports.https.is_some() && self.shown.load().certificate(host).is_some()
    }

    /// What an authority gets that asks a host for this path.
    pub(crate) fn answer(&self, host: &str, path: &str) -> Option<Bytes> {
        let token = challenge::token(path)?;
        self.shown.load().answer(host, token, now())
    }

    /// What there is to tell Prometheus.
    pub(crate) fn figures(&self) -> String {
        let shown = self.shown.load();
        self.figures.write(shown.held, shown.own, shown.soonest)
    }
}

/// What is common to all certificates: of TLS 1.2 and 1.3 what the library holds for safe. Tickets are
/// made with keys that change every six hours, that all cores share and no disk has.
fn common() -> Result<ServerConfig, rustls::Error> {
    let mut config = plain()?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    config.ticketer = ring::Ticketer::new()?;
    Ok(config)
}

/// Without protocols, tickets and sessions.
fn plain() -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
    let mut config = builder.with_cert_resolver(Arc::new(certificate::Nothing));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

fn now() -> Timestamp {
    Timestamp(millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
}
