//! What is planned and reported from what is known.

use hythe_core::container::{ContainerSettings, Mount, MountPath, VolumeName};
use hythe_core::names::ImageId;
use hythe_core::plan::{Step, plan};
use hythe_core::time::{Millis, Timestamp};

use super::*;
use crate::docker::inspect::Observed;
use crate::docker::tests::assignment;

/// An order of an app that writes to a volume.
fn writes(app: AppId, generation: u64) -> Assignment {
    let image = ImageId::new(format!("sha256:{}", "0".repeat(64))).unwrap();
    let mount = Mount { volume: VolumeName::new("data").unwrap(), read_only: false };
    let volumes = [(MountPath::new("/data").unwrap(), mount)].into();
    let mut assignment = Assignment { app, generation, ..assignment(image, &[0]) };
    assignment.run.container = ContainerSettings { volumes, ..ContainerSettings::default() };
    assignment
}

#[test]
fn a_report_gets_through_whatever_its_replicas_write() {
    let noise = "\u{1}".repeat(limits::MOST_TAIL_LINE_BYTES);
    let image = ImageId::new(format!("sha256:{}", "0".repeat(64))).unwrap();
    let indices: Vec<u16> = (0..100).collect();
    let wanted = assignment(image, &indices);
    let (deployment, app) = (wanted.deployment, wanted.app);
    let desired = [(deployment, Wanted::Run(Box::new(wanted)))].into();
    let mut known = Known::new(desired, BTreeMap::new());
    known.maskers.insert(deployment, Arc::new(Mask::default()));
    for index in indices {
        let key = ReplicaKey { deployment, index };
        let observed = Observed {
            id: index.to_string(),
            app,
            network: app,
            key,
            state: Condition::Running { since: clock::now() },
            address: None,
            limited: false,
        };
        let tail = Some(vec![noise.clone(); limits::MOST_TAIL_LINES]);
        let mut replica = Replica::new(look::Sight { observed, tail }, None);
        let check = Finding { what: "it is ill".into(), output: noise.clone(), cut: false };
        replica.checked(Health::Unhealthy { check });
        known.replicas.insert(key, replica);
    }
    let reports = known.replica_reports();
    let sent = serde_json::to_vec(&reports).unwrap().len();
    assert!(sent < MOST_TAIL_BYTES + 100 * 1_024, "{sent}");
    assert!(!reports[0].log.is_empty() && reports[99].log.is_empty());
    let ReplicaState::Unhealthy { check } = &reports[99].state else { panic!("it is ill") };
    assert_eq!(check, "it is ill", "what it found is told all the same");
}

#[test]
fn what_is_to_run_once_starts_for_as_long_as_it_runs() {
    let image = ImageId::new(format!("sha256:{}", "0".repeat(64))).unwrap();
    for once in [true, false] {
        let mut wanted = assignment(image.clone(), &[0]);
        wanted.run.part.once = once;
        wanted.health.start_within = Some(Millis::seconds(600));
        let (deployment, app) = (wanted.deployment, wanted.app);
        let key = ReplicaKey { deployment, index: 0 };
        let mut known =
            Known::new([(deployment, Wanted::Run(Box::new(wanted)))].into(), BTreeMap::new());
        let state = Condition::Running { since: clock::now() };
        let (id, address, limited) = ("a".to_owned(), None, false);
        let observed = Observed { id, app, network: app, key, state, address, limited };
        let mut replica = Replica::new(look::Sight { observed, tail: None }, None);
        replica.checked(Health::Healthy);
        known.replicas.insert(key, replica);
        let state = known.replica_reports().remove(0).state;
        let expected = if once {
            let check = "it is not over yet".to_owned();
            let ReplicaState::Starting { elapsed, .. } = state else { panic!("{state:?}") };
            ReplicaState::Starting { check, elapsed, within: Some(Millis::seconds(600)) }
        } else {
            ReplicaState::Healthy
        };
        assert_eq!(state, expected);
    }
}

