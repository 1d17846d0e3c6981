//! Commands that run before the replicas, and once it is live.

use super::*;

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
