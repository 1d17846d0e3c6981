//! Places of replicas, and how many there are.

use std::collections::BTreeMap;

use super::*;

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
