//! One certificate, from the message that brings it to what a handshake is made with.
//!
//! Invariant: what becomes one was looked at: it opens, its key fits, and it is for the hosts that it is said
//! to be for. An authority is not asked again whether it is good.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hythe_core::certificate::CertificateName;
use hythe_core::ids::CertificateId;
use hythe_core::time::Timestamp;
use hythe_core::wire::certificate::{CertificateMessage, FleetKeyMessage, SealedKey, Signed};
use rustls::client::verify_server_name;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys, ServerConfig};
use zeroize::Zeroizing;

/// The format of [`CertificateMessage`] that this edge understands.
const FORMAT: u16 = 1;
/// Bytes of a message. An ordinary one has some 6,000.
pub(super) const MOST_BYTES: usize = hythe_core::wire::certificate::MOST_BYTES;
/// Certificates of a chain.
const MOST_IN_CHAIN: usize = 10;
/// Bytes before the ciphertext of a key.
const NONCE: usize = 24;

/// Why a certificate is not served. Says nothing of a key.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error("its message cannot be read: {0}")]
    Message(String),
    #[error("its message has {0} bytes, more than {MOST_BYTES}")]
    TooLarge(usize),
    #[error("its format is {0}, this edge reads {FORMAT}")]
    Format(u16),
    #[error("its message is of {0}")]
    Another(CertificateId),
    /// The key that it needs may be on its way.
    #[error("no key of the fleet that this edge has opens its private key")]
    Sealed,
    #[error("its chain cannot be read: {0}")]
    Chain(String),
    #[error("its chain has no certificate, or more than {MOST_IN_CHAIN}")]
    Length,
    #[error("its private key cannot be used: {0}")]
    Key(Error),
    #[error("its private key is not the certificate's")]
    KeyOfAnother,
    #[error("it is for no host")]
    Nameless,
    #[error("it is not for {0}, though it should be")]
    Misnamed(CertificateName),
    #[error("it is for other names than what it stands in for, or of another authority")]
    Stranger,
    #[error("it is not good until when its message says")]
    Untrue,
}

/// What private keys are sealed with, the newest first.
#[derive(Default)]
pub(super) struct Fleet(pub(super) Vec<FleetKey>);

/// One key of the fleet, and how it came.
pub(super) struct FleetKey {
    pub(super) message: FleetKeyMessage,
    pub(super) key: Zeroizing<[u8; 32]>,
}

impl FleetKey {
    fn open(&self, sealed: &SealedKey, bound: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = sealed.0.split_first_chunk::<NONCE>()?;
        let cipher = XChaCha20Poly1305::new_from_slice(&*self.key).ok()?;
        let payload = Payload { msg: text, aad: bound };
        cipher.decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fleet({} keys)", self.0.len())
    }
}

impl Fleet {
    /// Opens what is sealed with one of them, and bound to this.
    pub(super) fn open(&self, sealed: &SealedKey, bound: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.0.iter().find_map(|known| known.open(sealed, bound))
    }

    /// The same, where it is not the newest of them.
    pub(super) fn open_older(
        &self,
        sealed: &SealedKey,
        bound: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let (newest, older) = self.0.split_first()?;
        if newest.open(sealed, bound).is_some() {
            return None;
        }
        older.iter().find_map(|known| known.open(sealed, bound))
    }

    /// Seals something with the newest of them, bound to this.
    pub(super) fn seal(&self, plain: &[u8], bound: &[u8]) -> Result<SealedKey, String> {
        let newest = self.0.first().ok_or("this edge has no key of the fleet")?;
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|error| error.to_string())?;
        let cipher = XChaCha20Poly1305::new_from_slice(&*newest.key);
        let cipher = cipher.map_err(|error| error.to_string())?;
        let text = cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: bound });
        let text = text.map_err(|error| error.to_string())?;
        Ok(SealedKey([nonce.as_slice(), &text].concat()))
    }
}

