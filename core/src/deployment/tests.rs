//! Tables: given a stage, when a command, then events; and what must hold for any history.

use proptest::prelude::*;

use super::*;
use crate::limits;
use crate::machine::{Machine, replay};
use crate::process::ProcessName;
use crate::rejection::Rejection;
use crate::run::RunSettings;
use crate::testing::{
    app_id, at, built, deployment_id, placements, spec, spec_with_worker, worker_id,
};

use DeploymentCommand as C;
use DeploymentEvent as E;

mod building;
mod hooks;
mod scaling;

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
fn without_a_version_before_there_is_nobody_to_wait_for() {
    let mut events = history(StageName::Healthy);
    events.push(E::SwitchStarted { previous: None, until: at(9) });
    let deployment: Deployment = replay(&events);
    let decided = deployment.decide(C::ConfirmSwitch { at: at(1) }).unwrap();
    assert!(matches!(decided.as_slice(), [E::Switched { .. }, E::WentLive { .. }]));
}

fn worker_name(text: &str) -> ProcessName {
    ProcessName::new(text).unwrap()
}

fn given(state: Deployment, command: &C) -> (Vec<E>, Deployment) {
    let events = state.decide(command.clone()).unwrap();
    let state = events.iter().fold(state, Deployment::evolve);
    (events, state)
}

fn taking_over() -> DeploymentSpec {
    let origin = Origin::Deployment { deployment: deployment_id(8), built: Box::new(built()) };
    DeploymentSpec { origin, ..spec(2) }
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
