//! Tables of what deploys an app by itself.

use super::*;
use crate::hook::{DeployOn, PathPattern, TagPattern, Triggers};

pub(super) fn set(paths: usize) -> C {
    let watch = vec![PathPattern::new("apps/**").unwrap(); paths];
    let on = if paths == 0 { DeployOn::Off } else { DeployOn::Tag(TagPattern::new("v*").unwrap()) };
    C::SetTriggers(Box::new(Triggers { on, watch }))
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
