//! Tables: given a stage, when a command, then events; and what must hold for any history.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::argv::Argv;
use crate::declared::{Declared, DeclaredProcess};
use crate::limits;
use crate::machine::{Machine, replay};
use crate::process::ProcessName;
use crate::rejection::Rejection;
use crate::run::RunSettings;
use crate::testing::{
    app_id, at, built, deployment_id, placements, run, spec, spec_with_worker, worker_id,
};

use DeploymentCommand as C;
use DeploymentEvent as E;

/// The shortest history that leads to each stage, in the order of the stages.
fn history(stage: StageName) -> Vec<E> {
    let app = app_id(1);
    let previous = Some(deployment_id(9));
    let way = vec![
        (StageName::Requested, E::Requested(Box::new(spec(2)))),
        (StageName::Queued, E::BuildQueued { generation: 1, until: at(100) }),
        (StageName::Building, E::BuildStarted { generation: 1, worker: worker_id(1) }),
        (StageName::Built, E::Built { built: built(), until: at(200) }),
        (StageName::Starting, E::Placed { placements: placements(2), until: at(300) }),
        (StageName::Healthy, E::BecameHealthy { app }),
        (StageName::Switching, E::SwitchStarted { previous, until: at(400) }),
        (StageName::Draining, E::Switched { previous, until: at(500) }),
        (StageName::Live, E::WentLive { app }),
    ];
    let ended = |outcome| E::Ended { app, outcome };
    let mut events = Vec::new();
    for (name, event) in way {
        events.push(event);
        if name == stage {
            return events;
        }
    }
    events.push(match stage {
        StageName::Releasing => return releasing(),
        StageName::Failed => {
            ended(Outcome::Failed { stage: StageName::Starting, fault: Fault::new("x") })
        }
        StageName::Cancelled => ended(Outcome::Cancelled),
        StageName::Superseded => ended(Outcome::Superseded),
        on_the_way => panic!("{on_the_way} is on the way"),
    });
    events
}

/// A history that leads to a release command under way.
fn releasing() -> Vec<E> {
    let started = E::ReleaseStarted { worker: worker_id(1), until: at(250) };
    vec![
        E::Requested(Box::new(with_release(Origin::Build))),
        E::BuildQueued { generation: 1, until: at(100) },
        E::Built { built: built(), until: at(200) },
        started,
    ]
}

fn with_release(origin: Origin) -> DeploymentSpec {
    with_hook(Hook::Release, origin)
}

fn with_hook(hook: Hook, origin: Origin) -> DeploymentSpec {
    let command = crate::argv::Argv::new(vec!["migrate".into()]).unwrap();
    let settings = HookSettings { command, within: Millis::seconds(60) };
    let hooks = [(hook, settings)].into();
    let run = RunSettings { hooks, ..RunSettings::default() };
    DeploymentSpec { run, origin, ..spec(2) }
}

const STAGES: [StageName; 13] = [
    StageName::Requested,
    StageName::Queued,
    StageName::Building,
    StageName::Built,
    StageName::Starting,
    StageName::Healthy,
    StageName::Switching,
    StageName::Draining,
    StageName::Live,
    StageName::Superseded,
    StageName::Failed,
    StageName::Cancelled,
    StageName::Releasing,
];

fn in_stage(stage: StageName) -> Deployment {
    let deployment: Deployment = replay(&history(stage));
    assert_eq!(deployment.attempt().unwrap().stage.name(), stage);
    deployment
}

/// What a command does in every stage: the names of the stages where it does something, each with
/// the stage that it leads to; in all others it does nothing.
fn only_in(command: &C, rows: &[(StageName, StageName)]) {
    for stage in STAGES {
        let before = in_stage(stage);
        let events = before.decide(command.clone()).unwrap();
        let after = events.iter().fold(before, Deployment::evolve);
        let expected = rows.iter().find(|(from, _)| *from == stage).map_or(stage, |(_, to)| *to);
        let reached = after.attempt().unwrap().stage.name();
        assert_eq!(reached, expected, "{command:?} in {stage}");
        assert_eq!(events.is_empty(), expected == stage, "{command:?} in {stage}");
    }
}

