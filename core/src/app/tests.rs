//! Tables: given events, when a command, then events; and what must hold for any history.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::claims::{ClaimChange, ClaimKey};
use crate::health::HealthCheck;
use crate::limits;
use crate::machine::{Machine, replay};
use crate::names::{BuildArg, BuildArgValue, HostName};
use crate::process::ProcessName;
use crate::rejection::Rejection;
use crate::run::RunSettings;
use crate::source::{BuildSettings, Resources};
use crate::testing::{app_id, deployment_id, name, source};
use crate::time::Millis;

use AppCommand as C;
use AppEvent as E;

mod canary;
mod cron;
mod discarding;
mod domains;
mod edge;
mod one_off;
mod previews;
mod pushes;
mod running;
mod sleeping;
mod taking_over;
mod triggers;

fn created() -> E {
    let settings = AppSettings { source: Some(source()), ..AppSettings::default() };
    E::Created { id: app_id(1), name: name("shop"), settings: Box::new(settings) }
}

fn app(events: &[E]) -> App {
    replay(events)
}

/// Gives commands that must be accepted, one after the other.
fn after(commands: Vec<C>) -> App {
    let mut state = app(&[created()]);
    for command in commands {
        let events =
            state.decide(command.clone()).unwrap_or_else(|why| panic!("{command:?}: {why}"));
        state = events.iter().fold(state, App::evolve);
    }
    state
}

fn request(n: u128) -> C {
    C::RequestDeployment { deployment: deployment_id(n), source: None, no_cache: false }
}

fn names(events: &[E]) -> Vec<&'static str> {
    events.iter().map(|event| crate::event::Event::App(event.clone()).name()).collect()
}

#[test]
fn a_build_reads_only_variables_that_are_set() {
    let name = || EnvName::new("NPM_TOKEN").unwrap();
    let build = BuildSettings { secrets: BTreeSet::from([name()]), ..BuildSettings::default() };
    let change = SettingsChange { build: Some(build.clone()), ..SettingsChange::default() };
    let configured = || C::Configure(Box::new(change.clone()));
    let refusal = after(vec![configured()]).decide(request(1)).unwrap_err().to_string();
    assert!(refusal.contains("NPM_TOKEN, which is not set"), "{refusal}");
    let set = C::ChangeEnvironment { set: BTreeMap::from([(name(), 1)]), remove: BTreeSet::new() };
    let events = after(vec![configured(), set]).decide(request(1)).unwrap();
    let (_, spec) = events[0].requested().unwrap();
    assert_eq!((&spec.build, spec.env[&name()]), (&build, 1));

    let arg = (BuildArg::new("NPM_TOKEN").unwrap(), BuildArgValue::new("x").unwrap());
    let both = BuildSettings { args: BTreeMap::from([arg]), ..build };
    let late = BuildSettings { within: Millis(1), ..BuildSettings::default() };
    for (build, why) in [(both, "history"), (late, "build_within")] {
        let change = SettingsChange { build: Some(build), ..SettingsChange::default() };
        let refusal = after(vec![]).decide(C::Configure(Box::new(change))).unwrap_err();
        assert!(refusal.to_string().contains(why), "{refusal}");
    }
}

#[test]
fn what_is_built_anew_is_said_for_one_deployment() {
    let fresh = C::RequestDeployment { deployment: deployment_id(1), source: None, no_cache: true };
    let state = after(vec![]);
    for (command, expected) in [(fresh, true), (request(2), false)] {
        let events = state.decide(command).unwrap();
        assert_eq!(events[0].requested().unwrap().1.build.no_cache, expected);
    }
}

