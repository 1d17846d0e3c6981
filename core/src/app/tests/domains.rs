//! Tables of custom domains: added, proven, doubted, lost, removed; and what is claimed meanwhile.

use super::*;
use crate::domain::{DomainHost, DomainMode, DomainNews, DomainToken, Trust};
use crate::testing::at;

fn host(text: &str) -> DomainHost {
    DomainHost::new(text).unwrap()
}

fn token(digit: char) -> DomainToken {
    DomainToken::new(digit.to_string().repeat(64)).unwrap()
}

fn add(text: &str, mode: Option<DomainMode>) -> C {
    C::AddDomain { host: host(text), token: token('a'), mode, at: at(1) }
}

fn note(text: &str, digit: char, news: DomainNews) -> C {
    C::NoteDomain { host: host(text), token: token(digit), news, at: at(2) }
}

fn verified(text: &str) -> C {
    note(text, 'a', DomainNews::Verified)
}

fn failing() -> DomainNews {
    DomainNews::Failing { why: "gone".into() }
}

fn lost() -> DomainNews {
    DomainNews::Lost { why: "gone".into() }
}

fn set(text: &str, mode: DomainMode) -> C {
    C::SetDomain { host: host(text), mode }
}

fn remove(text: &str) -> C {
    C::RemoveDomain { host: host(text) }
}

