//! What proves to a certificate authority that a host leads here: an answer over HTTP, or a certificate
//! that says nothing but that.

use std::sync::Arc;

use bytes::Bytes;
use hythe_core::ids::ChallengeId;
use hythe_core::names::HostName;
use hythe_core::time::Timestamp;
use hythe_core::wire::certificate::{ChallengeMessage, Proof};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use zeroize::Zeroizing;

/// The protocol that an authority offers, and nothing else (RFC 8737, 6.2).
pub(super) const PROTOCOL: &[u8] = b"acme-tls/1";
/// Where it asks over HTTP (RFC 8555, 8.3).
const PATH: &str = "/.well-known/acme-challenge/";
/// The format of [`ChallengeMessage`] that this edge understands.
const FORMAT: u16 = 1;
/// Bytes of a message, and so of an answer.
const MOST_BYTES: usize = 8 * 1024;

/// The token that a path asks for.
pub(super) fn token(path: &str) -> Option<&str> {
    path.strip_prefix(PATH).filter(|token| !token.is_empty())
}

/// One challenge.
#[derive(Clone, Debug)]
pub(super) struct Challenge {
    pub(super) id: ChallengeId,
    pub(super) host: HostName,
    pub(super) until: Timestamp,
    pub(super) mark: [u8; 32],
    pub(super) answer: Answer,
}

/// What an authority gets.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// Over HTTP.
    Http { token: String, body: Bytes },
    /// In a handshake.
    Tls(Arc<ServerConfig>),
}

/// Reads a message, which is to be that of `id`.
pub(super) fn read(id: ChallengeId, bytes: &[u8], mark: [u8; 32]) -> Result<Challenge, String> {
    if bytes.len() > MOST_BYTES {
        return Err(format!("its message has {} bytes, more than {MOST_BYTES}", bytes.len()));
    }
    let message: ChallengeMessage =
        serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if message.format != FORMAT {
        return Err(format!("its format is {}, this edge reads {FORMAT}", message.format));
    }
    if message.id != id {
        return Err(format!("its message is of {}", message.id));
    }
    of(message, mark)
}

/// Makes of a message what is answered.
pub(super) fn of(message: ChallengeMessage, mark: [u8; 32]) -> Result<Challenge, String> {
    let ChallengeMessage { format: _, id, host, proof, until } = message;
    let answer = match proof {
        Proof::Http01 { token, answer } => Answer::Http { token, body: Bytes::from(answer) },
        Proof::TlsAlpn01 { digest } => Answer::Tls(Arc::new(proof_of(&host, &digest)?)),
    };
    Ok(Challenge { id, host, until, mark, answer })
}

/// Handshakes with a certificate for this host alone, signed by itself, with the digest (RFC 8737, 3).
fn proof_of(host: &HostName, digest: &[u8; 32]) -> Result<ServerConfig, String> {
    let failed = |error: rcgen::Error| error.to_string();
    let pair = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new(vec![host.to_string()]).map_err(failed)?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&pair).map_err(failed)?;
    let plain = Zeroizing::new(pair.serialize_der());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(plain.as_slice()));
    let key = any_supported_type(&key).map_err(|error| error.to_string())?;
    let certified = CertifiedKey::new(vec![certificate.der().clone()], key);
    let mut config = super::plain().map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.send_tls13_tickets = 0;
    config.cert_resolver = Arc::new(SingleCertAndKey::from(certified));
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_asks_for_a_token_or_is_an_apps() {
        for (path, asked) in [
            ("/.well-known/acme-challenge/abc-DEF_1", Some("abc-DEF_1")),
            ("/.well-known/acme-challenge/", None),
            ("/.well-known/acme-challenge", None),
            ("/.well-known/", None),
            ("/", None),
            ("//.well-known/acme-challenge/abc", None),
            ("/.WELL-KNOWN/acme-challenge/abc", None),
        ] {
            assert_eq!(token(path), asked, "{path}");
        }
    }
}
