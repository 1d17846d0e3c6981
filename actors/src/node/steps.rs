//! Does one step of a plan on the engine. Each done twice is done once.

use std::sync::Arc;
use std::time::Duration;

use hythe_core::ids::AppId;
use hythe_core::plan::{ReplicaKey, Step};
use hythe_core::time::Millis;
use hythe_core::wire::worker::Assignment;
use tokio::sync::watch;

use super::environment::{EnvironmentError, Keys};
use super::ledger::{Ledger, Restarts};
use super::look::{self, Sight};
use crate::docker::container::container_name;
use crate::docker::labels::Owner;
use crate::docker::{Engine, EngineError};

/// How long removing a container waits for its log to be published.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// What steps work with.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    pub(crate) engine: Engine,
    pub(crate) owner: Owner,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) keys: Arc<Keys>,
}

/// A step with all that it needs.
#[derive(Debug)]
pub(crate) enum Task {
    /// Make the network and the container, put its files into it, and start it; where one before it was
    /// started again and again, remember that this one was not.
    Create(ReplicaKey, Box<Assignment>, Option<Restarts>),
    /// Start what exists; where it ran before, remember that it is started again.
    Start(ReplicaKey, Option<Restarts>),
    /// Put the CPU limit in force.
    Limit(ReplicaKey, Box<Assignment>),
    /// Stop.
    Stop(ReplicaKey, Millis),
    /// Remove, after the log was published.
    Remove(ReplicaKey, Option<watch::Receiver<bool>>),
    /// Remove an app's network.
    RemoveNetwork(AppId),
}

/// What a step works on: only one at a time does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// A replica.
    Replica(ReplicaKey),
    /// An app's network.
    Network(AppId),
}

/// What a step is for. A failure holds back only what is for the same: a limit that cannot be put
/// in force does not keep a replica from being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Aim {
    /// That it runs.
    Run,
    /// That it has its limit.
    Limit,
    /// That it is gone.
    End,
}

/// Why a step did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StepError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error("it broke off: {0}")]
    Broken(String),
}

/// How a step ended, and what was seen after it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) result: Result<(), StepError>,
    /// The container afterwards, where it could be looked at.
    pub(crate) sight: Option<Option<Sight>>,
}

impl Task {
    pub(crate) const fn target(&self) -> Target {
        match self {
            Self::Create(key, _, _)
            | Self::Start(key, _)
            | Self::Limit(key, _)
            | Self::Stop(key, _)
            | Self::Remove(key, _) => Target::Replica(*key),
            Self::RemoveNetwork(app) => Target::Network(*app),
        }
    }

    pub(crate) const fn aim(&self) -> Aim {
        match self {
            Self::Create(..) | Self::Start(..) => Aim::Run,
            Self::Limit(..) => Aim::Limit,
            Self::Stop(..) | Self::Remove(..) | Self::RemoveNetwork(_) => Aim::End,
        }
    }

    /// Does it, and looks at what came of it.
    pub(crate) async fn run(&self, tools: &Tools) -> Outcome {
        let result = self.act(tools).await;
        let sight = match self.target() {
            Target::Replica(key) => {
                let name = container_name(key);
                look::look(&tools.engine, &tools.owner, &name).await.ok()
            }
            Target::Network(_) => None,
        };
        Outcome { result, sight }
    }

    async fn act(&self, tools: &Tools) -> Result<(), StepError> {
        let Tools { engine, owner, ledger, keys } = tools;
        match self {
            Self::Create(key, assignment, restarts) => {
                // Before there is a container: an agent that starts again must not take it for the one
                // before.
                count(ledger, *key, *restarts).await;
                let environment = keys.open_environment(assignment)?;
                let variables = environment.for_container(assignment, *key);
                let files = environment.archive(assignment)?;
                let network = engine.ensure_network(owner, assignment.network()).await?;
                let id = engine.create(owner, assignment, key.index, &network, variables).await?;
                if let Some(files) = files {
                    engine.fill(&id, &files).await?;
                }
                let started = engine.start_made(owner, *key, &id).await;
                or_make_anew(engine, owner, *key, started).await?;
            }
            Self::Start(key, restarts) => {
                count(ledger, *key, *restarts).await;
                let started = engine.start(owner, *key).await;
                or_make_anew(engine, owner, *key, started).await?;
            }
            Self::Limit(key, assignment) => {
                engine.limit(owner, *key, &assignment.resources(key.index)).await?;
            }
            Self::Stop(key, within) => engine.stop(owner, *key, *within).await?,
            Self::Remove(key, drained) => {
                if let Some(mut drained) = drained.clone() {
                    let published = drained.wait_for(|drained| *drained);
                    if tokio::time::timeout(DRAIN_WITHIN, published).await.is_err() {
                        tracing::warn!(replica = ?key, "the end of a log could not be published");
                    }
                }
                engine.remove(owner, *key).await?;
            }
            Self::RemoveNetwork(app) => engine.remove_network(owner, *app).await?,
        }
        Ok(())
    }
}