#[test]
fn of_what_a_check_wrote_the_end_is_told_and_nothing_of_a_value() {
    let image = ImageId::new(format!("sha256:{}", "0".repeat(64))).unwrap();
    let wanted = assignment(image, &[0]);
    let key = ReplicaKey { deployment: wanted.deployment, index: 0 };
    let mut known =
        Known::new([(wanted.deployment, Wanted::Run(Box::new(wanted)))].into(), BTreeMap::new());
    let value = "canary-".repeat(60);
    let masker = Mask::of([value.as_str()].into_iter(), 4);
    known.maskers.insert(key.deployment, Arc::new(masker));
    let told = |output: &str, cut| {
        let finding = Finding { what: "it is ill".into(), output: output.into(), cut };
        let mut room = usize::MAX;
        known.told(key, &finding, &mut room)
    };
    assert_eq!(told("all of it", false), "it is ill: all of it");
    // The value is longer than what is told.
    let long = format!("{}{value} end", "x".repeat(1_000));
    assert_eq!(told(&long, false), format!("it is ill: …{}[hidden] end", "x".repeat(388)));
    // What it wrote begins within the value.
    let (_, half) = value.split_at(100);
    assert_eq!(told(&format!("{half} end"), true), "it is ill");
    let end = "y".repeat(9_000);
    let shown = told(&format!("{half} {end}"), true);
    assert_eq!(shown, format!("it is ill: …{}", "y".repeat(limits::MOST_CHECK_BYTES)));
}

#[test]
fn a_missing_image_is_told_while_the_version_before_runs() {
    let app = AppId::new(uuid::Uuid::from_u128(7));
    let (before, next) = (writes(app, 1), writes(app, 2));
    let key = |of: &Assignment| ReplicaKey { deployment: of.deployment, index: 0 };
    let (first, second) = (key(&before), key(&next));
    let both = [before, next].map(|of| (of.deployment, Wanted::Run(Box::new(of))));
    let mut known = Known::new(both.into(), BTreeMap::new());
    let state = Condition::Running { since: clock::now() };
    let observed = Observed {
        id: "c".into(),
        app,
        network: app,
        key: first,
        state,
        address: None,
        limited: true,
    };
    known.replicas.insert(first, Replica::new(look::Sight { observed, tail: None }, None));
    let missing = |known: &Known| {
        let reports = known.replica_reports().into_iter().filter(|report| report.image_missing);
        reports.map(|report| report.deployment).collect::<Vec<_>>()
    };
    assert_eq!(missing(&known), [], "it waits for the one before");
    for key in [first, second] {
        known.miss_image(key.deployment, "no such image");
    }
    assert_eq!(missing(&known), [second.deployment], "what is there was made from one");
    // Another order may go well.
    known.try_anew(second.deployment);
    assert_eq!(missing(&known), []);
}

#[test]
fn of_what_the_engine_says_no_value_is_told() {
    let image = ImageId::new(format!("sha256:{}", "0".repeat(64))).unwrap();
    let wanted = assignment(image, &[0]);
    let key = ReplicaKey { deployment: wanted.deployment, index: 0 };
    let desired = [(key.deployment, Wanted::Run(Box::new(wanted)))].into();
    let mut known = Known::new(desired, BTreeMap::new());
    known.maskers.insert(key.deployment, Arc::new(Mask::of(["s3cret-canary"].into_iter(), 4)));
    let message = "invalid environment: KEY=s3cret-canary".to_owned();
    known.set_back(&Task::Start(key, None), Some(message), false);
    let ReplicaState::Failed { message } = known.replica_reports().remove(0).state else {
        panic!("it cannot start")
    };
    assert_eq!(message, "invalid environment: KEY=[hidden]");
}

#[test]
fn an_order_is_not_held_while_it_is_not_known_whether_its_image_is_there() {
    let app = AppId::new(uuid::Uuid::from_u128(7));
    let wanted = writes(app, 2);
    let deployment = wanted.deployment;
    let known = Known::new([(deployment, Wanted::Run(Box::new(wanted)))].into(), BTreeMap::new());
    // The generation of the order that is looked for, and what is held.
    let rows: [(Option<u64>, &[u64]); 3] = [(None, &[2]), (Some(2), &[]), (Some(1), &[2])];
    for (unsure, held) in rows {
        let unsure: BTreeMap<DeploymentId, u64> =
            unsure.into_iter().map(|generation| (deployment, generation)).collect();
        let found: Vec<u64> = known.held(&unsure).iter().map(|held| held.generation).collect();
        assert_eq!(found, held, "{unsure:?}");
    }
}

#[test]
fn of_what_was_ordered_before_it_is_known_which_versions_may_end_for_each_other() {
    let app = |n| AppId::new(uuid::Uuid::from_u128(n));
    let (before, next, alone) = (writes(app(7), 1), writes(app(7), 2), writes(app(8), 3));
    let mut reads = writes(app(7), 4);
    reads.run.container = ContainerSettings::default();
    let (first, second) = (before.deployment, next.deployment);
    let all = [before, next, alone, reads].map(|of| (of.deployment, Wanted::Run(Box::new(of))));
    let mut known = Known::new(all.into(), BTreeMap::new());
    assert_eq!(known.successors(), BTreeMap::from([(first, 1), (second, 2)]));
    let stop = Wanted::Stop { generation: 5, stop_within: Millis(1_000) };
    known.desired.insert(first, stop);
    assert_eq!(known.successors(), BTreeMap::new(), "it was told to end");
}

