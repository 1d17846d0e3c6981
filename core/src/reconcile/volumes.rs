//! What writes to a volume is replaced: the version before ends first, and runs again where the next one
//! fails.

use crate::app::{AppEvent, SettingsChange};
use crate::argv::Argv;
use crate::container::{ContainerSettings, GroupMember, Mount, MountPath, ServiceName, VolumeName};
use crate::deployment::{
    BuiltImage, DeploymentCommand, DeploymentEvent, DeploymentSpec, Fault, Outcome, Placement,
    StageName,
};
use crate::event::Event;
use crate::ids::{DeploymentId, EdgeId, InstallationId, ProjectId, WorkerId};
use crate::names::{HostName, WorkerName};
use crate::observed::{Carries, EdgeSeen, Observed, WorkerSeen};
use crate::past::testing::Journal;
use crate::reconcile::{Effect, reconcile};
use crate::routes::{Backend, Route, RouteTable, routes};
use crate::run::{HookSettings, RunSettings};
use crate::task::Hook;
use crate::testing::{app_id, at, built, deployment_id, name, spec, worker_id};
use crate::time::{Millis, Timestamp};
use crate::view::View;
use crate::waiting::waiting_for;
use crate::wire::edge::Busy;
use crate::wire::worker::{
    EngineState, Held, ReplicaReport, ReplicaState, SealingKey, WorkerReport,
};
use crate::worker::{Capacity, WorkerEvent};

/// As an app of a group, where there is one.
fn spec_with_volume(read_only: bool, app: u128, group: Option<u128>) -> Box<DeploymentSpec> {
    let mount = Mount { volume: VolumeName::new("data").unwrap(), read_only };
    let volumes = [(MountPath::new("/data").unwrap(), mount)].into();
    let group = group.map(|project| GroupMember {
        project: ProjectId::new(uuid::Uuid::from_u128(project)),
        service: ServiceName::new("one").unwrap(),
        content: None,
    });
    let container = ContainerSettings { volumes, group, ..ContainerSettings::default() };
    let run = RunSettings { container, ..RunSettings::default() };
    let app_name = name(&format!("shop-{app}"));
    Box::new(DeploymentSpec { app: app_id(app), app_name, run, ..spec(1) })
}

fn deploy(journal: &mut Journal, n: u128, read_only: bool, worker: WorkerId) {
    deploy_as(journal, n, spec_with_volume(read_only, 1, None), worker);
}

fn deploy_as(journal: &mut Journal, n: u128, spec: Box<DeploymentSpec>, worker: WorkerId) {
    let (deployment, until) = (deployment_id(n), at(1_000_000));
    let of = spec.app.uuid();
    let requested = AppEvent::DeploymentRequested { deployment, spec: spec.clone() };
    journal.push(of, Event::App(requested));
    journal.push(of, Event::App(AppEvent::DeploymentBegun { deployment }));
    let mut push = |event| journal.push(deployment.uuid(), Event::Deployment(event));
    push(DeploymentEvent::Requested(spec));
    push(DeploymentEvent::BuildQueued { generation: 1, until });
    push(DeploymentEvent::Built { built: BuiltImage { worker, ..built() }, until });
    push(DeploymentEvent::Placed { placements: vec![Placement { index: 0, worker }], until });
}

fn go_live(journal: &mut Journal, of: u128, n: u128) {
    let (deployment, app) = (deployment_id(n), app_id(of));
    journal.push(deployment.uuid(), Event::Deployment(DeploymentEvent::BecameHealthy { app }));
    journal.app(of, AppEvent::TrafficSwitched { deployment, previous: None });
    journal.push(deployment.uuid(), Event::Deployment(DeploymentEvent::WentLive { app }));
    journal.app(of, AppEvent::DeploymentPromoted { deployment, previous: None });
}

/// Two workers, and nothing on them.
fn empty() -> Journal {
    let mut journal = Journal::default();
    for (n, name) in [(1, "one"), (2, "two")] {
        let joined = WorkerEvent::Registered {
            id: worker_id(n),
            name: WorkerName::new(name).unwrap(),
            capacity: Capacity { memory_bytes: 8 << 30, cpu_millis: 4_000 },
        };
        journal.push(worker_id(n).uuid(), Event::Worker(joined));
    }
    journal
}