#[test]
fn each_command_moves_the_stages_it_is_meant_for_and_no_other() {
    use StageName as S;
    let previous = Some(deployment_id(9));
    let rows: Vec<(C, Vec<(S, S)>)> = vec![
        (C::Begin { at: at(1) }, vec![(S::Requested, S::Queued)]),
        (C::MissImage { at: at(1) }, vec![]),
        (C::Rescale { placements: placements(2), at: at(1) }, vec![]),
        (C::FinishLeaving, vec![]),
        (C::AcceptBuild { generation: 1, worker: worker_id(1) }, vec![(S::Queued, S::Building)]),
        (C::AcceptBuild { generation: 2, worker: worker_id(1) }, vec![]),
        (C::LoseBuild { generation: 1 }, vec![(S::Building, S::Queued)]),
        (C::LoseBuild { generation: 2 }, vec![]),
        (
            C::FinishBuild { generation: 1, outcome: Ok(built()), at: at(1) },
            vec![(S::Queued, S::Built), (S::Building, S::Built)],
        ),
        (
            C::FinishBuild { generation: 1, outcome: Err(Fault::new("x")), at: at(1) },
            vec![(S::Queued, S::Failed), (S::Building, S::Failed)],
        ),
        (C::FinishBuild { generation: 7, outcome: Ok(built()), at: at(1) }, vec![]),
        (C::Place { placements: placements(2), at: at(1) }, vec![(S::Built, S::Starting)]),
        (C::BecomeHealthy, vec![(S::Starting, S::Healthy)]),
        (C::Release { worker: worker_id(1), at: at(1) }, vec![]),
        (C::FinishRelease { at: at(1) }, vec![(S::Releasing, S::Built)]),
        (
            C::FailStart { fault: Fault::new("x") },
            vec![(S::Starting, S::Failed), (S::Releasing, S::Failed)],
        ),
        (C::PostDeploy { worker: worker_id(1), at: at(1) }, vec![]),
        (C::FinishPostDeploy, vec![]),
        (C::FailPostDeploy { fault: Fault::new("x") }, vec![]),
        (C::Switch { previous, at: at(1) }, vec![(S::Healthy, S::Switching)]),
        (C::ConfirmSwitch { at: at(1) }, vec![(S::Switching, S::Draining)]),
        (C::FinishDrain, vec![(S::Draining, S::Live)]),
        (C::LoseTraffic { fault: Fault::new("x") }, vec![(S::Draining, S::Failed)]),
        (C::FailCanary { fault: Fault::new("x") }, vec![(S::Healthy, S::Failed)]),
        (C::Expire { at: at(0), waiting_for: Fault::new("x") }, vec![]),
        (
            C::Expire { at: at(1000), waiting_for: Fault::new("x") },
            vec![
                (S::Queued, S::Failed),
                (S::Building, S::Failed),
                (S::Built, S::Failed),
                (S::Starting, S::Failed),
                (S::Releasing, S::Failed),
                (S::Switching, S::Failed),
                (S::Draining, S::Live),
            ],
        ),
        (
            C::Supersede,
            STAGES[..9]
                .iter()
                .chain(&[S::Releasing])
                .map(|stage| (*stage, S::Superseded))
                .collect(),
        ),
    ];
    for (command, expected) in rows {
        only_in(&command, &expected);
    }
    for stage in STAGES {
        let asked = in_stage(stage);
        let again = C::Request(Box::new(asked.attempt().unwrap().spec.clone()));
        assert_eq!(asked.decide(again).unwrap(), [], "asked for again in {stage}");
    }
}

/// A build that left a static site.
fn site() -> BuiltImage {
    let id = crate::site::SiteId::new("5".repeat(64)).unwrap();
    let site = Some(Box::new(crate::site::BuiltSite { id, files: 2, bytes: 9 }));
    BuiltImage { site, port: 0, ..built() }
}

/// A build whose repository names a worker, of which it has so many.
fn declaring(replicas: u16) -> (BuiltImage, Declared) {
    let command = Argv::new(vec!["work".into()]).unwrap();
    let worker = DeclaredProcess { command, replicas };
    let processes = BTreeMap::from([(worker_name("worker"), worker)]);
    let declared = Declared { processes, ..Declared::default() };
    (BuiltImage { declared: declared.clone(), ..built() }, declared)
}

