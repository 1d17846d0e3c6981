//! Tables of cron jobs.

use super::*;
use crate::argv::Argv;
use crate::cron::{CronName, CronSettings, CronSkip, CronSkipped, Overlap, Schedule};
use crate::one_off::{CommandLine, Cut, OneOffEnd};
use crate::testing::{at, run_id, worker_id};
use crate::time::Millis;

fn tidy() -> CronName {
    CronName::new("tidy").unwrap()
}

fn settings() -> CronSettings {
    CronSettings {
        schedule: Schedule::new("* * * * *").unwrap(),
        zone: None,
        command: Argv::new(vec!["tidy".into(), "up".into()]).unwrap(),
        within: Millis::seconds(60),
        overlap: Overlap::Skip,
        paused: false,
    }
}

fn set_as(settings: CronSettings) -> C {
    C::SetCron { cron: tidy(), settings: Box::new(settings), at: at(100) }
}

fn set() -> C {
    set_as(settings())
}

fn due(n: u128, due: Option<u64>) -> C {
    let one_off = OneOff {
        deployment: deployment_id(1),
        worker: worker_id(1),
        command: CommandLine::of(&settings().command),
        terminal: false,
        detached: true,
        until: at(900),
    };
    C::RunCron { cron: tidy(), due: due.map(at), run: run_id(n), one_off: Box::new(one_off) }
}

fn skip(first: u64, last: u64) -> C {
    let skipped = CronSkipped { first: at(first), last: at(last), why: CronSkip::Overlap };
    C::SkipCron { cron: tidy(), skipped }
}

fn end(n: u128) -> C {
    C::EndCommand { run: run_id(n), end: OneOffEnd::Cut(Cut::Lost) }
}

/// Anything about a cron job.
pub(super) fn any() -> impl Strategy<Value = C> {
    prop_oneof![
        proptest::bool::ANY.prop_map(|paused| set_as(CronSettings { paused, ..settings() })),
        (1u128..4, proptest::option::of(90u64..300)).prop_map(|(n, at)| due(n, at)),
        (90u64..300, 0u64..100).prop_map(|(first, more)| skip(first, first + more)),
        (1u128..4).prop_map(end),
        Just(C::RemoveCron { cron: tidy() }),
    ]
}

