//! What an order at an authority is made of, whoever makes it: the control plane, or an edge that is alone.

use std::collections::BTreeSet;
use std::time::Duration;

use hythe_core::certificate::{CertificateNames, ChallengeKind, ContactAddress, FailureKind};
use hythe_core::names::HostName;
use hythe_core::time::Timestamp;
use hythe_core::wire::certificate::Proof;
use instant_acme::{
    Account, AccountCredentials, AuthorizationHandle, AuthorizationStatus, CertificateIdentifier,
    ChallengeType, ExternalAccountKey, Identifier, NewAccount, NewOrder, Order, OrderStatus,
    RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::client::{self, Client};
use super::failure::Failure;
use super::x509;

/// How long an authority may take to look at proofs, and to sign.
const PATIENCE: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.6)
    .timeout(Duration::from_secs(120));
/// Names an order may have proofs for under way.
const MOST_AUTHORIZATIONS: usize = 100;

/// Shows an authority what it is to find. What was shown is taken back by whoever made this.
pub trait Prover: Send {
    /// Shows a proof at a host.
    fn show(
        &mut self,
        host: HostName,
        proof: Proof,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Sets the DNS record of a host.
    fn record(
        &mut self,
        host: HostName,
        value: String,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Waits until the authority finds what was shown.
    fn settled(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// What an authority has signed.
pub struct Obtained {
    /// The chain in PEM, the certificate itself first.
    pub chain: String,
    /// The private key: PKCS #8 in DER.
    pub key: Zeroizing<Vec<u8>>,
    /// The serial number, in hexadecimal digits.
    pub serial: String,
    /// From when on it is good.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
}

impl std::fmt::Debug for Obtained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Obtained").field("serial", &self.serial).finish_non_exhaustive()
    }
}

/// An account at an authority, for whoever is not the control plane.
#[derive(Clone)]
pub struct AcmeAccount(Account);

impl std::fmt::Debug for AcmeAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("AcmeAccount").field(&self.0.id()).finish()
    }
}

impl AcmeAccount {
    /// Opens an account, with roots in PEM that are trusted besides the machine's. What is given with it is
    /// what to keep: it has the account's key. The owner must have agreed to the authority's terms.
    ///
    /// # Errors
    /// Where the authority cannot be asked, or does not open one.
    pub async fn open(
        directory: &str,
        email: Option<&ContactAddress>,
        roots: Option<&str>,
    ) -> Result<(Self, Zeroizing<Vec<u8>>), Failure> {
        let client = trusting(roots)?;
        let (account, kept) = Box::pin(open(client, directory, email, None)).await?;
        Ok((Self(account), kept))
    }

    /// The account that was opened before.
    ///
    /// # Errors
    /// Where what was kept is damaged, or the authority cannot be asked.
    pub async fn again(kept: &[u8], roots: Option<&str>) -> Result<Self, Failure> {
        Box::pin(again(trusting(roots)?, kept)).await.map(Self)
    }

    /// Orders a certificate, proves its names in one of these ways, the first first, and has it signed.
    ///
    /// # Errors
    /// What the authority says, or what was found.
    pub async fn obtain<P: Prover>(
        &self,
        names: &CertificateNames,
        ways: &[ChallengeKind],
        prover: &mut P,
    ) -> Result<Obtained, Failure> {
        let mut order = begin(&self.0, names, None).await?;
        Box::pin(prove(prover, ways, &mut order)).await?;
        let key = KeyPair::generate().map_err(|error| Failure::ours(error.to_string()))?;
        Box::pin(sign(order, names, key)).await
    }
}

fn trusting(roots: Option<&str>) -> Result<Client, Failure> {
    let roots = roots.map(|pem| client::certificates(pem.as_bytes())).transpose();
    let client = roots.and_then(|roots| Client::trusting(roots.unwrap_or_default()));
    client.map_err(Failure::ours)
}