/// A certificate that can be served.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(super) id: CertificateId,
    pub(super) version: u64,
    pub(super) names: BTreeSet<CertificateName>,
    pub(super) not_after: Timestamp,
    /// Who signed it, where that is an authority that can be asked again.
    pub(super) signed: Option<Signed>,
    /// What its message comes to, so that one that comes again is known.
    pub(super) mark: [u8; 32],
    /// What handshakes are made with.
    pub(super) config: Arc<ServerConfig>,
}

impl Certificate {
    /// What it is for.
    pub(super) fn names(&self) -> impl Iterator<Item = &CertificateName> {
        self.names.iter()
    }

    /// Whether it is good no longer.
    pub(super) fn is_over(&self) -> bool {
        self.not_after <= super::now()
    }

    /// Whether it is one for a host (lower case, without port).
    pub(crate) fn covers(&self, host: &str) -> bool {
        let above = host.split_once('.').map(|(_, above)| above);
        self.names.iter().any(|name| {
            let asked = if name.is_wildcard() { above } else { Some(host) };
            asked == Some(name.name().as_str())
        })
    }
}

/// Reads a message, which is to be that of `id`.
pub(super) fn read(id: CertificateId, bytes: &[u8]) -> Result<CertificateMessage, Unfit> {
    if bytes.len() > MOST_BYTES {
        return Err(Unfit::TooLarge(bytes.len()));
    }
    let message: CertificateMessage =
        serde_json::from_slice(bytes).map_err(|error| Unfit::Message(error.to_string()))?;
    match message {
        CertificateMessage { format, .. } if format != FORMAT => Err(Unfit::Format(format)),
        CertificateMessage { id: other, .. } if other != id => Err(Unfit::Another(other)),
        message => Ok(message),
    }
}

/// Makes of a message what can be served.
pub(super) fn open(
    message: CertificateMessage,
    mark: [u8; 32],
    fleet: &Fleet,
    common: &ServerConfig,
) -> Result<Certificate, Unfit> {
    let plain = fleet
        .open(&message.key, &CertificateMessage::bound_to(message.id, message.version))
        .ok_or(Unfit::Sealed)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(message.chain.as_bytes())
        .take(MOST_IN_CHAIN + 1)
        .collect::<Result<_, _>>()
        .map_err(|error| Unfit::Chain(error.to_string()))?;
    let first = chain.first().filter(|_| chain.len() <= MOST_IN_CHAIN).ok_or(Unfit::Length)?;
    fits(first, &message.names)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(plain.as_slice()));
    let certified = CertifiedKey::new(chain, any_supported_type(&key).map_err(Unfit::Key)?);
    let another = Error::InconsistentKeys(InconsistentKeys::KeyMismatch);
    certified.keys_match().map_err(|error| {
        if error == another { Unfit::KeyOfAnother } else { Unfit::Chain(error.to_string()) }
    })?;
    let mut config = common.clone();
    config.cert_resolver = Arc::new(SingleCertAndKey::from(certified));
    let CertificateMessage { id, version, names, not_after, signed, .. } = message;
    Ok(Certificate { id, version, names, not_after, signed, mark, config: Arc::new(config) })
}

/// Whether a certificate is for all these names.
fn fits(first: &CertificateDer<'_>, names: &BTreeSet<CertificateName>) -> Result<(), Unfit> {
    let unread = |error: Error| Unfit::Chain(error.to_string());
    let parsed = ParsedCertificate::try_from(first).map_err(unread)?;
    if names.is_empty() {
        return Err(Unfit::Nameless);
    }
    for name in names {
        // The library takes no wildcard right below a single label, such as `*.localhost`, as some clients
        // do not. That there is such a one is believed.
        if name.is_wildcard() && !name.name().as_str().contains('.') {
            continue;
        }
        let host = if name.is_wildcard() {
            // Any host right below.
            format!("a.{}", name.name())
        } else {
            name.name().to_string()
        };
        let misnamed = || Unfit::Misnamed(name.clone());
        let host = ServerName::try_from(host).map_err(|_| misnamed())?;
        verify_server_name(&parsed, &host).map_err(|_| misnamed())?;
    }
    Ok(())
}

/// Has no certificate: for what is never used as it is.
#[derive(Debug)]
pub(super) struct Nothing;

impl ResolvesServerCert for Nothing {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}