#[test]
fn what_a_repository_says_runs_with_its_version_and_in_as_many_replicas_as_people_said() {
    let finish = |built| C::FinishBuild { generation: 1, outcome: Ok(built), at: at(5) };
    let (image, declared) = declaring(2);
    let building = || in_stage(StageName::Building);
    let events = building().decide(finish(image.clone())).unwrap();
    let [E::Declared(says), E::Built { built: is, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&**says, is), (&declared, &built()), "each by itself");
    let wanted = |state: Deployment| state.attempt().unwrap().wanted().collect::<Vec<_>>();
    let before = wanted(building());
    let with = |more: &[u16]| [&before[..], more].concat();
    let after = events.iter().fold(building(), Deployment::evolve);
    assert_eq!(wanted(after), with(&[1_024, 1_025]));

    // What runs of an app of a group its Compose file says.
    let mut grouped = building();
    let Deployment::Present(attempt) = &mut grouped else { panic!("it is there") };
    let service = crate::container::ServiceName::new("web").unwrap();
    let project = crate::ids::ProjectId::DEFAULT;
    let group = crate::container::GroupMember { project, service, content: None };
    attempt.spec.run.container.group = Some(group);
    let events = grouped.decide(finish(image.clone())).unwrap();
    assert!(matches!(&events[..], [E::Built { .. }]), "{events:?}");

    // Said before anybody knew that there is one.
    let scale = C::ScaleProcesses { processes: [(worker_name("worker"), 1)].into() };
    let scaled = building().decide(scale).unwrap();
    let scaled = scaled.iter().fold(building(), Deployment::evolve);
    let events = scaled.decide(finish(image)).unwrap();
    assert_eq!(wanted(events.iter().fold(scaled, Deployment::evolve)), with(&[1_024]));

    // Of a site nothing runs.
    let site = BuiltImage { declared, ..site() };
    let events = building().decide(finish(site)).unwrap();
    assert!(matches!(&events[..], [E::Built { .. }, E::BecameHealthy { .. }]), "{events:?}");
}