#[test]
fn what_a_domain_does_in_every_state() {
    use DomainMode::{Main, Redirect, Serve};
    let a = "a.example";
    let with = |commands: &[C]| [vec![add(a, None)], commands.to_vec()].concat();
    let proven = |commands: &[C]| with(&[vec![verified(a)], commands.to_vec()].concat());
    let doubted = || proven(&[note(a, 'a', failing())]);
    let gone = || [doubted(), vec![note(a, 'a', lost())]].concat();
    let rows: Vec<(&str, Vec<C>, C, Vec<&str>)> = vec![
        ("a new one", vec![], add(a, None), vec!["domain_added"]),
        ("the same again", with(&[]), add(a, None), vec![]),
        ("the same as it is", with(&[]), add(a, Some(Main)), vec![]),
        ("the same, doing something else", with(&[]), add(a, Some(Serve)), vec!["domain_set"]),
        ("proven", with(&[]), verified(a), vec!["domain_verified"]),
        ("proven again", proven(&[]), verified(a), vec![]),
        (
            "proven by another addition's token",
            with(&[]),
            note(a, 'b', DomainNews::Verified),
            vec![],
        ),
        ("proven once it is removed", with(&[remove(a)]), verified(a), vec![]),
        ("one that is not there", vec![], verified(a), vec![]),
        ("never proven, and absent", with(&[]), note(a, 'a', failing()), vec![]),
        ("never proven, and lost", with(&[]), note(a, 'a', lost()), vec![]),
        ("doubted", proven(&[]), note(a, 'a', failing()), vec!["domain_failing"]),
        ("doubted still", doubted(), note(a, 'a', failing()), vec![]),
        ("back", doubted(), verified(a), vec!["domain_verified"]),
        ("lost", doubted(), note(a, 'a', lost()), vec!["domain_lost"]),
        ("taken by another that proves it", proven(&[]), note(a, 'a', lost()), vec!["domain_lost"]),
        ("lost still", gone(), note(a, 'a', failing()), vec![]),
        ("proven after it was lost", gone(), verified(a), vec!["domain_verified"]),
        ("set", with(&[]), set(a, Redirect), vec!["domain_set"]),
        ("set as it is", with(&[]), set(a, Main), vec![]),
        ("removed", proven(&[]), remove(a), vec!["domain_removed"]),
        ("its app deleted meanwhile", with(&[C::Discard { at: at(2) }]), verified(a), vec![]),
    ];
    for (what, before, command, expected) in rows {
        let state = after(before);
        let events = state.decide(command).unwrap_or_else(|why| panic!("{what}: {why}"));
        assert_eq!(names(&events), expected, "{what}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    use DomainMode::{Main, Redirect};
    let a = "a.example";
    let wildcard = "*.a.example";
    for (what, before, command) in [
        ("not there", vec![], set(a, Main)),
        ("not there to be removed", vec![], remove(a)),
        ("a wildcard is not the main one", vec![], add(wildcard, Some(Main))),
        ("nor does it redirect", vec![add(wildcard, None)], set(wildcard, Redirect)),
        ("of a deleted app", vec![C::Discard { at: at(1) }], add(a, None)),
    ] {
        assert!(after(before).decide(command).is_err(), "{what}");
    }
    let many = (0..limits::MOST_DOMAINS).map(|n| add(&format!("a{n}.example"), None));
    let full = after(many.collect());
    assert!(matches!(full.decide(add(a, None)), Err(Rejection::Conflict { .. })));
    assert!(full.decide(add("a0.example", None)).is_ok(), "one that it has");
}

#[test]
fn one_is_the_main_one_and_the_others_lead_there_once_it_is_proven() {
    use DomainMode::{Main, Redirect, Serve};
    let (a, b, c) = ("a.example", "b.example", "*.c.example");
    let state = after(vec![add(a, None), add(b, None), add(c, None), verified(b), verified(c)]);
    let modes = |state: &App| {
        let domains = &state.active().unwrap().domains;
        [a, b, c].map(|text| domains.get(&host(text)).unwrap().mode)
    };
    let leads = |state: &App, text: &str| {
        let domains = &state.active().unwrap().domains;
        domains.redirects(&host(text)).map(ToString::to_string)
    };
    assert_eq!(modes(&state), [Main, Redirect, Serve]);
    assert_eq!(leads(&state, b), None, "the main one is not proven");
    let step = |state: App, command: C| {
        let events = state.decide(command).unwrap();
        events.iter().fold(state, App::evolve)
    };
    let state = step(state, verified(a));
    assert_eq!(
        (leads(&state, b).as_deref(), leads(&state, c), leads(&state, a)),
        (Some(a), None, None)
    );
    let state = step(state, set(b, Main));
    assert_eq!(modes(&state), [Redirect, Main, Serve]);
    assert_eq!((leads(&state, a).as_deref(), leads(&state, b)), (Some(b), None));
    let state = step(state, remove(b));
    assert_eq!(leads(&state, a), None, "it serves again");
}

#[test]
fn only_what_is_proven_is_claimed() {
    let a = "a.example";
    let keys = |state: &App, command: C| {
        let events = state.decide(command).unwrap();
        let mut state = state.clone();
        let mut keys = Vec::new();
        for event in &events {
            keys.extend(state.claims(event).into_iter().map(|change| match change {
                ClaimChange::Take { key: ClaimKey(key), .. } => format!("+{key}"),
                ClaimChange::Release { key: ClaimKey(key) } => format!("-{key}"),
            }));
            state = state.evolve(event);
        }
        keys
    };
    let added = after(vec![add(a, None), add("*.a.example", None)]);
    assert!(keys(&after(vec![]), add(a, None)).is_empty());
    assert_eq!(keys(&added, verified(a)), ["+domain/a.example"]);
    assert_eq!(keys(&added, verified("*.a.example")), ["+domain/*.a.example"]);
    assert!(keys(&added, remove(a)).is_empty(), "it never had one");
    let proven = after(vec![add(a, None), verified(a)]);
    assert!(keys(&proven, note(a, 'a', failing())).is_empty());
    let doubted = after(vec![add(a, None), verified(a), note(a, 'a', failing())]);
    assert!(keys(&doubted, verified(a)).is_empty(), "it has it still");
    for command in [note(a, 'a', lost()), remove(a)] {
        assert_eq!(keys(&doubted, command), ["-domain/a.example"]);
    }
    let trust = |state: &App| state.active().unwrap().domains.get(&host(a)).unwrap().trust.clone();
    assert!(matches!(trust(&doubted), Trust::Failing { .. }));
    let all = ["-app-name/shop", "-domain/a.example"];
    assert_eq!(keys(&doubted, C::Discard { at: at(3) }), all);
    let deleted = after(vec![add(a, None), verified(a), C::Discard { at: at(3) }]);
    assert_eq!(keys(&deleted, C::Restore), ["+app-name/shop", "+domain/a.example"]);

    // Set and proven, it is held once, until neither is so.
    let domains = |list: &[&str]| {
        let domains = Some(list.iter().map(|text| HostName::new(*text).unwrap()).collect());
        C::Configure(Box::new(SettingsChange { domains, ..Default::default() }))
    };
    let both = after(vec![add(a, None), verified(a), domains(&[a])]);
    assert!(keys(&proven, domains(&[a])).is_empty());
    assert!(keys(&both, domains(&[])).is_empty());
    assert!(keys(&both, remove(a)).is_empty());
    assert_eq!(keys(&both, C::Discard { at: at(3) }), all);
}
