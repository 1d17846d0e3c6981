//! Tables of commands that are run once.

use super::*;
use crate::argv::Argv;
use crate::one_off::{CommandLine, Cut, OneOffEnd};
use crate::testing::{at, run_id, worker_id};

fn run(n: u128, deployment: u128) -> C {
    let one_off = OneOff {
        deployment: deployment_id(deployment),
        worker: worker_id(1),
        command: CommandLine::of(&Argv::new(vec!["ls".into(), "-l".into()]).unwrap()),
        terminal: false,
        detached: false,
        until: at(10),
    };
    C::RunCommand { run: run_id(n), one_off: Box::new(one_off) }
}

fn end(n: u128) -> C {
    C::EndCommand { run: run_id(n), end: OneOffEnd::Cut(Cut::Lost) }
}

#[test]
fn a_command_is_run_in_the_live_version_and_ends_once() {
    let with = |more: Vec<C>| [live(1), more].concat();
    let many = || (1..=8).map(|n| run(n, 1)).collect::<Vec<_>>();
    let stopped = || C::Stop { at: at(1) };
    type Row = (&'static str, Vec<C>, C, Result<Vec<&'static str>, &'static str>);
    let rows: Vec<Row> = vec![
        ("in nothing", vec![], run(1, 1), Err("no version of shop is live")),
        ("in what is on its way", vec![request(1)], run(1, 1), Err("no version of shop is live")),
        ("in what is live", live(1), run(1, 1), Ok(vec!["command_run"])),
        ("of a stopped app, too", with(vec![stopped()]), run(1, 1), Ok(vec!["command_run"])),
        ("in what was live", live(1), run(1, 2), Err("another version of shop went live")),
        ("twice is once", with(vec![run(1, 1)]), run(1, 1), Ok(vec![])),
        (
            "too many",
            with(many()),
            run(9, 1),
            Err("8 commands run in shop already; wait for one, or end one: hythe runs ls shop"),
        ),
        (
            "until one ends",
            with([many(), vec![end(3)]].concat()),
            run(9, 1),
            Ok(vec!["command_run"]),
        ),
        ("its end", with(vec![run(1, 1)]), end(1), Ok(vec!["command_ended"])),
        ("comes once", with(vec![run(1, 1), end(1)]), end(1), Ok(vec![])),
        ("of another one", with(vec![run(1, 1)]), end(2), Ok(vec![])),
        (
            "in a deleted app",
            with(vec![C::Discard { at: at(1) }]),
            run(1, 1),
            Err("shop was deleted"),
        ),
        (
            "that ends is known of a deleted app as well",
            with(vec![run(1, 1), C::Discard { at: at(1) }]),
            end(1),
            Ok(vec!["command_ended"]),
        ),
        ("but of none that is gone", with(vec![run(1, 1), C::Delete]), end(1), Ok(vec![])),
    ];
    for (what, before, command, expected) in rows {
        let state = after(before);
        match (state.decide(command), expected) {
            (Ok(events), Ok(expected)) => assert_eq!(names(&events), expected, "{what}"),
            (Err(why), Err(expected)) => {
                assert!(why.to_string().contains(expected), "{what}: {why}");
            }
            (other, expected) => panic!("{what}: {other:?} instead of {expected:?}"),
        }
    }
}