#[test]
fn deployments_take_their_turns() {
    let [a, b, c] = [1, 2, 3].map(deployment_id);
    let switch = |deployment| C::SwitchTraffic { deployment };
    let promote = |deployment| C::Promote { deployment };
    let settle = |deployment| C::Settle { deployment };
    let live = || vec![request(1), switch(a), promote(a)];
    let then = |mut commands: Vec<C>, more: Vec<C>| {
        commands.extend(more);
        commands
    };
    let rows: Vec<(&str, Vec<C>, C, Vec<&str>)> = vec![
        (
            "the first begins at once",
            vec![],
            request(1),
            vec!["deployment_requested", "deployment_begun"],
        ),
        ("the second waits", vec![request(1)], request(2), vec!["deployment_requested"]),
        (
            "the third takes the place of the second",
            vec![request(1), request(2)],
            request(3),
            vec!["deployment_requested", "deployment_replaced"],
        ),
        ("a repeated request means nothing", vec![request(1)], request(1), vec![]),
        ("a healthy one gets the traffic", vec![request(1)], switch(a), vec!["traffic_switched"]),
        ("once", vec![request(1), switch(a)], switch(a), vec![]),
        ("not one that is not its turn", vec![request(1), request(2)], switch(b), vec![]),
        (
            "a live one is promoted",
            vec![request(1), switch(a)],
            promote(a),
            vec!["deployment_promoted"],
        ),
        (
            "and the waiting one begins",
            vec![request(1), request(2), switch(a)],
            promote(a),
            vec!["deployment_promoted", "deployment_begun"],
        ),
        ("once only", live(), promote(a), vec![]),
        ("not without traffic", then(live(), vec![request(2)]), promote(b), vec![]),
        (
            "one that failed makes way",
            vec![request(1), request(2)],
            settle(a),
            vec!["deployment_settled", "deployment_begun"],
        ),
        (
            "one that failed during its switch gives the traffic back",
            then(live(), vec![request(2), switch(b)]),
            settle(b),
            vec!["traffic_returned", "deployment_settled"],
        ),
        ("one that nobody knows means nothing", live(), settle(c), vec![]),
        (
            "a waiting one may end",
            vec![request(1), request(2)],
            settle(b),
            vec!["deployment_settled"],
        ),
        ("deleting takes all along", then(live(), vec![request(2)]), C::Delete, vec!["deleted"]),
    ];
    for (what, given, when, expected) in rows {
        let events = after(given).decide(when).unwrap();
        assert_eq!(names(&events), expected, "{what}");
    }
}

#[test]
fn a_failed_switch_leaves_the_version_before_serving() {
    let state = after(vec![
        request(1),
        C::SwitchTraffic { deployment: deployment_id(1) },
        C::Promote { deployment: deployment_id(1) },
        request(2),
        C::SwitchTraffic { deployment: deployment_id(2) },
        C::Settle { deployment: deployment_id(2) },
    ]);
    let state = state.active().unwrap();
    assert_eq!(state.serving, Some(deployment_id(1)));
    assert_eq!(state.live, Some(deployment_id(1)));
    assert_eq!(state.rolling, None);
}