/// Opens an account. Its credentials are what to keep.
pub(super) async fn open(
    client: Client,
    directory: &str,
    email: Option<&ContactAddress>,
    external: Option<&ExternalAccountKey>,
) -> Result<(Account, Zeroizing<Vec<u8>>), Failure> {
    let contact: Vec<String> = email.iter().map(|email| format!("mailto:{email}")).collect();
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let new = NewAccount {
        contact: &contact,
        // Only those are asked whose terms the owner agreed to.
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let builder = Account::builder_with_http(Box::new(client));
    let (account, credentials) = builder.create(&new, directory.to_owned(), external).await?;
    let kept =
        serde_json::to_vec(&credentials).map_err(|error| Failure::ours(error.to_string()))?;
    Ok((account, Zeroizing::new(kept)))
}

/// The account that was opened before.
pub(super) async fn again(client: Client, kept: &[u8]) -> Result<Account, Failure> {
    // An edge opens another one then; the control plane keeps its secrets better, and has somebody look.
    let damaged = |_| Failure {
        no_account: true,
        ..Failure::ours("what is kept of the account there is damaged")
    };
    let credentials: AccountCredentials = serde_json::from_slice(kept).map_err(damaged)?;
    let builder = Account::builder_with_http(Box::new(client));
    Ok(builder.from_credentials(credentials).await?)
}

/// Begins an order.
pub(super) async fn begin(
    account: &Account,
    names: &CertificateNames,
    replaces: Option<&CertificateDer<'static>>,
) -> Result<Order, Failure> {
    let identifiers: Vec<Identifier> =
        names.iter().map(|name| Identifier::Dns(name.to_string())).collect();
    let replaces = replaces.and_then(|leaf| CertificateIdentifier::try_from(leaf).ok());
    if let Some(replaces) = replaces {
        // Some count renewals separately, some know no such thing, and some replaced it already.
        match account.new_order(&NewOrder::new(&identifiers).replaces(replaces)).await {
            Ok(order) => return Ok(order),
            Err(instant_acme::Error::Api(problem)) => {
                let failure = Failure::of_problem(&problem);
                match failure.kind {
                    FailureKind::RateLimited | FailureKind::Refused => return Err(failure),
                    FailureKind::Unreachable
                    | FailureKind::Proof
                    | FailureKind::Hook
                    | FailureKind::Edge
                    | FailureKind::Senseless => {}
                }
            }
            Err(error) => tracing::debug!(%error, "ordering without saying what it replaces"),
        }
    }
    Ok(account.new_order(&NewOrder::new(&identifiers)).await?)
}

/// Proves all names; says how, where anything had to be proven.
pub(super) async fn prove<P: Prover>(
    prover: &mut P,
    ways: &[ChallengeKind],
    order: &mut Order,
) -> Result<Option<ChallengeKind>, Failure> {
    let mut kinds = BTreeSet::new();
    if Box::pin(show(prover, ways, order, &mut kinds)).await? == 0 {
        // The authority remembers proofs of before.
        if order.state().status != OrderStatus::Pending {
            return Ok(None);
        }
    }
    match order.poll_ready(&PATIENCE).await {
        Ok(OrderStatus::Ready) => Ok(kinds.first().copied()),
        Ok(_over) => Err(said(order).await),
        Err(instant_acme::Error::Api(problem)) => {
            let of_order = Failure::of_problem(&problem);
            let of_names = said(order).await;
            // What it says of a name tells more than what it says of the order.
            Err(if of_names.kind == FailureKind::Senseless { of_order } else { of_names })
        }
        Err(error) => Err(error.into()),
    }
}

/// Shows a proof for every name that has none yet, and says so to the authority. Says how many.
async fn show<P: Prover>(
    prover: &mut P,
    ways: &[ChallengeKind],
    order: &mut Order,
    kinds: &mut BTreeSet<ChallengeKind>,
) -> Result<usize, Failure> {
    let mut ready = BTreeSet::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let authorization = authorization?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            AuthorizationStatus::Invalid
            | AuthorizationStatus::Revoked
            | AuthorizationStatus::Expired
            | AuthorizationStatus::Deactivated => {
                return Err(Failure::new(
                    FailureKind::Proof,
                    "the authority gave up a proof of before",
                ));
            }
        }
        if ready.len() >= MOST_AUTHORIZATIONS {
            return Err(Failure::new(
                FailureKind::Senseless,
                "it wants more proofs than there are names",
            ));
        }
        ready.insert(authorization.url().to_owned());
        kinds.insert(Box::pin(show_one(prover, ways, authorization)).await?);
    }
    prover.settled().await?;
    // Everything is there: now it may look.
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if !ready.contains(authorization.url()) {
            continue;
        }
        let (_, kind) = choose(ways, &authorization)?;
        if let Some(mut challenge) = authorization.challenge(type_of(kind)) {
            challenge.set_ready().await?;
        }
    }
    Ok(ready.len())
}

