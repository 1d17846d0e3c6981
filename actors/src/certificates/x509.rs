//! What a certificate says of itself: the only place that reads X.509.

use std::collections::BTreeSet;
use std::sync::Arc;

use hythe_core::certificate::{CertificateName, CertificateNames};
use hythe_core::limits;
use hythe_core::time::Timestamp;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION,
    OID_SIG_ED25519,
};
use x509_parser::parse_x509_certificate;
use x509_parser::public_key::PublicKey;

/// Certificates of a chain; real ones have up to four.
const MOST_IN_CHAIN: usize = 10;
/// The shortest RSA key that browsers take.
const LEAST_RSA_BITS: usize = 2_048;

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) serial: String,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// The hosts that it is for.
    pub(crate) names: CertificateNames,
}

/// The certificates of a chain in PEM, the certificate itself first.
pub(crate) fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    if pem.len() > limits::MOST_CERTIFICATE_BYTES {
        return Err(format!("a chain has at most {} bytes", limits::MOST_CERTIFICATE_BYTES));
    }
    let read = CertificateDer::pem_slice_iter(pem.as_bytes()).take(MOST_IN_CHAIN + 1);
    let chain =
        read.collect::<Result<Vec<_>, _>>().map_err(|error| format!("it is no PEM: {error}"))?;
    match chain.len() {
        0 => {
            Err("there is no certificate in it: it begins with -----BEGIN CERTIFICATE-----".into())
        }
        many if many > MOST_IN_CHAIN => {
            Err(format!("a chain has at most {MOST_IN_CHAIN} certificates"))
        }
        _ => Ok(chain),
    }
}

fn parsed<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, String> {
    let (_, certificate) = parse_x509_certificate(der)
        .map_err(|error| format!("a certificate is damaged: {error}"))?;
    Ok(certificate)
}

/// Reads a certificate.
pub(crate) fn facts(der: &CertificateDer<'_>) -> Result<Facts, String> {
    let certificate = parsed(der)?;
    let alternatives = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
    let alternatives = alternatives.map_or(&[][..], |found| &found.value.general_names[..]);
    let hosts = alternatives.iter().filter_map(|name| {
        let GeneralName::DNSName(host) = name else { return None };
        CertificateName::new(&host.to_ascii_lowercase()).ok()
    });
    let names: BTreeSet<CertificateName> = hosts.collect();
    let names = CertificateNames::new(names).map_err(|bad| {
        format!("the hosts that it is for: {bad}; they stand as subject alternative names")
    })?;
    let validity = certificate.validity();
    Ok(Facts {
        serial: certificate.raw_serial_as_string(),
        not_before: moment(validity.not_before.timestamp()),
        not_after: moment(validity.not_after.timestamp()),
        names,
    })
}

/// Until when the first certificate of a chain in PEM is good, as it says itself.
///
/// # Errors
/// What is wrong with the chain.
pub fn good_until(pem: &str) -> Result<Timestamp, String> {
    let chain = chain(pem)?;
    let leaf = chain.first().ok_or("there is no certificate in it")?;
    Ok(moment(parsed(leaf)?.validity().not_after.timestamp()))
}

/// A moment that is given in seconds since the Unix epoch.
fn moment(seconds: i64) -> Timestamp {
    Timestamp(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000))
}

/// Whether a private key is the one that a certificate is for.
pub(crate) fn key_fits(leaf: &CertificateDer<'static>, key: &[u8]) -> Result<(), String> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.to_vec()));
    let signing = rustls::crypto::ring::sign::any_supported_type(&key);
    // What is wrong with it is not said: no part of a key belongs into a message.
    let signing = signing.map_err(|_| "the key is none that can be used: RSA of 2048 bits or more, ECDSA P-256 or P-384, or Ed25519".to_owned())?;
    let both = CertifiedKey::new(vec![leaf.clone()], Arc::clone(&signing));
    both.keys_match().map_err(|_| "the key is not the certificate's".to_owned())
}

/// Whether every certificate of a chain is signed by the one after it, and by a key that is good enough.
pub(crate) fn is_in_order(chain: &[CertificateDer<'static>]) -> Result<(), String> {
    let parsed = chain.iter().map(parsed).collect::<Result<Vec<_>, _>>()?;
    for (at, pair) in parsed.windows(2).enumerate() {
        let [one, next] = pair else { continue };
        let place = at + 2;
        if one.issuer().as_raw() != next.subject().as_raw() {
            return Err(format!(
                "the chain is out of order: certificate {place} is of \"{}\", and the one before it is \
                 signed by \"{}\"; put the certificate itself first, then who signed it, and so on",
                shown(&next.subject().to_string()),
                shown(&one.issuer().to_string()),
            ));
        }
        one.verify_signature(Some(next.public_key())).map_err(|_| {
            format!("certificate {} of the chain is not signed by the one after it", at + 1)
        })?;
    }
    Ok(())
}

/// Whether a certificate's key is of a kind and length that clients take.
pub(crate) fn key_is_strong(leaf: &CertificateDer<'static>) -> Result<(), String> {
    let certificate = parsed(leaf)?;
    let key = certificate.public_key();
    let kind = &key.algorithm.algorithm;
    if *kind == OID_PKCS1_RSAENCRYPTION {
        return match key.parsed() {
            Ok(PublicKey::RSA(rsa)) if rsa.key_size() >= LEAST_RSA_BITS => Ok(()),
            Ok(_) | Err(_) => Err(format!("its RSA key has less than {LEAST_RSA_BITS} bits")),
        };
    }
    let curve = key.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
    let fine = *kind == OID_SIG_ED25519
        || (*kind == OID_KEY_TYPE_EC_PUBLIC_KEY
            && curve.is_some_and(|curve| curve == OID_EC_P256 || curve == OID_NIST_EC_P384));
    if fine {
        Ok(())
    } else {
        Err("its key is neither RSA nor ECDSA P-256 or P-384 nor Ed25519".to_owned())
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}
