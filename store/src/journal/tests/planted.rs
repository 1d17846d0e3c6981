//! The checks of these tests are worth something only if they can fail: faults planted in what a
//! journal holds, and a disk that lies, are found out.

use super::campaign::Campaign;
use super::fixture::{append, put, release, take};
use super::machine::Machine;
use super::model::{END, Lane, Model, label};
use super::workload::Setting;
use crate::journal::{Append, Appended, Journal};

const LANE: Lane = 0;

/// An append as the model's next one, with so many events.
fn next(model: &Model, to: u128, version: u64, events: usize) -> Append {
    let label = label(LANE, model.next(LANE));
    let texts: Vec<_> = (0..events).map(|n| format!("{label}{n}")).collect();
    append(to, version, &texts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A journal with two appends that the model knows to be acknowledged.
fn two() -> (Journal, Model) {
    let machine = Machine::new(1);
    let journal = Setting::PLAIN.open(&machine).unwrap();
    let mut model = Model::default();
    for to in 0..2 {
        let append = next(&model, to, 0, 2);
        acknowledged(&mut model, append.clone(), put(&journal, append).unwrap());
    }
    model.check(&journal, END).unwrap();
    (journal, model)
}

fn acknowledged(model: &mut Model, append: Append, done: Appended) {
    let number = model.next(LANE);
    model.ask(LANE, append, 0);
    model.tell((LANE, number), 0, Ok(done));
}

fn found(journal: &Journal, model: &Model, why: &str) {
    let found = model.check(journal, END).unwrap_err();
    assert!(found.contains(why), "{found}");
}

#[test]
fn an_acknowledged_append_that_is_gone_is_found() {
    let (journal, mut model) = two();
    let lost = next(&model, 2, 0, 1);
    // The journal never got it, and somebody was told that it did.
    let place = put(&two().0, append(9, 0, &["elsewhere"])).unwrap();
    acknowledged(&mut model, lost, place);
    found(&journal, &model, "was acknowledged and is gone");
}

#[test]
fn an_invented_append_is_found() {
    let (journal, model) = two();
    put(&journal, next(&model, 2, 0, 1)).unwrap();
    found(&journal, &model, "nobody asked for it");
    let (journal, model) = two();
    put(&journal, append(2, 0, &["of nobody"])).unwrap();
    found(&journal, &model, "is odd");
}

#[test]
fn a_refused_append_that_is_there_is_found() {
    let (journal, mut model) = two();
    let refused = next(&model, 2, 0, 1);
    let why = put(&journal, append(0, 0, &["not on this version"])).unwrap_err();
    put(&journal, refused.clone()).unwrap();
    model.ask(LANE, refused, 0);
    model.tell((LANE, 2), 0, Err(why));
    found(&journal, &model, "it was refused");
}

#[test]
fn a_gap_in_the_order_of_acceptance_is_found() {
    // The second of two is there, and the first of them comes after it.
    let (journal, mut model) = two();
    let first = next(&model, 2, 0, 1);
    model.ask(LANE, first.clone(), 0);
    let second = next(&model, 3, 0, 1);
    model.ask(LANE, second.clone(), 0);
    put(&journal, second).unwrap();
    put(&journal, first).unwrap();
    found(&journal, &model, "comes before it");
}

#[test]
fn an_append_that_is_there_in_part_is_found() {
    let (journal, mut model) = two();
    let whole = next(&model, 2, 0, 2);
    let mut part = whole.clone();
    part.events.truncate(1);
    put(&journal, part).unwrap();
    model.ask(LANE, whole, 0);
    found(&journal, &model, "it is there in part only");
}

#[test]
fn another_claim_than_the_events_say_is_found() {
    let (journal, mut model) = two();
    let asked = next(&model, 2, 0, 1).claiming(vec![take("key")]);
    let written = asked.clone().claiming(vec![release("key")]);
    put(&journal, written).unwrap();
    model.ask(LANE, asked, 0);
    found(&journal, &model, "where");
}

#[test]
fn a_disk_that_only_says_that_it_has_synced_is_found_out() {
    let failures = Campaign::on_a_lying_disk(Setting::PLAIN).failures();
    assert!(failures > 20, "{failures} crashes broke the promise");
}