/// One that is live, and one that starts.
fn journal(read_only: bool, next_on: u128) -> Journal {
    let mut journal = empty();
    journal.create(1, "shop");
    deploy(&mut journal, 1, read_only, worker_id(1));
    go_live(&mut journal, 1, 1);
    deploy(&mut journal, 2, read_only, worker_id(next_on));
    journal
}

fn view(journal: &Journal) -> View {
    let mut view = View::default();
    journal.events.iter().for_each(|event| view.apply(event));
    view
}

/// What the first worker holds: orders to run, and those to stop.
fn observed(held: &[(u128, u64, bool)]) -> Observed {
    let order = |(n, generation, stopping): &(u128, u64, bool)| Held {
        deployment: deployment_id(*n),
        generation: *generation,
        stopping: *stopping,
    };
    let mut observed = Observed::starting_at(at(0));
    for n in [1, 2] {
        let assignments = held.iter().filter(|_| n == 1).map(order).collect();
        let report = WorkerReport {
            format: 1,
            worker: worker_id(n),
            installation: InstallationId::new(uuid::Uuid::nil()),
            name: WorkerName::new("one").unwrap(),
            capacity: Capacity::default(),
            sealing_key: SealingKey([0; 32]),
            engine: EngineState::Ready { version: "1".into() },
            assignments,
            replicas: Vec::new(),
            builds: Vec::new(),
            builder: None,
            at: at(1),
        };
        observed.workers.insert(worker_id(n), WorkerSeen::new(report, at(1)));
    }
    observed
}

/// The orders that are sent, and whether the app's page says that it is starting.
fn told(view: &View, observed: &Observed) -> (Vec<String>, bool) {
    // Edges had the time to be heard of by then: there is none.
    told_at(view, observed, at(20))
}

fn told_at(view: &View, observed: &Observed, now: Timestamp) -> (Vec<String>, bool) {
    let base = HostName::new("localhost").unwrap();
    let (mut orders, mut starting) = (Vec::new(), false);
    for effect in reconcile(view, observed, &base, now) {
        match effect {
            Effect::SendRun { deployment, .. } => orders.push(format!("run {}", n(deployment))),
            Effect::SendStop { deployment, .. } => orders.push(format!("stop {}", n(deployment))),
            Effect::PublishRoutes(routes) => {
                starting = routes.values().any(|route| route.backend == Backend::Starting);
            }
            Effect::Deployment(_, DeploymentCommand::FailStart { fault }) => {
                orders.push(fault.message);
            }
            Effect::Deployment(..)
            | Effect::App(..)
            | Effect::Worker(..)
            | Effect::SendBuild { .. }
            | Effect::SendCancelBuild { .. } => {}
        }
    }
    (orders, starting)
}

fn n(deployment: DeploymentId) -> u128 {
    deployment.uuid().as_u128() - deployment_id(0).uuid().as_u128()
}

#[test]
fn the_version_before_ends_first_and_runs_again_where_the_next_one_fails() {
    let mut journal = journal(false, 1);
    let both = view(&journal);
    let orders = |n: u128| both.deployments[&deployment_id(n)].assigned.0;
    let (first, second) = (orders(1), orders(2));
    let (told_now, starting) = told(&both, &observed(&[(1, first, false)]));
    assert_eq!(told_now, ["run 2"], "it ends once the worker has taken on the next one");
    assert!(!starting);
    let mut released = observed(&[(1, first, false), (2, second - 1, false)]);
    released.put_in_force(table(1, Some(1)));
    let (told_now, starting) = told(&both, &released);
    assert_eq!(told_now, ["run 2"], "what it has taken on so far is the release command");
    assert!(!starting);
    // Where it has given way, it does not come back for an order that says something else.
    released.put_in_force(table(2, None));
    assert!(told(&both, &released).1);
    let taken_on = observed(&[(1, first, false), (2, second, false)]);
    let (told_now, starting) = told(&both, &taken_on);
    assert_eq!(told_now, ["stop 1"], "the worker itself waits with the one for the other");
    assert!(starting, "its address says so");
    let under_way = observed(&[(1, second + 1, true), (2, second, false)]);
    assert_eq!(told(&both, &under_way).0, Vec::<String>::new());

    let failed = Outcome::Failed { stage: StageName::Starting, fault: Fault::new("it did not") };
    let ended = DeploymentEvent::Ended { app: app_id(1), outcome: failed };
    journal.push(deployment_id(2).uuid(), Event::Deployment(ended));
    journal.app(1, AppEvent::DeploymentSettled { deployment: deployment_id(2) });
    let (told_now, starting) = told(&view(&journal), &under_way);
    assert_eq!(told_now, ["run 1", "stop 2"]);
    assert!(!starting);
}

