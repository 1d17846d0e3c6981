//! One order at an authority: from what is asked for to the certificate in the journal.
//!
//! Invariants: proofs are taken back however it ends. Once the authority has taken them, the order and
//! the certificate's key are in the journal before it is asked to sign: what a crash leaves is asked
//! for again, and not ordered a second time.

use std::collections::BTreeSet;
use std::time::Duration;

use hythe_core::certificate::{
    Authority, CertificateIssuer, CertificateNames, ChallengeKind, FailureKind, Issued, Ordered,
};
use hythe_core::ids::CertificateId;
use hythe_core::installation::CertificateCommand;
use hythe_core::names::HostName;
use hythe_core::wire::certificate::Proof;
use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, CertificateIdentifier, ChallengeType,
    Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use uuid::Uuid;

use super::account::{account, forget};
use super::challenge::Given;
use super::dns::{self, DnsRecord};
use super::failure::Failure;
use super::kept::{self, Kept};
use super::x509;
use crate::control::Control;

/// How long an authority may take to look at proofs, and to sign.
const PATIENCE: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.6)
    .timeout(Duration::from_secs(120));
/// Names an order may have proofs for under way.
const MOST_AUTHORIZATIONS: usize = 100;

/// What is to be ordered.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) names: CertificateNames,
    pub(super) authority: Authority,
    /// Which certificate it becomes, and its version then.
    pub(super) id: CertificateId,
    pub(super) version: u64,
    /// How it may be proven, the first first.
    pub(super) challenges: Vec<ChallengeKind>,
    /// The certificate that it takes the place of, where the same authority signed that.
    pub(super) replaces: Option<CertificateDer<'static>>,
    /// An order whose proofs were taken before.
    pub(super) ordered: Option<Ordered>,
}

/// What is to be signed, and who is to sign it.
pub(super) struct Signing {
    order: Order,
    key: KeyPair,
    challenge: Option<ChallengeKind>,
}

/// Orders, and puts what comes of it into the journal.
pub(super) async fn carry_out(control: &Control, wish: &Wish) -> Result<(), Failure> {
    let account = account(control, &wish.authority).await?;
    let done = Box::pin(with_account(control, wish, &account)).await;
    if done.as_ref().is_err_and(|failure| failure.no_account) {
        forget(control, &wish.authority, &account).await;
    }
    done
}

async fn with_account(control: &Control, wish: &Wish, account: &Account) -> Result<(), Failure> {
    let before = match wish.ordered.as_ref().filter(|order| order.authority == wish.authority) {
        Some(ordered) => resume(control, ordered, account).await,
        None => None,
    };
    let signing = match before {
        Some(signing) => signing,
        None => Box::pin(prepare(control, wish, account)).await?,
    };
    let signed = sign(control, wish, signing).await;
    if signed.as_ref().is_err_and(|failure| failure.kind == FailureKind::Senseless) {
        drop_order(control, wish).await;
    }
    signed
}

/// Lets go of an order: what came of it is no use, and would be none the next time.
async fn drop_order(control: &Control, wish: &Wish) {
    let name = control.read(|view| {
        let ordered = &view.installation.state.certificates.ordered;
        ordered.get(&wish.names).map(Ordered::secret)
    });
    let Some(name) = name else { return };
    let command = CertificateCommand::GiveUp { names: wish.names.clone() };
    let secrets = vec![kept::delete(control, name)];
    if let Err(error) = kept::tell(control, command, secrets).await {
        tracing::warn!(%error, "an order that is no use is kept for now");
    }
}

/// Orders, proves the names, and puts the order into the journal.
pub(super) async fn prepare(
    control: &Control,
    wish: &Wish,
    account: &Account,
) -> Result<Signing, Failure> {
    let mut order = begin(wish, account).await?;
    let challenge = prove(control, wish, &mut order).await?;
    let key = KeyPair::generate().map_err(|error| Failure::ours(error.to_string()))?;
    let ordered = Ordered {
        id: Uuid::now_v7(),
        authority: wish.authority.clone(),
        url: order.url().to_owned(),
        challenge,
        at: control.clock().now(),
    };
    let kept = Kept { chain: String::new(), key: key.serialize_der() };
    let secret = kept.secret().map_err(Failure::ours)?;
    let mut secrets = kept::put(control, &ordered.secret(), 1, secret);
    secrets.extend(wish.ordered.iter().map(|before| kept::delete(control, before.secret())));
    let command =
        CertificateCommand::Order { names: wish.names.clone(), order: Box::new(ordered.clone()) };
    kept::tell(control, command, secrets)
        .await
        .map_err(|error| Failure::ours(error.to_string()))?;
    Ok(Signing { order, key, challenge })
}

/// An order of before, where the authority can still sign it.
async fn resume(control: &Control, ordered: &Ordered, account: &Account) -> Option<Signing> {
    let kept = Kept::read(control, &ordered.secret(), 1).ok()?;
    let key = KeyPair::try_from(&PrivatePkcs8KeyDer::from(kept.key.as_slice())).ok()?;
    // An order that is over, or of an account that is gone, is made anew.
    let mut order = account.order(ordered.url.clone()).await.ok()?;
    match order.state().status {
        OrderStatus::Ready | OrderStatus::Processing | OrderStatus::Valid => {
            Some(Signing { order, key, challenge: ordered.challenge })
        }
        OrderStatus::Pending | OrderStatus::Invalid => None,
    }
}