#[test]
fn of_what_was_not_looked_at_yet_nothing_is_said() {
    let image = ImageId::new(format!("sha256:{}", "0".repeat(64))).unwrap();
    let wanted = assignment(image, &[0]);
    let desired = [(wanted.deployment, Wanted::Run(Box::new(wanted)))].into();
    let mut known = Known::new(desired, BTreeMap::new());
    // Whether the engine answers, whether everything was looked at, and what is said.
    let rows = [(false, false, false, 0), (true, false, false, 0), (true, true, true, 1)];
    for (answers, looked, ready, replicas) in rows {
        if answers {
            known.engine = EngineState::Ready { version: "1".into() };
        }
        known.looked = looked;
        let (engine, said) = known.sightings();
        let told = (matches!(engine, EngineState::Ready { .. }), said.len());
        assert_eq!(told, (ready, replicas), "{answers} {looked}");
    }
    // The engine goes away later: what was seen is still said.
    known.engine = EngineState::Unreachable { message: "connection refused".into() };
    let (engine, said) = known.sightings();
    assert_eq!((engine == known.engine, said.len()), (true, 1));
}

#[test]
fn what_is_made_anew_was_not_started_again_yet() {
    let key = |index| ReplicaKey { deployment: DeploymentId::new(uuid::Uuid::from_u128(7)), index };
    let counted = [(key(0), Restarts { total: 5, in_a_row: 4 }), (key(1), Restarts::default())];
    let mut known = Known::new(Desired::new(), counted.into());
    let anew = known.counted_anew(key(0)).unwrap();
    assert_eq!(anew, Restarts { total: 5, in_a_row: 0 });
    known.restarts.insert(key(0), anew);
    let again = [0, 1, 2].map(|index| known.counted_anew(key(index)));
    assert_eq!(again, [None; 3], "there is nothing to write down");
}

#[test]
fn what_ended_while_the_engine_was_away_is_to_be_started_and_what_ended_by_itself_is_not() {
    let image = ImageId::new(format!("sha256:{}", "0".repeat(64))).unwrap();
    // Whether it is live, whether it ended with the engine, and whether that is told.
    for (live, with_engine, told) in
        [(false, true, false), (false, false, true), (true, true, true)]
    {
        let mut wanted = assignment(image.clone(), &[0]);
        wanted.restart = live;
        let key = ReplicaKey { deployment: wanted.deployment, index: 0 };
        let observed = Observed {
            id: "c".into(),
            app: wanted.app,
            network: wanted.app,
            key,
            state: Condition::Exited {
                at: Timestamp(15_000),
                ran: Millis(1),
                code: 137,
                out_of_memory: false,
            },
            address: None,
            limited: false,
        };
        let mut replica = Replica::new(look::Sight { observed, tail: None }, None);
        replica.ended_with_engine = with_engine;
        let desired = [(wanted.deployment, Wanted::Run(Box::new(wanted)))].into();
        let mut known = Known::new(desired, BTreeMap::new());
        known.replicas.insert(key, replica);
        let state = known.replica_reports().remove(0).state;
        assert_eq!(matches!(state, ReplicaState::Exited { .. }), told, "{live} {with_engine}");
        let steps = plan(&known.desired, &known.seen()).steps;
        let started = steps.contains(&Step::Start(key));
        assert_eq!(started, live || with_engine, "{live} {with_engine}");
    }
}

#[test]
fn what_was_to_run_once_and_ended_while_the_engine_was_away_is_not_run_twice() {
    let image = ImageId::new(format!("sha256:{}", "0".repeat(64))).unwrap();
    let process = hythe_core::process::STRIDE;
    // Which replica of one that runs once, with which code it ended, and whether it runs on.
    for (index, code, runs_on) in [(0, 0, false), (0, 137, false), (process, 0, true)] {
        let mut wanted = assignment(image.clone(), &[index]);
        wanted.run.part.once = true;
        let (deployment, app) = (wanted.deployment, wanted.app);
        let key = ReplicaKey { deployment, index };
        let (at, ran) = (Timestamp(15_000), Millis(1));
        let state = Condition::Exited { at, ran, code, out_of_memory: false };
        let (id, address, limited) = ("c".to_owned(), None, false);
        let observed = Observed { id, app, network: app, key, state, address, limited };
        let mut replica = Replica::new(look::Sight { observed, tail: None }, None);
        replica.ended_with_engine = true;
        let desired = [(deployment, Wanted::Run(Box::new(wanted)))].into();
        let mut known = Known::new(desired, BTreeMap::new());
        known.replicas.insert(key, replica);
        let state = known.replica_reports().remove(0).state;
        let over = state == ReplicaState::Exited { code, out_of_memory: false };
        assert_eq!(over, !runs_on, "{index} {code}");
        let steps = plan(&known.desired, &known.seen()).steps;
        assert_eq!(steps.contains(&Step::Start(key)), runs_on, "{index} {code}");
    }
}

