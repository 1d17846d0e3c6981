//! Tables of deleting and restoring.

use super::*;

#[test]
fn what_is_deleted_rests_and_comes_back_as_it_was() {
    let at = crate::testing::at(1);
    let discard = || C::Discard { at };
    let stop = || C::Stop { at };
    let b = deployment_id(2);
    let with = |more: Vec<C>| [live(1), more].concat();
    type Row = (&'static str, Vec<C>, C, Vec<&'static str>, bool);
    let rows: Vec<Row> = vec![
        ("what runs", live(1), discard(), vec!["discarded"], true),
        ("once", with(vec![discard()]), discard(), vec![], true),
        (
            "with what moves",
            with(vec![request(2)]),
            discard(),
            vec!["discarded", "deployment_called_off"],
            true,
        ),
        (
            "what had the traffic already comes to its end and rests",
            with(vec![request(2), C::SwitchTraffic { deployment: b }, discard()]),
            C::Promote { deployment: b },
            vec!["deployment_promoted"],
            true,
        ),
        (
            "also where a stop came before it was asked for",
            with(vec![stop(), request(2), C::SwitchTraffic { deployment: b }, discard()]),
            C::Promote { deployment: b },
            vec!["deployment_promoted"],
            true,
        ),
        ("running", with(vec![discard()]), C::Restore, vec!["restored"], false),
        ("stopped", with(vec![stop(), discard()]), C::Restore, vec!["restored"], true),
        ("what is there needs none", live(1), C::Restore, vec![], false),
    ];
    for (what, before, command, events, rests) in rows {
        let app = after(before);
        let done = app.decide(command).unwrap();
        assert_eq!(names(&done), events, "{what}");
        let now = done.iter().fold(app, App::evolve);
        assert_eq!(now.active().unwrap().rests(), rests, "{what}");
    }
}

#[test]
fn nothing_else_can_be_done_with_it_and_a_day_later_it_is_spent() {
    let at = crate::testing::at(1);
    let app = after([live(1), vec![C::Discard { at }]].concat());
    let scale = C::Scale { replicas: Some(2), processes: BTreeMap::new(), known: BTreeSet::new() };
    for refused in [request(2), C::Stop { at }, C::Start, scale] {
        let said = app.decide(refused.clone()).unwrap_err().to_string();
        assert!(said.contains("hythe app restore"), "{refused:?}: {said}");
    }
    let active = app.active().unwrap();
    let until = at.plus(limits::DISCARDED_KEPT);
    assert!(!active.is_spent(crate::time::Timestamp(until.0 - 1)) && active.is_spent(until));
    let expire = |app: &App, at| names(&app.decide(C::Expire { at }).unwrap());
    assert_eq!(expire(&app, until), ["deleted"]);
    assert_eq!(expire(&app, crate::time::Timestamp(until.0 - 1)), [""; 0]);
    // Restored in the moment between the look and the command.
    let restored = after([live(1), vec![C::Discard { at }, C::Restore]].concat());
    assert_eq!(expire(&restored, until), [""; 0]);
    // What it had is not given back twice: others may have it by then.
    let keys = |app: &App, event: &E| app.claims(event).len();
    let gone = E::Deleted { deployments: BTreeSet::new() };
    let there = after(live(1));
    assert!(keys(&there, &gone) > 0);
    assert_eq!(keys(&app, &gone), 0);
}