#[test]
fn what_has_no_address_goes_on_too_until_its_worker_has_taken_on_more_than_the_release_command() {
    let mut journal = journal(false, 1);
    let mut run = spec_with_volume(false, 1, None).run;
    run.container.unrouted = true;
    journal.configure(1, SettingsChange { run: Some(run), ..SettingsChange::default() });
    let both = view(&journal);
    let orders = |n: u128| both.deployments[&deployment_id(n)].assigned.0;
    let (first, second) = (orders(1), orders(2));
    // What the worker holds, and what it is told.
    type Row<'a> = (&'a [(u128, u64, bool)], &'a [&'a str]);
    let rows: [Row<'_>; 5] = [
        (&[(1, first, false)], &["run 2"]),
        (&[(1, first, false), (2, second - 1, false)], &["run 2"]),
        (&[(1, first, false), (2, second, false)], &["stop 1"]),
        // It was told to end, or has ended: it does not come back for an order that says something else.
        (&[(1, second + 1, true), (2, second - 1, false)], &["run 2"]),
        (&[(2, second - 1, false)], &["run 2"]),
    ];
    for (held, expected) in rows {
        assert_eq!(told(&both, &observed(held)).0, expected, "{held:?}");
    }
}

#[test]
fn a_post_deploy_command_that_ends_with_its_version_is_given_up_first_and_not_begun_again() {
    let (one, until) = (deployment_id(1), at(60));
    let mut journal = empty();
    journal.create(1, "shop");
    let mut spec = spec_with_volume(false, 1, None);
    let command = Argv::new(vec!["warm-up".into()]).unwrap();
    let settings = HookSettings { command, within: Millis::seconds(60) };
    spec.run.hooks.insert(Hook::PostDeploy, settings);
    deploy_as(&mut journal, 1, spec, worker_id(1));
    go_live(&mut journal, 1, 1);
    let started = DeploymentEvent::PostDeployStarted { worker: worker_id(1), until };
    journal.push(one.uuid(), Event::Deployment(started));
    deploy(&mut journal, 2, false, worker_id(1));
    let base = HostName::new("localhost").unwrap();
    let given_up = |journal: &Journal, second_is_there: bool| {
        let both = view(journal);
        let orders = |n: u128| both.deployments[&deployment_id(n)].assigned.0;
        let second = second_is_there.then(|| (2, orders(2), false));
        let held: Vec<_> = [(1, orders(1), false)].into_iter().chain(second).collect();
        let effects = reconcile(&both, &observed(&held), &base, at(20));
        let fault = effects.into_iter().find_map(|effect| {
            if let Effect::Deployment(of, DeploymentCommand::FailPostDeploy { fault }) = effect {
                return (of == one).then_some(fault);
            }
            None
        });
        (fault, told(&both, &observed(&held)).0)
    };
    // Until the worker has taken on the next one, it goes on.
    assert_eq!(given_up(&journal, false), (None, vec!["run 2".to_owned()]));
    let (fault, orders) = given_up(&journal, true);
    let fault = fault.unwrap();
    assert!(fault.message.contains("both write to the same volume"), "{}", fault.message);
    assert_eq!(orders, Vec::<String>::new(), "nothing is stopped before that is recorded");
    let failed = DeploymentEvent::PostDeployFailed { fault };
    journal.push(one.uuid(), Event::Deployment(failed));
    assert_eq!(given_up(&journal, true), (None, vec!["stop 1".to_owned()]));
}

