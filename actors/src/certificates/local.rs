//! The installation's own authority, for names that no public one signs for.
//!
//! Whoever trusts it trusts it for local names alone: its certificate permits no others (RFC 5280,
//! 4.2.1.10).

use std::time::Duration;

use hythe_core::certificate::{CertificateIssuer, CertificateNames, Issued, LocalAuthority};
use hythe_core::ids::CertificateId;
use hythe_core::installation::CertificateCommand;
use hythe_core::time::{Millis, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SerialNumber,
};
use rustls::pki_types::PrivatePkcs8KeyDer;

use super::kept::{Kept, put, random, tell};
use super::x509;
use crate::control::Control;

/// What the authority may sign for, and all below.
const PERMITTED: [&str; 4] = ["localhost", "local", "test", "internal"];
/// How long the authority is good.
const ROOT_LIFE: Millis = Millis::seconds(3_652 * 24 * 3_600);
/// And what it signs.
const LEAF_LIFE: Millis = Millis::seconds(90 * 24 * 3_600);
/// Clocks differ.
const BEFORE: Millis = Millis::seconds(3_600);

/// The authority with its key, made where there is none that is good for as long as what it signs.
async fn authority(control: &Control) -> Result<Kept, String> {
    let now = control.clock().now();
    let there = control.read(|view| view.installation.state.certificates.local.clone());
    let good = |local: &LocalAuthority| local.not_after > now.plus(LEAF_LIFE);
    if let Some(local) = there.as_ref().filter(|local| good(local)) {
        return Kept::read(control, LocalAuthority::SECRET, local.version);
    }
    let key = KeyPair::generate().map_err(|error| error.to_string())?;
    let not_after = now.plus(ROOT_LIFE);
    let mut params = root(control, now)?;
    params.not_after = moment(not_after);
    let certificate = params.self_signed(&key).map_err(|error| error.to_string())?;
    let kept = Kept { chain: certificate.pem(), key: key.serialize_der() };
    let version = there.map_or(0, |local| local.version) + 1;
    let secrets = put(control, LocalAuthority::SECRET, version, kept.secret()?);
    let command = CertificateCommand::MakeLocal { version, not_after, at: now };
    tell(control, command, secrets).await.map_err(|error| error.to_string())?;
    Ok(kept)
}

/// Makes the authority where there is none.
pub(super) async fn ensure(control: &Control) -> Result<(), String> {
    authority(control).await.map(drop)
}

/// The authority's certificate in PEM, for those who are to trust it; none while there is none.
pub(super) fn certificate(control: &Control) -> Result<Option<String>, String> {
    let local = control.read(|view| view.installation.state.certificates.local.clone());
    let kept = local.map(|local| Kept::read(control, LocalAuthority::SECRET, local.version));
    Ok(kept.transpose()?.map(|kept| kept.chain.clone()))
}

/// Signs a certificate, and puts it down.
pub(super) async fn issue(
    control: &Control,
    id: CertificateId,
    names: &CertificateNames,
    version: u64,
) -> Result<(), String> {
    let now = control.clock().now();
    let root = authority(control).await?;
    let signer = KeyPair::try_from(&PrivatePkcs8KeyDer::from(root.key.as_slice()));
    let signer = signer.map_err(|error| format!("the authority's key: {error}"))?;
    let issuer =
        Issuer::from_ca_cert_pem(&root.chain, signer).map_err(|error| error.to_string())?;
    let key = KeyPair::generate().map_err(|error| error.to_string())?;
    let texts: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(texts).map_err(|error| error.to_string())?;
    params.distinguished_name = DistinguishedName::new();
    params.serial_number = Some(serial()?);
    params.not_before = moment(Timestamp(now.0.saturating_sub(BEFORE.0)));
    params.not_after = moment(now.plus(LEAF_LIFE));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let leaf = params.signed_by(&key, &issuer).map_err(|error| error.to_string())?;
    let facts = x509::facts(leaf.der())?;
    // Who trusts the authority has its certificate: it need not be sent along.
    let kept = Kept { chain: leaf.pem(), key: key.serialize_der() };
    let issued = Issued {
        by: CertificateIssuer::Local,
        serial: facts.serial,
        not_before: facts.not_before,
        not_after: facts.not_after,
        at: now,
    };
    let secrets = put(control, &super::secret(id), version, kept.secret()?);
    let names = names.clone();
    let command = CertificateCommand::Issue { id, names, version, issued: Box::new(issued) };
    tell(control, command, secrets).await.map_err(|error| error.to_string())
}

/// What the authority says of itself, but for its end.
fn root(control: &Control, now: Timestamp) -> Result<CertificateParams, String> {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    // The installation's id keeps two on the same machine apart.
    let id = control.installation().to_string();
    let short = id.rsplit('-').next().unwrap_or_default().to_owned();
    name.push(DnType::OrganizationName, "Hythe");
    name.push(DnType::CommonName, format!("Hythe local authority {short}"));
    params.distinguished_name = name;
    params.serial_number = Some(serial()?);
    params.not_before = moment(Timestamp(now.0.saturating_sub(BEFORE.0)));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let permitted = PERMITTED.iter().map(|name| GeneralSubtree::DnsName((*name).to_owned()));
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: permitted.collect(),
        excluded_subtrees: Vec::new(),
    });
    Ok(params)
}

/// 16 random bytes; the first bit is 0, so that it is a positive number in as many.
fn serial() -> Result<SerialNumber, String> {
    let mut bytes = *random::<16>()?;
    bytes[0] &= 0x7f;
    Ok(SerialNumber::from_slice(&bytes))
}

fn moment(at: Timestamp) -> time::OffsetDateTime {
    time::OffsetDateTime::UNIX_EPOCH + Duration::from_millis(at.0)
}
