//! Aggregates: one actor for each app, deployment or worker that is being asked something.
//!
//! **What must hold.** One instance per id. State may run ahead of the disk: it is decided upon,
//! but nobody is answered and nothing follows before the events are durable, be the answer a
//! refusal. When an append fails, everything decided on top of it is taken back with it: those who
//! asked are told to try again, and the aggregate is read anew from the journal. Nothing grows
//! without bound: whoever finds no room is told when to come back.
//!
//! [`keeper`] owns the instances of one kind and their coming and going, [`instance`] is one of
//! them, [`Host`] is the way in.

mod flight;
mod instance;
mod keeper;
mod load;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hythe_core::app::App;
use hythe_core::claims::{ClaimChange, ClaimKey};
use hythe_core::deployment::Deployment;
use hythe_core::installation::Installation;
use hythe_core::machine::Machine;
use hythe_core::project::Project;
use hythe_core::record::{Meta, Sequence, Version};
use hythe_core::rejection::Rejection;
use hythe_core::worker::Worker;
use hythe_store::codec::StoredEvent;
use hythe_store::{ClaimOwner, Journal, NoRoom, SecretChange};
use ractor::{Actor, ActorRef};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::keeper::{Keeper, ToKeeper};
use crate::health::Health;
use crate::supervise::supervise;

/// Bounds of the aggregates of one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AggregateLimits {
    /// Commands under way at once, all together. Fewer than the journal takes appends, so that
    /// the journal is never the one to refuse.
    pub commands: usize,
    /// Commands under way at once for one aggregate.
    pub commands_of_one: usize,
    /// Aggregates of one kind in memory at once.
    pub active: usize,
    /// An aggregate that was asked nothing for this long leaves memory.
    pub idle: Duration,
    /// How long a command may take before its caller is told that nobody knows how it ended.
    pub answer_within: Duration,
    /// When one who found no room is to come back.
    pub retry_after: Duration,
}

impl Default for AggregateLimits {
    fn default() -> Self {
        Self {
            commands: 8 * 1024,
            commands_of_one: 512,
            active: 8 * 1024,
            idle: Duration::from_secs(60),
            answer_within: Duration::from_secs(30),
            retry_after: Duration::from_millis(50),
        }
    }
}

/// What goes with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extras {
    /// When, who, why.
    pub meta: Meta,
    /// Unique keys taken or given back in the same commit, besides those of the events. Nothing
    /// becomes of them where the command changes nothing.
    pub claims: Vec<ClaimChange>,
    /// Secrets kept or removed in the same commit; likewise.
    pub secrets: Vec<SecretChange>,
}

impl From<Meta> for Extras {
    fn from(meta: Meta) -> Self {
        Self { meta, claims: Vec::new(), secrets: Vec::new() }
    }
}

/// What became of a command. All of it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done<M: Machine> {
    /// The last event's place in the journal; none where it was so already.
    pub sequence: Option<Sequence>,
    /// The aggregate's version.
    pub version: Version,
    /// What happened.
    pub events: Vec<M::Event>,
}

/// Why a command did nothing, or nobody knows what it did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// It was refused.
    #[error(transparent)]
    Rejected(Rejection),
    /// It would take a key that another holds.
    #[error("\"{}\" is taken by {}", key.0, owner.stream)]
    ClaimTaken {
        /// The key.
        key: ClaimKey,
        /// Who holds it, and what was noted with it.
        owner: ClaimOwner,
    },
    /// There is no room for it at the moment. Nothing of it happened.
    #[error("too much is under way; try again in {} ms", retry_after.as_millis())]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// There is too little room on the disk for what can wait. Nothing of it happened.
    #[error("{0}")]
    NoRoom(NoRoom),
    /// The machinery failed. It may have happened all the same: ask before trying again, unless
    /// the command is idempotent.
    #[error("{0}")]
    Unavailable(String),
}

impl From<Rejection> for CommandError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// A machine that can be hosted: its events can be stored.
pub trait Hosted: Machine<Event: Serialize + StoredEvent> {
    /// The host of this kind.
    fn host(hosts: &Hosts) -> &Host<Self>;
}

impl Hosted for App {
    fn host(hosts: &Hosts) -> &Host<Self> {
        &hosts.apps
    }
}

impl Hosted for Deployment {
    fn host(hosts: &Hosts) -> &Host<Self> {
        &hosts.deployments
    }
}

impl Hosted for Worker {
    fn host(hosts: &Hosts) -> &Host<Self> {
        &hosts.workers
    }
}

impl Hosted for Project {
    fn host(hosts: &Hosts) -> &Host<Self> {
        &hosts.projects
    }
}

impl Hosted for Installation {
    fn host(hosts: &Hosts) -> &Host<Self> {
        &hosts.installation
    }
}

/// The hosts of all kinds.
#[derive(Clone, Debug)]
pub struct Hosts {
    apps: Host<App>,
    deployments: Host<Deployment>,
    workers: Host<Worker>,
    installation: Host<Installation>,
    projects: Host<Project>,
}

impl Hosts {
    /// Starts the hosts of all kinds. They go with `stop`.
    pub async fn start(
        journal: &Journal,
        limits: AggregateLimits,
        health: &Health,
        stop: &CancellationToken,
    ) -> Self {
        let total = Arc::new(Semaphore::new(limits.commands));
        let hosts = Self {
            apps: Host::start(journal, limits, &total, health, stop),
            deployments: Host::start(journal, limits, &total, health, stop),
            workers: Host::start(journal, limits, &total, health, stop),
            installation: Host::start(journal, limits, &total, health, stop),
            projects: Host::start(journal, limits, &total, health, stop),
        };
        tokio::join!(
            hosts.apps.started(),
            hosts.deployments.started(),
            hosts.workers.started(),
            hosts.installation.started(),
            hosts.projects.started()
        );
        hosts
    }

