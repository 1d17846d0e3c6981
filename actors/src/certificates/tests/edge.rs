//! A made-up edge: it reads the bucket, proves what it is told to prove, and says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::kv::Operation;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use crypto_box::SecretKey;
use crypto_box::aead::OsRng;
use futures_util::StreamExt as _;
use hythe_core::ids::{ChallengeId, EdgeId};
use hythe_core::time::Timestamp;
use hythe_core::wire::certificate::{
    ALONE_KEY, AloneMessage, AloneTerms, CertificateMessage, ChallengeMessage, FleetKeyMessage,
    Proof, SealedKey, fleet_key,
};
use hythe_core::wire::edge::EdgeReport;
use hythe_core::wire::subjects;
use hythe_core::wire::worker::SealingKey;
use hythe_store::steps::Step;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::bus::{Bus, NatsSettings, connect_in_background};

const HEARTBEAT: Duration = Duration::from_millis(200);

/// What is in the bucket, as the edge understands it.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) fleet: Option<Vec<u8>>,
    /// Whether nothing is sealed with another key any more.
    pub(super) only: bool,
    pub(super) certificates: BTreeMap<String, CertificateMessage>,
    pub(super) challenges: BTreeMap<String, ChallengeMessage>,
    alone: Option<AloneMessage>,
    /// How often all of it was forgotten, since NATS was another one.
    pub(super) resets: u32,
}

impl Known {
    /// The certificate for these names, with its key opened.
    pub(super) fn served(&self, names: &str) -> Option<(CertificateMessage, Vec<u8>)> {
        let all: BTreeSet<String> = names.split(',').map(str::to_owned).collect();
        let fits = |one: &&CertificateMessage| {
            one.names.iter().map(ToString::to_string).collect::<BTreeSet<_>>() == all
        };
        let found = self.certificates.values().find(fits)?;
        let aad = CertificateMessage::bound_to(found.id, found.version);
        Some((found.clone(), self.open(&found.key, &aad)?))
    }

    /// What it may do alone.
    pub(super) fn alone(&self) -> Option<AloneTerms> {
        let plain = self.open(&self.alone.as_ref()?.sealed, AloneMessage::BOUND)?;
        Some(serde_json::from_slice(&plain).unwrap())
    }

    fn open(&self, sealed: &SealedKey, aad: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.0.split_first_chunk::<24>()?;
        let cipher = XChaCha20Poly1305::new_from_slice(self.fleet.as_ref()?).ok()?;
        cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad }).ok()
    }
}

struct Shared {
    id: EdgeId,
    bus: Bus,
    key: SecretKey,
    known: Mutex<Known>,
    changes: watch::Sender<u64>,
    /// Whether it says which proofs it gives.
    confirms: watch::Sender<bool>,
}

/// The edge; it ends when it is let go.
pub(super) struct TestEdge {
    shared: Arc<Shared>,
    pub(super) http: u16,
    pub(super) tls: u16,
    _stop: DropGuard,
}

impl TestEdge {
    pub(super) async fn start(nats: &NatsSettings) -> Self {
        let shared = Arc::new(Shared {
            id: EdgeId::new(Uuid::now_v7()),
            bus: connect_in_background(nats, "a made-up edge").await.unwrap(),
            key: SecretKey::generate(&mut OsRng),
            known: Mutex::default(),
            changes: watch::Sender::new(0),
            confirms: watch::Sender::new(true),
        });
        let stop = CancellationToken::new();
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ports = (http.local_addr().unwrap().port(), tls.local_addr().unwrap().port());
        for work in [0, 1] {
            let shared = Arc::clone(&shared);
            tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
                match work {
                    0 => follow(&shared).await,
                    _ => report(&shared).await,
                }
            }));
        }
        let of_http = Arc::clone(&shared);
        tokio::spawn(stop.clone().run_until_cancelled_owned(serve_http(http, of_http)));
        let of_tls = Arc::clone(&shared);
        tokio::spawn(stop.clone().run_until_cancelled_owned(serve_tls(tls, of_tls)));
        Self { shared, http: ports.0, tls: ports.1, _stop: stop.drop_guard() }
    }

    pub(super) fn known(&self) -> Known {
        self.shared.known()
    }

    /// It is no more; what is left is where it found its box.
    pub(super) fn lose(self) -> String {
        fleet_key(self.shared.id)
    }

    /// Says from now on which proofs it gives, or no more.
    pub(super) fn confirms(&self, confirms: bool) {
        self.shared.confirms.send_replace(confirms);
    }

    /// Waits until it finds something.
    pub(super) async fn until<T>(&self, what: &str, look: impl Fn(&Known) -> Option<T>) -> T {
        let mut changes = self.shared.changes.subscribe();
        let wait = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = look(&self.known()) {
                    return found;
                }
                changes.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(super::world::WITHIN, wait).await {
            Ok(found) => found,
            Err(_) => panic!("{what}: {:?}", self.known()),
        }
    }
}

