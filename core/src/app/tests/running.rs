//! Tables of stops, starts and scaling.

use super::*;

fn scale(replicas: u16) -> C {
    C::Scale { replicas: Some(replicas), processes: BTreeMap::new(), known: BTreeSet::new() }
}

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
    let events = after(given).decide(scale(4)).unwrap();
    let deployments = [1, 2, 3].map(deployment_id).into();
    assert_eq!(events, [E::Scaled { replicas: 4, deployments }]);
    let now = events.iter().fold(after(vec![]), App::evolve);
    assert_eq!(now.active().unwrap().settings.replicas, 4);
    assert_eq!(after(vec![]).decide(scale(1)), Ok(vec![]), "it is so already");
    for replicas in [0, limits::MOST_REPLICAS + 1] {
        let refused = after(live(1)).decide(scale(replicas)).unwrap_err();
        assert!(matches!(&refused, Rejection::Invalid { field, .. } if field == "replicas"));
        assert!(refused.to_string().contains("hythe stop shop"), "{refused}");
    }
}

fn process(text: &str) -> ProcessName {
    ProcessName::new(text).unwrap()
}

/// The app has a worker beside web, in so many replicas.
fn with_worker(replicas: u16) -> C {
    let processes = BTreeMap::from([crate::testing::worker(replicas)]);
    let run = Some(RunSettings { processes, ..RunSettings::default() });
    C::Configure(Box::new(SettingsChange { run, ..SettingsChange::default() }))
}

#[test]
fn processes_beside_web_are_scaled_by_name_together_with_web_or_alone() {
    let scale = |replicas, processes: &[(&str, u16)]| C::Scale {
        replicas,
        processes: processes.iter().map(|(name, n)| (process(name), *n)).collect(),
        known: BTreeSet::new(),
    };
    let given = || after([vec![with_worker(1)], live(1)].concat());
    let deployments: BTreeSet<_> = [deployment_id(1)].into();
    let workers = |n| BTreeMap::from([(process("worker"), n)]);
    let scaled = |n| E::ProcessesScaled { processes: workers(n), deployments: deployments.clone() };
    let events = given().decide(scale(None, &[("worker", 0)])).unwrap();
    assert_eq!(events, [scaled(0)], "none is a number");
    let now = events.iter().fold(given(), App::evolve);
    let settings = &now.active().unwrap().settings;
    assert_eq!(settings.run.processes[&process("worker")].replicas, 0);
    let both = given().decide(scale(Some(3), &[("worker", 2)])).unwrap();
    let web = E::Scaled { replicas: 3, deployments: deployments.clone() };
    assert_eq!(both, [web, scaled(2)]);
    // Nothing of it runs, and it is so already.
    assert_eq!(after(vec![with_worker(1)]).decide(scale(None, &[("worker", 1)])), Ok(vec![]));
    for (processes, field, part) in [
        (&[("worker", 65)], "processes.worker", "0 to 64; got 65"),
        (
            &[("wroker", 1)],
            "processes.wroker",
            "shop has no process wroker; besides web there are: worker",
        ),
    ] {
        let refused = given().decide(scale(None, processes)).unwrap_err();
        assert!(matches!(&refused, Rejection::Invalid { field: f, .. } if f == field), "{refused}");
        assert!(refused.to_string().contains(part), "{refused}");
    }
    let none = after(live(1)).decide(scale(None, &[("worker", 1)])).unwrap_err().to_string();
    assert!(none.contains("hythe process set shop worker -- CMD"), "{none}");
}

#[test]
fn how_many_there_are_of_a_repositorys_process_is_kept_for_the_versions_to_come() {
    let scale = |name: &str, n| C::Scale {
        replicas: None,
        processes: BTreeMap::from([(process(name), n)]),
        known: BTreeSet::from([process("mail")]),
    };
    let app = after(live(1));
    let events = app.decide(scale("mail", 2)).unwrap();
    let app = events.iter().fold(app, App::evolve);
    let run = &app.active().unwrap().settings.run;
    assert_eq!((run.counts.of.get(&process("mail")), run.processes.len()), (Some(&2), 0));
    let refused = app.decide(scale("male", 2)).unwrap_err().to_string();
    assert!(refused.contains("besides web there are: mail"), "{refused}");
    let events = app.decide(request(2)).unwrap();
    let (_, spec) = events.iter().find_map(E::requested).unwrap();
    assert_eq!(spec.run.counts, run.counts);
}

#[test]
fn an_app_without_processes_that_make_sense_is_refused() {
    let refused = after(vec![]).decide(with_worker(65)).unwrap_err().to_string();
    assert!(refused.contains("process_types.worker.replicas"), "{refused}");
}