#[test]
fn a_site_is_fit_for_traffic_once_it_is_built_or_taken_over() {
    let building = in_stage(StageName::Building);
    let finished = C::FinishBuild { generation: 1, outcome: Ok(site()), at: at(5) };
    let events = building.decide(finished).unwrap();
    let [E::Built { built, .. }, E::BecameHealthy { .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(*built, site());
    let after = events.iter().fold(building, Deployment::evolve);
    let attempt = after.attempt().unwrap();
    assert_eq!(attempt.stage, Stage::Healthy);
    assert_eq!((attempt.placements.len(), attempt.wanted().count()), (0, 0));

    let (deployment, built) = (deployment_id(1), Box::new(site()));
    for origin in [
        Origin::Deployment { deployment, built: built.clone() },
        Origin::Restart { deployment, built },
    ] {
        let spec = DeploymentSpec { origin, ..spec(2) };
        let (taking, _) = run::<Deployment>(vec![C::Request(Box::new(spec))]);
        let events = taking.decide(C::Begin { at: at(5) }).unwrap();
        assert!(matches!(events[..], [E::BuildSkipped { .. }, E::BecameHealthy { .. }]));
        let after = events.iter().fold(taking, Deployment::evolve);
        assert_eq!(after.attempt().unwrap().site(), site().site.as_deref());
    }
}

#[test]
fn an_image_that_answers_on_no_port_ends_the_deployment() {
    for stage in [StageName::Queued, StageName::Building] {
        let outcome = Ok(BuiltImage { port: 0, ..built() });
        let finished = C::FinishBuild { generation: 1, outcome, at: at(5) };
        let events = in_stage(stage).decide(finished).unwrap();
        let [E::Ended { outcome: Outcome::Failed { stage, fault }, .. }] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(*stage, StageName::Building);
        assert!(fault.message.contains("port 0"), "{}", fault.message);
    }
}

#[test]
fn edges_get_time_to_fetch_a_site_as_it_is_large() {
    let most = |bytes| {
        let mut built = site();
        if let Some(site) = &mut built.site {
            site.bytes = bytes;
        }
        let finished = C::FinishBuild { generation: 1, outcome: Ok(built), at: at(5) };
        let (events, healthy) = given(in_stage(StageName::Building), &finished);
        assert_eq!(events.len(), 2);
        let attempt = healthy.attempt().unwrap();
        let until = at(6).plus(attempt.switch_most());
        let (switched, _) = given(healthy.clone(), &C::Switch { previous: None, at: at(6) });
        assert_eq!(switched, [E::SwitchStarted { previous: None, until }]);
        attempt.switch_most().0 - limits::SWITCH_WITHIN.0
    };
    assert_eq!(most(9), 0);
    assert_eq!(most(100 * 1024 * 1024), 200_000);
    assert_eq!(most(limits::MOST_SITE_BYTES), limits::SITE_SWITCH_MORE_MOST.0);
    assert_eq!(most(u64::MAX), limits::SITE_SWITCH_MORE_MOST.0);
    let healthy = in_stage(StageName::Healthy);
    assert_eq!(healthy.attempt().unwrap().switch_most(), limits::SWITCH_WITHIN);
}

#[test]
fn only_a_build_that_waits_is_given_its_time_anew() {
    for stage in STAGES {
        let events = in_stage(stage).decide(C::WaitOn { at: at(1000) }).unwrap();
        if stage == StageName::Queued {
            let until = at(1000).plus(limits::BUILD_WAIT).plus(spec(2).build.within);
            assert_eq!(events, [E::BuildQueued { generation: 1, until }]);
        } else {
            assert_eq!(events, [], "{stage}");
        }
    }
    // As soon as it would not have all of its time any more, and not before.
    let within = spec(2).build.within;
    let until = at(0).plus(limits::BUILD_WAIT).plus(within);
    let (requested, generation) = (E::Requested(Box::new(spec(2))), 1);
    let waits: Deployment = replay(&[requested, E::BuildQueued { generation, until }]);
    let short = at(0).plus(limits::BUILD_WAIT);
    assert_eq!(waits.decide(C::WaitOn { at: Timestamp(short.0 - 1) }).unwrap(), []);
    let until = short.plus(limits::BUILD_WAIT).plus(within);
    let again = [E::BuildQueued { generation, until }];
    assert_eq!(waits.decide(C::WaitOn { at: short }).unwrap(), again);
}

/// One that has a volume.
fn with_volume(read_only: bool) -> Box<DeploymentSpec> {
    use crate::container::{ContainerSettings, Mount, MountPath, VolumeName};
    let mount = Mount { volume: VolumeName::new("data").unwrap(), read_only };
    let volumes = [(MountPath::new("/data").unwrap(), mount)].into();
    let container = ContainerSettings { volumes, ..ContainerSettings::default() };
    let run = RunSettings { container, ..RunSettings::default() };
    Box::new(DeploymentSpec { run, ..spec(1) })
}

#[test]
fn what_waits_for_the_version_before_has_the_time_that_may_take() {
    let until = |read_only: bool| {
        let spec = with_volume(read_only);
        let built = E::Built { built: built(), until: at(200) };
        let deployment: Deployment = replay(&[E::Requested(spec), built]);
        let placed = C::Place { placements: placements(1), at: at(100) };
        match &deployment.decide(placed).unwrap()[..] {
            [E::Placed { until, .. }] => until.since(at(100)),
            other => panic!("{other:?}"),
        }
    };
    let own = limits::HEALTH_START_WITHIN.0 + limits::START_GRACE.0;
    assert_eq!(until(true), Millis(own));
    let before = limits::GIVE_WAY_WITHIN.0 + limits::STOP_WITHIN_MOST.0;
    assert_eq!(until(false), Millis(own + before));
}

#[test]
fn cancelling_ends_what_has_not_got_traffic_and_refuses_the_rest() {
    for stage in STAGES {
        let decision = in_stage(stage).decide(C::Cancel);
        let ends = stage < StageName::Switching || stage == StageName::Releasing;
        match decision {
            Ok(events) if ends => {
                assert!(matches!(
                    events.as_slice(),
                    [E::Ended { outcome: Outcome::Cancelled, .. }]
                ));
            }
            Ok(events) => assert!(stage == StageName::Cancelled && events.is_empty(), "{stage}"),
            Err(Rejection::Conflict { .. }) => {
                assert!(!ends && stage != StageName::Cancelled, "{stage}");
            }
            Err(other) => panic!("{stage}: {other}"),
        }
    }
}

#[test]
fn a_failure_names_its_stage_and_keeps_the_log_within_bounds() {
    let fault = Fault { message: "no answer".into(), log: vec!["line".into(); 100] };
    let events = in_stage(StageName::Starting).decide(C::FailStart { fault }).unwrap();
    let [E::Ended { outcome: Outcome::Failed { stage, fault }, .. }] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(*stage, StageName::Starting);
    assert_eq!(fault.log.len(), limits::MOST_TAIL_LINES);
}

#[test]
fn a_build_is_given_out_anew_so_often_and_then_fails() {
    let mut deployment = in_stage(StageName::Building);
    for generation in 1..limits::BUILD_ATTEMPTS {
        let events = deployment.decide(C::LoseBuild { generation }).unwrap();
        deployment = events.iter().fold(deployment, Deployment::evolve);
        let accept = C::AcceptBuild { generation: generation + 1, worker: worker_id(2) };
        let events = deployment.decide(accept).unwrap();
        assert_eq!(events.len(), 1, "generation {generation}");
        deployment = events.iter().fold(deployment, Deployment::evolve);
    }
    let events = deployment.decide(C::LoseBuild { generation: limits::BUILD_ATTEMPTS }).unwrap();
    assert!(matches!(events.as_slice(), [E::Ended { outcome: Outcome::Failed { .. }, .. }]));
}

#[test]
fn without_a_version_before_there_is_nobody_to_wait_for() {
    let mut events = history(StageName::Healthy);
    events.push(E::SwitchStarted { previous: None, until: at(9) });
    let deployment: Deployment = replay(&events);
    let decided = deployment.decide(C::ConfirmSwitch { at: at(1) }).unwrap();
    assert!(matches!(decided.as_slice(), [E::Switched { .. }, E::WentLive { .. }]));
}

#[test]
fn places_have_to_be_whole_and_in_order() {
    let built = in_stage(StageName::Built);
    for wrong in [placements(1), placements(3), placements(2).into_iter().rev().collect()] {
        assert!(built.decide(C::Place { placements: wrong, at: at(1) }).is_err());
    }
}

#[test]
fn what_is_live_gets_replicas_and_lets_them_go_in_place() {
    let mut state = in_stage(StageName::Live);
    let mut give = |command: C| {
        let events = state.decide(command).unwrap();
        state = events.iter().fold(std::mem::take(&mut state), Deployment::evolve);
        (events, state.attempt().unwrap().clone())
    };
    let indices = |places: &[Placement]| places.iter().map(|at| at.index).collect::<Vec<_>>();
    let (_, now) = give(C::Scale { replicas: 3 });
    assert_eq!((now.replicas, now.placements.len()), (3, 2), "places are the reconciler's matter");
    assert!(give(C::Scale { replicas: 3 }).0.is_empty(), "once");
    assert!(give(C::Rescale { placements: placements(2), at: at(1) }).0.is_empty(), "too few");
    let (_, now) = give(C::Rescale { placements: placements(3), at: at(1) });
    assert_eq!((indices(&now.placements), now.leaving.len()), (vec![0, 1, 2], 0));
    give(C::Scale { replicas: 1 });
    let (_, now) = give(C::Rescale { placements: placements(1), at: at(2) });
    assert_eq!((indices(&now.placements), indices(&now.leaving)), (vec![0], vec![1, 2]));
    assert_eq!(now.leave_until, Some(at(2).plus(now.spec.drain_within)));
    // Wanted again before it left.
    give(C::Scale { replicas: 2 });
    let (_, now) = give(C::Rescale { placements: placements(2), at: at(3) });
    assert_eq!((indices(&now.placements), indices(&now.leaving)), (vec![0, 1], vec![2]));
    let (events, now) = give(C::FinishLeaving);
    assert_eq!((events, now.leaving.len(), now.leave_until), (vec![E::ReplicasLeft], 0, None));
    assert!(give(C::FinishLeaving).0.is_empty());
    for nonsense in [0, limits::MOST_REPLICAS + 1] {
        assert!(give(C::Scale { replicas: nonsense }).0.is_empty());
    }
    // On its way, it gets as many places as it is to have by then.
    let built = in_stage(StageName::Built);
    let scaled = built.decide(C::Scale { replicas: 1 }).unwrap();
    let built = scaled.iter().fold(built, Deployment::evolve);
    assert!(built.decide(C::Place { placements: placements(2), at: at(1) }).is_err());
    assert_eq!(built.decide(C::Place { placements: placements(1), at: at(1) }).unwrap().len(), 1);
}

#[test]
fn what_writes_to_a_volume_stays_alone_whatever_its_app_is_scaled_to() {
    let app = app_id(1);
    let live = |read_only| -> Deployment {
        let placed = E::Placed { placements: placements(1), until: at(300) };
        let way = [E::Requested(with_volume(read_only)), placed, E::BecameHealthy { app }];
        let live = replay::<Deployment>(&[&way[..], &[E::WentLive { app }]].concat());
        assert_eq!(live.attempt().unwrap().stage, Stage::Live);
        live
    };
    // The volume may have been taken out of the app's settings, and this version still writes to it.
    assert_eq!(live(false).decide(C::Scale { replicas: 3 }).unwrap(), []);
    let scaled = live(true).decide(C::Scale { replicas: 3 }).unwrap();
    assert_eq!(scaled, [E::Scaled { replicas: 3 }]);
    assert_eq!(live(false).decide(C::Scale { replicas: 1 }).unwrap(), []);
}

#[test]
fn processes_beside_web_get_places_with_web_and_are_scaled_in_place() {
    let spec = spec_with_worker(1, 1);
    let until = at(500);
    let mut state =
        replay::<Deployment>(&[E::Requested(Box::new(spec)), E::Built { built: built(), until }]);
    let mut give = |command: C| {
        let events = state.decide(command).unwrap_or_default();
        state = events.iter().fold(std::mem::take(&mut state), Deployment::evolve);
        (events, state.attempt().unwrap().clone())
    };
    let places = |indices: &[u16]| -> Vec<Placement> {
        indices.iter().map(|index| Placement { index: *index, worker: worker_id(1) }).collect()
    };
    let place = |indices: &[u16]| C::Place { placements: places(indices), at: at(1) };
    let scale = |n: u16| C::ScaleProcesses { processes: [(worker_name("worker"), n)].into() };
    for wrong in [&[0][..], &[1_024], &[1_024, 0], &[0, 1_024, 1_025], &[0, 1]] {
        assert_eq!(give(place(wrong)).0, [], "{wrong:?}");
    }
    let (_, now) = give(place(&[0, 1_024]));
    assert_eq!(now.stage.name(), StageName::Starting);
    give(C::BecomeHealthy);
    give(C::Switch { previous: None, at: at(2) });
    let (_, now) = give(C::ConfirmSwitch { at: at(3) });
    assert_eq!(now.stage.name(), StageName::Live);
    let (events, now) = give(scale(3));
    let processes = BTreeMap::from([(worker_name("worker"), 3)]);
    assert_eq!(events, [E::ProcessesScaled { processes }]);
    assert_eq!(now.wanted().collect::<Vec<_>>(), [0, 1_024, 1_025, 1_026]);
    assert_eq!(now.placements.len(), 2, "places are the reconciler's matter");
    assert!(give(scale(3)).0.is_empty(), "once");
    let other = C::ScaleProcesses { processes: [(worker_name("other"), 1)].into() };
    assert!(give(other).0.is_empty(), "it has no such process");
    assert!(give(scale(limits::MOST_REPLICAS + 1)).0.is_empty());
    let rescale = |indices: &[u16]| C::Rescale { placements: places(indices), at: at(4) };
    assert!(give(rescale(&[0, 1_024, 1_025])).0.is_empty(), "too few");
    let (_, now) = give(rescale(&[0, 1_024, 1_025, 1_026]));
    assert_eq!((now.placements.len(), now.leaving.len()), (4, 0));
    give(scale(0));
    let (_, now) = give(rescale(&[0]));
    assert_eq!((now.placements, now.leaving), (places(&[0]), places(&[1_024, 1_025, 1_026])));
}

fn worker_name(text: &str) -> ProcessName {
    ProcessName::new(text).unwrap()
}

/// What becomes of a built deployment with a release command that is given these commands.
fn after_built(origin: Origin, commands: Vec<C>) -> (Vec<E>, Attempt) {
    let mut state = replay::<Deployment>(&[E::Requested(Box::new(with_release(origin)))]);
    let mut all = Vec::new();
    let begin = vec![
        C::Begin { at: at(1) },
        C::FinishBuild { generation: 1, outcome: Ok(built()), at: at(1) },
    ];
    for command in begin.into_iter().chain(commands) {
        let events = state.decide(command).unwrap();
        state = events.iter().fold(state, Deployment::evolve);
        all = events;
    }
    (all, state.attempt().unwrap().clone())
}

#[test]
fn a_release_command_comes_before_the_replicas_once_and_not_with_a_restart() {
    let earlier = || (deployment_id(8), Box::new(built()));
    let taken = || {
        let (deployment, built) = earlier();
        Origin::Deployment { deployment, built }
    };
    let place = || C::Place { placements: placements(2), at: at(2) };
    let release = || C::Release { worker: worker_id(1), at: at(2) };
    for origin in [Origin::Build, taken()] {
        let (events, _) = after_built(origin.clone(), vec![place()]);
        assert_eq!(events, [], "not before it is released");
        let (events, now) = after_built(origin.clone(), vec![release()]);
        let until = at(2).plus(Millis::seconds(60)).plus(limits::START_GRACE);
        assert_eq!(events, [E::ReleaseStarted { worker: worker_id(1), until }]);
        let index = Hook::Release.index();
        assert_eq!(now.placements, [Placement { index, worker: worker_id(1) }]);
        let done = vec![release(), C::FinishRelease { at: at(3) }];
        let (events, now) = after_built(origin.clone(), done.clone());
        assert_eq!(events, [E::Released { until: at(3).plus(limits::START_GRACE) }]);
        assert_eq!((now.stage.name(), now.placements.len()), (StageName::Built, 0));
        let (events, _) = after_built(origin.clone(), [done.clone(), vec![release()]].concat());
        assert_eq!(events, [], "once");
        let (_, now) = after_built(origin, [done, vec![place()]].concat());
        assert_eq!(now.stage.name(), StageName::Starting);
    }
    let (deployment, built) = earlier();
    let restart = Origin::Restart { deployment, built };
    let (events, _) = after_built(restart.clone(), vec![release()]);
    assert_eq!(events, [], "what runs was released");
    let (_, now) = after_built(restart, vec![place()]);
    assert_eq!(now.stage.name(), StageName::Starting);
    // Gone before it could be released: built again, and released then.
    let missed = vec![
        release(),
        C::MissImage { at: at(3) },
        C::FinishBuild { generation: 1, outcome: Ok(crate::testing::built()), at: at(4) },
        release(),
    ];
    let (_, now) = after_built(taken(), missed);
    assert_eq!(now.stage.name(), StageName::Releasing);
}

/// A deployment in a stage, with a post-deploy command.
fn with_post_deploy(origin: Origin, stage: StageName) -> Deployment {
    let asked = E::Requested(Box::new(with_hook(Hook::PostDeploy, origin)));
    let way = std::iter::once(asked).chain(history(stage).into_iter().skip(1));
    replay(&way.collect::<Vec<_>>())
}

fn given(state: Deployment, command: &C) -> (Vec<E>, Deployment) {
    let events = state.decide(command.clone()).unwrap();
    let state = events.iter().fold(state, Deployment::evolve);
    (events, state)
}

#[test]
fn a_post_deploy_command_runs_once_and_only_when_live() {
    let begin = C::PostDeploy { worker: worker_id(1), at: at(2) };
    let fail = C::FailPostDeploy { fault: Fault::new("x") };
    for stage in STAGES.into_iter().filter(|stage| *stage != StageName::Releasing) {
        let state = with_post_deploy(Origin::Build, stage);
        let (began, _) = given(state.clone(), &begin);
        let (failed, _) = given(state, &fail);
        let live = usize::from(stage == StageName::Live);
        assert_eq!((began.len(), failed.len()), (live, live), "{stage}");
    }
    let restart = Origin::Restart { deployment: deployment_id(8), built: Box::new(built()) };
    let nothing = [in_stage(StageName::Live), with_post_deploy(restart, StageName::Live)];
    for state in nothing {
        assert_eq!(given(state, &begin).0, [], "nothing is to run");
    }

    let (events, runs) = given(with_post_deploy(Origin::Build, StageName::Live), &begin);
    let until = at(2).plus(Millis::seconds(60)).plus(limits::START_GRACE);
    assert_eq!(events, [E::PostDeployStarted { worker: worker_id(1), until }]);
    let index = Hook::PostDeploy.index();
    let place = Some(Placement { index, worker: worker_id(1) });
    assert_eq!(runs.attempt().unwrap().post_deploying(), place);
    assert_eq!(given(runs.clone(), &begin).0, [], "once");
    for (end, event) in [
        (C::FinishPostDeploy, E::PostDeployed),
        (fail.clone(), E::PostDeployFailed { fault: Fault::new("x") }),
    ] {
        // Also where another version took its place meanwhile.
        for before in [vec![], vec![C::Supersede]] {
            let state = before.iter().fold(runs.clone(), |state, command| given(state, command).1);
            let stage = state.attempt().unwrap().stage.clone();
            assert!(!state.ended(), "something of it runs");
            let (events, over) = given(state, &end);
            assert_eq!(events, std::slice::from_ref(&event));
            let attempt = over.attempt().unwrap();
            assert_eq!((&attempt.stage, attempt.post_deploying()), (&stage, None));
            assert_eq!(over.ended(), !before.is_empty());
            for command in [&begin, &C::FinishPostDeploy, &fail] {
                assert_eq!(given(over.clone(), command).0, [], "{command:?}");
            }
        }
    }
}

fn taking_over() -> DeploymentSpec {
    let origin = Origin::Deployment { deployment: deployment_id(8), built: Box::new(built()) };
    DeploymentSpec { origin, ..spec(2) }
}

#[test]
fn an_image_that_is_there_is_not_built_and_one_that_is_gone_is_built_once() {
    let mut state = replay::<Deployment>(&[E::Requested(Box::new(taking_over()))]);
    let mut give = |command: C| {
        let events = state.decide(command).unwrap();
        state = events.iter().fold(std::mem::take(&mut state), Deployment::evolve);
        (events, state.attempt().unwrap().clone())
    };
    let (_, now) = give(C::Begin { at: at(1) });
    assert_eq!((now.stage.name(), now.built), (StageName::Built, Some(built())));
    let (_, now) = give(C::Place { placements: placements(2), at: at(2) });
    assert_eq!(now.stage.name(), StageName::Starting);
    let (events, now) = give(C::MissImage { at: at(3) });
    let until = at(3).plus(limits::BUILD_WAIT).plus(limits::BUILD_WITHIN);
    assert_eq!(events, [E::ImageMissed { until }]);
    assert_eq!((now.stage.name(), &now.built, now.placements.len()), (StageName::Queued, &None, 0));
    let (events, _) = give(C::MissImage { at: at(3) });
    assert!(events.is_empty(), "it is on its way");
    let (_, now) = give(C::FinishBuild { generation: 1, outcome: Ok(built()), at: at(4) });
    assert_eq!(now.stage.name(), StageName::Built);
    let (events, _) = give(C::MissImage { at: at(5) });
    assert!(events.is_empty(), "what was built for it is missed by nobody");
}

pub(crate) fn any_command() -> impl Strategy<Value = C> {
    let generation = 1u32..4;
    let time = (0u64..10_000).prop_map(at);
    let previous = proptest::option::of(Just(deployment_id(9)));
    prop_oneof![
        Just(C::Request(Box::new(spec(2)))),
        time.clone().prop_map(|at| C::Begin { at }),
        generation
            .clone()
            .prop_map(|generation| C::AcceptBuild { generation, worker: worker_id(1) }),
        generation.clone().prop_map(|generation| C::LoseBuild { generation }),
        (generation, any::<bool>(), time.clone()).prop_map(|(generation, good, at)| {
            let outcome = if good { Ok(built()) } else { Err(Fault::new("x")) };
            C::FinishBuild { generation, outcome, at }
        }),
        time.clone().prop_map(|at| C::MissImage { at }),
        (0u16..70).prop_map(|replicas| C::Scale { replicas }),
        Just(C::Request(Box::new(spec_with_worker(1, 2)))),
        (0u16..70)
            .prop_map(|n| C::ScaleProcesses { processes: [(worker_name("worker"), n)].into() }),
        (1u16..3, 0u16..4, any::<bool>(), time.clone()).prop_map(|(web, workers, first, at)| {
            let indices = (0..web).chain((0..workers).map(|n| 1_024 + n));
            let placements: Vec<_> =
                indices.map(|index| Placement { index, worker: worker_id(1) }).collect();
            if first { C::Place { placements, at } } else { C::Rescale { placements, at } }
        }),
        (1u16..4, time.clone()).prop_map(|(n, at)| C::Rescale { placements: placements(n), at }),
        Just(C::FinishLeaving),
        Just(C::Request(Box::new(taking_over()))),
        (1u16..4, time.clone()).prop_map(|(n, at)| C::Place { placements: placements(n), at }),
        Just(C::Request(Box::new(with_release(Origin::Build)))),
        time.clone().prop_map(|at| C::Release { worker: worker_id(1), at }),
        time.clone().prop_map(|at| C::FinishRelease { at }),
        Just(C::Request(Box::new(with_hook(Hook::PostDeploy, Origin::Build)))),
        time.clone().prop_map(|at| C::PostDeploy { worker: worker_id(1), at }),
        Just(C::FinishPostDeploy),
        Just(C::FailPostDeploy { fault: Fault::new("x") }),
        Just(C::BecomeHealthy),
        Just(C::FailStart { fault: Fault::new("x") }),
        (previous, time.clone()).prop_map(|(previous, at)| C::Switch { previous, at }),
        time.clone().prop_map(|at| C::ConfirmSwitch { at }),
        Just(C::FinishDrain),
        Just(C::LoseTraffic { fault: Fault::new("x") }),
        Just(C::FailCanary { fault: Fault::new("x") }),
        time.clone().prop_map(|at| C::WaitOn { at }),
        time.prop_map(|at| C::Expire { at, waiting_for: Fault::new("x") }),
        Just(C::Cancel),
        Just(C::Supersede),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn accepted_commands_replay_to_the_same_state(commands in prop::collection::vec(any_command(), 0..60)) {
        crate::testing::replays_to_the_same_state::<Deployment>(commands)?;
    }

    #[test]
    fn every_event_that_can_be_decided_fits_every_state(commands in prop::collection::vec(any_command(), 0..40)) {
        let events = crate::testing::run::<Deployment>(commands).1;
        for stage in STAGES {
            for event in &events {
                let _ = in_stage(stage).evolve(event);
                let _ = Deployment::default().evolve(event);
            }
        }
    }

    #[test]
    fn what_has_ended_stays_ended(commands in prop::collection::vec(any_command(), 0..60)) {
        let mut state = Deployment::default();
        for command in commands {
            let ended = state.ended();
            let events = state.decide(command).unwrap_or_default();
            prop_assert!(!ended || events.is_empty());
            state = events.iter().fold(state, Deployment::evolve);
        }
    }
}
