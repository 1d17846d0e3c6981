//! Every single operation fails once, or from then on until it is mended, as a broken or a full
//! disk does: it is told, nothing acknowledged is lost, and the journal goes on by itself.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::campaign::{processor_time, soak};
use super::machine::{Fault, Machine};
use super::model::{END, Model};
use super::workload::{Setting, Work};
use crate::export::{export, import};
use crate::journal::Journal;

const FAULTS: [Fault; 4] = [
    Fault::Once(ErrorKind::Other),
    Fault::Once(ErrorKind::StorageFull),
    Fault::Broken,
    Fault::Full,
];

/// Whether a file that cannot be read for it is taken for damaged, as the index then is.
fn looks_like_damage(fault: Fault) -> bool {
    match fault {
        Fault::Once(kind) => kind != ErrorKind::StorageFull,
        Fault::Broken | Fault::Power => true,
        Fault::Full => false,
    }
}

/// Runs each case on one of many threads: they mostly wait for the next attempt.
fn each(cases: u64, run: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                loop {
                    let case = next.fetch_add(1, Ordering::Relaxed);
                    if case >= cases {
                        return;
                    }
                    run(case);
                }
            });
        }
    });
}

/// Waits until the journal is usable again.
fn mended(journal: &Journal, context: &str) {
    let began = Instant::now();
    let suspect = |flag: &std::sync::atomic::AtomicBool| flag.load(Ordering::Relaxed);
    let shared = journal.shared();
    let again = || {
        suspect(&shared.log_suspect)
            || suspect(&shared.index_suspect)
            || suspect(&shared.index_damaged)
    };
    while let Some(error) = match journal.verify() {
        Err(error) => Some(error.to_string()),
        Ok(_) => again().then(|| "a file is yet to be opened again".to_owned()),
    } {
        assert!(began.elapsed() < Duration::from_secs(60), "{context}: {error}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn check(model: &Model, journal: &Journal, context: &str) {
    model.check(journal, END).unwrap_or_else(|why| panic!("{context}: {why}"));
}

/// One fault at one operation of the work.
fn fail_at(operation: u64, fault: Fault) {
    let context = format!("{fault:?} at operation {operation}");
    let machine = Machine::new(operation);
    let mut model = Model::default();
    if looks_like_damage(fault) {
        model.checkpoint_may_go();
    }
    let journal = Setting::UNCACHED.open(&machine).unwrap();
    machine.begin_notes();
    machine.fail_at(operation, fault);
    Work { journal: &journal, machine: &machine, model: &mut model }.round(0);
    if let Fault::Once(_) = fault {
        mended(&journal, &context);
    }
    Work { journal: &journal, machine: &machine, model: &mut model }.round(1);
    machine.heal();
    mended(&journal, &context);
    check(&model, &journal, &context);
    let before = model.acknowledged();
    Work { journal: &journal, machine: &machine, model: &mut model }.appends(80);
    check(&model, &journal, &context);
    assert!(model.acknowledged() > before, "{context}: it goes on");
    // Whatever it said since the fault is on the disk.
    machine.stop();
    journal.close();
    let machine = machine.restart();
    let journal = Setting::PLAIN.open(&machine).unwrap_or_else(|e| panic!("{context}: {e}"));
    check(&model, &journal, &format!("{context}, after a loss of power"));
}

#[test]
fn an_error_at_any_operation_is_told_and_survived() {
    let machine = Machine::new(1);
    let mut model = Model::default();
    let journal = Setting::UNCACHED.open(&machine).unwrap();
    let before = machine.operations();
    Work { journal: &journal, machine: &machine, model: &mut model }.everything();
    let operations = machine.operations() - before;
    assert!(operations > 150, "{operations} operations are too few to mean anything");
    // One kind of fault for each operation, all kinds in a soak.
    let kinds = FAULTS.len() as u64;
    let faults = if soak() { kinds } else { 1 };
    each(operations * faults, |case| {
        let kind = (case / faults + case % faults) % kinds;
        fail_at(case / faults + 1, FAULTS[usize::try_from(kind).unwrap()]);
    });
    let took = processor_time().as_secs_f64();
    eprintln!("{} faults survived in {took:.1} s of processor time", operations * faults);
}

#[test]
fn an_error_at_any_operation_of_an_opening_is_told_and_the_next_one_works() {
    // A journal as a loss of power left it, and one that was closed.
    let machine = Machine::new(1);
    let mut model = Model::default();
    let journal = Setting::PLAIN.open(&machine).unwrap();
    Work { journal: &journal, machine: &machine, model: &mut model }.everything();
    let crashed = machine.disk();
    journal.close();
    for disk in [crashed, machine.disk()] {
        let machine = Machine::from(disk.clone(), 1);
        Setting::PLAIN.open(&machine).unwrap().close();
        each(machine.operations() * FAULTS.len() as u64, |case| {
            let faults = FAULTS.len() as u64;
            let (operation, fault) =
                (case / faults + 1, FAULTS[usize::try_from(case % faults).unwrap()]);
            let context = format!("{fault:?} at operation {operation} of an opening");
            let mut model = model.clone();
            if looks_like_damage(fault) {
                model.checkpoint_may_go();
            }
            let machine = Machine::from(disk.clone(), operation);
            machine.fail_at(operation, fault);
            if let Ok(journal) = Setting::PLAIN.open(&machine) {
                machine.heal();
                mended(&journal, &context);
                check(&model, &journal, &context);
            }
            machine.heal();
            let machine = machine.restart();
            let journal =
                Setting::PLAIN.open(&machine).unwrap_or_else(|e| panic!("{context}: {e}"));
            check(&model, &journal, &context);
        });
    }
}

#[test]
fn an_export_that_fails_half_way_says_so_and_is_not_taken_for_a_whole_one() {
    let machine = Machine::new(1);
    let mut model = Model::default();
    let journal = Setting::UNCACHED.open(&machine).unwrap();
    let mut work = Work { journal: &journal, machine: &machine, model: &mut model };
    (0..30).for_each(|round| work.appends(round));
    journal.close();
    let disk = machine.disk();
    let mut failed = 0;
    for operation in 1.. {
        let machine = Machine::from(disk.clone(), operation);
        let journal = Setting::UNCACHED.open(&machine).unwrap();
        machine.fail_at(operation, Fault::Broken);
        let mut out = Vec::new();
        let moved = export(&journal, &mut out);
        let dir = tempfile::tempdir().unwrap();
        let imported = import(dir.path(), out.as_slice());
        if machine.awaits_fault() {
            assert_eq!(moved.unwrap(), imported.unwrap());
            break;
        }
        failed += 1;
        moved.unwrap_err();
        imported.unwrap_err();
    }
    assert!(failed > 5, "{failed} operations are too few to mean anything");
}
