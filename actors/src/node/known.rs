//! What the node knows of each replica, as plain data, and what is planned and reported from it.
//!
//! Invariant: nothing here waits or talks; the actor does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::limits;
use hythe_core::plan::{Container, ContainerState, Desired, ReplicaKey, Seen, Wanted};
use hythe_core::process::is_process;
use hythe_core::wire::worker::{Assignment, EngineState, Held, ReplicaReport, ReplicaState};
use tokio::time::Instant;

use super::away::Away;
use super::clock;
use super::health::{Finding, Health};
use super::ledger::Restarts;
use super::look;
use super::replica::Replica;
use super::steps::{Aim, Target, Task};
use crate::docker::inspect::Condition;
use crate::mask::Mask;

/// Bytes that log lines, and what checks wrote, take in one report, as they are sent: a NATS message has
/// a megabyte.
const MOST_TAIL_BYTES: usize = 256 * 1024;

/// A step that failed, and when it is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setback {
    /// What to tell, where this keeps the replica from running.
    pub(crate) message: Option<String>,
    /// Whether the engine does not have the image.
    pub(crate) image_missing: bool,
    /// How often in a row.
    pub(crate) count: u32,
    /// When to try again.
    pub(crate) until: Instant,
}

/// A step under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy {
    /// Whether it stops a replica: that takes long, and costs nothing.
    pub(crate) stops: bool,
    /// Whose network it concerns, where that is known.
    pub(crate) network: Option<AppId>,
    /// The app of the replica that it starts, where it starts one.
    pub(crate) starts: Option<AppId>,
}

/// All that the node knows.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) desired: Desired,
    pub(crate) replicas: BTreeMap<ReplicaKey, Replica>,
    pub(crate) networks: BTreeSet<AppId>,
    pub(crate) restarts: BTreeMap<ReplicaKey, Restarts>,
    pub(crate) engine: EngineState,
    /// Whether everything was looked at since the engine answers.
    pub(crate) complete: bool,
    /// Whether everything was ever looked at.
    pub(crate) looked: bool,
    /// When the engine was away last.
    pub(crate) away: Away,
    /// Steps under way.
    pub(crate) busy: BTreeMap<Target, Busy>,
    pub(crate) setbacks: BTreeMap<(Target, Aim), Setback>,
    /// Orders to stop that could not be forgotten, and when that is tried again.
    pub(crate) unforgotten: BTreeMap<DeploymentId, Instant>,
    pub(crate) maskers: BTreeMap<DeploymentId, Arc<Mask>>,
}

impl Known {
    pub(crate) fn new(desired: Desired, restarts: BTreeMap<ReplicaKey, Restarts>) -> Self {
        Self {
            desired,
            replicas: BTreeMap::new(),
            networks: BTreeSet::new(),
            restarts,
            engine: EngineState::Unreachable { message: "it was not asked yet".into() },
            complete: false,
            looked: false,
            away: Away::default(),
            busy: BTreeMap::new(),
            setbacks: BTreeMap::new(),
            unforgotten: BTreeMap::new(),
            maskers: BTreeMap::new(),
        }
    }

    /// The order to run a replica, where there is one.
    pub(crate) fn assignment(&self, key: ReplicaKey) -> Option<&Assignment> {
        match self.desired.get(&key.deployment) {
            Some(Wanted::Run(assignment)) if assignment.includes(key.index) => Some(assignment),
            Some(Wanted::Run(_) | Wanted::Stop { .. }) | None => None,
        }
    }

    /// A container is not there any more. What was to run once and has stays known as it was where it was not removed
    /// here: made anew, it would run twice. Answers whether anything is known otherwise now.
    pub(crate) fn miss(&mut self, key: ReplicaKey) -> bool {
        let ours = self.busy.contains_key(&Target::Replica(key));
        let known = self.replicas.get(&key).zip(self.assignment(key));
        let done = known.is_some_and(|(replica, assignment)| replica.has_done(assignment));
        (ours || !done) && self.replicas.remove(&key).is_some()
    }