#[test]
fn wrong_settings_are_refused_by_the_name_of_the_field() {
    let change = |edit: fn(&mut SettingsChange)| {
        let mut change = SettingsChange::default();
        edit(&mut change);
        C::Configure(Box::new(change))
    };
    let rows: Vec<(&str, C)> = vec![
        ("port", change(|c| c.port = Some(Some(0)))),
        ("replicas", change(|c| c.replicas = Some(0))),
        ("replicas", change(|c| c.replicas = Some(limits::MOST_REPLICAS + 1))),
        (
            "health.interval",
            change(|c| {
                c.health =
                    Some(HealthCheck { interval: Some(Millis(1)), ..HealthCheck::default() });
            }),
        ),
        (
            "memory",
            change(|c| c.resources = Some(Resources { memory_bytes: 1, ..Resources::default() })),
        ),
        (
            "cpu",
            change(|c| c.resources = Some(Resources { cpu_millis: 0, ..Resources::default() })),
        ),
        (
            "domains",
            change(|c| {
                c.domains = Some(
                    (0..65).map(|n| HostName::new(format!("d{n}.example")).unwrap()).collect(),
                );
            }),
        ),
    ];
    for (expected, command) in rows {
        match after(vec![]).decide(command) {
            Err(Rejection::Invalid { field, .. }) => assert_eq!(field, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn names_and_domains_are_claimed_and_given_back() {
    let domain = |text: &str| HostName::new(text).unwrap();
    let domains = |list: &[&str]| list.iter().map(|text| domain(text)).collect::<BTreeSet<_>>();
    let keys = |changes: Vec<ClaimChange>| {
        changes
            .into_iter()
            .map(|change| match change {
                ClaimChange::Take { key: ClaimKey(key), .. } => format!("+{key}"),
                ClaimChange::Release { key: ClaimKey(key) } => format!("-{key}"),
            })
            .collect::<Vec<_>>()
    };
    let set = |list: &[&str]| {
        E::Configured(Box::new(SettingsChange {
            domains: Some(domains(list)),
            ..Default::default()
        }))
    };
    let fresh = App::default();
    assert_eq!(keys(fresh.claims(&created())), ["+app-name/shop"]);
    let state = app(&[created()]);
    assert_eq!(keys(state.claims(&set(&["a.example"]))), ["+domain/a.example"]);
    let state = state.evolve(&set(&["a.example", "b.example"]));
    assert_eq!(
        keys(state.claims(&set(&["b.example", "c.example"]))),
        ["-domain/a.example", "+domain/c.example"]
    );
    let deleted = E::Deleted { deployments: BTreeSet::new() };
    assert_eq!(
        keys(state.claims(&deleted)),
        ["-app-name/shop", "-domain/a.example", "-domain/b.example"]
    );
}

#[test]
fn the_environment_is_bounded_and_versions_only_grow() {
    let env = |text: &str| EnvName::new(text).unwrap();
    let set = |rows: &[(&str, u64)]| C::ChangeEnvironment {
        set: rows.iter().map(|(name, version)| (env(name), *version)).collect(),
        remove: BTreeSet::new(),
    };
    let state = after(vec![set(&[("A", 1), ("B", 2)])]);
    assert_eq!(state.active().unwrap().next_secret, 3);
    assert!(matches!(state.decide(set(&[("C", 2)])), Err(Rejection::Conflict { .. })));
    assert!(state.decide(set(&[("C", 3)])).is_ok());
    let remove = |text: &str| C::ChangeEnvironment {
        set: BTreeMap::new(),
        remove: BTreeSet::from([env(text)]),
    };
    assert!(matches!(state.decide(remove("X")), Err(Rejection::NotFound { .. })));
    let state = state.decide(remove("A")).unwrap().iter().fold(state, App::evolve);
    assert_eq!(state.active().unwrap().env.keys().map(EnvName::as_str).collect::<Vec<_>>(), ["B"]);
    let many = (0..=limits::MOST_ENV as u64).map(|n| (env(&format!("N{n}")), 10 + n)).collect();
    let command = C::ChangeEnvironment { set: many, remove: BTreeSet::new() };
    assert!(matches!(state.decide(command), Err(Rejection::Conflict { .. })));
}

#[test]
fn an_app_without_a_source_says_how_to_give_it_one() {
    let settings = Box::new(AppSettings::default());
    let state = app(&[E::Created { id: app_id(1), name: name("shop"), settings }]);
    match state.decide(request(1)) {
        Err(Rejection::Conflict { reason }) => assert!(reason.contains("--repo"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_gone_refuses_people_and_ignores_reactions() {
    let state = app(&[created(), E::Deleted { deployments: BTreeSet::new() }]);
    assert!(matches!(state.decide(request(1)), Err(Rejection::NotFound { .. })));
    assert_eq!(state.decide(C::Settle { deployment: deployment_id(1) }), Ok(vec![]));
    assert_eq!(state.decide(C::Delete), Ok(vec![]));
}

fn any_repeat() -> impl Strategy<Value = Repeat> {
    prop::sample::select(vec![Repeat::Rollback, Repeat::Redeploy, Repeat::Restart])
}

fn any_command() -> impl Strategy<Value = C> {
    let id = || (1u128..5).prop_map(deployment_id);
    let env = || prop::sample::select(vec!["A", "B", "C"]).prop_map(|n| EnvName::new(n).unwrap());
    prop_oneof![
        Just(C::Create {
            id: app_id(1),
            name: name("shop"),
            settings: Box::new(AppSettings { source: Some(source()), ..Default::default() })
        }),
        (0u16..70).prop_map(|n| C::Configure(Box::new(SettingsChange {
            replicas: Some(n),
            ..Default::default()
        }))),
        (
            prop::collection::btree_map(env(), 1u64..20, 0..3),
            prop::collection::btree_set(env(), 0..2)
        )
            .prop_map(|(set, remove)| C::ChangeEnvironment { set, remove }),
        id().prop_map(|deployment| C::RequestDeployment {
            deployment,
            source: None,
            no_cache: false
        }),
        (0usize..3).prop_map(triggers::set),
        cron::any(),
        (0u64..100).prop_map(|at| C::Stop { at: crate::testing::at(at) }),
        Just(C::Start),
        Just(C::SetEdge(Box::new(crate::edge::EdgeSettings {
            sleep_after: Some(Millis::seconds(60)),
            ..Default::default()
        }))),
        (50u64..70).prop_map(sleeping::fall_asleep),
        Just(sleeping::wake()),
        (proptest::option::of(0u16..70), 0u16..70).prop_map(|(replicas, of_worker)| C::Scale {
            replicas,
            processes: [(ProcessName::new("worker").unwrap(), of_worker)].into(),
            known: BTreeSet::new(),
        }),
        proptest::option::of(0u16..70).prop_map(|replicas| {
            let processes = replicas.map(crate::testing::worker).into_iter().collect();
            let run = Some(RunSettings { processes, ..RunSettings::default() });
            C::Configure(Box::new(SettingsChange { run, ..SettingsChange::default() }))
        }),
        (1u128..5, 1u128..5, any_repeat()).prop_map(|(n, of, how)| repeat(n, (of, 1), how)),
        id().prop_map(|deployment| C::SwitchTraffic { deployment }),
        id().prop_map(|deployment| C::Promote { deployment }),
        id().prop_map(|deployment| C::Settle { deployment }),
        Just(C::Delete),
        Just(C::Expire { at: crate::testing::at(1) }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn accepted_commands_replay_to_the_same_state(commands in prop::collection::vec(any_command(), 0..60)) {
        crate::testing::replays_to_the_same_state::<App>(commands)?;
    }

    #[test]
    fn one_moves_at_a_time_and_traffic_goes_where_it_may(commands in prop::collection::vec(any_command(), 0..60)) {
        let mut state = App::default();
        for command in commands {
            let events = state.decide(command).unwrap_or_default();
            state = events.iter().fold(state, App::evolve);
            if let Some(app) = state.active() {
                prop_assert!(app.serving == app.live || app.serving == app.rolling);
                prop_assert!(app.waiting.is_none() || app.rolling.is_some());
                prop_assert!(app.rolling.is_none() || app.rolling != app.waiting);
                prop_assert!(app.called_off.is_none() || app.called_off == app.rolling);
                prop_assert!(app.called_off.is_none() || app.called_off != app.serving);
                let settled = app.live.is_some() && app.rolling.is_none() && app.waiting.is_none();
                prop_assert!(!app.asleep || settled && app.stopped.is_none());
            }
        }
    }
}

#[test]
fn what_frees_something_or_follows_may_use_the_room_kept_back() {
    use crate::priority::Priority::{Ordinary, Urgent};
    let env = |set: &[&str]| C::ChangeEnvironment {
        set: set.iter().map(|name| (crate::names::EnvName::new(*name).unwrap(), 1)).collect(),
        remove: BTreeSet::from([crate::names::EnvName::new("GONE").unwrap()]),
    };
    let deployment = deployment_id(1);
    for (command, priority) in [
        (C::Create { id: app_id(1), name: name("shop"), settings: Box::default() }, Ordinary),
        (C::Configure(Box::default()), Ordinary),
        (request(1), Ordinary),
        (repeat(2, (1, 1), Repeat::Rollback), Ordinary),
        (C::Stop { at: crate::testing::at(1) }, Urgent),
        (C::Start, Ordinary),
        (sleeping::fall_asleep(60), Ordinary),
        (sleeping::wake(), Urgent),
        (
            C::Scale { replicas: Some(2), processes: BTreeMap::new(), known: BTreeSet::new() },
            Ordinary,
        ),
        (env(&["NEW"]), Ordinary),
        (env(&[]), Urgent),
        (C::SwitchTraffic { deployment }, Urgent),
        (C::Promote { deployment }, Urgent),
        (C::Settle { deployment }, Urgent),
        (C::Delete, Urgent),
        (C::Expire { at: crate::testing::at(1) }, Urgent),
    ] {
        assert_eq!(App::priority(&command), priority, "{command:?}");
    }
}

fn earlier(n: u128, number: u64) -> Earlier {
    let mut spec = crate::testing::spec(2);
    spec.number = number;
    spec.env = BTreeMap::from([(EnvName::new("A").unwrap(), 1)]);
    let built = crate::testing::built();
    Earlier { deployment: deployment_id(n), spec, built, settings: None, gone: false }
}

fn repeat(n: u128, of: (u128, u64), how: Repeat) -> C {
    let earlier = Box::new(earlier(of.0, of.1));
    C::Repeat { deployment: deployment_id(n), earlier, how }
}

fn live(n: u128) -> Vec<C> {
    let deployment = deployment_id(n);
    vec![request(n), C::SwitchTraffic { deployment }, C::Promote { deployment }]
}
