//! Tables of sleep: what an app says to it in each state, and what wakes it.

use super::*;
use crate::edge::EdgeSettings;
use crate::ids::EdgeId;

fn edge(sleep_after: Option<Millis>) -> C {
    C::SetEdge(Box::new(EdgeSettings { sleep_after, ..EdgeSettings::default() }))
}

fn may() -> C {
    edge(Some(Millis::seconds(60)))
}

pub(super) const fn fall_asleep(seconds: u64) -> C {
    C::FallAsleep { unasked: Millis::seconds(seconds) }
}

pub(super) fn wake() -> C {
    C::Wake { why: WokenBy::Request { edge: EdgeId::new(uuid::Uuid::nil()) } }
}

fn stop() -> C {
    C::Stop { at: crate::testing::at(1) }
}

fn discard() -> C {
    C::Discard { at: crate::testing::at(1) }
}

fn unrouted() -> C {
    let mut run = RunSettings::default();
    run.container.unrouted = true;
    C::Configure(Box::new(SettingsChange { run: Some(run), ..SettingsChange::default() }))
}

fn awake(more: Vec<C>) -> Vec<C> {
    [live(1), vec![may()], more].concat()
}

fn asleep(more: Vec<C>) -> Vec<C> {
    awake([vec![fall_asleep(60)], more].concat())
}

#[test]
fn an_app_sleeps_where_it_may_and_nothing_of_it_is_on_its_way() {
    let rows: Vec<(&str, Vec<C>, C, Vec<&str>)> = vec![
        ("live", awake(vec![]), fall_asleep(60), vec!["fell_asleep"]),
        ("asked for lately", awake(vec![]), fall_asleep(59), vec![]),
        ("never", live(1), fall_asleep(60), vec![]),
        ("nothing is live", vec![may()], fall_asleep(60), vec![]),
        ("moving", awake(vec![request(2)]), fall_asleep(60), vec![]),
        ("stopped", awake(vec![stop()]), fall_asleep(60), vec![]),
        ("deleted", awake(vec![discard()]), fall_asleep(60), vec![]),
        ("gone", awake(vec![C::Delete]), fall_asleep(60), vec![]),
        ("without an address", awake(vec![unrouted()]), fall_asleep(60), vec![]),
        ("asleep", asleep(vec![]), fall_asleep(60), vec![]),
        ("asleep, and asked for", asleep(vec![]), wake(), vec!["woken"]),
        ("awake, and asked for", asleep(vec![wake()]), wake(), vec![]),
        ("gone, and asked for", asleep(vec![C::Delete]), wake(), vec![]),
    ];
    for (what, before, command, expected) in rows {
        assert_eq!(names(&after(before).decide(command).unwrap()), expected, "{what}");
    }
}

#[test]
fn what_somebody_wants_to_see_wakes_it_and_the_rest_lets_it_sleep() {
    let env = C::ChangeEnvironment {
        set: BTreeMap::from([(EnvName::new("A").unwrap(), 1)]),
        remove: BTreeSet::new(),
    };
    let scale = C::Scale { replicas: Some(2), processes: BTreeMap::new(), known: BTreeSet::new() };
    let restart = repeat(2, (1, 1), Repeat::Restart);
    let rows: Vec<(&str, C, Vec<&str>, bool)> = vec![
        (
            "a deployment",
            request(2),
            vec!["deployment_requested", "deployment_begun", "woken"],
            false,
        ),
        ("a restart", restart, vec!["deployment_repeated", "deployment_begun", "woken"], false),
        ("more replicas", scale, vec!["scaled", "woken"], false),
        ("a start", C::Start, vec!["woken"], false),
        ("it may sleep no more", edge(None), vec!["edge_set", "woken"], false),
        ("another time", edge(Some(Millis::seconds(90))), vec!["edge_set"], true),
        ("a variable", env, vec!["environment_changed"], true),
        ("other settings", unrouted(), vec!["configured"], true),
        ("a stop", stop(), vec!["stopped"], false),
        ("a deletion", discard(), vec!["discarded"], false),
    ];
    for (what, command, expected, sleeps) in rows {
        let state = after(asleep(vec![]));
        let events = state.decide(command).unwrap();
        assert_eq!(names(&events), expected, "{what}");
        let state = events.iter().fold(state, App::evolve);
        assert_eq!(state.active().unwrap().asleep, sleeps, "{what}");
    }
    // What comes back runs, whatever it did before.
    for more in [vec![stop(), C::Start], vec![discard(), C::Restore]] {
        let state = after(asleep(more));
        let app = state.active().unwrap();
        assert!(!app.asleep && app.stopped.is_none() && app.may_sleep().is_some());
    }
}

#[test]
fn with_its_version_goes_what_sleeps() {
    let state = after(asleep(vec![C::Settle { deployment: deployment_id(1) }]));
    let app = state.active().unwrap();
    assert_eq!((app.live, app.asleep), (None, false));
}