impl Shared {
    fn known(&self) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner));
        self.changes.send_modify(|changes| *changes += 1);
    }
}

/// Follows the bucket, also through a wipe.
async fn follow(shared: &Shared) {
    loop {
        let epoch = shared.bus.ready().await;
        shared.change(|known| *known = Known { resets: known.resets + 1, ..Known::default() });
        let bucket = shared.bus.certificates_bucket().await;
        if let Ok(bucket) = bucket
            && let Ok(mut watch) = bucket.watch_many_with_history([">"]).await
        {
            let mut state = shared.bus.state();
            loop {
                tokio::select! {
                    next = watch.next() => match next {
                        Some(Ok(entry)) => take_in(shared, &entry.key, entry.operation, &entry.value),
                        Some(Err(_)) | None => break,
                    },
                    changed = state.changed() => {
                        if changed.is_err() || state.borrow().epoch() != Some(epoch) {
                            break;
                        }
                    }
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn take_in(shared: &Shared, key: &str, operation: Operation, value: &[u8]) {
    let there = operation == Operation::Put;
    shared.change(|known| {
        if key == fleet_key(shared.id) {
            if there {
                let message: FleetKeyMessage = serde_json::from_slice(value).unwrap();
                known.fleet = Some(shared.key.unseal(&message.sealed).unwrap());
                known.only = message.only;
            }
        } else if key == ALONE_KEY {
            known.alone = there.then(|| serde_json::from_slice(value).unwrap());
        } else if key.starts_with("certificate.") {
            known.certificates.remove(key);
            if there {
                known.certificates.insert(key.to_owned(), serde_json::from_slice(value).unwrap());
            }
        } else if key.starts_with("challenge.") {
            known.challenges.remove(key);
            if there {
                known.challenges.insert(key.to_owned(), serde_json::from_slice(value).unwrap());
            }
        }
    });
}

async fn report(shared: &Shared) {
    let (mut changes, mut confirms) = (shared.changes.subscribe(), shared.confirms.subscribe());
    loop {
        changes.borrow_and_update();
        let all: BTreeSet<ChallengeId> =
            shared.known().challenges.values().map(|one| one.id).collect();
        let challenges = if *confirms.borrow_and_update() { all } else { BTreeSet::new() };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let report = EdgeReport {
            format: 1,
            edge: shared.id,
            revision: 0,
            busy: vec![],
            leaving: vec![],
            at: Timestamp(u64::try_from(now.as_millis()).unwrap()),
            sealing_key: Some(SealingKey(*shared.key.public_key().as_bytes())),
            challenges,
            ended: false,
            behind: BTreeSet::new(),
            unasked: BTreeMap::new(),
            wanted: BTreeSet::new(),
        };
        let subject = subjects::edge_report(shared.id);
        drop(shared.bus.publish(Step::EdgeReported, &subject, &report, None).await);
        tokio::select! {
            _ = changes.changed() => {}
            _ = confirms.changed() => {}
            () = tokio::time::sleep(HEARTBEAT) => {}
        }
    }
}

async fn serve_http(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            let (mut path, mut host, mut line) = (String::new(), String::new(), String::new());
            while stream.read_line(&mut line).await.unwrap_or(0) > 2 {
                if let Some(rest) = line.strip_prefix("GET ") {
                    path = rest.split(' ').next().unwrap().to_owned();
                } else if let Some(rest) = line.to_ascii_lowercase().strip_prefix("host: ") {
                    host = rest.trim().split(':').next().unwrap().to_owned();
                }
                line.clear();
            }
            let known = shared.known();
            let answer = known.challenges.values().find_map(|one| match &one.proof {
                Proof::Http01 { token, answer }
                    if one.host.as_str() == host
                        && path == format!("/.well-known/acme-challenge/{token}") =>
                {
                    Some(answer.clone())
                }
                Proof::Http01 { .. } | Proof::TlsAlpn01 { .. } => None,
            });
            let text = match answer {
                Some(answer) => {
                    let length = answer.len();
                    format!(
                        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}"
                    )
                }
                None => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                    .to_owned(),
            };
            stream.get_mut().write_all(text.as_bytes()).await.ok();
        });
    }
}

async fn serve_tls(listener: TcpListener, shared: Arc<Shared>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Proofs(shared)));
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let acceptor = acceptor.clone();
        tokio::spawn(async move { drop(acceptor.accept(stream).await) });
    }
}

/// Shows the proofs that are in the bucket (RFC 8737, 3).
struct Proofs(Arc<Shared>);

impl std::fmt::Debug for Proofs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proofs(…)")
    }
}

impl ResolvesServerCert for Proofs {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = hello.server_name()?;
        let digest = self.0.known().challenges.values().find_map(|one| match &one.proof {
            Proof::TlsAlpn01 { digest } if one.host.as_str() == host => Some(*digest),
            Proof::TlsAlpn01 { .. } | Proof::Http01 { .. } => None,
        })?;
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest)];
        let certificate = params.self_signed(&key).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
        Some(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)))
    }
}