    /// The app of a replica that is to run, or is there.
    pub(crate) fn app_of(&self, target: Target) -> Option<AppId> {
        let Target::Replica(key) = target else { return None };
        let ordered = self.assignment(key).map(|assignment| assignment.app);
        ordered.or_else(|| Some(self.replicas.get(&key)?.observed.app))
    }

    /// What the plan is made from. What is being started counts as running: it may be at any moment, and
    /// nobody would see it before the step has ended.
    pub(crate) fn seen(&self) -> Seen {
        let container = |(key, replica): (&ReplicaKey, &Replica)| {
            let state = match replica.observed.state {
                Condition::Created => ContainerState::Created,
                Condition::Running { .. } => ContainerState::Running {
                    healthy: replica.was_healthy,
                    ails: replica.ails_for(self.assignment(*key)),
                },
                // Nothing is wrong with it, and nobody was told that it ended.
                Condition::Exited { .. } if replica.runs_on(self.assignment(*key)) => {
                    ContainerState::Created
                }
                Condition::Exited { .. } => ContainerState::Exited { ago: replica.elapsed() },
            };
            let container = Container {
                app: replica.observed.app,
                network: replica.observed.network,
                state,
                restarts: self.restarts_in_a_row(*key, replica),
                limited: replica.observed.limited,
            };
            (*key, container)
        };
        let mut containers: BTreeMap<ReplicaKey, Container> =
            self.replicas.iter().map(container).collect();
        containers.extend(self.starting());
        Seen { containers, networks: self.networks.clone() }
    }