#[test]
fn what_has_run_once_is_not_made_anew_where_somebody_else_removed_its_container() {
    let image = ImageId::new(format!("sha256:{}", "0".repeat(64))).unwrap();
    let process = hythe_core::process::STRIDE;
    // Whether it is to run once, which replica it is, with which code it ended, whether its container goes by a step
    // of ours, and whether it is made anew.
    let rows = [
        (true, 0, 0, false, false),
        (true, 0, 0, true, true),
        (true, 0, 1, false, true),
        (true, process, 0, false, true),
        (false, 0, 0, false, true),
    ];
    for (once, index, code, ours, anew) in rows {
        let what = format!("{once} {index} {code} {ours}");
        let mut wanted = assignment(image.clone(), &[index]);
        wanted.run.part.once = once;
        let (deployment, app) = (wanted.deployment, wanted.app);
        let key = ReplicaKey { deployment, index };
        let (at, ran) = (Timestamp(15_000), Millis(1));
        let state = Condition::Exited { at, ran, code, out_of_memory: false };
        let (id, address, limited) = ("c".to_owned(), None, false);
        let observed = Observed { id, app, network: app, key, state, address, limited };
        let desired = [(deployment, Wanted::Run(Box::new(wanted)))].into();
        let mut known = Known::new(desired, BTreeMap::new());
        let replica = Replica::new(look::Sight { observed, tail: None }, None);
        known.replicas.insert(key, replica);
        if ours {
            let busy = Busy { stops: false, network: None, starts: None };
            known.busy.insert(Target::Replica(key), busy);
        }
        assert_eq!(known.miss(key), anew, "{what}");
        known.busy.clear();
        let steps = plan(&known.desired, &known.seen()).steps;
        assert_eq!(steps.contains(&Step::Create(key)), anew, "{what}");
        // Once it is to be gone, it is.
        let stop = Wanted::Stop { generation: u64::MAX, stop_within: Millis(1) };
        known.desired.insert(deployment, stop);
        assert_eq!(known.miss(key), !anew, "{what}");
        assert!(known.replicas.is_empty(), "{what}");
    }
}

#[test]
fn an_order_that_could_not_be_forgotten_is_not_forgotten_at_once_again() {
    let deployment = DeploymentId::new(uuid::Uuid::from_u128(7));
    let mut known = Known::new(Desired::new(), BTreeMap::new());
    let now = Instant::now();
    assert_eq!(known.forgets_at(deployment, now), None);
    known.not_forgotten(deployment);
    let again = known.forgets_at(deployment, now).unwrap();
    assert!(again > now);
    assert_eq!(known.forgets_at(deployment, again), None);
}

#[test]
fn what_is_being_started_keeps_the_version_before_from_its_volume() {
    let app = AppId::new(uuid::Uuid::from_u128(7));
    let (before, next) = (writes(app, 1), writes(app, 2));
    let key = |of: &Assignment| ReplicaKey { deployment: of.deployment, index: 0 };
    let (first, second) = (key(&before), key(&next));
    // The next one has failed while its container is being made: the one before is to run again.
    let stop = Wanted::Stop { generation: 3, stop_within: Millis(1_000) };
    let desired =
        [(before.deployment, Wanted::Run(Box::new(before))), (next.deployment, stop)].into();
    let mut known = Known::new(desired, BTreeMap::new());
    let steps = |known: &Known| plan(&known.desired, &known.seen()).steps;
    let starts = |starts| Busy { stops: false, network: Some(app), starts };
    known.busy.insert(Target::Replica(second), starts(Some(app)));
    let waits = steps(&known);
    assert!(!waits.contains(&Step::Create(first)), "{waits:?}");
    assert!(known.must_wait(Target::Replica(second), Aim::End, Some(app), Instant::now()));
    assert_eq!(known.seen().containers.len(), 1, "and nothing is reported of it yet");
    assert!(known.replica_reports().iter().all(|report| report.deployment != next.deployment));
    // Another step on it starts nothing.
    known.busy.insert(Target::Replica(second), starts(None));
    assert!(steps(&known).contains(&Step::Create(first)));
    known.busy.clear();
    assert!(steps(&known).contains(&Step::Create(first)));
}
