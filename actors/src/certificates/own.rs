//! Certificates that somebody brings along: looked at before they are taken.

use hythe_core::certificate::{CertificateIssuer, CertificateNames, Issued};
use hythe_core::limits;
use hythe_core::time::Timestamp;
use hythe_store::Secret;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;

use super::kept::Kept;
use super::x509;

/// A certificate that can be taken, with its key.
#[derive(Debug)]
pub struct OwnCertificate {
    /// What it is for.
    pub names: CertificateNames,
    /// What it says of itself.
    pub issued: Issued,
    /// Chain and key, as they are kept.
    pub secret: Secret,
}

/// What is wrong with a certificate, or with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadCertificate {
    /// `certificate` or `key`.
    pub field: &'static str,
    /// What is wrong, and what to do. Never a part of a key.
    pub why: String,
}

/// Looks at a chain and a key, both in PEM.
///
/// # Errors
/// [`BadCertificate`] says what is wrong.
pub fn inspect(chain: &str, key: &str, now: Timestamp) -> Result<OwnCertificate, BadCertificate> {
    let of_certificate = |why: String| BadCertificate { field: "certificate", why };
    let of_key = |why: String| BadCertificate { field: "key", why };
    let certificates = x509::chain(chain).map_err(of_certificate)?;
    let Some(leaf) = certificates.first() else {
        return Err(of_certificate("there is no certificate in it".to_owned()));
    };
    let facts = x509::facts(leaf).map_err(of_certificate)?;
    if facts.not_after <= now {
        return Err(of_certificate(
            "it has expired: have it renewed by whoever signed it".to_owned(),
        ));
    }
    if facts.not_before > now {
        return Err(of_certificate(
            "it is not good yet; if it should be, look at this machine's clock".to_owned(),
        ));
    }
    x509::key_is_strong(leaf).map_err(of_certificate)?;
    x509::is_in_order(&certificates).map_err(of_certificate)?;
    let key = pkcs8(key).map_err(of_key)?;
    x509::key_fits(leaf, &key).map_err(of_key)?;
    let kept = Kept { chain: chain.to_owned(), key };
    let issued = Issued {
        by: CertificateIssuer::Own,
        serial: facts.serial,
        not_before: facts.not_before,
        not_after: facts.not_after,
        at: now,
    };
    let secret = kept.secret().map_err(of_certificate)?;
    Ok(OwnCertificate { names: facts.names, issued, secret })
}

/// The key's bytes, in the form that edges take.
fn pkcs8(pem: &str) -> Result<Vec<u8>, String> {
    if pem.len() > limits::MOST_CERTIFICATE_BYTES / 3 {
        return Err("it is larger than any key".to_owned());
    }
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(PrivateKeyDer::Pkcs8(key)) => Ok(key.secret_pkcs8_der().to_vec()),
        Ok(_other_form) => {
            Err("it is in an older form; convert it first: openssl pkcs8 -topk8 -nocrypt \
                               -in KEY -out NEWKEY"
                .to_owned())
        }
        Err(_) if pem.contains("ENCRYPTED") => {
            Err("it has a passphrase; take that off first: openssl \
                                                    pkcs8 -topk8 -nocrypt -in KEY -out NEWKEY"
                .to_owned())
        }
        Err(_) => {
            Err("it is no private key in PEM: it begins with -----BEGIN PRIVATE KEY-----"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    const DAY: u64 = 24 * 3_600;

    struct Made {
        chain: [String; 2],
        key: KeyPair,
        now: Timestamp,
    }

    fn made() -> Made {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "somebody's authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = vec!["shop.example".to_owned(), "*.shop.example".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        let from = time::OffsetDateTime::UNIX_EPOCH + Duration::from_secs(20_000 * DAY);
        (params.not_before, params.not_after) = (from, from + Duration::from_secs(90 * DAY));
        let leaf = params.signed_by(&key, &issuer).unwrap();
        let now = Timestamp(20_010 * DAY * 1_000);
        Made { chain: [leaf.pem(), issuer.pem()], key, now }
    }

    #[test]
    fn a_good_one_is_taken_and_says_what_it_is_for() {
        let Made { chain, key, now } = made();
        let taken = inspect(&chain.concat(), &key.serialize_pem(), now).unwrap();
        assert_eq!(taken.names.to_string(), "shop.example,*.shop.example");
        assert_eq!(taken.issued.not_after, Timestamp(20_090 * DAY * 1_000));
        assert!(!format!("{taken:?}").contains("PRIVATE"), "{taken:?}");
    }

    #[test]
    fn what_is_wrong_is_said_and_no_part_of_a_key() {
        let Made { chain, key, now } = made();
        let pem = key.serialize_pem();
        let other = KeyPair::generate().unwrap().serialize_pem();
        let old = pem.replace("PRIVATE KEY", "EC PRIVATE KEY");
        let locked = pem.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let [leaf, root] = &chain;
        let turned = format!("{root}{leaf}");
        let stranger = format!("{leaf}{}", made().chain[1]);
        let both = chain.concat();
        let late = Timestamp(now.0 + 100 * DAY * 1_000);
        let early = Timestamp(now.0 - 20 * DAY * 1_000);
        let twelve = leaf.repeat(12);
        for (chain, key, now, field, part) in [
            ("", &pem, now, "certificate", "no certificate"),
            ("hush", &pem, now, "certificate", "no certificate"),
            (pem.as_str(), &pem, now, "certificate", "no certificate"),
            (twelve.as_str(), &pem, now, "certificate", "at most 10"),
            (both.as_str(), &pem, late, "certificate", "expired"),
            (both.as_str(), &pem, early, "certificate", "not good yet"),
            (turned.as_str(), &pem, now, "certificate", "subject alternative names"),
            (stranger.as_str(), &pem, now, "certificate", "not signed by"),
            (both.as_str(), &other, now, "key", "not the certificate's"),
            (both.as_str(), &old, now, "key", "openssl pkcs8"),
            (both.as_str(), &locked, now, "key", "passphrase"),
            (both.as_str(), leaf, now, "key", "no private key"),
        ] {
            let bad = inspect(chain, key, now).unwrap_err();
            assert_eq!(bad.field, field, "{bad:?}");
            assert!(bad.why.contains(part), "{part}: {bad:?}");
            let secret = pem.lines().nth(1).unwrap();
            assert!(!bad.why.contains(secret), "{bad:?}");
        }
    }
}
