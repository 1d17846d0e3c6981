//! Certificates: has those that are wanted, renews them, and gives them to edges.
//!
//! Invariants: what is wanted, from whom and when is decided by `certificate/` in core; what was decided
//! and what came of it is in the journal. Only proven domains are ordered for that lead here, only at
//! authorities whose terms the owner agreed to, a few at a time, and not more in an hour than they take.
//! A chain and its key lie among the secrets from the commit on that names them.

mod account;
mod acme;
mod bucket;
mod challenge;
mod client;
mod dns;
mod failure;
pub(crate) mod kept;
mod local;
mod order;
mod own;
mod renewal;
mod standing;
#[cfg(test)]
pub(crate) mod tests;
mod work;
mod x509;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use hythe_core::certificate::{Authority, Certificate, CertificateNames};
use hythe_core::ids::{CertificateId, ChallengeId, EdgeId};
use hythe_core::wire::certificate::ChallengeMessage;
use hythe_core::wire::worker::SealingKey;
use instant_acme::Account;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

pub use self::acme::{AcmeAccount, Obtained, Prover};
pub use self::client::AcmeConfig;
use self::client::Client;
use self::dns::Ledger;
pub use self::failure::Failure as AcmeFailure;
pub use self::kept::new_fleet_key;
pub use self::own::{BadCertificate, OwnCertificate, inspect};
pub use self::standing::Standing;
use self::work::Work;
pub use self::x509::good_until;
use crate::control::Control;

/// How often it is looked what is due.
const TICK: Duration = Duration::from_secs(5);
/// What comes together is looked at together.
const TOGETHER: Duration = Duration::from_millis(200);
/// How long a server of somebody's own that sets DNS records may take to be connected to.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// What is known of certificates besides the journal, and what is asked for; cheap to clone, forgotten
/// when the server ends.
#[derive(Clone)]
pub struct CertificateDesk(Arc<Inner>);

struct Inner {
    config: AcmeConfig,
    ledger: Ledger,
    client: OnceLock<Client>,
    plain: OnceLock<reqwest::Client>,
    accounts: tokio::sync::Mutex<BTreeMap<Authority, Account>>,
    given: Mutex<BTreeMap<ChallengeId, ChallengeMessage>>,
    asked: Mutex<BTreeSet<CertificateNames>>,
    standing: watch::Sender<BTreeMap<CertificateNames, Standing>>,
    wake: Notify,
}

impl std::fmt::Debug for CertificateDesk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateDesk").field("config", &self.0.config).finish_non_exhaustive()
    }
}

impl CertificateDesk {
    pub(crate) fn new(config: AcmeConfig, data: &Path) -> Self {
        Self(Arc::new(Inner {
            config,
            ledger: Ledger::new(data),
            client: OnceLock::new(),
            plain: OnceLock::new(),
            accounts: tokio::sync::Mutex::default(),
            given: Mutex::default(),
            asked: Mutex::default(),
            standing: watch::Sender::default(),
            wake: Notify::new(),
        }))
    }

    /// What the server was told when it was started.
    #[must_use]
    pub fn config(&self) -> &AcmeConfig {
        &self.0.config
    }

    /// How it stands with the certificates that are wanted.
    #[must_use]
    pub fn standing(&self) -> BTreeMap<CertificateNames, Standing> {
        self.0.standing.borrow().clone()
    }

    /// Has a certificate ordered now, without waiting until it is due or tried again.
    pub fn ask_for(&self, names: CertificateNames) {
        lock(&self.0.asked).insert(names);
        self.0.wake.notify_one();
    }

    /// The certificate of the installation's own authority, for whoever is to trust it.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn local_authority(&self, control: &Control) -> Result<Option<String>, String> {
        local::certificate(control)
    }

    fn take_asked(&self) -> BTreeSet<CertificateNames> {
        std::mem::take(&mut *lock(&self.0.asked))
    }

    fn set_standing(&self, standing: BTreeMap<CertificateNames, Standing>) {
        self.0.standing.send_replace(standing);
    }

    fn client(&self) -> Result<Client, String> {
        if let Some(client) = self.0.client.get() {
            return Ok(client.clone());
        }
        let client = Client::new(self.0.config.roots.as_deref())?;
        Ok(self.0.client.get_or_init(|| client).clone())
    }

    fn plain_client(&self) -> Result<reqwest::Client, String> {
        if let Some(client) = self.0.plain.get() {
            return Ok(client.clone());
        }
        let client = client::plain(CONNECT_WITHIN)?;
        Ok(self.0.plain.get_or_init(|| client).clone())
    }

    fn accounts(&self) -> &tokio::sync::Mutex<BTreeMap<Authority, Account>> {
        &self.0.accounts
    }

    fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    fn give(&self, message: ChallengeMessage) {
        lock(&self.0.given).insert(message.id, message);
        self.0.wake.notify_one();
    }

    fn take_back(&self, id: ChallengeId) {
        lock(&self.0.given).remove(&id);
        self.0.wake.notify_one();
    }

    fn given(&self) -> Vec<ChallengeMessage> {
        lock(&self.0.given).values().cloned().collect()
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of the secret that a certificate's chain and key are.
fn secret(id: CertificateId) -> String {
    Certificate::secret(id)
}

/// Looks after certificates until `stop`.
///
/// # Errors
/// Where the projection is closed. What does not work now is tried again.
pub(crate) async fn keep(control: Control, stop: CancellationToken) -> Result<(), String> {
    let mut work = Work::new(&control);
    let mut head = control.seen();
    let mut tick = tokio::time::interval(TICK);
    let settling = async {
        // Nothing is under way yet: whatever is there was left by a crash.
        work.begin().await;
        loop {
            head.borrow_and_update();
            let edges = edges(&control);
            Box::pin(work.round()).await;
            tokio::select! {
                _ = tick.tick() => {}
                changed = head.changed() => {
                    changed.map_err(|_| "the projection is closed".to_owned())?;
                }
                () = others(&control, &edges) => {}
                () = control.certificates().0.wake.notified() => {}
                () = work.ended() => {}
            }
            tokio::time::sleep(TOGETHER).await;
        }
    };
    stop.run_until_cancelled(settling).await.unwrap_or(Ok(()))
}

/// The edges that want the key that they share, and what it is sealed with for each.
fn edges(control: &Control) -> BTreeMap<EdgeId, SealingKey> {
    control.observed(|observed| {
        let edges = observed.edges.iter();
        edges.filter_map(|(id, edge)| Some((*id, edge.sealing_key?))).collect()
    })
}

/// Waits until there are others. What else edges report changes nothing here.
async fn others(control: &Control, before: &BTreeMap<EdgeId, SealingKey>) {
    let mut observations = control.observations();
    while edges(control) == *before {
        if observations.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