async fn show_one<P: Prover>(
    prover: &mut P,
    ways: &[ChallengeKind],
    authorization: AuthorizationHandle<'_>,
) -> Result<ChallengeKind, Failure> {
    let mut authorization = authorization;
    let (host, kind) = choose(ways, &authorization)?;
    let senseless = || Failure::new(FailureKind::Senseless, "it took back a way to prove a name");
    let challenge = authorization.challenge(type_of(kind)).ok_or_else(senseless)?;
    let proof = challenge.key_authorization();
    match kind {
        ChallengeKind::Http01 => {
            let token = challenge.token.clone();
            // It becomes a part of a path.
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            if token.is_empty() || token.len() > 256 || !token.bytes().all(plain) {
                return Err(Failure::new(
                    FailureKind::Senseless,
                    "its token is none (RFC 8555, 8.3)",
                ));
            }
            let answer = proof.as_str().to_owned();
            prover.show(host, Proof::Http01 { token, answer }).await?;
        }
        ChallengeKind::TlsAlpn01 => {
            let digest = <[u8; 32]>::try_from(proof.digest().as_ref());
            let digest = digest.map_err(|_| senseless())?;
            prover.show(host, Proof::TlsAlpn01 { digest }).await?;
        }
        ChallengeKind::Dns01 => prover.record(host, proof.dns_value()).await?,
    }
    Ok(kind)
}

/// The host of an authorization, and how it is proven: the first way that is allowed and offered.
fn choose(
    ways: &[ChallengeKind],
    authorization: &AuthorizationHandle<'_>,
) -> Result<(HostName, ChallengeKind), Failure> {
    let identifier = authorization.identifier();
    let Identifier::Dns(host) = identifier.identifier else {
        return Err(Failure::new(
            FailureKind::Senseless,
            "it wants a proof of something else than a host",
        ));
    };
    let host = HostName::new(host.clone());
    let host = host.map_err(|bad| Failure::new(FailureKind::Senseless, bad.to_string()))?;
    let offered = |kind: &ChallengeKind| {
        (*kind == ChallengeKind::Dns01 || !authorization.wildcard)
            && authorization.challenges.iter().any(|one| one.r#type == type_of(*kind))
    };
    let kind = ways.iter().find(|kind| offered(kind)).copied();
    let kind = kind.ok_or_else(|| {
        let ways: Vec<&str> = ways.iter().map(|kind| kind.as_str()).collect();
        let why =
            format!("it takes none of the ways to prove {host} that are set: {}", ways.join(", "));
        Failure::new(FailureKind::Refused, why)
    })?;
    Ok((host, kind))
}

const fn type_of(kind: ChallengeKind) -> ChallengeType {
    match kind {
        ChallengeKind::Http01 => ChallengeType::Http01,
        ChallengeKind::TlsAlpn01 => ChallengeType::TlsAlpn01,
        ChallengeKind::Dns01 => ChallengeType::Dns01,
    }
}

/// What the authority says of the name that it did not find the proof of.
async fn said(order: &mut Order) -> Failure {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if authorization.refresh().await.is_err() {
            continue;
        }
        let problem = authorization.challenges.iter().find_map(|one| one.error.as_ref());
        if let Some(problem) = problem {
            return Failure::of_problem(problem);
        }
    }
    Failure::new(FailureKind::Senseless, "the order is over, and it does not say why")
}

/// Has it signed, and looks at what comes.
pub(super) async fn sign(
    order: Order,
    names: &CertificateNames,
    key: KeyPair,
) -> Result<Obtained, Failure> {
    let mut order = order;
    if order.state().status != OrderStatus::Processing && order.state().status != OrderStatus::Valid
    {
        let texts: Vec<String> = names.iter().map(ToString::to_string).collect();
        let ours = |error: rcgen::Error| Failure::ours(error.to_string());
        let mut params = CertificateParams::new(texts).map_err(ours)?;
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key).map_err(ours)?;
        order.finalize_csr(request.der()).await?;
    }
    let chain = order.poll_certificate(&PATIENCE).await?;
    let senseless = |why: String| Failure::new(FailureKind::Senseless, why);
    let certificates = x509::chain(&chain).map_err(senseless)?;
    let leaf =
        certificates.first().ok_or_else(|| senseless("it sent no certificate".to_owned()))?;
    let facts = x509::facts(leaf).map_err(senseless)?;
    if !facts.names.cover_all(names) {
        return Err(senseless(format!("it signed for {} instead of {names}", facts.names)));
    }
    let key = Zeroizing::new(key.serialize_der());
    x509::key_fits(leaf, &key).map_err(senseless)?;
    let x509::Facts { serial, not_before, not_after, names: _ } = facts;
    Ok(Obtained { chain, key, serial, not_before, not_after })
}