#[test]
fn a_job_runs_once_at_each_time_that_it_is_due() {
    let with = |more: Vec<C>| [live(1), vec![set()], more].concat();
    let as_set = |settings: CronSettings, more: Vec<C>| {
        [live(1), vec![set_as(settings), due(1, Some(160))], more].concat()
    };
    let allow = || CronSettings { overlap: Overlap::Allow, ..settings() };
    let replace = || CronSettings { overlap: Overlap::Replace, ..settings() };
    let pause = |paused| C::PauseCron { cron: tidy(), paused, at: at(200) };
    let remove = || C::RemoveCron { cron: tidy() };
    let ran = || Ok(vec!["command_run", "cron_run"]);
    type Row = (&'static str, Vec<C>, C, Result<Vec<&'static str>, &'static str>);
    let rows: Vec<Row> = vec![
        ("set", live(1), set(), Ok(vec!["cron_set"])),
        ("set before there is a version", vec![], set(), Ok(vec!["cron_set"])),
        ("set to what it is", with(vec![]), set(), Ok(vec![])),
        ("set to something else", with(vec![]), set_as(allow()), Ok(vec!["cron_set"])),
        (
            "set beyond its bounds",
            live(1),
            set_as(CronSettings { within: Millis(1), ..settings() }),
            Err("timeout: is 1"),
        ),
        ("due", with(vec![]), due(1, Some(160)), ran()),
        ("due before it was set", with(vec![]), due(1, Some(100)), Ok(vec![])),
        (
            "due at a time that is over",
            with(vec![due(1, Some(160)), end(1)]),
            due(2, Some(160)),
            Ok(vec![]),
        ),
        ("due the next time", with(vec![due(1, Some(160)), end(1)]), due(2, Some(220)), ran()),
        ("the same run again", with(vec![due(1, Some(160))]), due(1, Some(160)), Ok(vec![])),
        (
            "due while it runs",
            with(vec![due(1, Some(160))]),
            due(2, Some(220)),
            Err("tidy runs already"),
        ),
        ("side by side", as_set(allow(), vec![]), due(2, Some(220)), ran()),
        ("in its place", as_set(replace(), vec![]), due(2, Some(220)), Err("tidy runs already")),
        ("once that has ended", as_set(replace(), vec![end(1)]), due(2, Some(220)), ran()),
        ("asked for", with(vec![]), due(1, None), ran()),
        ("asked for while it runs", with(vec![due(1, None)]), due(2, None), Err("hythe runs stop")),
        ("due while paused", with(vec![pause(true)]), due(1, Some(260)), Ok(vec![])),
        ("asked for while paused", with(vec![pause(true)]), due(1, None), ran()),
        ("paused twice", with(vec![pause(true)]), pause(true), Ok(vec![])),
        (
            "what was due meanwhile",
            with(vec![pause(true), pause(false)]),
            due(1, Some(160)),
            Ok(vec![]),
        ),
        ("and later", with(vec![pause(true), pause(false)]), due(1, Some(260)), ran()),
        (
            "of an app without a version",
            vec![set()],
            due(1, Some(160)),
            Err("no version of shop is live"),
        ),
        ("left out", with(vec![]), skip(160, 160), Ok(vec!["cron_skipped"])),
        ("left out twice", with(vec![skip(160, 220)]), skip(160, 220), Ok(vec![])),
        ("run after that", with(vec![skip(160, 220)]), due(1, Some(220)), Ok(vec![])),
        ("removed", with(vec![]), remove(), Ok(vec!["cron_removed"])),
        ("removed twice", with(vec![remove()]), remove(), Err("no such cron job as tidy")),
        ("due after that", with(vec![remove()]), due(1, Some(160)), Err("no such cron job")),
        ("left out after that", with(vec![remove()]), skip(160, 160), Ok(vec![])),
        (
            "its run ends all the same",
            with(vec![due(1, Some(160)), remove()]),
            end(1),
            Ok(vec!["command_ended"]),
        ),
        (
            "of a deleted app",
            with(vec![C::Discard { at: at(200) }]),
            due(1, Some(260)),
            Err("shop was deleted"),
        ),
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

#[test]
fn there_is_a_most_and_who_mistypes_is_told_the_nearest() {
    let named = |n: usize| C::SetCron {
        cron: CronName::new(format!("job{n}")).unwrap(),
        settings: Box::new(settings()),
        at: at(1),
    };
    let full = after((1..=16).map(named).collect());
    let refused = full.decide(named(17)).unwrap_err().to_string();
    assert!(refused.contains("16 cron jobs already"), "{refused}");
    assert_eq!(
        names(&full.decide(C::RemoveCron { cron: CronName::new("job3").unwrap() }).unwrap()),
        ["cron_removed"]
    );
    let wrong = C::RemoveCron { cron: CronName::new("jbo3").unwrap() };
    let refused = full.decide(wrong).unwrap_err().to_string();
    assert!(refused.contains("(but job"), "{refused}");
}

#[test]
fn how_its_runs_ended_is_remembered() {
    let state = after([live(1), vec![set(), due(1, Some(160)), end(1), due(2, None)]].concat());
    let cron = &state.active().unwrap().crons[&tidy()];
    let runs: Vec<_> = cron.runs.iter().map(|run| (run.run, run.due, run.end)).collect();
    let lost = Some(OneOffEnd::Cut(Cut::Lost));
    assert_eq!(runs, [(run_id(2), None, None), (run_id(1), Some(at(160)), lost)]);
    assert_eq!(cron.counted, at(160));
}
