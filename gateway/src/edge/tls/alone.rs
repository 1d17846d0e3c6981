//! Renews certificates where nothing is heard of the control plane.
//!
//! When, which and how is decided in core (`certificate/alone.rs`); what is known lies with the [`Keeper`]. One
//! order after another: nobody is in a hurry who has days. What is served stays whatever becomes of an order.
//!
//! Other edges may be asked for the proof instead of this one. Where NATS is there they are told it, as the
//! control plane would, and what comes of it, so that they need not order the same; without, an authority that
//! asks one of them finds nothing, and the order is tried again later.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::jetstream::kv;
use bytes::Bytes;
use hythe_actors::bus::Bus;
use hythe_actors::certificates::{AcmeAccount, AcmeFailure, Obtained, Prover};
use hythe_core::certificate::{AloneOrder, AlonePace, AloneTries, FailureKind};
use hythe_core::ids::{ChallengeId, EdgeId};
use hythe_core::names::HostName;
use hythe_core::time::{Millis, Timestamp};
use hythe_core::wire::FORMAT;
use hythe_core::wire::certificate::{
    AloneTerms, ChallengeMessage, LentAccount, Proof, challenge_key, own_key,
};
use hythe_store::steps::Step;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::Tls;
use super::feed::on;
use super::keeper::Keeper;
use super::own::{Taken, Who};

const HOUR: Millis = Millis::seconds(3_600);
/// How long a proof is given at the most, whatever becomes of the order.
const GIVEN_FOR: Millis = Millis::seconds(30 * 60);
/// How long NATS may take to take a proof, and other edges to have it then.
const TOLD_WITHIN: Duration = Duration::from_secs(2);
const HEARD_WITHIN: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Renewer {
    who: Who,
    look: Duration,
    tls: Arc<Tls>,
    keeper: Arc<Mutex<Keeper>>,
    /// By the directory of the authority.
    accounts: BTreeMap<String, AcmeAccount>,
    /// When orders were begun within the last hour.
    begun: Vec<Timestamp>,
}

impl Renewer {
    pub(super) fn new(
        (edge, pace, look): (EdgeId, AlonePace, Duration),
        tls: Arc<Tls>,
        keeper: Arc<Mutex<Keeper>>,
    ) -> Self {
        let (accounts, begun) = (BTreeMap::new(), Vec::new());
        Self { who: Who { edge, pace }, look, tls, keeper, accounts, begun }
    }

    /// Renews for ever.
    pub(super) async fn renew(mut self, bus: Bus) {
        let mut looks = tokio::time::interval(self.look.max(Duration::from_millis(1)));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // What NATS has to say comes first, and what an edge does whose place this one takes.
        looks.reset();
        let mut caught_up = false;
        loop {
            looks.tick().await;
            if !caught_up {
                on(&self.keeper, Keeper::catch_up).await;
                caught_up = true;
            }
            while let Some((order, terms)) = self.due().await {
                Box::pin(self.carry_out(&order, &terms, &bus)).await;
            }
        }
    }

    async fn due(&mut self) -> Option<(AloneOrder, AloneTerms)> {
        let now = super::now();
        self.begun.retain(|at| now.since(*at) < HOUR && *at <= now);
        let (who, begun) = (self.who, self.begun.clone());
        on(&self.keeper, move |keeper| keeper.due(who, &begun)).await
    }

    async fn carry_out(&mut self, order: &AloneOrder, terms: &AloneTerms, bus: &Bus) {
        let AloneOrder { id, names, directory, ways: _ } = order;
        tracing::warn!(
            %names,
            directory,
            "nothing is heard of the control plane, and a certificate comes to its end: ordering one"
        );
        let (id, now, jitter) = (*id, super::now(), jitter());
        self.begun.push(now);
        let before = on(&self.keeper, move |keeper| keeper.tries(id)).await;
        // As if it had failed already: nobody is to die over it again and again.
        let as_if = before.failed(FailureKind::Unreachable, self.who.pace, jitter, now);
        self.note(order, Some(as_if)).await;
        match Box::pin(self.obtain(order, terms, bus)).await {
            Ok(Some(until)) => {
                self.note(order, None).await;
                self.tls.figures.ordered(true);
                tracing::warn!(%names, directory, until = until.0, "renewed a certificate alone");
            }
            // That it was tried stays noted: where what is signed is never good for longer than what there
            // is, it would be ordered again at once, over and over.
            Ok(None) => {
                self.tls.figures.ordered(true);
                tracing::warn!(%names, directory, "what was ordered alone is no better than what there is");
            }
            Err(AcmeFailure { kind, why, no_account }) => {
                if no_account {
                    self.forget_account(directory).await;
                }
                let tries = before.failed(kind, self.who.pace, jitter, super::now());
                self.note(order, Some(tries)).await;
                self.tls.figures.ordered(false);
                let (failures, again) = (tries.failures, tries.next.since(super::now()));
                tracing::error!(
                    %names, directory, why, failures, %again,
                    "could not renew a certificate alone; what there is stays in force"
                );
            }
        }
    }

    async fn note(&self, order: &AloneOrder, tries: Option<AloneTries>) {
        let id = order.id;
        on(&self.keeper, move |keeper| keeper.tried(id, tries)).await;
    }