#[test]
fn the_live_version_goes_on_while_the_next_ones_image_is_missing_and_runs_again_where_it_had_ended()
{
    let mut journal = journal(false, 1);
    let both = view(&journal);
    let orders = |view: &View, n: u128| view.deployments[&deployment_id(n)].assigned.0;
    let (first, second) = (orders(&both, 1), orders(&both, 2));
    // The worker says so before it ends anything.
    let mut taken_on = observed(&[(1, first, false), (2, second, false)]);
    let seen = taken_on.workers[&worker_id(1)].report.clone();
    let missing = ReplicaReport {
        deployment: deployment_id(2),
        app: app_id(1),
        index: 0,
        state: ReplicaState::Failed { message: "its image is not on this worker".into() },
        endpoint: None,
        restarts: 0,
        in_a_row: 0,
        log: Vec::new(),
        image_missing: true,
    };
    let says_so = WorkerSeen::new(WorkerReport { replicas: vec![missing], ..seen }, at(1));
    taken_on.workers.insert(worker_id(1), says_so);
    let (told_now, starting) = told(&both, &taken_on);
    assert!(!told_now.contains(&"stop 1".to_owned()) && !starting, "{told_now:?}");

    // It ended all the same, and then the image is missed.
    let missed = DeploymentEvent::ImageMissed { until: at(1_000_000) };
    journal.push(deployment_id(2).uuid(), Event::Deployment(missed));
    let (told_now, starting) =
        told(&view(&journal), &observed(&[(1, first + 1, true), (2, second, false)]));
    assert_eq!(told_now, ["run 1", "stop 2"]);
    assert!(!starting);

    // Built anew, it starts as the first time: requests have all of their time to end.
    let built = BuiltImage { worker: worker_id(1), ..built() };
    let until = at(1_000_000);
    let placements = vec![Placement { index: 0, worker: worker_id(1) }];
    let id = deployment_id(2).uuid();
    journal.push(id, Event::Deployment(DeploymentEvent::Built { built, until }));
    let placed = journal.push(id, Event::Deployment(DeploymentEvent::Placed { placements, until }));
    let again = view(&journal);
    let since = again.giving_way(again.apps[&app_id(1)].state.active().unwrap()).unwrap().1;
    assert_eq!(since, at(placed.0));
    let held = observed(&[(1, orders(&again, 1), false), (2, orders(&again, 2), false)]);
    assert_eq!(told(&again, &held).0, ["stop 1"]);
}

/// A table that leads to one of these, or nowhere.
fn table(revision: u64, to: Option<u128>) -> RouteTable {
    let route = to.map(|n| {
        let targets = vec![std::net::SocketAddr::from(([10, 0, 0, 1], 80))];
        let backend = Backend::Replicas { deployment: deployment_id(n), targets };
        let host = HostName::new("shop.localhost").unwrap();
        (host, Route::new(app_id(1), name("shop"), backend))
    });
    RouteTable { revision, routes: route.into_iter().collect() }
}

#[test]
fn requests_have_their_time_from_when_the_table_no_longer_leads_there() {
    let both = view(&journal(false, 1));
    let orders = |n: u128| both.deployments[&deployment_id(n)].assigned.0;
    // The worker took on the next one long after that had its place.
    let mut seen = observed(&[(1, orders(1), false), (2, orders(2), false)]);
    seen.put_in_force(table(1, Some(1)));
    seen.put_in_force(table(2, None));
    seen.forget_old(at(100));
    let rows: [(u64, u64, &[&str]); 4] =
        [(101, 0, &["stop 1"]), (101, 1, &[]), (119, 1, &[]), (121, 1, &["stop 1"])];
    for (now, requests, expected) in rows {
        let busy = (requests > 0).then_some(Busy { deployment: deployment_id(1), requests });
        let carries = Carries::Known { busy: busy.into_iter().collect(), leaving: Vec::new() };
        let edge = EdgeSeen::new(2, carries, at(now));
        seen.edges.insert(EdgeId::new(uuid::Uuid::from_u128(1)), edge);
        assert_eq!(told_at(&both, &seen, at(now)).0, expected, "{now} {requests}");
    }
}

