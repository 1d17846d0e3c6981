//! The frozen bytes of every event ever written: what is in a journal somewhere has to stay
//! readable for ever.
//!
//! `golden/events.txt` only grows. A new event, or a new form of one, gets a sample in the module of
//! what it happens to; then `HYTHE_BLESS=1 cargo test -p hythe-tests golden` appends its line. A line
//! that is there is never changed: where this test fails on one, the change that made it fail is
//! wrong.

mod apps;
mod certificates;
mod crons;
mod deployments;
mod domains;
mod installation;
mod previews;
mod projects;
mod schema_1;
mod values;
mod workers;

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::event::Event;
use hythe_core::record::AggregateKind;
use hythe_store::codec::{decode, encode};
use hythe_store::journal::Payload;

pub(crate) use self::values::{app, deployment, hook, run, spec, with_processes, worker};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/events.txt");

pub(crate) fn samples() -> Vec<(&'static str, Event)> {
    let apps = apps::all().into_iter().chain(crons::all()).chain(domains::all());
    let apps = apps.chain(previews::all()).map(|(label, event)| (label, Event::App(event)));
    let deployments = deployments::all().into_iter();
    let deployments = deployments.map(|(label, event)| (label, Event::Deployment(event)));
    let workers = workers::all().into_iter().map(|(label, event)| (label, Event::Worker(event)));
    let installation = installation::all().into_iter();
    let installation = installation.chain(domains::settings()).chain(certificates::all());
    let installation = installation.map(|(label, event)| (label, Event::Installation(event)));
    let projects = projects::all().into_iter();
    let projects = projects.map(|(label, event)| (label, Event::Project(event)));
    apps.chain(deployments).chain(workers).chain(installation).chain(projects).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = (0..text.len()).step_by(2);
    digits.map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The frozen lines: kind, label and schema; and the bytes.
fn frozen() -> BTreeMap<(AggregateKind, String, u16), Payload> {
    let text = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    text.lines()
        .map(|line| {
            let [kind, label, schema, bytes] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("not a golden line: {line}");
            };
            let payload = Payload { schema: schema.parse().unwrap(), bytes: unhex(bytes) };
            ((kind.parse().unwrap(), label.to_owned(), payload.schema), payload)
        })
        .collect()
}

#[test]
fn golden_bytes_of_every_event_stay_readable_and_are_written_the_same() {
    let frozen = frozen();
    let mut missing = String::new();
    for (label, event) in samples() {
        let written = encode(&event).unwrap();
        let key = (event.kind(), label.to_owned(), written.schema);
        let Some(payload) = frozen.get(&key) else {
            missing += &format!("{} {label} {} {}\n", key.0, written.schema, hex(&written.bytes));
            continue;
        };
        assert_eq!(decode(event.kind(), payload).unwrap(), event, "reading {key:?}");
        assert_eq!(hex(&written.bytes), hex(&payload.bytes), "writing {key:?}");
    }
    if !missing.is_empty() && std::env::var_os("HYTHE_BLESS").is_some() {
        let all = std::fs::read_to_string(GOLDEN).unwrap_or_default() + &missing;
        std::fs::write(GOLDEN, all).unwrap();
        return;
    }
    assert!(missing.is_empty(), "no golden bytes yet for:\n{missing}");
}

#[test]
fn golden_samples_cover_every_event_that_there_is() {
    let sampled: BTreeSet<(AggregateKind, &str)> =
        samples().iter().map(|(_, event)| (event.kind(), event.name())).collect();
    let all: BTreeSet<(AggregateKind, &str)> = Event::NAMES.iter().copied().collect();
    assert_eq!(sampled, all);
}

#[test]
fn golden_lines_without_a_sample_still_decode() {
    for ((kind, label, _), payload) in frozen() {
        assert!(decode(kind, &payload).is_ok(), "{kind} {label}");
    }
}

#[test]
fn golden_bytes_of_the_first_schema_mean_what_they_meant() {
    let frozen = frozen();
    for (label, event) in schema_1::all() {
        let payload = &frozen[&(event.kind(), label.to_owned(), 1)];
        assert_eq!(decode(event.kind(), payload).unwrap(), event, "{label}");
    }
}
