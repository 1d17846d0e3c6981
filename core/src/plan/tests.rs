//! Tables: what should be, what is, and the steps between.

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
    assert_eq!(steps([stop(), new()], None), [Step::Forget(deployment_id(1)), Step::Create(of(2))]);
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
        ("to stop", Some(stop()), Some(container(running(true), 0)), vec![Step::Stop(key(0), own)]),
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