#[test]
fn it_is_said_that_the_version_before_has_to_end_first() {
    let both = view(&journal(false, 1));
    let orders = |n: u128| both.deployments[&deployment_id(n)].assigned.0;
    let gone = observed(&[(1, orders(1), false), (2, orders(2), false)]);
    let runs = ReplicaReport {
        deployment: deployment_id(1),
        app: app_id(1),
        index: 0,
        state: ReplicaState::Healthy,
        endpoint: None,
        restarts: 0,
        in_a_row: 0,
        log: Vec::new(),
        image_missing: false,
    };
    let seen = gone.workers[&worker_id(1)].report.clone();
    let mut there = gone.clone();
    let report = WorkerReport { replicas: vec![runs], ..seen };
    there.workers.insert(worker_id(1), WorkerSeen::new(report, at(1)));
    let waits = |seen: &Observed| waiting_for(&both, seen, deployment_id(2)).unwrap().message;
    let first = "to finish its requests and to end, for both write to the same volume";
    assert!(waits(&there).contains(first), "{}", waits(&there));
    assert!(waits(&gone).contains("to be created on one"), "{}", waits(&gone));
}

#[test]
fn what_is_in_force_stays_until_the_worker_is_heard_of() {
    let both = view(&journal(false, 1));
    let base = HostName::new("localhost").unwrap();
    // Whether the table that was found leads to the live version: it was held up, or gives way.
    for held_up in [true, false] {
        let mut seen = observed(&[]);
        seen.workers.clear();
        seen.put_in_force(table(1, held_up.then_some(1)));
        let routes = routes(&both, &seen, &base, seen.routes());
        let backend = routes.into_values().next().unwrap().backend;
        let live = held_up.then(|| deployment_id(1));
        assert_eq!(backend.deployment(), live);
        assert_eq!(backend == Backend::Starting, !held_up);
    }
}

#[test]
fn what_is_only_read_is_rolled() {
    let view = view(&journal(true, 1));
    let first = view.deployments[&deployment_id(1)].assigned.0;
    let (told, starting) = told(&view, &observed(&[(1, first, false)]));
    assert_eq!(told, ["run 2"]);
    assert!(!starting);
}

#[test]
fn one_that_comes_to_another_worker_than_its_volume_fails_and_says_so() {
    let view = view(&journal(true, 2));
    let first = view.deployments[&deployment_id(1)].assigned.0;
    let (told, _) = told(&view, &observed(&[(1, first, false)]));
    assert!(told.iter().any(|one| one.contains("its volume data is on worker one")), "{told:?}");
}

#[test]
fn a_new_app_of_a_group_comes_to_where_the_groups_volumes_are_or_fails_and_says_so() {
    let (one, two) = (worker_id(1), worker_id(2));
    let ours = |app| spec_with_volume(true, app, Some(9));
    // Where the group's first app is, whether that is live, as what the second one comes to another
    // worker, and whether it may start there.
    let rows = [
        ("another worker", true, ours(2), two, false),
        ("the same worker", true, ours(2), one, true),
        ("both start, the first one was placed first", false, ours(2), two, false),
        ("of another group", true, spec_with_volume(true, 2, Some(8)), two, true),
        ("of no group", true, spec_with_volume(true, 2, None), two, true),
    ];
    for (what, live, second, on, starts) in rows {
        let mut journal = empty();
        for (n, name) in [(1, "first"), (2, "second")] {
            journal.create(n, name);
        }
        deploy_as(&mut journal, 1, ours(1), one);
        if live {
            go_live(&mut journal, 1, 1);
        }
        deploy_as(&mut journal, 2, second, on);
        let (told, _) = told(&view(&journal), &observed(&[]));
        let away = "its volume data is on worker one, with shop-1, and it was built on two";
        assert_eq!(!told.iter().any(|one| one.contains(away)), starts, "{what}: {told:?}");
        let failed = told.iter().filter(|one| one.contains("its volume")).count();
        assert_eq!(failed, usize::from(!starts), "{what}: of the first one nothing is said");
    }
    // What it has itself where it is stays its own, wherever others came to be before this was looked at.
    let mut journal = empty();
    for (n, name) in [(1, "first"), (2, "second")] {
        journal.create(n, name);
    }
    deploy_as(&mut journal, 1, ours(1), one);
    go_live(&mut journal, 1, 1);
    deploy_as(&mut journal, 2, ours(2), two);
    go_live(&mut journal, 2, 2);
    deploy_as(&mut journal, 3, ours(2), two);
    let (told, _) = told(&view(&journal), &observed(&[]));
    assert!(!told.iter().any(|one| one.contains("its volume")), "{told:?}");
}
