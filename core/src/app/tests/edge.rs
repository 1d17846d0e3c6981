//! Tables of how edges serve an app.

use super::*;
use crate::edge::{EdgeSettings, EdgeUser, Rate};

fn set(change: impl FnOnce(&mut EdgeSettings)) -> C {
    let mut settings = EdgeSettings::default();
    change(&mut settings);
    C::SetEdge(Box::new(settings))
}

fn user(version: u64) -> C {
    set(|edge| edge.users = [(EdgeUser::new("ada").unwrap(), version)].into())
}

#[test]
fn what_is_other_than_usual_is_an_event_and_the_usual_is_one_that_lists_nothing() {
    let fresh = after(vec![]);
    assert_eq!(fresh.decide(set(|_| {})).unwrap(), vec![], "it is so already");
    let on = set(|edge| edge.maintenance = true);
    let events = fresh.decide(on.clone()).unwrap();
    assert_eq!(names(&events), ["edge_set"]);
    let state = after(vec![on]);
    assert!(state.active().unwrap().edge.maintenance);
    assert_eq!(state.decide(set(|_| {})).unwrap(), vec![E::EdgeSet(vec![])]);
    assert_eq!(after(vec![user(3), set(|_| {})]).active().unwrap().edge, EdgeSettings::default());
    let beyond = set(|edge| edge.rate = Some(Rate { per_second: 0, burst: 1 }));
    assert!(fresh.decide(beyond).unwrap_err().to_string().contains("rate.per_second"));
    assert!(App::default().decide(user(1)).is_err(), "there is no app");
    let deleted = after(vec![C::Discard { at: crate::testing::at(1) }]);
    assert!(deleted.decide(user(1)).unwrap_err().to_string().contains("restore"));
}

#[test]
fn a_password_that_is_new_has_a_version_that_none_had() {
    let state = after(vec![user(5)]);
    assert_eq!(state.decide(user(5)).unwrap(), vec![]);
    assert_eq!(state.decide(user(6)).unwrap().len(), 1);
    let late = state.decide(user(4)).unwrap_err().to_string();
    assert!(late.contains("somebody else"), "{late}");
    let other =
        |version| set(|edge| edge.users = [(EdgeUser::new("eve").unwrap(), version)].into());
    assert!(state.decide(other(5)).is_err() && state.decide(other(6)).is_ok());
}
