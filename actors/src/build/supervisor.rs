//! The actor that keeps the list of builds, and the handle to it.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::Context;
use futures_util::FutureExt;
use hythe_core::deployment::Fault;
use hythe_core::ids::DeploymentId;
use hythe_core::wire::build::{BuildCommand, BuildProgress};
use hythe_core::wire::storage::{CacheId, CacheRecord};
use hythe_core::wire::worker::{BuildHeld, EngineDisk};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::guard::Guard;
use super::intake;
use super::ledger::{Ledger, LedgerError, State as Standing};
use super::publish::{Reporter, now};
use super::run::{Builder, Job, remove};
use super::{BuilderSettings, cache};
use crate::git::Mirrors;
use crate::node::{EnvironmentError, Keys};

/// How long the supervisor may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(ANSWER_MILLIS);
const ANSWER_MILLIS: u64 = 5_000;
/// How long after it broke the intake begins again.
const INTAKE_AGAIN: Duration = Duration::from_secs(1);

/// Why a builder cannot work.
#[derive(Debug, thiserror::Error)]
pub enum BuilderError {
    /// Its data folder cannot be used.
    #[error("the builder cannot use its data folder {folder}: {error}")]
    Folder {
        /// The folder.
        folder: String,
        /// Why.
        error: std::io::Error,
    },
    /// Its ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Its key cannot be used.
    #[error(transparent)]
    Key(#[from] EnvironmentError),
    /// The engine's address cannot be used.
    #[error("the engine's socket cannot be used: {0}")]
    Engine(#[from] bollard::errors::Error),
    /// Its actor has ended, or does not answer.
    #[error("the build supervisor does not answer: {0}")]
    Gone(String),
}

/// A running build supervisor. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct BuildSupervisor {
    actor: ActorRef<Order>,
    builder: Arc<Builder>,
}

impl BuildSupervisor {
    /// Starts one: removes old scratch folders, goes on with what the ledger holds, and takes
    /// commands from JetStream. Neither the engine nor NATS need answer yet.
    ///
    /// # Errors
    /// When the data folder or the ledger cannot be used.
    pub async fn start(
        settings: BuilderSettings,
        jetstream: Context,
    ) -> Result<Self, BuilderError> {
        let in_folder =
            |error| BuilderError::Folder { folder: settings.data.display().to_string(), error };
        let scratch = settings.scratch();
        let made = tokio::task::spawn_blocking(move || {
            remove(&scratch);
            std::fs::create_dir_all(&scratch)
        });
        made.await.map_err(|error| BuilderError::Gone(error.to_string()))?.map_err(in_folder)?;
        let path = settings.data.join("builds.redb");
        let (key, folder) = (settings.sealing_key.clone(), settings.mirrors());
        let opened = tokio::task::spawn_blocking(move || {
            // The ledger first: who holds it is alone with the rest.
            let (ledger, keys) = (Ledger::open(&path)?, Keys::open(&key)?);
            let mirrors = Mirrors::open(&folder).map_err(|error| BuilderError::Folder {
                folder: folder.display().to_string(),
                error,
            })?;
            Ok::<_, BuilderError>((ledger, keys, mirrors))
        });
        let (ledger, keys, mirrors) =
            opened.await.map_err(|error| BuilderError::Gone(error.to_string()))??;
        let builder = Arc::new(Builder {
            engine: Engine::at(&settings.engine)?,
            ledger: Arc::new(ledger),
            reporter: Reporter { jetstream, worker: settings.worker },
            keys,
            guard: Guard::new(settings.guard.clone()),
            mirrors,
            slots: Arc::new(Semaphore::new(settings.at_once.max(1))),
            settings,
        });
        let (actor, _) = Actor::spawn(None, Supervisor, Arc::clone(&builder))
            .await
            .map_err(|error| BuilderError::Gone(error.to_string()))?;
        Ok(Self { actor, builder })
    }

