//! Every single operation fails once, or from then on until it is mended, as a broken or a full
//! disk does: it is told, nothing acknowledged is lost, and the journal goes on by itself.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hythe_core::app::{AppEvent, SettingsChange};
use hythe_core::event::Event;
use hythe_core::ids::InstallationId;
use hythe_core::record::Sequence;
use hythe_core::time::Timestamp;
use hythe_core::view::View;
use tempfile::TempDir;
use uuid::Uuid;

use super::campaign::{processor_time, soak};
use super::disk::Disk;
use super::fixture::{append, put};
use super::machine::{Fault, Machine};
use super::model::{END, Model};
use super::workload::{SCOPE, Setting, Work};
use crate::backup::{About, BackupError, BackupKey, Part, backup, inspect};
use crate::codec;
use crate::export::{export, import};
use crate::journal::{Append, Journal};
use crate::secrets::{Secret, SecretChange};

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
    // Of each operation one fault of the disk and one for want of room, one that passes and one that
    // stays; all of them in a soak.
    let [other, passing_full, broken, full] = FAULTS;
    let pairs = [[other, full], [broken, passing_full]];
    let long = soak();
    for disk in [crashed, machine.disk()] {
        let machine = Machine::from(disk.clone(), 1);
        Setting::PLAIN.open(&machine).unwrap().close();
        let faults = if long { FAULTS.len() } else { pairs[0].len() };
        each(machine.operations() * faults as u64, |case| {
            let case = usize::try_from(case).unwrap();
            let (before, kind) = (case / faults, case % faults);
            let fault = if long { FAULTS[kind] } else { pairs[before % pairs.len()][kind] };
            let operation = before as u64 + 1;
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

/// Events and secrets to be backed up, and what else a backup needs.
struct Saved {
    disk: Disk,
    files: TempDir,
    key: BackupKey,
    head: Sequence,
}

impl Saved {
    fn new() -> Self {
        let machine = Machine::new(1);
        let journal = Setting::UNCACHED.open(&machine).unwrap();
        for n in 0..40 {
            let change = SettingsChange { replicas: Some(1), ..SettingsChange::default() };
            let event = Event::App(AppEvent::Configured(Box::new(change)));
            let secret = SecretChange::Put {
                scope: SCOPE,
                name: "TOKEN".into(),
                version: n + 1,
                value: Secret::from(format!("value {n}")),
            };
            let events = vec![codec::encode(&event).unwrap()];
            put(&journal, Append { events, secrets: vec![secret], ..append(1, n, &[]) }).unwrap();
        }
        let head = journal.head();
        journal.close();
        let files = tempfile::tempdir().unwrap();
        // The one that the journals of these tests are opened with.
        std::fs::write(files.path().join("master.key"), [7; 32]).unwrap();
        Self { disk: machine.disk(), files, key: BackupKey::generate(), head }
    }

    fn back_up(&self, journal: &Journal, out: impl Write) -> Result<Part, BackupError> {
        let installation = InstallationId::new(Uuid::from_u128(1));
        let about = About::read(self.files.path(), installation, "1.2.3", Timestamp(1)).unwrap();
        let made = backup(journal, &about, self.key.recipient(), View::default(), |_| out);
        made.map(|(part, _out)| part)
    }

    /// What was written is a backup of everything where the maker says so, and else it is none.
    fn judge(&self, made: &Result<Part, BackupError>, written: &[u8], context: &str) {
        let file = self.files.path().join(Uuid::now_v7().to_string());
        std::fs::write(&file, written).unwrap();
        let read = inspect(&[&file], &self.key);
        std::fs::remove_file(&file).unwrap();
        match (made, read) {
            (Ok(part), Ok(contents)) => {
                assert_eq!((part.head.sequence, contents.secrets), (self.head, 40), "{context}");
                assert_eq!(part.head, contents.head, "{context}");
            }
            (Err(_), Err(_)) => {}
            (Ok(_), Err(error)) => panic!("{context}: it is said to be made, and is none: {error}"),
            (Err(error), Ok(_)) => panic!("{context}: it is whole, and failed to {error}"),
        }
    }
}

#[test]
fn a_backup_whose_reads_fail_says_so_and_the_next_one_is_whole() {
    let saved = Saved::new();
    let machine = Machine::from(saved.disk.clone(), 1);
    let journal = Setting::UNCACHED.open(&machine).unwrap();
    let before = machine.operations();
    saved.back_up(&journal, io::sink()).unwrap();
    let operations = machine.operations() - before;
    assert!(operations > 5, "{operations} operations are too few to mean anything");
    let faults =
        [Fault::Once(ErrorKind::Other), Fault::Once(ErrorKind::StorageFull), Fault::Broken];
    let failed = AtomicU64::new(0);
    each(operations * faults.len() as u64, |case| {
        let kinds = faults.len() as u64;
        let (operation, fault) = (case / kinds + 1, faults[usize::try_from(case % kinds).unwrap()]);
        let context = format!("{fault:?} at operation {operation} of a backup");
        let machine = Machine::from(saved.disk.clone(), operation);
        let journal = Setting::UNCACHED.open(&machine).unwrap();
        machine.fail_at(operation, fault);
        let mut out = Vec::new();
        let made = saved.back_up(&journal, &mut out);
        saved.judge(&made, &out, &context);
        failed.fetch_add(u64::from(made.is_err()), Ordering::Relaxed);
        machine.heal();
        mended(&journal, &context);
        let mut out = Vec::new();
        let again = saved.back_up(&journal, &mut out);
        saved.judge(&again, &out, &context);
        again.unwrap_or_else(|error| panic!("{context}: the next one failed to {error}"));
    });
    let failed = failed.into_inner();
    assert!(failed > operations / 2, "only {failed} backups failed of {operations} times three");
}

/// Where a backup goes: a disk that fails at one operation, or from it on.
#[derive(Default)]
struct Target {
    written: Vec<u8>,
    operations: u64,
    fails_at: u64,
    kind: Option<ErrorKind>,
    lasts: bool,
    /// It was a flush that failed: all bytes may be there.
    in_flush: bool,
}

impl Target {
    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        let at = self.operations;
        let fails = at == self.fails_at || self.lasts && at > self.fails_at;
        self.kind.filter(|_| fails).map_or(Ok(()), |kind| Err(kind.into()))
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // In small pieces, as a disk that is nearly full may take them.
        let taken = bytes.len().min(256);
        self.operate()?;
        self.written.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.operate().inspect_err(|_| self.in_flush = true)
    }
}

#[test]
fn a_backup_whose_target_fails_says_so_and_is_not_taken_for_a_whole_one() {
    let saved = Saved::new();
    let journal = Setting::UNCACHED.open(&Machine::from(saved.disk.clone(), 1)).unwrap();
    // As a disk says that it is broken, or full.
    for (kind, lasts) in [
        (ErrorKind::Other, false),
        (ErrorKind::Other, true),
        (ErrorKind::StorageFull, false),
        (ErrorKind::StorageFull, true),
    ] {
        for fails_at in 1.. {
            let context = format!("{kind:?} at operation {fails_at} of a target, lasting: {lasts}");
            let mut target = Target { fails_at, kind: Some(kind), lasts, ..Target::default() };
            let made = saved.back_up(&journal, &mut target);
            if target.operations < fails_at {
                saved.judge(&made, &target.written, &context);
                made.unwrap_or_else(|error| panic!("{context}: nothing failed but {error}"));
                assert!(fails_at > 20, "{fails_at} operations are too few to mean anything");
                break;
            }
            let error = made.as_ref().expect_err(&context);
            assert!(matches!(error, BackupError::Io { .. }), "{context}: {error:?}");
            if !target.in_flush {
                saved.judge(&made, &target.written, &context);
            }
            journal.verify().unwrap_or_else(|error| panic!("{context}: {error}"));
        }
    }
}
