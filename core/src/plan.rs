//! What a worker must do next: the difference between what it was told and what it sees.
//!
//! Run again on every change, every inventory and when a wait is over. A step that is under way
//! already shows up again until its effect is seen: the executor leaves out what it is doing, and
//! every step done twice is done once. Nothing is remembered here, so a crash loses nothing.
//!
//! There are no moments in here, only how long something has been so: whoever asks measures that
//! by a clock that nobody sets.

mod ailing;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::{AppId, DeploymentId};
use crate::limits;
use crate::process::is_process;
use crate::task::is_task;
use crate::time::Millis;
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
    /// The apps and groups that have a network here.
    pub networks: BTreeSet<AppId>,
}

/// A container of this worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its app.
    pub app: AppId,
    /// Whose network it is on: its app's own, or that of a group.
    pub network: AppId,
    /// How it is.
    pub state: ContainerState,
    /// How often in a row it was started again, without having been healthy for long.
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
        /// Whether its health check has succeeded in this run.
        healthy: bool,
        /// Where its newest checks failed, or it had all its time to become healthy: for how long
        /// that is so.
        ails: Option<Millis>,
    },
    /// Ended.
    Exited {
        /// How long ago.
        ago: Millis,
    },
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make the app's network where it is missing, create the container where that is missing, put its
    /// files into it and start it.
    Create(ReplicaKey),
    /// Start a container that exists.
    Start(ReplicaKey),
    /// Put the CPU limit in force.
    Limit(ReplicaKey),
    /// SIGTERM, and SIGKILL when the time is over.
    Stop(ReplicaKey, Millis),
    /// Remove a container that does not run.
    Remove(ReplicaKey),
    /// Remove the network of an app or group that has nothing left here.
    RemoveNetwork(AppId),
    /// Forget an order to stop that is carried out.
    Forget(DeploymentId),
}

/// What to do now, and after how long to look again at the latest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to do, in this order where they concern the same thing.
    pub steps: Vec<Step>,
    /// How long the shortest wait is, where there is one.
    pub look_again: Option<Millis>,
}

/// Compares what should be with what is.
#[must_use]
pub fn plan(desired: &Desired, seen: &Seen) -> Plan {
    let mut plan = Plan::default();
    for (key, container) in &seen.containers {
        match desired.get(&key.deployment) {
            Some(Wanted::Run(assignment)) if assignment.includes(key.index) => {
                if container.runs() || !kept_off(*key, assignment, desired, seen) {
                    plan.keep(*key, container, assignment);
                }
            }
            Some(Wanted::Run(assignment)) => plan.end(*key, container, assignment.stop_within),
            Some(Wanted::Stop { stop_within, .. }) => plan.end(*key, container, *stop_within),
            None => plan.end(*key, container, limits::STOP_WITHIN),
        }
    }
    for (deployment, wanted) in desired {
        match wanted {
            Wanted::Run(assignment) => {
                plan.create_missing(assignment, desired, seen);
                plan.end_ailing(assignment, seen);
            }
            Wanted::Stop { .. } => {
                if !seen.containers.keys().any(|key| key.deployment == *deployment) {
                    plan.steps.push(Step::Forget(*deployment));
                }
            }
        }
    }
    let running = desired.values().filter_map(|wanted| match wanted {
        Wanted::Run(assignment) => Some(assignment.network()),
        Wanted::Stop { .. } => None,
    });
    let needed: BTreeSet<AppId> =
        seen.containers.values().map(|container| container.network).chain(running).collect();
    plan.steps.extend(seen.networks.difference(&needed).map(|app| Step::RemoveNetwork(*app)));
    plan
}

impl Container {
    const fn runs(&self) -> bool {
        match self.state {
            ContainerState::Running { .. } => true,
            ContainerState::Created | ContainerState::Exited { .. } => false,
        }
    }
}

/// Whether a replica has to wait until those of another version of its app are gone: both write to the
/// same volume. Of two that are to run the newer one goes first.
fn kept_off(key: ReplicaKey, assignment: &Assignment, desired: &Desired, seen: &Seen) -> bool {
    let Some(own) = assignment.container(key.index).filter(|own| own.is_exclusive()) else {
        return false;
    };
    let of_another = |other: &ReplicaKey, app: AppId| {
        app == assignment.app && other.deployment != key.deployment && serves(other.index)
    };
    let excludes = |other: &DeploymentId| match desired.get(other) {
        Some(Wanted::Run(other)) => own.excludes(&other.run.container),
        // What it was told of is known no more.
        Some(Wanted::Stop { .. }) | None => true,
    };
    let there = seen.containers.iter().any(|(other, container)| {
        let over = matches!(container.state, ContainerState::Exited { .. });
        let wanted = matches!(desired.get(&other.deployment), Some(Wanted::Run(_)));
        // What ends of its group may have the group's volumes: an app that was removed, and made again.
        let leaves = container.app != assignment.app
            && container.network == assignment.network()
            && serves(other.index)
            && !wanted;
        !over && (leaves || of_another(other, container.app) && excludes(&other.deployment))
    });
    let newer = desired.values().any(|wanted| match wanted {
        Wanted::Run(other) => {
            other.app == assignment.app
                && other.generation > assignment.generation
                && other.deployment != key.deployment
                && own.excludes(&other.run.container)
        }
        Wanted::Stop { .. } => false,
    });
    there || newer
}

const fn serves(index: u16) -> bool {
    !is_task(index) && !is_process(index)
}

impl Plan {
    fn keep(&mut self, key: ReplicaKey, container: &Container, assignment: &Assignment) {
        match container.state {
            // Whether its files are in it is not known: who makes it again finds it, and puts them there.
            ContainerState::Created if !assignment.run.inside.files.is_empty() => {
                self.steps.push(Step::Create(key));
            }
            ContainerState::Created => self.steps.push(Step::Start(key)),
            ContainerState::Running { healthy: true, .. } if !container.limited => {
                self.steps.push(Step::Limit(key));
            }
            ContainerState::Running { .. } => {}
            // Its end is the deployment's failure, or a task's end: it stays to be looked at.
            ContainerState::Exited { .. } if !assignment.restart || is_task(key.index) => {}
            ContainerState::Exited { ago } => {
                let wait = backoff(container.restarts);
                if ago >= wait {
                    self.steps.push(Step::Start(key));
                } else {
                    self.wake(Millis(wait.0.saturating_sub(ago.0)));
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

    fn create_missing(&mut self, assignment: &Assignment, desired: &Desired, seen: &Seen) {
        let keys = assignment
            .indices()
            .map(|index| ReplicaKey { deployment: assignment.deployment, index });
        let missing = keys.filter(|key| !seen.containers.contains_key(key));
        let free = missing.filter(|key| !kept_off(*key, assignment, desired, seen));
        self.steps.extend(free.map(Step::Create));
    }

    fn wake(&mut self, after: Millis) {
        self.look_again = Some(self.look_again.map_or(after, |sooner| sooner.min(after)));
    }
}

/// How long to wait before the next start after `restarts` of them in a row.
#[must_use]
pub fn backoff(restarts: u32) -> Millis {
    let doubled = limits::RESTART_BACKOFF_FIRST.0.saturating_mul(1 << restarts.min(16));
    Millis(doubled.min(limits::RESTART_BACKOFF_MOST.0))
}