    /// Ends a build and all earlier givings-out of it, known or still to come. Returns once this
    /// is durable; the end is reported when nothing of the build runs any more.
    ///
    /// # Errors
    /// When it could not be written down: then it has to be asked again.
    pub async fn cancel(
        &self,
        deployment: DeploymentId,
        generation: u32,
    ) -> Result<(), BuilderError> {
        let open =
            self.builder.ledger.with(move |ledger| ledger.cancel(deployment, generation)).await?;
        if open {
            let order = Order::Cancel { deployment, generation };
            self.actor.cast(order).map_err(|error| BuilderError::Gone(error.to_string()))?;
        }
        Ok(())
    }

    /// The builds under way, those that wait for their turn included.
    ///
    /// # Errors
    /// When the supervisor does not answer.
    pub async fn running(&self) -> Result<Vec<BuildHeld>, BuilderError> {
        ractor::call_t!(self.actor, Order::Running, ANSWER_MILLIS)
            .map_err(|error| BuilderError::Gone(error.to_string()))
    }

    /// The build cache that builds of this builder left.
    ///
    /// # Errors
    /// Where the engine or the ledger cannot be read, in words.
    pub async fn cache(&self) -> Result<Vec<CacheRecord>, String> {
        cache::stored(&self.builder).await
    }

    /// Lets go of some of it; answers how many bytes that gave.
    ///
    /// # Errors
    /// As above.
    pub async fn remove_cache(&self, ids: &[CacheId]) -> Result<u64, String> {
        cache::remove(&self.builder, ids).await
    }

    /// What of the limits on builds cannot be kept here and why, for people.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        self.builder.guard.remarks()
    }

    /// The disk that builds need room on, where it can be seen.
    #[must_use]
    pub fn disk(&self) -> Option<EngineDisk> {
        self.builder.guard.disk()
    }

    /// Ends all that runs without reporting it: the next start goes on with it.
    pub async fn stop(&self) {
        let stopped = self.actor.stop_and_wait(None, Some(ANSWER_WITHIN)).await;
        if let Err(error) = stopped {
            tracing::warn!(%error, "the build supervisor did not stop in time");
        }
    }
}

/// What the supervisor is told.
#[derive(Debug)]
pub(super) enum Order {
    /// A build that the ledger holds as open.
    Begin { command: Box<BuildCommand>, slot: Option<OwnedSemaphorePermit>, resumed: bool },
    /// A build that the ledger holds as cancelled.
    Cancel { deployment: DeploymentId, generation: u32 },
    /// An end that the ledger holds and nobody was told of.
    Report { deployment: DeploymentId, generation: u32, progress: Box<BuildProgress> },
    /// A build's task has ended.
    Ended { deployment: DeploymentId, generation: u32 },
    /// The intake's task has ended, which it never should.
    IntakeEnded,
    /// Begin to take commands.
    Take,
    /// What runs?
    Running(RpcReplyPort<Vec<BuildHeld>>),
}

struct Supervisor;

#[derive(Debug)]
struct State {
    builder: Arc<Builder>,
    running: BTreeMap<(DeploymentId, u32), CancellationToken>,
    /// Every task that this has started: dropped, all of them end.
    tasks: JoinSet<()>,
}

impl Actor for Supervisor {
    type Msg = Order;
    type State = State;
    type Arguments = Arc<Builder>;

    async fn pre_start(
        &self,
        myself: ActorRef<Order>,
        builder: Arc<Builder>,
    ) -> Result<State, ActorProcessingErr> {
        let unfinished = builder.ledger.with(|ledger| ledger.unfinished(now())).await?;
        for (deployment, entry) in unfinished {
            let generation = entry.generation;
            let order = match entry.state {
                // There are fewer slots than these only where fewer may build at once than before.
                Standing::Open(command) => {
                    let slot = Arc::clone(&builder.slots).try_acquire_owned().ok();
                    Order::Begin { command, slot, resumed: true }
                }
                // Nothing of it runs: what a killed builder leaves behind ends with its scratch
                // folder and its connections.
                Standing::Cancelled { .. } => {
                    let progress = Box::new(BuildProgress::Cancelled);
                    Order::Report { deployment, generation, progress }
                }
                Standing::Ended { progress, .. } => {
                    Order::Report { deployment, generation, progress: Box::new(progress) }
                }
                Standing::Forgotten => continue,
            };
            myself.cast(order)?;
        }
        // After those, so that they have the first slots.
        myself.cast(Order::Take)?;
        let mut tasks = JoinSet::new();
        let preparing = Arc::clone(&builder);
        tasks.spawn(async move { preparing.guard.prepare(&preparing.engine).await });
        Ok(State { builder, running: BTreeMap::new(), tasks })
    }

