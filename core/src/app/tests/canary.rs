//! Tables of canaries: what an app says to them in each state.

use super::*;
use crate::canary::{Canary, Weight};
use crate::container::{Mount, VolumeName};

fn percent(percent: u8) -> Weight {
    Weight::new(percent).unwrap()
}

fn canary(n: u128) -> C {
    C::RequestCanary {
        deployment: deployment_id(n),
        source: None,
        no_cache: false,
        weight: percent(10),
        within: Millis::seconds(3_600),
    }
}

fn healthy(n: u128) -> C {
    C::SwitchTraffic { deployment: deployment_id(n) }
}

#[test]
fn it_takes_its_part_until_somebody_says_how_it_goes_on() {
    let stop = C::Stop { at: crate::time::Timestamp(7) };
    let settle = |n| C::Settle { deployment: deployment_id(n) };
    let weigh = |to| C::WeighCanary { weight: percent(to) };
    let with = |more: Vec<C>| [live(1), more].concat();
    let sings = |more: Vec<C>| with([vec![canary(2), healthy(2)], more].concat());
    let rows: Vec<(&str, Vec<C>, C, Vec<&str>)> = vec![
        (
            "asked for",
            live(1),
            canary(2),
            vec!["deployment_requested", "deployment_begun", "canary_asked"],
        ),
        ("asked for again", with(vec![canary(2)]), canary(2), vec![]),
        ("healthy", with(vec![canary(2)]), healthy(2), vec!["canary_started"]),
        ("healthy once more", sings(vec![]), healthy(2), vec![]),
        ("weighed", sings(vec![]), weigh(50), vec!["canary_weight_set"]),
        ("weighed as it is", sings(vec![]), weigh(10), vec![]),
        ("promoted", sings(vec![]), C::PromoteCanary, vec!["canary_promoted", "traffic_switched"]),
        (
            "promoted, and told once more that it is healthy",
            sings(vec![C::PromoteCanary]),
            healthy(2),
            vec![],
        ),
        ("aborted", sings(vec![]), C::AbortCanary, vec!["deployment_called_off"]),
        ("aborted, and told that it is healthy", sings(vec![C::AbortCanary]), healthy(2), vec![]),
        ("over", sings(vec![]), settle(2), vec!["deployment_settled"]),
        (
            "a newer deployment",
            sings(vec![]),
            request(3),
            vec!["deployment_requested", "deployment_called_off"],
        ),
        (
            "a newer canary, before this one is healthy",
            with(vec![canary(2)]),
            canary(3),
            vec!["deployment_requested", "deployment_called_off", "canary_asked"],
        ),
        ("a stop", sings(vec![]), stop.clone(), vec!["stopped", "deployment_called_off"]),
        // Another one that moves is not called off by a canary.
        (
            "behind another one",
            with(vec![request(2)]),
            canary(3),
            vec!["deployment_requested", "canary_asked"],
        ),
        (
            "behind another one, which is a plain one",
            with(vec![request(2), canary(3)]),
            healthy(2),
            vec!["traffic_switched"],
        ),
        // What was live is gone: there is nobody to take the rest.
        ("alone", with(vec![canary(2), settle(1)]), healthy(2), vec!["traffic_switched"]),
    ];
    for (what, before, command, expected) in rows {
        let events = after(before).decide(command).unwrap_or_else(|why| panic!("{what}: {why}"));
        assert_eq!(names(&events), expected, "{what}");
    }
    for (what, before, command, why) in [
        ("without a live version", vec![], canary(1), "no version of shop is live"),
        ("stopped", with(vec![stop]), canary(2), "no version of shop is live"),
        ("none", live(1), C::PromoteCanary, "hythe deploy shop --canary"),
        ("on its way", with(vec![canary(2)]), C::AbortCanary, "on its way"),
        ("aborted twice", sings(vec![C::AbortCanary]), C::AbortCanary, "no canary"),
        ("promoted twice", sings(vec![C::PromoteCanary]), C::PromoteCanary, "no canary"),
        ("over", sings(vec![settle(2)]), weigh(50), "no canary"),
    ] {
        let refused = after(before).decide(command).unwrap_err().to_string();
        assert!(refused.contains(why), "{what}: {refused}");
    }
}

