//! How an App says who it is: a few claims, signed with its private key (RS256, a JSON Web Token).
//!
//! By ring, which the whole of TLS here rests upon: a token with one algorithm and three claims needs no
//! more than that, and no second set of primitives.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hythe_core::github::api;
use hythe_core::time::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

/// An App's private key.
pub(super) struct Key(RsaKeyPair);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// Reads PEM, as GitHub gives it.
    ///
    /// # Errors
    /// What is wrong with it; never what it is.
    pub(super) fn read(pem: &str) -> Result<Self, String> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| "it is no private key in PEM".to_owned())?;
        let pair = match &der {
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Sec1(_) => return Err("it is no RSA key".to_owned()),
            _ => return Err("it is no key of a known kind".to_owned()),
        };
        pair.map(Self).map_err(|error| format!("it is no RSA key of 2048 to 4096 bits: {error}"))
    }

    /// What the App of this number says of itself now.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub(super) fn assert(&self, app: u64, now: Timestamp) -> Result<Zeroizing<String>, String> {
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let head = encoded(r#"{"alg":"RS256","typ":"JWT"}"#);
        let signed = format!("{head}.{}", encoded(&api::claims(app, now).to_string()));
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| "the system has no randomness to give".to_owned())?;
        Ok(Zeroizing::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&signature))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        for pem in [
            "",
            "hush",
            "-----BEGIN RSA PRIVATE KEY-----\naHVzaA==\n-----END RSA PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\naHVzaA==\n-----END PRIVATE KEY-----\n",
            "-----BEGIN EC PRIVATE KEY-----\naHVzaA==\n-----END EC PRIVATE KEY-----\n",
            "-----BEGIN CERTIFICATE-----\naHVzaA==\n-----END CERTIFICATE-----\n",
        ] {
            let why = Key::read(pem).unwrap_err();
            assert!(!why.contains("hush") && !why.contains("aHVz"), "{why}");
        }
    }
}
