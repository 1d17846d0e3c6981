//! A certificate authority, and the control plane's half of what edges are given of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use crypto_box::aead::OsRng;
use crypto_box::{PublicKey, SecretKey};
use hythe_core::ids::CertificateId;
use hythe_core::time::Timestamp;
use hythe_core::wire::certificate::{
    AloneMessage, AloneTerms, CertificateMessage, FleetKeyMessage, SealedKey,
};
use hythe_core::wire::worker::SealingKey;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use uuid::Uuid;

/// When a certificate is over that is good for as long as these tests are run, and one that is no longer.
pub const FOREVER: u64 = 32_503_680_000_000;
pub const PAST: u64 = 1_000_000_000_000;

/// A chain in PEM and its private key in DER.
pub type Issued = (String, Vec<u8>);

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), root }
    }

    pub fn issue(&self, names: &[&str]) -> Issued {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_der())
    }

    /// One who trusts it, speaks these versions, and offers these protocols.
    pub fn client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(versions).unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// The key of a fleet.
pub struct Fleet([u8; 32]);

impl Fleet {
    pub fn new(key: u8) -> Self {
        Self([key; 32])
    }

    /// In a box for one edge.
    pub fn sealed(&self, to: SealingKey) -> FleetKeyMessage {
        let sealed = PublicKey::from(to.0).seal(&mut OsRng, &self.0).unwrap();
        FleetKeyMessage { format: 1, sealed, only: false }
    }

    /// What edges may do alone.
    pub fn alone(&self, terms: &AloneTerms) -> AloneMessage {
        let plain = serde_json::to_vec(terms).unwrap();
        let cipher = XChaCha20Poly1305::new_from_slice(&self.0).unwrap();
        let payload = Payload { msg: &plain, aad: AloneMessage::BOUND };
        let text = cipher.encrypt(&XNonce::from([9; 24]), payload).unwrap();
        AloneMessage { format: 1, sealed: SealedKey([&[9; 24][..], &text].concat()) }
    }

    pub fn certificate(
        &self,
        (id, version): (CertificateId, u64),
        names: &[&str],
        (chain, key): &Issued,
        not_after: u64,
    ) -> CertificateMessage {
        let bound = CertificateMessage::bound_to(id, version);
        let cipher = XChaCha20Poly1305::new_from_slice(&self.0).unwrap();
        let nonce: [u8; 24] = std::array::from_fn(|at| bound[at]);
        let payload = Payload { msg: key, aad: &bound };
        let text = cipher.encrypt(&XNonce::from(nonce), payload).unwrap();
        CertificateMessage {
            format: 1,
            id,
            version,
            names: names.iter().map(|name| name.parse().unwrap()).collect(),
            chain: chain.clone(),
            key: SealedKey([&nonce[..], &text].concat()),
            not_after: Timestamp(not_after),
            signed: None,
        }
    }
}

/// What an edge has on its disk.
pub struct Sealed {
    fleet: Fleet,
    edge: SecretKey,
    certificates: BTreeMap<CertificateId, CertificateMessage>,
}

impl Sealed {
    pub fn new() -> Self {
        let edge = SecretKey::from_bytes([5; 32]);
        Self { fleet: Fleet::new(7), edge, certificates: BTreeMap::new() }
    }

    /// Adds one; it is given as clients get to see it.
    pub fn add(
        &mut self,
        authority: &Authority,
        names: &[&str],
        not_after: u64,
    ) -> CertificateDer<'static> {
        let issued = authority.issue(names);
        let id = CertificateId::new(Uuid::now_v7());
        let message = self.fleet.certificate((id, 1), names, &issued, not_after);
        self.certificates.insert(id, message);
        CertificateDer::from_pem_slice(issued.0.as_bytes()).unwrap()
    }

    /// Adds one as it is given, however bad that may be.
    pub fn put(&mut self, name: &str, issued: &Issued, not_after: u64) -> CertificateId {
        let id = CertificateId::new(Uuid::now_v7());
        let message = self.fleet.certificate((id, 1), &[name], issued, not_after);
        self.certificates.insert(id, message);
        id
    }

    /// Changes a bit of a sealed key.
    pub fn damage(&mut self, id: CertificateId) {
        self.certificates.get_mut(&id).unwrap().key.0[40] ^= 1;
    }

    pub fn write(&self, data: &Path) {
        let folder = data.join("certificates");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(data.join("sealing.key"), self.edge.to_bytes()).unwrap();
        let to = SealingKey(*self.edge.public_key().as_bytes());
        let write = |name: String, json: Vec<u8>| std::fs::write(folder.join(name), json).unwrap();
        let keys = serde_json::to_vec(&[self.fleet.sealed(to)]).unwrap();
        write("fleet.json".to_owned(), keys);
        for (id, message) in &self.certificates {
            write(format!("{id}.json"), serde_json::to_vec(message).unwrap());
        }
        write("nonsense.json".to_owned(), b"{}".to_vec());
        write(format!("{}.json", Uuid::now_v7()), b"{\"format\":1".to_vec());
    }
}