#[test]
fn what_is_known_of_it_goes_with_it() {
    let sings = || [live(1), vec![canary(2), healthy(2)]].concat();
    let of = |more: Vec<C>| {
        let app = after([sings(), more].concat());
        let app = app.active().unwrap();
        (app.canary, app.singing(), app.serving)
    };
    let weight = percent(50);
    let (known, singing, serving) = of(vec![C::WeighCanary { weight }]);
    let within = Millis::seconds(3_600);
    let expected = Canary { deployment: deployment_id(2), weight, within, started: true };
    assert_eq!((known, singing, serving), (Some(expected), Some(expected), Some(deployment_id(1))));
    for more in [
        vec![C::AbortCanary],
        vec![C::PromoteCanary],
        vec![request(3)],
        vec![C::Settle { deployment: deployment_id(2) }],
        vec![C::Discard { at: crate::time::Timestamp(7) }],
    ] {
        let (known, singing, _) = of(more.clone());
        assert_eq!((known, singing), (None, None), "{more:?}");
    }
    let (_, _, serving) = of(vec![C::PromoteCanary]);
    assert_eq!(serving, Some(deployment_id(2)));
}

#[test]
fn one_that_could_not_run_beside_the_live_version_is_refused() {
    let change = |run: RunSettings| {
        let change = SettingsChange { run: Some(run), ..SettingsChange::default() };
        C::Configure(Box::new(change))
    };
    let mut volumes = RunSettings::default();
    let mount = Mount { volume: VolumeName::new("data").unwrap(), read_only: false };
    volumes.container.volumes.insert("/data".parse().unwrap(), mount);
    let mut unrouted = RunSettings::default();
    unrouted.container.unrouted = true;
    for (run, why) in [(volumes, "has volumes"), (unrouted, "has no address")] {
        let before = [live(1), vec![change(run)]].concat();
        let refused = after(before).decide(canary(2)).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
    let build = BuildSettings { site: crate::site::SiteMode::On, ..BuildSettings::default() };
    let change = SettingsChange { build: Some(build), ..SettingsChange::default() };
    let before = [live(1), vec![C::Configure(Box::new(change))]].concat();
    after(before).decide(canary(2)).expect("a static site may have one");
    for within in [0, 59_999, 8 * 24 * 3_600_000] {
        let asked = C::RequestCanary {
            deployment: deployment_id(2),
            source: None,
            no_cache: false,
            weight: percent(10),
            within: Millis(within),
        };
        let refused = after(live(1)).decide(asked).unwrap_err().to_string();
        assert!(refused.contains("canary.within"), "{refused}");
    }
}

/// Whatever else happens to the app: what becomes of a canary in each of its states.
#[test]
fn in_each_state_a_stop_a_deletion_a_rollback_and_a_newer_deployment_end_it() {
    let with = |more: Vec<C>| [live(1), live(2), more].concat();
    let states: [(&str, Vec<C>); 4] = [
        ("on its way", with(vec![canary(3)])),
        ("behind another one", with(vec![request(4), canary(3)])),
        ("takes its part", with(vec![canary(3), healthy(3)])),
        ("promoted", with(vec![canary(3), healthy(3), C::PromoteCanary])),
    ];
    let (off, replaced) = ("deployment_called_off", "deployment_replaced");
    let back = "deployment_repeated";
    let newer = "deployment_requested";
    let at = crate::time::Timestamp(7);
    // What each of them means, in the order of the states.
    let rows: [(&str, C, [Vec<&str>; 4]); 6] = [
        (
            "a stop",
            C::Stop { at },
            [
                vec!["stopped", off],
                vec!["stopped", off, off],
                vec!["stopped", off],
                vec!["stopped"],
            ],
        ),
        (
            "a deletion",
            C::Discard { at },
            [
                vec!["discarded", off],
                vec!["discarded", off, off],
                vec!["discarded", off],
                vec!["discarded"],
            ],
        ),
        (
            "a deletion for good",
            C::Delete,
            [vec!["deleted"], vec!["deleted"], vec!["deleted"], vec!["deleted"]],
        ),
        (
            "a rollback",
            repeat(9, (1, 1), Repeat::Rollback),
            [vec![back, off], vec![back, replaced, off], vec![back, off], vec![back]],
        ),
        (
            "a newer deployment",
            request(9),
            [vec![newer, off], vec![newer, replaced], vec![newer, off], vec![newer]],
        ),
        (
            "a newer canary",
            canary(9),
            [
                vec![newer, off, "canary_asked"],
                vec![newer, replaced, "canary_asked"],
                vec![newer, off, "canary_asked"],
                vec![newer, "canary_asked"],
            ],
        ),
    ];
    for (what, command, expected) in rows {
        for ((state, before), expected) in states.iter().zip(expected) {
            let app = after(before.clone());
            let events = app.decide(command.clone()).unwrap();
            assert_eq!(names(&events), expected, "{what}, {state}");
            let now = events.iter().fold(app, App::evolve);
            let canary = now.active().and_then(|app| app.canary);
            let known = canary.map(|canary| canary.deployment);
            assert_ne!(known, Some(deployment_id(3)), "{what}, {state}");
            assert_eq!(now.active().and_then(ActiveApp::singing), None, "{what}, {state}");
        }
    }
}
