//! Pushes: the source and the request are one decision.

use super::*;
use crate::names::{BranchName, CommitId};
use crate::source::{Pushed, Source, UploadDigest};

fn pushed(digit: &str) -> Pushed {
    Pushed {
        branch: BranchName::new("main").unwrap(),
        commit: CommitId::new(digit.repeat(40)).unwrap(),
        upload: UploadDigest::new(format!("sha256:{}", digit.repeat(64))).unwrap(),
    }
}

fn push(n: u128, digit: &str) -> C {
    C::Push { deployment: deployment_id(n), pushed: pushed(digit), no_cache: true }
}

#[test]
fn a_push_sets_the_source_and_asks_for_a_deployment_at_once() {
    let state = app(&[created()]);
    let events = state.decide(push(1, "a")).unwrap();
    assert_eq!(names(&events), ["configured", "deployment_requested", "deployment_begun"]);
    let (id, spec) = events.iter().find_map(AppEvent::requested).unwrap();
    assert_eq!((id, &spec.source), (deployment_id(1), &Source::Pushed(pushed("a"))));
    assert!(spec.build.no_cache);
    let state = after(vec![push(1, "a")]);
    let source = state.active().and_then(|app| app.settings.source.clone());
    assert_eq!(source, Some(Source::Pushed(pushed("a"))));
    assert_eq!(state.decide(push(1, "a")).unwrap(), [], "told twice, done once");
    // The same commit again changes no settings.
    assert_eq!(names(&state.decide(push(2, "a")).unwrap()), ["deployment_requested"]);
    assert_eq!(names(&state.decide(push(2, "b")).unwrap()), ["configured", "deployment_requested"]);
}

#[test]
fn what_cannot_be_deployed_changes_nothing() {
    let name = EnvName::new("NPM_TOKEN").unwrap();
    let build = BuildSettings { secrets: BTreeSet::from([name]), ..BuildSettings::default() };
    let change = SettingsChange { build: Some(build), ..SettingsChange::default() };
    let state = after(vec![C::Configure(Box::new(change))]);
    assert!(matches!(state.decide(push(1, "a")), Err(Rejection::Invalid { .. })));
    let state = after(vec![C::Discard { at: crate::testing::at(1) }]);
    assert!(matches!(state.decide(push(1, "a")), Err(Rejection::Conflict { .. })));
    assert!(matches!(App::default().decide(push(1, "a")), Err(Rejection::NotFound { .. })));
}