    /// How many are in memory: apps, deployments, workers.
    #[must_use]
    pub fn active(&self) -> [usize; 3] {
        [
            *self.apps.active.borrow(),
            *self.deployments.active.borrow(),
            *self.workers.active.borrow(),
        ]
    }

    /// Takes nothing new, answers what is under way and lets every aggregate go.
    pub async fn drain(&self) {
        tokio::join!(
            self.apps.drain(),
            self.deployments.drain(),
            self.workers.drain(),
            self.installation.drain(),
            self.projects.drain()
        );
    }
}

type Answer<M> = Result<Done<M>, CommandError>;

/// A command on its way, with the room that it takes up until it is answered.
struct Request<M: Machine> {
    id: Uuid,
    command: M::Command,
    extras: Extras,
    reply: Reply<M>,
}

/// Whom to answer. The room is given back with the answer.
struct Reply<M: Machine> {
    to: oneshot::Sender<Answer<M>>,
    room: Vec<OwnedSemaphorePermit>,
}

impl<M: Machine> Reply<M> {
    fn send(self, answer: Answer<M>) {
        drop(self.room);
        // Whoever asked may have left.
        drop(self.to.send(answer));
    }
}

/// The way in to the aggregates of one kind.
pub struct Host<M: Machine> {
    keeper: watch::Receiver<Option<ActorRef<ToKeeper<M>>>>,
    active: watch::Receiver<usize>,
    total: Arc<Semaphore>,
    limits: AggregateLimits,
}

impl<M: Machine> Clone for Host<M> {
    fn clone(&self) -> Self {
        Self {
            keeper: self.keeper.clone(),
            active: self.active.clone(),
            total: Arc::clone(&self.total),
            ..*self
        }
    }
}

impl<M: Machine> fmt::Debug for Host<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("kind", &M::KIND).finish_non_exhaustive()
    }
}

impl<M: Hosted> Host<M> {
    fn start(
        journal: &Journal,
        limits: AggregateLimits,
        total: &Arc<Semaphore>,
        health: &Health,
        stop: &CancellationToken,
    ) -> Self {
        let (tell, keeper) = watch::channel(None);
        let tell = Arc::new(tell);
        let (tell_active, active) = watch::channel(0);
        let tell_active = Arc::new(tell_active);
        let host = Self { keeper, active, total: Arc::clone(total), limits };
        let (journal, health) = (journal.clone(), health.clone());
        let start = {
            let health = health.clone();
            move || {
                let active = Arc::clone(&tell_active);
                let arguments = keeper::Arguments::<M>::new(&journal, limits, &health, active);
                let tell = Arc::clone(&tell);
                async move {
                    let (actor, ended) = Actor::spawn(None, Keeper::default(), arguments)
                        .await
                        .map_err(|error| error.to_string())?;
                    let _stops = StopsWithMe(actor.clone());
                    tell.send_replace(Some(actor));
                    ended.await.map_err(|error| error.to_string())
                }
            }
        };
        tokio::spawn(supervise("aggregates", health, stop.clone(), start));
        host
    }

    fn keeper(&self) -> Option<ActorRef<ToKeeper<M>>> {
        self.keeper.borrow().clone()
    }

    /// How many aggregates are in memory, now and whenever that changes.
    #[must_use]
    pub fn active(&self) -> watch::Receiver<usize> {
        self.active.clone()
    }

    /// Waits for the first keeper.
    async fn started(&self) {
        // It ends without one only when everything is told to stop.
        drop(self.keeper.clone().wait_for(Option::is_some).await);
    }

    /// Gives a command to an aggregate; the answer comes once what happened is durable.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn command(&self, id: Uuid, command: M::Command, extras: Extras) -> Answer<M> {
        let Ok(room) = Arc::clone(&self.total).try_acquire_owned() else {
            return Err(CommandError::Busy { retry_after: self.limits.retry_after });
        };
        let starting = || CommandError::Busy { retry_after: self.limits.retry_after };
        let keeper = self.keeper().ok_or_else(starting)?;
        let (to, answer) = oneshot::channel();
        let request = Request { id, command, extras, reply: Reply { to, room: vec![room] } };
        // Where the keeper has failed, another is on its way.
        keeper.cast(ToKeeper::Command(Box::new(request))).map_err(|_| starting())?;
        match tokio::time::timeout(self.limits.answer_within, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(CommandError::Unavailable(format!(
                "the {} failed while it was asked; try again",
                M::KIND
            ))),
            Err(_) => Err(CommandError::Unavailable(format!(
                "the {} did not answer within {:?}; see whether it happened before trying again",
                M::KIND,
                self.limits.answer_within
            ))),
        }
    }

    async fn drain(&self) {
        let Some(keeper) = self.keeper() else { return };
        let (tell, drained) = oneshot::channel();
        if keeper.cast(ToKeeper::Drain(tell)).is_ok() {
            // A keeper that fails now has nothing left to drain.
            drop(drained.await);
        }
    }
}

/// Stops the keeper when the task that watches it goes.
struct StopsWithMe<T: 'static>(ActorRef<T>);

impl<T: 'static> Drop for StopsWithMe<T> {
    fn drop(&mut self) {
        self.0.stop(None);
    }
}