/// Engines know the network of a container by its id: one whose network was removed can never be started, also
/// where there is another one of that name. It goes, and the next try makes it anew.
async fn or_make_anew(
    engine: &Engine,
    owner: &Owner,
    key: ReplicaKey,
    started: Result<(), EngineError>,
) -> Result<(), EngineError> {
    if started.as_ref().is_err_and(EngineError::network_gone) {
        engine.remove(owner, key).await?;
    }
    started
}

/// Writes down how often a replica was started again, where that is another number now.
async fn count(ledger: &Arc<Ledger>, key: ReplicaKey, restarts: Option<Restarts>) {
    let Some(restarts) = restarts else { return };
    let counted = ledger.with(move |ledger| ledger.restarted(key, restarts)).await;
    if let Err(error) = counted {
        // A full disk keeps nothing down: the count in memory is enough.
        tracing::warn!(
            replica = ?key,
            %error,
            "how often it was started again could not be written down; make room on the disk of the \
             agent's folder"
        );
    }
}

/// What a step of the plan is about and for; none for what is only bookkeeping.
pub(crate) const fn target_of(step: &Step) -> Option<(Target, Aim)> {
    match step {
        Step::Create(key) | Step::Start(key) => Some((Target::Replica(*key), Aim::Run)),
        Step::Limit(key) => Some((Target::Replica(*key), Aim::Limit)),
        Step::Stop(key, _) | Step::Remove(key) => Some((Target::Replica(*key), Aim::End)),
        Step::RemoveNetwork(app) => Some((Target::Network(*app), Aim::End)),
        Step::Forget(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use hythe_core::ids::DeploymentId;
    use hythe_core::plan::Wanted;

    use super::super::ledger::tests::Small;
    use super::*;
    use crate::docker::inspect::Condition;
    use crate::docker::tests::{Place, assignment, image};

    #[tokio::test]
    async fn what_has_ended_is_started_again_while_the_disk_is_full() {
        let place = Place::new();
        let (engine, owner) = (place.engine.clone(), place.owner);
        let wanted = assignment(image(&engine, &["sleep", "600"]).await, &[0]);
        let key = ReplicaKey { deployment: wanted.deployment, index: 0 };
        let network = engine.ensure_network(&owner, wanted.app).await.unwrap();
        engine.create(&owner, &wanted, 0, &network, Vec::new()).await.unwrap();

        let disk = Small::mount();
        let path = disk.path().join("ledger");
        let ledger = Ledger::open(&path).unwrap();
        let keys = Arc::new(Keys::open(&disk.path().join("key")).unwrap());
        drop(disk.fill());
        let stop = Wanted::Stop { generation: 1, stop_within: Millis(1) };
        let mut orders = 0;
        while ledger.accept(DeploymentId::new(uuid::Uuid::now_v7()), &stop).is_ok() {
            orders += 1;
            assert!(orders < 10_000, "it is full some time");
        }
        // After such an error it is opened anew, which does not go well here for good.
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let restarts = Restarts { total: 1, in_a_row: 1 };
        assert!(ledger.restarted(key, restarts).is_err());
        let tools = Tools { engine, owner, ledger: Arc::new(ledger), keys };
        let outcome = Task::Start(key, Some(restarts)).run(&tools).await;
        outcome.result.unwrap();
        let seen = outcome.sight.unwrap().unwrap();
        assert!(matches!(seen.observed.state, Condition::Running { .. }), "{seen:?}");
    }
}
