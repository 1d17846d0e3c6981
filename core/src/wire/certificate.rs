//! Between control plane and edges: certificates with their sealed keys, and what proves to a
//! certificate authority that a host leads here. All of it lies in one KV bucket.
//!
//! Invariants: no private key is here but under the fleet's key, and the fleet's key is here but in boxes
//! that one edge each can open. What is no longer in the bucket is no longer served. What edges may do without
//! the control plane is sealed, too: whoever can only write to the bucket has them ask nobody.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::certificate::{CertificateName, ChallengeKind, ContactAddress};
use crate::ids::{CertificateId, ChallengeId, EdgeId};
use crate::names::HostName;
use crate::time::Timestamp;

/// The key in the bucket under which an edge finds its [`FleetKeyMessage`].
#[must_use]
pub fn fleet_key(edge: EdgeId) -> String {
    format!("edge.{edge}")
}

/// The key in the bucket of a [`CertificateMessage`].
#[must_use]
pub fn certificate_key(certificate: CertificateId) -> String {
    format!("certificate.{certificate}")
}

/// The key in the bucket of a [`ChallengeMessage`].
#[must_use]
pub fn challenge_key(challenge: ChallengeId) -> String {
    format!("challenge.{challenge}")
}

/// The key in the bucket of the [`AloneMessage`].
pub const ALONE_KEY: &str = "alone";

/// The key in the bucket of a [`CertificateMessage`] that an edge has come by itself, in place of this one. Other
/// edges need not order it then.
#[must_use]
pub fn own_key(certificate: CertificateId) -> String {
    format!("own.{certificate}")
}

/// Bytes of a [`CertificateMessage`] or an [`AloneMessage`]: edges read no larger ones.
pub const MOST_BYTES: usize = 256 * 1024;

/// The fleet's key, for one edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetKeyMessage {
    /// Format of this message; 1.
    pub format: u16,
    /// 32 bytes in a sealed box (`crypto_box`: X25519, XSalsa20-Poly1305) for the key that the edge
    /// told in its reports.
    pub sealed: Vec<u8>,
    /// Whether nothing in the bucket is sealed with an older one any more: then this one is all that an edge needs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only: bool,
}

/// A certificate that edges serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateMessage {
    /// Format of this message; 1.
    pub format: u16,
    /// Which certificate. A renewed one keeps its id.
    pub id: CertificateId,
    /// Grows with each renewal.
    pub version: u64,
    /// What it is for.
    pub names: BTreeSet<CertificateName>,
    /// The chain in PEM, the certificate itself first.
    pub chain: String,
    /// Its private key.
    pub key: SealedKey,
    /// When it ends to be good.
    pub not_after: Timestamp,
    /// Who signed it, where that is an authority that speaks ACME.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
}

/// What it takes to have a certificate renewed by who signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// Where the authority's directory is. As text: an edge may not know yet what the control plane knows.
    pub directory: String,
    /// Since when the certificate is good.
    pub not_before: Timestamp,
}

impl CertificateMessage {
    /// What the cipher binds the private key to: it fits no other certificate.
    #[must_use]
    pub fn bound_to(id: CertificateId, version: u64) -> Vec<u8> {
        format!("hythe certificate {id} {version}").into_bytes()
    }
}

/// A private key, PKCS #8 in DER, under the fleet's key: a nonce of 24 bytes, then
/// XChaCha20-Poly1305 with [`CertificateMessage::bound_to`] as associated data.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedKey(pub Vec<u8>);

impl std::fmt::Debug for SealedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedKey({} bytes)", self.0.len())
    }
}

/// What edges may do alone, put there anew as long as the control plane lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AloneMessage {
    /// Format of this message; 1.
    pub format: u16,
    /// [`AloneTerms`] in JSON, sealed as private keys are, bound to [`AloneMessage::BOUND`].
    pub sealed: SealedKey,
}

impl AloneMessage {
    /// What the cipher binds it to.
    pub const BOUND: &'static [u8] = b"hythe alone";
}

/// What an edge may do where nothing is heard of the control plane any more, and what it needs for that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AloneTerms {
    /// When the control plane said so: it lived then.
    pub at: Timestamp,
    /// The directories of authorities whose terms the owner agreed to, and that open accounts for anybody.
    pub directories: BTreeSet<String>,
    /// The control plane's accounts at those that bind accounts to one that people have, by their directories:
    /// what binds them may be good for one account only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accounts: BTreeMap<String, LentAccount>,
    /// Whom they write to.
    pub email: Option<ContactAddress>,
    /// How names may be proven.
    pub challenges: Vec<ChallengeKind>,
    /// Roots in PEM that are trusted besides the machine's where authorities are asked.
    pub roots: Option<String>,
}

impl AloneTerms {
    /// Whether an authority may be asked.
    #[must_use]
    pub fn may_ask(&self, directory: &str) -> bool {
        self.directories.contains(directory) || self.accounts.contains_key(directory)
    }
}

/// An account at an authority as it is kept: its address and its private key, in JSON.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LentAccount(pub String);

impl std::fmt::Debug for LentAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LentAccount(…)")
    }
}

/// What edges answer a certificate authority with, until it is removed or over. An edge lists those that
/// it answers in its reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeMessage {
    /// Format of this message; 1.
    pub format: u16,
    /// Which one.
    pub id: ChallengeId,
    /// The host that the authority asks at.
    pub host: HostName,
    /// What it gets.
    pub proof: Proof,
    /// When nobody asks any more.
    pub until: Timestamp,
}

/// What proves that a host leads here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// RFC 8555, 8.3: the body at `/.well-known/acme-challenge/<token>` over plain HTTP.
    Http01 {
        /// The last part of the path.
        token: String,
        /// The body.
        answer: String,
    },
    /// RFC 8737: a certificate for the host, signed by itself, with this digest in its
    /// `acmeIdentifier`, to whoever offers the protocol `acme-tls/1`.
    TlsAlpn01 {
        /// SHA-256 of the key authorization.
        digest: [u8; 32],
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_of_a_server_that_lent_no_account_are_read() {
        let old = r#"{"at":1,"directories":["https://ca.example"],"email":null,"challenges":[],"roots":null}"#;
        let mut read: AloneTerms = serde_json::from_str(old).unwrap();
        assert!(read.accounts.is_empty() && read.may_ask("https://ca.example"));
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
        read.accounts.insert("https://bound.example".into(), LentAccount("hush".into()));
        assert!(read.may_ask("https://bound.example") && !read.may_ask("https://other.example"));
        assert!(!format!("{read:?}").contains("hush"), "{read:?}");
    }

    #[test]
    fn a_key_of_a_server_that_knew_one_key_only_is_read() {
        let old = r#"{"format":1,"sealed":[1,2]}"#;
        let read: FleetKeyMessage = serde_json::from_str(old).unwrap();
        assert_eq!(read, FleetKeyMessage { format: 1, sealed: vec![1, 2], only: false });
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
    }

    #[test]
    fn a_certificate_of_a_server_that_did_not_say_who_signed_it_is_read() {
        let id = CertificateId::new(uuid::Uuid::from_u128(1));
        let old = format!(
            r#"{{"format":1,"id":"{id}","version":2,"names":["shop.example"],"chain":"","key":[1],"not_after":3}}"#
        );
        let read: CertificateMessage = serde_json::from_str(&old).unwrap();
        assert_eq!(read.signed, None);
        // And an edge of before reads what is said now: it is the same but for what it does not know.
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
    }
}