    async fn handle(
        &self,
        myself: ActorRef<Order>,
        order: Order,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        while state.tasks.try_join_next().is_some() {}
        match order {
            Order::Begin { command, slot, resumed } => {
                state.begin(&myself, *command, slot, resumed);
            }
            Order::Cancel { deployment, generation } => {
                let held = state
                    .running
                    .iter()
                    .filter(|((of, older), _)| *of == deployment && *older <= generation);
                held.for_each(|(_, token)| token.cancel());
                if !state.running.contains_key(&(deployment, generation)) {
                    state.report(deployment, generation, BuildProgress::Cancelled);
                }
            }
            Order::Report { deployment, generation, progress } => {
                state.report(deployment, generation, *progress);
            }
            Order::Ended { deployment, generation } => {
                state.running.remove(&(deployment, generation));
            }
            Order::Take => state.take(&myself),
            Order::IntakeEnded => {
                // The timer belongs to the actor's runtime and does nothing once it has ended.
                drop(myself.send_after(INTAKE_AGAIN, || Order::Take));
            }
            Order::Running(reply) => {
                let held = state.running.keys().map(|(deployment, generation)| BuildHeld {
                    deployment: *deployment,
                    generation: *generation,
                });
                // Who asked may have stopped waiting.
                let _ = reply.send(held.collect());
            }
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<Order>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.tasks.shutdown().await;
        Ok(())
    }
}

impl State {
    fn begin(
        &mut self,
        myself: &ActorRef<Order>,
        command: BuildCommand,
        slot: Option<OwnedSemaphorePermit>,
        resumed: bool,
    ) {
        let (deployment, generation) = (command.deployment, command.generation);
        // A newer giving-out takes the place of those before it: their image has the same name.
        let older =
            self.running.iter().filter(|((of, older), _)| *of == deployment && *older < generation);
        older.for_each(|(_, token)| token.cancel());
        let cancel = CancellationToken::new();
        self.running.insert((deployment, generation), cancel.clone());
        let (builder, myself) = (Arc::clone(&self.builder), myself.clone());
        self.tasks.spawn(async move {
            let ledger = Arc::clone(&builder.ledger);
            let job = Job { command, cancel, resumed, slot };
            let build = AssertUnwindSafe(Arc::clone(&builder).see_through(job));
            if build.catch_unwind().await.is_err() {
                // Told, or the deployment would wait for its deadline.
                tracing::error!(%deployment, "a build's task panicked");
                let fault = Fault::new("the builder met with an error of its own; see its log");
                let progress = BuildProgress::Finished(Err(fault));
                let kept =
                    ledger.with(move |ledger| ledger.end(deployment, generation, progress, now()));
                if let Ok(Some(progress)) = kept.await {
                    builder.reporter.ended(deployment, generation, progress).await;
                }
            }
            // Not there any more where the supervisor itself has ended.
            let _ = myself.cast(Order::Ended { deployment, generation });
        });
    }

    fn report(&mut self, deployment: DeploymentId, generation: u32, progress: BuildProgress) {
        let builder = Arc::clone(&self.builder);
        self.tasks.spawn(async move {
            builder.reporter.ended(deployment, generation, progress).await;
            let kept =
                builder.ledger.with(move |ledger| ledger.reported(deployment, generation)).await;
            if let Err(error) = kept {
                tracing::warn!(%deployment, %error, "the report of a build will be repeated");
            }
        });
    }

    fn take(&mut self, myself: &ActorRef<Order>) {
        let (builder, myself) = (Arc::clone(&self.builder), myself.clone());
        self.tasks.spawn(async move {
            let taking = intake::take_commands(builder, myself.clone());
            if AssertUnwindSafe(taking).catch_unwind().await.is_err() {
                tracing::error!("taking build commands panicked; it begins again");
            }
            let _ = myself.cast(Order::IntakeEnded);
        });
    }
}
