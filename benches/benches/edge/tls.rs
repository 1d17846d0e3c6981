//! The edge beside nginx over TLS 1.3, both with the same certificate.

use std::net::SocketAddr;
use std::path::Path;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use crypto_box::SecretKey;
use crypto_box::aead::OsRng;
use hythe_benches::server::Nats;
use hythe_core::ids::CertificateId;
use hythe_core::time::Timestamp;
use hythe_core::wire::certificate::{CertificateMessage, FleetKeyMessage, SealedKey};
use uuid::Uuid;

use super::peers::Peer;
use super::{Edge, FEW, HOST, ROUNDS, Seen, WILDCARD, ask_at, free_address, listens, table};

/// nginx and the edge with the same certificate, asked in turns.
pub(super) fn beside(
    folder: &Path,
    nats: &Nats,
    backend: SocketAddr,
    (upstream, passes): (&str, &str),
) -> [Seen; 2] {
    let certificate = Certificate::new();
    let files = folder.join("tls");
    std::fs::create_dir_all(&files).expect("a folder");
    std::fs::write(files.join("chain.pem"), &certificate.chain).expect("a file");
    std::fs::write(files.join("key.pem"), certificate.key.serialize_pem()).expect("a file");
    let inside = format!(
        "ssl_certificate {files}/chain.pem; ssl_certificate_key {files}/key.pem; \
         ssl_protocols TLSv1.3; {passes}",
        files = files.display()
    );
    let theirs = free_address();
    let _nginx =
        Peer::nginx_listening(&folder.join("nginx-tls"), theirs, " ssl", upstream, &inside);
    let data = folder.join("edge-tls");
    certificate.keep(&data.join("edge"));
    let ours = free_address();
    let domain = HOST.split_once('.').map_or(HOST, |(_, domain)| domain);
    // `wrk` names no host, as it connects to an address: the domain's certificate is shown then.
    let more = ["--edge-https", &ours.to_string(), "--base-domain", domain];
    let _edge = Edge::started(&data, nats, &table(1, FEW, backend, false), &more);
    listens(ours);
    let mut seen: [Vec<Seen>; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (side, seen) in [theirs, ours].iter().zip(&mut seen) {
            seen.push(ask_at(&format!("https://{side}/")));
        }
    }
    seen.map(|seen| Seen::middle(&seen))
}

/// One for all hosts that are asked for here, signed by itself.
struct Certificate {
    chain: String,
    key: rcgen::KeyPair,
}

impl Certificate {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec![WILDCARD.to_owned()]).expect("a name");
        let chain = params.self_signed(&key).expect("a certificate").pem();
        Self { chain, key }
    }

    /// Writes it where an edge finds it, sealed as the control plane does.
    fn keep(&self, data: &Path) {
        let folder = data.join("certificates");
        std::fs::create_dir_all(&folder).expect("a folder");
        let (own, fleet) = (SecretKey::from_bytes([1; 32]), [2_u8; 32]);
        let boxed = own.public_key().seal(&mut OsRng, &fleet).expect("a box");
        let id = CertificateId::new(Uuid::now_v7());
        let bound = CertificateMessage::bound_to(id, 1);
        let plain = self.key.serialize_der();
        let payload = Payload { msg: &plain, aad: &bound };
        let cipher = XChaCha20Poly1305::new_from_slice(&fleet).expect("32 bytes");
        let text = cipher.encrypt(&XNonce::from([3; 24]), payload).expect("a ciphertext");
        let message = CertificateMessage {
            format: 1,
            id,
            version: 1,
            names: [WILDCARD.parse().expect("a name")].into(),
            chain: self.chain.clone(),
            key: SealedKey([&[3; 24][..], &text].concat()),
            not_after: Timestamp(u64::MAX),
            signed: None,
        };
        let keys = [FleetKeyMessage { format: 1, sealed: boxed, only: false }];
        let write = |path: std::path::PathBuf, bytes: Vec<u8>| {
            std::fs::write(path, bytes).expect("a file");
        };
        write(data.join("sealing.key"), own.to_bytes().to_vec());
        write(folder.join("fleet.json"), serde_json::to_vec(&keys).expect("JSON"));
        write(folder.join(format!("{id}.json")), serde_json::to_vec(&message).expect("JSON"));
    }
}
