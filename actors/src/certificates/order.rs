//! One order at an authority: from what is asked for to the certificate in the journal.
//!
//! Invariants: proofs are taken back however it ends. Once the authority has taken them, the order and
//! the certificate's key are in the journal before it is asked to sign: what a crash leaves is asked
//! for again, and not ordered a second time.

use hythe_core::certificate::{
    Authority, CertificateIssuer, CertificateNames, ChallengeKind, FailureKind, Issued, Ordered,
};
use hythe_core::ids::CertificateId;
use hythe_core::installation::CertificateCommand;
use hythe_core::names::HostName;
use hythe_core::wire::certificate::Proof;
use instant_acme::{Account, Order, OrderStatus};
use rcgen::KeyPair;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use uuid::Uuid;

use super::account::{account, forget};
use super::acme::{self, Prover};
use super::challenge::Given;
use super::dns::{self, DnsRecord};
use super::failure::Failure;
use super::kept::{self, Kept};
use crate::control::Control;

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
    let mut order = Box::pin(acme::begin(account, &wish.names, wish.replaces.as_ref())).await?;
    let mut shown = Everywhere { control: control.clone(), given: Vec::new(), records: Vec::new() };
    let proven = Box::pin(acme::prove(&mut shown, &wish.challenges, &mut order)).await;
    shown.end().await;
    let challenge = proven?;
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

/// Has edges and whoever sets DNS records show what is to be found.
struct Everywhere {
    control: Control,
    given: Vec<Given>,
    records: Vec<DnsRecord>,
}

impl Everywhere {
    /// Takes all of it back.
    async fn end(self) {
        let Self { control, given, records } = self;
        drop(given);
        for record in &records {
            dns::remove(&control, record).await;
        }
    }
}

impl Prover for Everywhere {
    async fn show(&mut self, host: HostName, proof: Proof) -> Result<(), Failure> {
        self.given.push(Given::new(&self.control, host, proof));
        Ok(())
    }

    async fn record(&mut self, host: HostName, value: String) -> Result<(), Failure> {
        self.records.push(dns::present(&self.control, host.as_str(), value).await?);
        Ok(())
    }

    async fn settled(&mut self) -> Result<(), Failure> {
        for given in &self.given {
            given.confirmed().await?;
        }
        Ok(())
    }
}

/// Has it signed, and puts the certificate into the journal.
async fn sign(control: &Control, wish: &Wish, signing: Signing) -> Result<(), Failure> {
    let Signing { order, key, challenge } = signing;
    let signed = Box::pin(acme::sign(order, &wish.names, key)).await?;
    let kept = Kept { chain: signed.chain, key: signed.key.to_vec() };
    let issued = Issued {
        by: CertificateIssuer::Acme { authority: wish.authority.clone(), challenge },
        serial: signed.serial,
        not_before: signed.not_before,
        not_after: signed.not_after,
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
