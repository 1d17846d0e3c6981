//! What a worker must do next: the difference between what it was told and what it sees.
//!
//! Run again on every change, every inventory and when a wait is over. A step that is under way
//! already shows up again until its effect is seen: the executor leaves out what it is doing, and
//! every step done twice is done once. Nothing is remembered here, so a crash loses nothing.
//!
//! There are no moments in here, only how long something has been so: whoever asks measures that
//! by a clock that nobody sets.

mod ailing;

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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::{app_id, deployment_id, image, name};
    use crate::wire::worker::{SealedEnvironment, TaskOrder};

    pub(crate) fn key(index: u16) -> ReplicaKey {
        ReplicaKey { deployment: deployment_id(1), index }
    }

    pub(crate) fn run(replicas: &[u16], restart: bool) -> Wanted {
        Wanted::Run(Box::new(Assignment {
            deployment: deployment_id(1),
            app: app_id(1),
            app_name: name("shop"),
            generation: 5,
            replicas: replicas.iter().copied().filter(|index| !is_task(*index)).collect(),
            tasks: replicas.iter().copied().filter(|index| is_task(*index)).map(task).collect(),
            image: image(),
            port: 80,
            environment: SealedEnvironment::default(),
            health: crate::health::HealthCheck::default(),
            resources: crate::source::Resources::default(),
            run: crate::run::RunSettings::default(),
            stop_within: Millis::seconds(7),
            restart,
        }))
    }

    fn task(index: u16) -> TaskOrder {
        let command = crate::argv::Argv::new(vec!["migrate".into()]).unwrap();
        TaskOrder { index, command, within: Millis::seconds(60) }
    }

    fn stop() -> Wanted {
        Wanted::Stop { generation: 6, stop_within: Millis::seconds(7) }
    }

    pub(crate) fn container(state: ContainerState, restarts: u32) -> Container {
        Container { app: app_id(1), network: app_id(1), state, restarts, limited: false }
    }

    /// One that is to have a file with a value.
    fn with_file() -> Wanted {
        let Wanted::Run(mut assignment) = run(&[0], false) else { unreachable!() };
        let variable = crate::names::EnvName::new("A").unwrap();
        let file = crate::inside::ValueFile { variable, mode: 0o444, uid: 0, gid: 0 };
        let path = crate::container::MountPath::new("/run/secrets/a").unwrap();
        assignment.run.inside.files.insert(path, file);
        Wanted::Run(assignment)
    }

    /// The same for an app that writes to a volume, as another deployment of it.
    fn exclusive(n: u128, generation: u64) -> (DeploymentId, Wanted) {
        use crate::container::{ContainerSettings, Mount, MountPath, VolumeName};
        let Wanted::Run(mut assignment) = run(&[0], true) else { unreachable!() };
        let mount = Mount { volume: VolumeName::new("data").unwrap(), read_only: false };
        let volumes = [(MountPath::new("/data").unwrap(), mount)].into();
        assignment.deployment = deployment_id(n);
        assignment.generation = generation;
        assignment.run.container = ContainerSettings { volumes, ..ContainerSettings::default() };
        (deployment_id(n), Wanted::Run(assignment))
    }

    #[test]
    fn what_writes_to_a_volume_waits_for_the_version_before_to_be_gone() {
        let of = |n: u128| ReplicaKey { deployment: deployment_id(n), index: 0 };
        let running = ContainerState::Running { healthy: true, ails: None };
        let exited = ContainerState::Exited { ago: Millis::seconds(100) };
        let stop = Wanted::Stop { generation: 7, stop_within: Millis::seconds(7) };
        let stop = || (deployment_id(1), stop.clone());
        let steps = |desired: [(DeploymentId, Wanted); 2], before: Option<ContainerState>| {
            let before =
                before.map(|state| (of(1), Container { limited: true, ..container(state, 0) }));
            let seen = Seen { containers: before.into_iter().collect(), networks: BTreeSet::new() };
            plan(&desired.into(), &seen).steps
        };
        let (old, new) = (|| exclusive(1, 5), || exclusive(2, 9));
        assert_eq!(steps([old(), new()], Some(running)), [], "the old one is not told to end yet");
        assert_eq!(steps([stop(), new()], Some(running)), [Step::Stop(of(1), Millis::seconds(7))]);
        let ended = steps([stop(), new()], Some(exited));
        assert_eq!(ended, [Step::Remove(of(1)), Step::Create(of(2))]);
        assert_eq!(
            steps([old(), new()], Some(exited)),
            [Step::Create(of(2))],
            "the newer one goes first"
        );
        assert_eq!(steps([old(), new()], None), [Step::Create(of(2))]);
        assert_eq!(
            steps([stop(), new()], None),
            [Step::Forget(deployment_id(1)), Step::Create(of(2))]
        );
    }

    #[test]
    fn what_writes_to_a_volume_waits_for_what_ends_of_its_group() {
        let (id, wanted) = exclusive(2, 9);
        let network = app_id(1);
        let running = ContainerState::Running { healthy: true, ails: None };
        let of_other =
            |network| Container { app: app_id(7), network, limited: true, ..container(running, 0) };
        let steps = |network, more: Option<Wanted>| {
            let more = more.map(|wanted| (deployment_id(1), wanted));
            let desired = [(id, wanted.clone())].into_iter().chain(more).collect();
            let containers = [(key(0), of_other(network))].into();
            let steps = plan(&desired, &Seen { containers, networks: BTreeSet::new() }).steps;
            steps.contains(&Step::Create(ReplicaKey { deployment: id, index: 0 }))
        };
        assert!(!steps(network, None), "it ends");
        assert!(!steps(network, Some(stop())));
        assert!(steps(network, Some(run(&[0], true))), "it is to run beside it");
        assert!(steps(app_id(8), None), "it is of no group of its");
    }

    #[test]
    fn the_network_of_a_group_stays_while_one_of_it_is_there() {
        let group = AppId::new(uuid::Uuid::from_u128(99));
        let member = |state| Container { network: group, ..container(state, 0) };
        let seen = |containers| Seen { containers, networks: [app_id(1), group].into() };
        let exited = ContainerState::Exited { ago: Millis(0) };
        let there = plan(&Desired::new(), &seen([(key(0), member(exited))].into())).steps;
        assert_eq!(there, [Step::Remove(key(0)), Step::RemoveNetwork(app_id(1))]);
        let none = plan(&Desired::new(), &seen(BTreeMap::new())).steps;
        assert!(none.contains(&Step::RemoveNetwork(group)));
    }

    #[test]
    fn each_difference_has_its_step() {
        let running = |healthy| ContainerState::Running { healthy, ails: None };
        let exited = |ago| ContainerState::Exited { ago: Millis::seconds(ago) };
        let own = Millis::seconds(7);
        type Row = (&'static str, Option<Wanted>, Option<Container>, Vec<Step>);
        let rows: Vec<Row> = vec![
            ("missing", Some(run(&[0], false)), None, vec![Step::Create(key(0))]),
            (
                "never started",
                Some(run(&[0], false)),
                Some(container(ContainerState::Created, 0)),
                vec![Step::Start(key(0))],
            ),
            (
                "never started, and perhaps without its files",
                Some(with_file()),
                Some(container(ContainerState::Created, 0)),
                vec![Step::Create(key(0))],
            ),
            (
                "with its files, for it ran",
                Some(with_file()),
                Some(container(running(false), 0)),
                vec![],
            ),
            ("starting", Some(run(&[0], false)), Some(container(running(false), 0)), vec![]),
            (
                "healthy without its limit",
                Some(run(&[0], false)),
                Some(container(running(true), 0)),
                vec![Step::Limit(key(0))],
            ),
            (
                "healthy",
                Some(run(&[0], false)),
                Some(Container { limited: true, ..container(running(true), 0) }),
                vec![],
            ),
            (
                "exited before it was live",
                Some(run(&[0], false)),
                Some(container(exited(1), 0)),
                vec![],
            ),
            (
                "exited when live",
                Some(run(&[0], true)),
                Some(container(exited(1), 0)),
                vec![Step::Start(key(0))],
            ),
            ("exited a moment ago", Some(run(&[0], true)), Some(container(exited(0), 0)), vec![]),
            ("exited often", Some(run(&[0], true)), Some(container(exited(10), 5)), vec![]),
            (
                "one too many",
                Some(run(&[], true)),
                Some(container(running(true), 0)),
                vec![Step::Stop(key(0), own)],
            ),
            (
                "to stop",
                Some(stop()),
                Some(container(running(true), 0)),
                vec![Step::Stop(key(0), own)],
            ),
            ("stopped", Some(stop()), Some(container(exited(1), 0)), vec![Step::Remove(key(0))]),
            ("gone", Some(stop()), None, vec![Step::Forget(deployment_id(1))]),
            (
                "unknown",
                None,
                Some(container(running(true), 0)),
                vec![Step::Stop(key(0), limits::STOP_WITHIN)],
            ),
            ("unknown and ended", None, Some(container(exited(1), 0)), vec![Step::Remove(key(0))]),
            ("nothing at all", None, None, vec![]),
        ];
        for (what, wanted, seen, expected) in rows {
            let desired = wanted.map(|wanted| (deployment_id(1), wanted)).into_iter().collect();
            let containers = seen.map(|container| (key(0), container)).into_iter().collect();
            let seen = Seen { containers, networks: BTreeSet::new() };
            assert_eq!(plan(&desired, &seen).steps, expected, "{what}");
        }
    }

    #[test]
    fn a_task_runs_once_also_beside_replicas_that_are_started_again() {
        let index = crate::task::Hook::Release.index();
        let running = ContainerState::Running { healthy: false, ails: Some(Millis::seconds(99)) };
        let exited = ContainerState::Exited { ago: Millis::seconds(500) };
        let rows = [
            ("missing", None, vec![Step::Create(key(index))]),
            ("never started", Some(ContainerState::Created), vec![Step::Start(key(index))]),
            ("running, for however long", Some(running), vec![]),
            ("over", Some(exited), vec![]),
        ];
        for (what, state, expected) in rows {
            let desired = Desired::from([(deployment_id(1), run(&[index], true))]);
            let seen = state.map(|state| (key(index), container(state, 0)));
            let seen = Seen { containers: seen.into_iter().collect(), networks: BTreeSet::new() };
            assert_eq!(plan(&desired, &seen).steps, expected, "{what}");
        }
        // Not wanted any more, it goes as a replica does.
        let desired = Desired::from([(deployment_id(1), run(&[], true))]);
        let containers = BTreeMap::from([(key(index), container(exited, 0))]);
        let seen = Seen { containers, networks: BTreeSet::new() };
        assert_eq!(plan(&desired, &seen).steps, [Step::Remove(key(index))]);
    }

    #[test]
    fn a_network_goes_when_nothing_of_its_app_is_left() {
        let networks = BTreeSet::from([app_id(1)]);
        let empty = Seen { networks: networks.clone(), ..Seen::default() };
        assert_eq!(plan(&Desired::new(), &empty).steps, [Step::RemoveNetwork(app_id(1))]);
        let wanted = Desired::from([(deployment_id(1), run(&[0], true))]);
        assert_eq!(plan(&wanted, &empty).steps, [Step::Create(key(0))]);
        let ended = container(ContainerState::Exited { ago: Millis(1) }, 0);
        let left = Seen { containers: BTreeMap::from([(key(0), ended)]), networks };
        assert_eq!(plan(&Desired::new(), &left).steps, [Step::Remove(key(0))]);
    }

    #[test]
    fn it_says_when_to_look_again_and_waits_longer_each_time() {
        let desired = Desired::from([(deployment_id(1), run(&[0, 1], true))]);
        let of = |restarts| container(ContainerState::Exited { ago: Millis(500) }, restarts);
        let seen = Seen {
            containers: BTreeMap::from([(key(0), of(3)), (key(1), of(1))]),
            networks: BTreeSet::new(),
        };
        assert_eq!(plan(&desired, &seen).look_again, Some(Millis(1_500)));
        let waits: Vec<u64> = [0, 1, 2, 6, 60].map(|n| backoff(n).0).to_vec();
        assert_eq!(waits, [1_000, 2_000, 4_000, 60_000, 60_000]);
    }
}