async fn begin(wish: &Wish, account: &Account) -> Result<Order, Failure> {
    let identifiers: Vec<Identifier> =
        wish.names.iter().map(|name| Identifier::Dns(name.to_string())).collect();
    let replaces =
        wish.replaces.as_ref().and_then(|leaf| CertificateIdentifier::try_from(leaf).ok());
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

/// What is shown until the authority has looked.
#[derive(Default)]
struct Shown {
    given: Vec<Given>,
    records: Vec<DnsRecord>,
    kinds: BTreeSet<ChallengeKind>,
}

/// Proves all names; says how, where anything had to be proven.
async fn prove(
    control: &Control,
    wish: &Wish,
    order: &mut Order,
) -> Result<Option<ChallengeKind>, Failure> {
    let mut shown = Shown::default();
    let proven = async {
        if Box::pin(show(control, wish, order, &mut shown)).await? == 0 {
            // The authority remembers proofs of before.
            if order.state().status != OrderStatus::Pending {
                return Ok(());
            }
        }
        match order.poll_ready(&PATIENCE).await {
            Ok(OrderStatus::Ready) => Ok(()),
            Ok(_over) => Err(said(order).await),
            Err(instant_acme::Error::Api(problem)) => {
                let of_order = Failure::of_problem(&problem);
                let of_names = said(order).await;
                // What it says of a name tells more than what it says of the order.
                Err(if of_names.kind == FailureKind::Senseless { of_order } else { of_names })
            }
            Err(error) => Err(error.into()),
        }
    };
    let proven = proven.await;
    for record in &shown.records {
        dns::remove(control, record).await;
    }
    proven.map(|()| shown.kinds.first().copied())
}

/// Shows a proof for every name that has none yet, and says so to the authority. Says how many.
async fn show(
    control: &Control,
    wish: &Wish,
    order: &mut Order,
    shown: &mut Shown,
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
        Box::pin(show_one(control, wish, authorization, shown)).await?;
    }
    for given in &shown.given {
        given.confirmed().await?;
    }
    // Everything is there: now it may look.
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if !ready.contains(authorization.url()) {
            continue;
        }
        let (_, kind) = choose(wish, &authorization, authorization.wildcard)?;
        if let Some(mut challenge) = authorization.challenge(type_of(kind)) {
            challenge.set_ready().await?;
        }
    }
    Ok(ready.len())
}

async fn show_one(
    control: &Control,
    wish: &Wish,
    authorization: AuthorizationHandle<'_>,
    shown: &mut Shown,
) -> Result<(), Failure> {
    let mut authorization = authorization;
    let (host, kind) = choose(wish, &authorization, authorization.wildcard)?;
    let senseless = || Failure::new(FailureKind::Senseless, "it took back a way to prove a name");
    let challenge = authorization.challenge(type_of(kind)).ok_or_else(senseless)?;
    let proof = challenge.key_authorization();
    shown.kinds.insert(kind);
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
            shown.given.push(Given::new(control, host, Proof::Http01 { token, answer }));
        }
        ChallengeKind::TlsAlpn01 => {
            let digest = proof.digest();
            let digest = <[u8; 32]>::try_from(digest.as_ref());
            let digest = digest.map_err(|_| senseless())?;
            shown.given.push(Given::new(control, host, Proof::TlsAlpn01 { digest }));
        }
        ChallengeKind::Dns01 => {
            shown.records.push(dns::present(control, host.as_str(), proof.dns_value()).await?);
        }
    }
    Ok(())
}

/// The host of an authorization, and how it is proven: the first way that is allowed and offered.
fn choose(
    wish: &Wish,
    authorization: &AuthorizationHandle<'_>,
    wildcard: bool,
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
        (*kind == ChallengeKind::Dns01 || !wildcard)
            && authorization.challenges.iter().any(|one| one.r#type == type_of(*kind))
    };
    let kind = wish.challenges.iter().find(|kind| offered(kind)).copied();
    let kind = kind.ok_or_else(|| {
        let ways: Vec<&str> = wish.challenges.iter().map(|kind| kind.as_str()).collect();
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

/// Has it signed, and puts the certificate into the journal.
async fn sign(control: &Control, wish: &Wish, signing: Signing) -> Result<(), Failure> {
    let Signing { mut order, key, challenge } = signing;
    if order.state().status != OrderStatus::Processing && order.state().status != OrderStatus::Valid
    {
        let texts: Vec<String> = wish.names.iter().map(ToString::to_string).collect();
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
    if !facts.names.cover_all(&wish.names) {
        return Err(senseless(format!("it signed for {} instead of {}", facts.names, wish.names)));
    }
    let kept = Kept { chain, key: key.serialize_der() };
    x509::key_fits(leaf, &kept.key).map_err(senseless)?;
    let issued = Issued {
        by: CertificateIssuer::Acme { authority: wish.authority.clone(), challenge },
        serial: facts.serial,
        not_before: facts.not_before,
        not_after: facts.not_after,
        at: control.clock().now(),
    };
    let secret = kept.secret().map_err(Failure::ours)?;
    let mut secrets = kept::put(control, &super::secret(wish.id), wish.version, secret);
    let ordered = control.read(|view| {
        let ordered = &view.installation.state.certificates.ordered;
        ordered.get(&wish.names).map(Ordered::secret)
    });
    secrets.extend(ordered.map(|name| kept::delete(control, name)));
    let command = CertificateCommand::Issue {
        id: wish.id,
        names: wish.names.clone(),
        version: wish.version,
        issued: Box::new(issued),
    };
    kept::tell(control, command, secrets).await.map_err(|error| Failure::ours(error.to_string()))
}
