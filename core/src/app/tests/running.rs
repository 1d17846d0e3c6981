//! Tables of stops, starts and scaling.

use super::*;

#[test]
fn a_stop_lasts_until_a_start_or_until_what_was_asked_for_after_it_is_live() {
    let at = crate::testing::at(1);
    let stop = || C::Stop { at };
    let [b, c] = [2, 3].map(deployment_id);
    let with = |more: Vec<C>| [live(1), more].concat();
    let switch = |deployment| C::SwitchTraffic { deployment };
    let promote = |deployment| C::Promote { deployment };
    type Row = (&'static str, Vec<C>, C, Vec<&'static str>, bool);
    let rows: Vec<Row> = vec![
        ("what runs", live(1), stop(), vec!["stopped"], true),
        ("once", with(vec![stop()]), stop(), vec![], true),
        (
            "with what waits and moves",
            with(vec![request(2), request(3)]),
            stop(),
            vec!["stopped", "deployment_called_off", "deployment_called_off"],
            true,
        ),
        (
            "but for what has the traffic already",
            with(vec![request(2), switch(b)]),
            stop(),
            vec!["stopped"],
            // Not before it has come to its end.
            false,
        ),
        (
            "which is stopped then",
            with(vec![request(2), switch(b), stop()]),
            promote(b),
            vec!["deployment_promoted"],
            true,
        ),
        ("started", with(vec![stop()]), C::Start, vec!["started"], false),
        ("started once", live(1), C::Start, vec![], false),
        (
            "what is asked for after it does not start it",
            with(vec![stop()]),
            request(2),
            vec!["deployment_requested", "deployment_begun"],
            true,
        ),
        (
            "until it is live",
            with(vec![stop(), request(2), switch(b)]),
            promote(b),
            vec!["started", "deployment_promoted"],
            false,
        ),
        (
            "where it fails, all stays",
            with(vec![stop(), request(2), switch(b)]),
            C::Settle { deployment: b },
            vec!["traffic_returned", "deployment_settled"],
            true,
        ),
        (
            "called off, it starts nothing",
            with(vec![request(2), stop(), request(3)]),
            switch(b),
            vec![],
            true,
        ),
        (
            "the one after it does",
            with(vec![request(2), stop(), request(3), C::Settle { deployment: b }, switch(c)]),
            promote(c),
            vec!["started", "deployment_promoted"],
            false,
        ),
    ];
    for (what, given, when, expected, rests) in rows {
        let before = after(given);
        let events = before.decide(when).unwrap();
        assert_eq!(names(&events), expected, "{what}");
        let now = events.iter().fold(before, App::evolve);
        assert_eq!(now.active().unwrap().rests(), rests, "{what}");
    }
    let nothing = after(vec![]).decide(stop()).unwrap_err().to_string();
    assert!(nothing.contains("nothing to stop"), "{nothing}");
    let restart = after(with(vec![stop()])).decide(repeat(2, (1, 1), Repeat::Restart));
    assert!(restart.unwrap_err().to_string().contains("hythe start shop"));
}

#[test]
fn scaling_is_remembered_and_meant_for_every_deployment_that_has_a_part_to_play() {
    let given = [live(1), vec![request(2), request(3)]].concat();
    let events = after(given).decide(C::Scale { replicas: 4 }).unwrap();
    let deployments = [1, 2, 3].map(deployment_id).into();
    assert_eq!(events, [E::Scaled { replicas: 4, deployments }]);
    let now = events.iter().fold(after(vec![]), App::evolve);
    assert_eq!(now.active().unwrap().settings.replicas, 4);
    assert_eq!(after(vec![]).decide(C::Scale { replicas: 1 }), Ok(vec![]), "it is so already");
    for replicas in [0, limits::MOST_REPLICAS + 1] {
        let refused = after(live(1)).decide(C::Scale { replicas }).unwrap_err();
        assert!(matches!(&refused, Rejection::Invalid { field, .. } if field == "replicas"));
        assert!(refused.to_string().contains("hythe stop shop"), "{refused}");
    }
}
