//! What becomes of builds, and of what they leave.

use std::collections::BTreeMap;

use super::*;
use crate::argv::Argv;
use crate::declared::{Declared, DeclaredProcess};
use crate::testing::run;

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
