//! What a worker must do next: the difference between what it was told and what it sees.
//!
//! Run again on every change, every inventory and when a wait is over. A step that is under way
//! already shows up again until its effect is seen: the executor leaves out what it is doing, and
//! every step done twice is done once. Nothing is remembered here, so a crash loses nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::{AppId, DeploymentId};
use crate::limits;
use crate::time::{Millis, Timestamp};
use crate::wire::worker::Assignment;

/// One replica of one deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReplicaKey {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The replica's number.
    pub index: u16,
}

/// The newest that a worker was told about each deployment.
pub type Desired = BTreeMap<DeploymentId, Wanted>;

/// The newest that a worker was told about a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    /// Run these replicas.
    Run(Box<Assignment>),
    /// Run none.
    Stop {
        /// The generation of that order.
        generation: u64,
        /// From SIGTERM to SIGKILL.
        stop_within: Millis,
    },
}

impl Wanted {
    /// The generation of what was told.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        match self {
            Self::Run(assignment) => assignment.generation,
            Self::Stop { generation, .. } => *generation,
        }
    }
}

/// What a worker sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Every container that bears this worker's label.
    pub containers: BTreeMap<ReplicaKey, Container>,
    /// The apps that have a network here.
    pub networks: BTreeSet<AppId>,
}

/// A container of this worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its app.
    pub app: AppId,
    /// How it is.
    pub state: ContainerState,
    /// How often in a row it was started again.
    pub restarts: u32,
    /// Whether its CPU limit is in force; it starts without one.
    pub limited: bool,
}

/// How a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Created, never started.
    Created,
    /// Running.
    Running {
        /// Whether its health check has succeeded.
        healthy: bool,
    },
    /// Ended.
    Exited {
        /// When.
        at: Timestamp,
    },
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make the app's network where it is missing, create the container and start it.
    Create(ReplicaKey),
    /// Start a container that exists.
    Start(ReplicaKey),
    /// Put the CPU limit in force.
    Limit(ReplicaKey),
    /// SIGTERM, and SIGKILL when the time is over.
    Stop(ReplicaKey, Millis),
    /// Remove a container that does not run.
    Remove(ReplicaKey),
    /// Remove the network of an app that has nothing left here.
    RemoveNetwork(AppId),
    /// Forget an order to stop that is carried out.
    Forget(DeploymentId),
}

/// What to do now, and when to look again at the latest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to do, in this order where they concern the same thing.
    pub steps: Vec<Step>,
    /// When a wait is over, where there is one.
    pub look_again: Option<Timestamp>,
}

/// Compares what should be with what is.
#[must_use]
pub fn plan(desired: &Desired, seen: &Seen, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for (key, container) in &seen.containers {
        match desired.get(&key.deployment) {
            Some(Wanted::Run(assignment)) if assignment.replicas.contains(&key.index) => {
                plan.keep(*key, container, assignment, now);
            }
            Some(Wanted::Run(assignment)) => plan.end(*key, container, assignment.stop_within),
            Some(Wanted::Stop { stop_within, .. }) => plan.end(*key, container, *stop_within),
            None => plan.end(*key, container, limits::STOP_WITHIN),
        }
    }
    for (deployment, wanted) in desired {
        match wanted {
            Wanted::Run(assignment) => plan.create_missing(assignment, seen),
            Wanted::Stop { .. } => {
                if !seen.containers.keys().any(|key| key.deployment == *deployment) {
                    plan.steps.push(Step::Forget(*deployment));
                }
            }
        }
    }
    let running = desired.values().filter_map(|wanted| match wanted {
        Wanted::Run(assignment) => Some(assignment.app),
        Wanted::Stop { .. } => None,
    });
    let needed: BTreeSet<AppId> =
        seen.containers.values().map(|container| container.app).chain(running).collect();
    plan.steps.extend(seen.networks.difference(&needed).map(|app| Step::RemoveNetwork(*app)));
    plan
}

impl Plan {
    fn keep(
        &mut self,
        key: ReplicaKey,
        container: &Container,
        assignment: &Assignment,
        now: Timestamp,
    ) {
        match container.state {
            ContainerState::Created => self.steps.push(Step::Start(key)),
            ContainerState::Running { healthy: true } if !container.limited => {
                self.steps.push(Step::Limit(key));
            }
            ContainerState::Running { .. } => {}
            // Its end is the deployment's failure: it stays to be looked at.
            ContainerState::Exited { .. } if !assignment.restart => {}
            ContainerState::Exited { at } => {
                let due = at.plus(backoff(container.restarts));
                if due <= now {
                    self.steps.push(Step::Start(key));
                } else {
                    self.wake(due);
                }
            }
        }
    }

    fn end(&mut self, key: ReplicaKey, container: &Container, stop_within: Millis) {
        self.steps.push(match container.state {
            ContainerState::Running { .. } => Step::Stop(key, stop_within),
            ContainerState::Created | ContainerState::Exited { .. } => Step::Remove(key),
        });
    }

    fn create_missing(&mut self, assignment: &Assignment, seen: &Seen) {
        let keys = assignment
            .replicas
            .iter()
            .map(|index| ReplicaKey { deployment: assignment.deployment, index: *index });
        self.steps.extend(keys.filter(|key| !seen.containers.contains_key(key)).map(Step::Create));
    }

    fn wake(&mut self, at: Timestamp) {
        self.look_again = Some(self.look_again.map_or(at, |sooner| sooner.min(at)));
    }
}

/// How long to wait before the next start after `restarts` of them in a row.
#[must_use]
pub fn backoff(restarts: u32) -> Millis {
    let doubled = limits::RESTART_BACKOFF_FIRST.0.saturating_mul(1 << restarts.min(16));
    Millis(doubled.min(limits::RESTART_BACKOFF_MOST.0))
}
