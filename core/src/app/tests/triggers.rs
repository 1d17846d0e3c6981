//! Tables of what deploys an app by itself.

use super::*;
use crate::hook::{DeployOn, PathPattern, TagPattern, Triggers};

pub(super) fn set(paths: usize) -> C {
    let watch = vec![PathPattern::new("apps/**").unwrap(); paths];
    let on = if paths == 0 { DeployOn::Off } else { DeployOn::Tag(TagPattern::new("v*").unwrap()) };
    C::SetTriggers(Box::new(Triggers { on, watch }))
}

#[test]
fn settings_and_triggers_change_together_or_not_at_all() {
    let both = |replicas, paths| {
        let C::SetTriggers(triggers) = set(paths) else { unreachable!() };
        let change = SettingsChange { replicas: Some(replicas), ..SettingsChange::default() };
        C::ConfigureWithTriggers { change: Box::new(change), triggers }
    };
    let fresh = after(vec![]);
    assert_eq!(names(&fresh.decide(both(2, 1)).unwrap()), ["configured", "triggers_set"]);
    assert_eq!(names(&after(vec![set(1)]).decide(both(2, 1)).unwrap()), ["configured"]);
    for (replicas, paths) in [(0, 1), (2, limits::MOST_WATCH_PATHS + 1)] {
        fresh.decide(both(replicas, paths)).unwrap_err();
    }
    let deleted = after(vec![C::Discard { at: crate::testing::at(1) }]);
    assert!(deleted.decide(both(2, 1)).unwrap_err().to_string().contains("restore"));
}

#[test]
fn pushes_deploy_an_app_until_somebody_says_otherwise() {
    let fresh = after(vec![]);
    assert_eq!(fresh.active().unwrap().triggers, Triggers::default());
    assert_eq!(Triggers::default().on, DeployOn::Push);
    let events = fresh.decide(set(2)).unwrap();
    assert_eq!(names(&events), ["triggers_set"]);
    let state = after(vec![set(2)]);
    assert_eq!(state.active().unwrap().triggers.watch.len(), 2);
    assert_eq!(state.decide(set(2)).unwrap(), [], "they are so already");
    assert_eq!(after(vec![set(2), set(0)]).active().unwrap().triggers.on, DeployOn::Off);
    let many = fresh.decide(set(limits::MOST_WATCH_PATHS + 1)).unwrap_err().to_string();
    assert!(many.contains("watch_paths"), "{many}");
    assert!(App::default().decide(set(1)).is_err(), "there is no app");
    let deleted = after(vec![C::Discard { at: crate::testing::at(1) }]);
    assert!(deleted.decide(set(1)).unwrap_err().to_string().contains("restore"));
}