    /// Orders, and takes into force what comes. Says until when that is good, where it is of use.
    async fn obtain(
        &mut self,
        order: &AloneOrder,
        terms: &AloneTerms,
        bus: &Bus,
    ) -> Result<Option<Timestamp>, AcmeFailure> {
        let account = Box::pin(self.account(&order.directory, terms)).await?;
        let mut shown = Shown {
            keeper: Arc::clone(&self.keeper),
            bus: bus.clone(),
            given: Vec::new(),
            told: Vec::new(),
        };
        let obtained = Box::pin(account.obtain(&order.names, &order.ways, &mut shown)).await;
        shown.end().await;
        let obtained: Obtained = obtained?;
        let (until, id, order) = (obtained.not_after, order.id, order.clone());
        match on(&self.keeper, move |keeper| keeper.take_own(&order, &obtained)).await {
            Taken::Useless => Err(AcmeFailure::new(
                FailureKind::Senseless,
                "what the authority signed is of no use here; the lines before this say why",
            )),
            Taken::Needless => Ok(None),
            Taken::InForce(message) => {
                if bus.is_ready()
                    && let Err(error) = within(put(bus, own_key(id), message)).await
                {
                    tracing::debug!(error, "other edges are not told what was renewed");
                }
                Ok(Some(until))
            }
        }
    }

    /// The account at an authority: the one that is lent, else this edge's own, opened where there is none.
    async fn account(
        &mut self,
        directory: &str,
        terms: &AloneTerms,
    ) -> Result<AcmeAccount, AcmeFailure> {
        if let Some(LentAccount(lent)) = terms.accounts.get(directory) {
            let again = AcmeAccount::again(lent.as_bytes(), terms.roots.as_deref());
            return Box::pin(again).await;
        }
        if let Some(account) = self.accounts.get(directory) {
            return Ok(account.clone());
        }
        let (name, roots) = (directory.to_owned(), terms.roots.as_deref());
        let kept: Option<Bytes> = on(&self.keeper, move |keeper| keeper.account(&name)).await;
        let account = match kept {
            Some(kept) => Box::pin(AcmeAccount::again(&kept, roots)).await?,
            None => {
                let opened = AcmeAccount::open(directory, terms.email.as_ref(), roots);
                let (account, kept) = Box::pin(opened).await?;
                let name = directory.to_owned();
                on(&self.keeper, move |keeper| keeper.keep_account(&name, Some(kept.as_slice())))
                    .await;
                tracing::info!(directory, "opened an account of this edge's own");
                account
            }
        };
        self.accounts.insert(directory.to_owned(), account.clone());
        Ok(account)
    }

    /// Has the next order open a new account.
    async fn forget_account(&mut self, directory: &str) {
        self.accounts.remove(directory);
        let name = directory.to_owned();
        on(&self.keeper, move |keeper| keeper.keep_account(&name, None)).await;
    }
}

/// What is shown until the authority has looked.
struct Shown {
    keeper: Arc<Mutex<Keeper>>,
    bus: Bus,
    given: Vec<ChallengeId>,
    /// What other edges were told.
    told: Vec<ChallengeId>,
}

impl Shown {
    /// Tells other edges a proof.
    async fn tell(&mut self, message: &ChallengeMessage) -> Result<(), String> {
        let bytes = serde_json::to_vec(message).map_err(|error| error.to_string())?;
        within(put(&self.bus, challenge_key(message.id), Bytes::from(bytes))).await?;
        self.told.push(message.id);
        Ok(())
    }

    /// Takes all of it back. What does not get through is over by itself.
    async fn end(self) {
        let Self { keeper, bus, given, told } = self;
        on(&keeper, move |keeper| keeper.take_back(&given)).await;
        for id in told {
            if let Err(error) = within(remove(&bus, challenge_key(id))).await {
                tracing::debug!(error, "a proof that other edges were told is not taken back");
            }
        }
    }
}

async fn bucket(bus: &Bus) -> Result<kv::Store, String> {
    bus.certificates_bucket().await.map_err(|error| error.to_string())
}

async fn put(bus: &Bus, key: String, message: Bytes) -> Result<(), String> {
    let bucket = bucket(bus).await?;
    #[expect(clippy::disallowed_methods, reason = "with its step")]
    let put = Step::CertificatesPut.take(bucket.put(key, message));
    put.await.map(drop).map_err(|error| error.to_string())
}

async fn remove(bus: &Bus, key: String) -> Result<(), String> {
    let bucket = bucket(bus).await?;
    #[expect(clippy::disallowed_methods, reason = "with its step")]
    let removed = Step::CertificatesDropped.take(bucket.delete(key));
    removed.await.map_err(|error| error.to_string())
}

impl Prover for Shown {
    async fn show(&mut self, host: HostName, proof: Proof) -> Result<(), AcmeFailure> {
        let id = ChallengeId::new(Uuid::now_v7());
        let until = super::now().plus(GIVEN_FOR);
        let message = ChallengeMessage { format: FORMAT, id, host, proof, until };
        let own = message.clone();
        self.given.push(id);
        if !on(&self.keeper, move |keeper| keeper.prove(own)).await {
            return Err(AcmeFailure::ours("a proof could not be made; see the line before this"));
        }
        if self.bus.is_ready()
            && let Err(error) = self.tell(&message).await
        {
            tracing::debug!(error, "other edges are not told a proof");
        }
        Ok(())
    }

    async fn record(&mut self, _host: HostName, _value: String) -> Result<(), AcmeFailure> {
        Err(AcmeFailure::new(FailureKind::Refused, "an edge sets no DNS records"))
    }

    async fn settled(&mut self) -> Result<(), AcmeFailure> {
        if !self.told.is_empty() {
            // They do not answer this edge.
            tokio::time::sleep(HEARD_WITHIN).await;
        }
        Ok(())
    }
}

async fn within<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = |_| "NATS did not answer in time".to_owned();
    tokio::time::timeout(TOLD_WITHIN, work).await.map_err(late)?
}

/// 0 to 1,000.
fn jitter() -> u16 {
    let mut bytes = [0; 2];
    // Without randomness all that suffers is that others may ask at the same moment.
    getrandom::fill(&mut bytes).map_or(500, |()| u16::from_le_bytes(bytes) % 1_001)
}