    /// The replicas that are being created or started.
    fn starting(&self) -> impl Iterator<Item = (ReplicaKey, Container)> + '_ {
        self.busy.iter().filter_map(|(target, busy)| {
            let Target::Replica(key) = *target else { return None };
            let app = busy.starts?;
            let container = Container {
                app,
                network: busy.network.unwrap_or(app),
                state: ContainerState::Running { healthy: false, ails: None },
                restarts: self.restarts.get(&key).map_or(0, |restarts| restarts.in_a_row),
                limited: false,
            };
            Some((key, container))
        })
    }

    /// How often in a row it was started again: one that was healthy for long begins anew.
    fn restarts_in_a_row(&self, key: ReplicaKey, replica: &Replica) -> u32 {
        if replica.is_steady(Instant::now()) {
            return 0;
        }
        self.restarts.get(&key).map_or(0, |restarts| restarts.in_a_row)
    }

    /// What to remember when a replica is started again; none for its first start.
    pub(crate) fn next_restart(&self, key: ReplicaKey) -> Option<Restarts> {
        let replica = self.replicas.get(&key)?;
        let Condition::Exited { .. } = replica.observed.state else { return None };
        let total = self.restarts.get(&key).map_or(0, |restarts| restarts.total);
        Some(Restarts {
            total: total.saturating_add(1),
            in_a_row: self.restarts_in_a_row(key, replica).saturating_add(1),
        })
    }

    /// What to remember when a replica's container is made, where one before it was started again and again:
    /// this one was not yet.
    pub(crate) fn counted_anew(&self, key: ReplicaKey) -> Option<Restarts> {
        let counted = self.restarts.get(&key).filter(|restarts| restarts.in_a_row > 0)?;
        Some(Restarts { total: counted.total, in_a_row: 0 })
    }

    /// Whether a step has to wait: for another on the same thing, or after a failure. A network is
    /// not removed while something may still join it.
    pub(crate) fn must_wait(
        &self,
        target: Target,
        aim: Aim,
        of: Option<AppId>,
        now: Instant,
    ) -> bool {
        let of_its_network = |busy: &Target| match (target, busy) {
            (Target::Replica(_), Target::Network(network)) => Some(*network) == of,
            (Target::Network(network), Target::Replica(_)) => {
                self.busy.get(busy).is_some_and(|busy| busy.network.is_none_or(|of| of == network))
            }
            (Target::Replica(_), Target::Replica(_)) | (Target::Network(_), Target::Network(_)) => {
                false
            }
        };
        let busy = self.busy.contains_key(&target) || self.busy.keys().any(of_its_network);
        let set_back = self.setbacks.get(&(target, aim)).is_some_and(|setback| setback.until > now);
        busy || set_back
    }

    /// Remembers that a step failed.
    pub(crate) fn set_back(&mut self, task: &Task, message: Option<String>, image_missing: bool) {
        let what = (task.target(), task.aim());
        let count = self.setbacks.get(&what).map_or(0, |setback| setback.count);
        let until = Instant::now() + clock::span(hythe_core::plan::backoff(count));
        let count = count.saturating_add(1);
        self.setbacks.insert(what, Setback { message, image_missing, count, until });
    }

    /// Remembers that what is not made yet of a deployment cannot be, for the engine does not have its
    /// image.
    pub(crate) fn miss_image(&mut self, deployment: DeploymentId, message: &str) {
        let Some(Wanted::Run(assignment)) = self.desired.get(&deployment) else { return };
        let keys = assignment.indices().map(|index| ReplicaKey { deployment, index });
        let until = Instant::now() + clock::span(hythe_core::plan::backoff(0));
        for key in keys.filter(|key| !self.replicas.contains_key(key)) {
            let message = Some(without_image(message));
            let setback = Setback { message, image_missing: true, count: 1, until };
            self.setbacks.insert((Target::Replica(key), Aim::Run), setback);
        }
    }

    /// Forgets what failed for a deployment's replicas: another order may go well.
    pub(crate) fn try_anew(&mut self, deployment: DeploymentId) {
        self.setbacks.retain(|(target, _), _| match target {
            Target::Replica(key) => key.deployment != deployment,
            Target::Network(_) => true,
        });
    }

    /// Remembers that an order to stop could not be forgotten, as on a full disk: it is not tried again at
    /// once.
    pub(crate) fn not_forgotten(&mut self, deployment: DeploymentId) {
        let again = Instant::now() + clock::span(limits::RESEND_AFTER);
        self.unforgotten.insert(deployment, again);
    }

    /// When an order to stop is to be forgotten, where that is not now.
    pub(crate) fn forgets_at(&self, deployment: DeploymentId, now: Instant) -> Option<Instant> {
        self.unforgotten.get(&deployment).copied().filter(|at| *at > now)
    }

    /// Orders beside which there is one to run another version of the same app that writes to the same
    /// volume, by their generation: of two such versions one ends once the order for the other is reported
    /// as taken on.
    pub(crate) fn successors(&self) -> BTreeMap<DeploymentId, u64> {
        let orders = || {
            self.desired.values().filter_map(|wanted| match wanted {
                Wanted::Run(assignment) => Some(&**assignment),
                Wanted::Stop { .. } => None,
            })
        };
        let excludes = |order: &Assignment, other: &Assignment| {
            other.app == order.app
                && other.deployment != order.deployment
                && order.run.container.excludes(&other.run.container)
        };
        let found = orders().filter(|order| orders().any(|other| excludes(order, other)));
        found.map(|order| (order.deployment, order.generation)).collect()
    }

    /// The orders that are held, but for those of which it is not known yet whether the image is there
    /// (`unsure`, by their generation): one that is reported counts as taken on, and the version before
    /// ends for it.
    pub(crate) fn held(&self, unsure: &BTreeMap<DeploymentId, u64>) -> Vec<Held> {
        self.desired
            .iter()
            .filter(|(deployment, wanted)| {
                unsure.get(*deployment).is_none_or(|generation| *generation != wanted.generation())
            })
            .map(|(deployment, wanted)| Held {
                deployment: *deployment,
                generation: wanted.generation(),
                stopping: match wanted {
                    Wanted::Run(_) => false,
                    Wanted::Stop { .. } => true,
                },
            })
            .collect()
    }

    /// How the engine is, and every replica of which something is known. Before everything was looked at, one
    /// that should be there and was not seen may well be there, and serve: nothing is said of it.
    pub(crate) fn sightings(&self) -> (EngineState, Vec<ReplicaReport>) {
        let mut replicas = self.replica_reports();
        if self.looked {
            return (self.engine.clone(), replicas);
        }
        replicas.retain(|report| {
            let key = ReplicaKey { deployment: report.deployment, index: report.index };
            self.replicas.contains_key(&key)
        });
        let engine = match &self.engine {
            EngineState::Ready { .. } => {
                let message = "what runs there was not looked at yet".into();
                EngineState::Unreachable { message }
            }
            EngineState::Unreachable { .. } => self.engine.clone(),
        };
        (engine, replicas)
    }

    /// Every replica there is or should be.
    pub(crate) fn replica_reports(&self) -> Vec<ReplicaReport> {
        let mut room = MOST_TAIL_BYTES;
        let there = self.replicas.iter().map(|(key, replica)| {
            let state = self.state_of(*key, replica, &mut room);
            let quiet = matches!(state, ReplicaState::Healthy | ReplicaState::Creating);
            // A process beside web answers nowhere.
            let port = self.assignment(*key).map(|assignment| assignment.port);
            let port = port.filter(|_| !is_process(key.index));
            let address = replica.observed.address.filter(|_| replica.run().is_some());
            let log = if quiet { Vec::new() } else { self.tail(*key, replica, &mut room) };
            ReplicaReport {
                deployment: key.deployment,
                app: replica.observed.app,
                index: key.index,
                state,
                endpoint: address.zip(port).map(|(address, port)| SocketAddr::new(address, port)),
                restarts: self.restarts.get(key).map_or(0, |restarts| restarts.total),
                in_a_row: self.restarts_in_a_row(*key, replica),
                log,
                image_missing: self.image_missing(*key),
            }
        });
        let mut reports: Vec<ReplicaReport> = there.collect();
        let missing = self.desired.values().flat_map(|wanted| match wanted {
            Wanted::Run(assignment) => {
                assignment.indices().map(|index| (&**assignment, index)).collect()
            }
            Wanted::Stop { .. } => Vec::new(),
        });
        for (assignment, index) in missing {
            let key = ReplicaKey { deployment: assignment.deployment, index };
            if self.replicas.contains_key(&key) {
                continue;
            }
            reports.push(ReplicaReport {
                deployment: key.deployment,
                app: assignment.app,
                index,
                state: self.not_running(key),
                endpoint: None,
                restarts: 0,
                in_a_row: 0,
                log: Vec::new(),
                image_missing: self.image_missing(key),
            });
        }
        reports
    }

    fn image_missing(&self, key: ReplicaKey) -> bool {
        let setback = self.setbacks.get(&(Target::Replica(key), Aim::Run));
        setback.is_some_and(|setback| setback.image_missing)
    }

    /// A replica that should run and has not been started.
    fn not_running(&self, key: ReplicaKey) -> ReplicaState {
        let setback = self.setbacks.get(&(Target::Replica(key), Aim::Run));
        match setback.and_then(|setback| setback.message.as_deref()) {
            // What the engine says may be about what it was given.
            Some(message) => ReplicaState::Failed {
                message: match self.maskers.get(&key.deployment) {
                    Some(masker) => masker.mask(message),
                    None => message.to_owned(),
                },
            },
            None => ReplicaState::Creating,
        }
    }

    fn state_of(&self, key: ReplicaKey, replica: &Replica, room: &mut usize) -> ReplicaState {
        match &replica.observed.state {
            Condition::Created => self.not_running(key),
            Condition::Exited { .. } if replica.runs_on(self.assignment(key)) => {
                self.not_running(key)
            }
            Condition::Exited { code, out_of_memory, .. } => {
                // One that cannot be started again says why, rather than how it ended once.
                match self.not_running(key) {
                    failed @ ReplicaState::Failed { .. } => failed,
                    ReplicaState::Creating
                    | ReplicaState::Starting { .. }
                    | ReplicaState::Healthy
                    | ReplicaState::Unhealthy { .. }
                    | ReplicaState::Exited { .. }
                    | ReplicaState::Stopping => {
                        ReplicaState::Exited { code: *code, out_of_memory: *out_of_memory }
                    }
                }
            }
            Condition::Running { .. } => {
                let stops = self.busy.get(&Target::Replica(key)).is_some_and(|busy| busy.stops);
                if stops || self.assignment(key).is_none() {
                    return ReplicaState::Stopping;
                }
                let elapsed = replica.elapsed();
                if let Some(task) = self.assignment(key).and_then(|a| a.task(key.index)) {
                    let (check, within) = ("it is not over yet".into(), Some(task.within));
                    return ReplicaState::Starting { check, elapsed, within };
                }
                if is_process(key.index) && elapsed < limits::PROCESS_UP_FOR {
                    let check = format!("it has to stay up for {}", limits::PROCESS_UP_FOR);
                    return ReplicaState::Starting { check, elapsed, within: None };
                }
                if is_process(key.index) {
                    return ReplicaState::Healthy;
                }
                let starting = |check, within| ReplicaState::Starting { check, elapsed, within };
                if let Some(once) = self.assignment(key).filter(|of| of.run.part.once) {
                    return starting("it is not over yet".into(), Some(once.health.start_within()));
                }
                match &replica.health {
                    // Found running by an agent that has just started: it serves until a check
                    // says otherwise.
                    Health::Unknown if replica.was_healthy => ReplicaState::Healthy,
                    Health::Unknown => starting("it was not checked yet".into(), None),
                    Health::Starting { check, within } => {
                        starting(self.told(key, check, room), Some(*within))
                    }
                    Health::Healthy => ReplicaState::Healthy,
                    Health::Unhealthy { check } => {
                        ReplicaState::Unhealthy { check: self.told(key, check, room) }
                    }
                }
            }
        }
    }

    /// What a check found, with what its command wrote, masked.
    fn told(&self, key: ReplicaKey, finding: &Finding, room: &mut usize) -> String {
        let Finding { what, output, cut } = finding;
        // Without its environment nobody can tell what of it is secret.
        let masker = self.maskers.get(&key.deployment).filter(|_| !output.is_empty());
        // Where it begins within a value, nobody can tell how far that goes.
        let output = masker.map(|masker| {
            let unsure = if *cut { masker.longest() } else { 0 };
            look::end_of(masker.after(output, unsure))
        });
        match output.filter(|output| !output.is_empty() && take(output, room)) {
            Some(output) => format!("{what}: {output}"),
            None => what.clone(),
        }
    }

    /// The last lines of a replica, masked and bounded.
    fn tail(&self, key: ReplicaKey, replica: &Replica, room: &mut usize) -> Vec<String> {
        // Without its environment nobody can tell what of it is secret.
        let Some(masker) = self.maskers.get(&key.deployment) else { return Vec::new() };
        let mut lines = Vec::new();
        for line in &replica.tail {
            // Masked before it is cut: half a secret is one, too.
            let line = look::cut(masker.mask(line));
            if !take(&line, room) {
                break;
            }
            lines.push(line);
        }
        lines
    }
}

/// What is said of a replica whose image the engine does not have.
pub(super) fn without_image(message: &str) -> String {
    format!("its image is not on this worker ({message}); deploy it again")
}

/// Takes the room that a text needs as it is sent; false where there is not as much. A control character
/// is one byte in a log, and six in a report.
fn take(text: &str, room: &mut usize) -> bool {
    let sent = serde_json::to_string(text).map_or(text.len(), |sent| sent.len());
    let rest = room.checked_sub(sent);
    *room = rest.unwrap_or(*room);
    rest.is_some()
}

#[cfg(test)]
mod tests;
