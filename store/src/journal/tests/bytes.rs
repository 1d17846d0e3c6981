//! A journal's files with a byte changed or their end cut off, anywhere: refused with where and
//! what, or harmless. Whatever is served is what was written; no panic comes through.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::{Duration, Instant};

use hythe_core::claims::ClaimKey;
use hythe_core::record::{Sequence, Version};

use super::campaign::{processor_time, soak};
use super::disk::Disk;
use super::fixture::{append, put, stream};
use super::image::{Image, PAGE};
use super::machine::Machine;
use super::model::{CHECKPOINT, CURSOR, Model};
use super::random::Random;
use super::workload::{OTHER_SCOPE, SCOPE, Setting, Work};
use crate::error::StoreError;
use crate::journal::Journal;
use crate::journal::claims::ClaimOwner;
use crate::journal::record::Stored;
use crate::journal::storage::Part;
use crate::journal::verify::verify_on;

const ROUNDS: u64 = 6;
const STREAMS: u128 = 4;
/// The database's header: its own 64 bytes and two commit slots of 128 each.
const HEADER: usize = 320;
/// Where a page says what it is and how many entries it has, and a branch its first children.
const PAGE_HEAD: usize = 16;

/// What a whole journal answers.
#[derive(Debug, PartialEq)]
struct Answers {
    events: Vec<Stored>,
    versions: Vec<Version>,
    claims: Vec<(String, Option<ClaimOwner>)>,
    secrets: Vec<Option<Vec<u8>>>,
    cursor: Sequence,
}

/// A whole journal as it lies on the disk, and what it may answer: what was there at the end, and
/// where its process was killed, also what was there one commit before. Nobody can tell a commit
/// that was damaged later from one that the disk never took whole.
struct Whole {
    disk: Disk,
    answers: Vec<Answers>,
}

fn keys() -> impl Iterator<Item = String> {
    let numbered = (0..=ROUNDS).flat_map(|n| [format!("key/{n}"), format!("other/{n}")]);
    std::iter::once("key".to_owned()).chain(numbered)
}

fn answers(journal: &Journal) -> Answers {
    let version = |to| journal.stream_version(stream(to)).unwrap();
    Answers {
        events: journal.read_stored(Sequence(0), 1000).unwrap(),
        versions: (0..STREAMS).map(version).collect(),
        claims: keys().map(|key| (key.clone(), claim(journal, key).unwrap())).collect(),
        secrets: secrets().map(|at| secret(journal, at).unwrap()).collect(),
        cursor: journal.load_cursor(CURSOR),
    }
}

/// A journal at the end of its work.
fn worked(end: impl FnOnce(&Journal, &Machine) -> Vec<Answers>) -> Whole {
    let machine = Machine::new(1);
    let mut model = Model::default();
    let journal = Setting::PLAIN.open(&machine).unwrap();
    let mut work = Work { journal: &journal, machine: &machine, model: &mut model };
    (0..ROUNDS).for_each(|round| work.round(round));
    work.settle_index();
    let answers = end(&journal, &machine);
    let mut disk = machine.disk();
    disk.settle();
    Whole { disk, answers }
}

/// One that was closed.
fn closed() -> Whole {
    worked(|journal, _| {
        let answers = answers(journal);
        journal.close();
        vec![answers]
    })
}

/// One whose process was killed right after a commit.
fn killed() -> Whole {
    worked(|journal, machine| {
        let before = answers(journal);
        put(journal, append(0, before.versions[0].0, &["the last"])).unwrap();
        let after = answers(journal);
        machine.stop();
        journal.close();
        vec![before, after]
    })
}

fn claim(journal: &Journal, key: String) -> Result<Option<ClaimOwner>, StoreError> {
    journal.claim(&ClaimKey(key))
}

type SecretAt = (uuid::Uuid, &'static str, u64);

fn secrets() -> impl Iterator<Item = SecretAt> {
    (1..=ROUNDS).flat_map(|version| [(SCOPE, "NAME", version), (OTHER_SCOPE, "OTHER", version)])
}

fn secret(
    journal: &Journal,
    (scope, name, version): SecretAt,
) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(journal.secret(scope, name, version)?.map(|secret| secret.expose().to_vec()))
}

/// What came of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It does not open, and says why.
    Refused,
    /// It opens; something was answered with an error that says where.
    Told,
    /// Everything is answered as it was written.
    Harmless,
}

/// An error that damage may come to: it says where.
fn told(error: &StoreError) -> Result<(), String> {
    if let StoreError::Damaged { place, what } = error {
        assert!(!place.is_empty() && !what.is_empty(), "{error}");
        return Ok(());
    }
    // The disk's failure is that of the page before, until the file is opened anew.
    let says = error.to_string().contains("opening the file again")
        || matches!(
            error,
            StoreError::Newer { .. }
                | StoreError::MasterKey { .. }
                | StoreError::Secret { .. }
                | StoreError::Reopening { .. }
        );
    says.then_some(()).ok_or_else(|| format!("it says only: {error}"))
}

/// The answer must be right or an error that says where; whether it was the error.
fn answer<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: Result<T, StoreError>,
    expected: &T,
) -> Result<bool, String> {
    match found {
        Ok(found) if found == *expected => Ok(false),
        Ok(found) => Err(format!("{what}: served {found:?}, written was {expected:?}")),
        Err(error) => told(&error).map(|()| true).map_err(|why| format!("{what}: {why}")),
    }
}

impl Answers {
    /// Compares all that a journal answers; whether something of it was an error.
    fn compare(&self, journal: &Journal) -> Result<bool, String> {
        let mut told = false;
        for (at, expected) in self.events.iter().enumerate() {
            let found = journal.read_stored(Sequence(at as u64), 1);
            let found = found.map(|found| found.into_iter().next());
            told |= answer("event", found, &Some(expected.clone()))?;
        }
        for (to, version) in (0..STREAMS).zip(&self.versions) {
            told |= answer("version", journal.stream_version(stream(to)), version)?;
            let of_stream = self.events.iter().filter(|stored| stored.event.stream == stream(to));
            let expected: Vec<_> = of_stream.map(|stored| stored.event.clone()).collect();
            let found = journal.read_stream(stream(to), Version(0), 1000);
            told |= answer("stream", found, &expected)?;
        }
        for (key, expected) in &self.claims {
            told |= answer(key, claim(journal, key.clone()), expected)?;
        }
        for (at, expected) in secrets().zip(&self.secrets) {
            told |= answer("secret", secret(journal, at), expected)?;
        }
        match journal.load_cursor(CURSOR) {
            cursor if cursor == self.cursor => Ok(told),
            cursor => Err(format!("the cursor is {cursor}, not {}", self.cursor)),
        }
    }
}

impl Whole {
    fn image(&self, part: Part) -> Vec<u8> {
        let image = self.disk.file(self.disk.named(part).unwrap());
        let mut bytes = vec![0; image.len()];
        image.read(0, &mut bytes).unwrap();
        bytes
    }

    fn damaged(&self, part: Part, damage: impl FnOnce(&mut Image)) -> Disk {
        let mut disk = self.disk.clone();
        let file = disk.named(part).unwrap();
        damage(disk.file_mut(file));
        disk
    }

    /// Opens, reads everything, verifies, appends, reads everything again, and closes.
    fn look(&self, part: Part, disk: &Disk) -> Result<Outcome, String> {
        let outcome = self.served(part, disk)?;
        // What does not show where it is served from is not found by a look at the file either.
        if part == Part::Log && outcome != Outcome::Harmless {
            match verify_on(&Machine::from(disk.clone(), 1)) {
                Ok(report) if report.is_sound() => {
                    return Err(format!("it is {outcome:?}, and verify finds nothing"));
                }
                Ok(_) => {}
                Err(error) => told(&error)?,
            }
        }
        Ok(outcome)
    }

    fn served(&self, part: Part, disk: &Disk) -> Result<Outcome, String> {
        let machine = Machine::from(disk.clone(), 1);
        let journal = match Setting::PLAIN.open(&machine) {
            Ok(journal) => journal,
            Err(error) if part == Part::Index => return Err(format!("it does not open: {error}")),
            Err(error) => return told(&error).map(|()| Outcome::Refused),
        };
        let head = journal.head();
        let of_head = |answers: &&Answers| answers.events.len() as u64 == head.0;
        let answers = self.answers.iter().find(of_head);
        let answers = answers.ok_or_else(|| format!("the head is {head}"))?;
        let mut found = answers.compare(&journal)?;
        if part == Part::Index {
            // Whoever reads first may notice; it is built again by itself.
            let began = Instant::now();
            while found {
                if began.elapsed() > Duration::from_secs(20) {
                    return Err("the index is not built again".into());
                }
                std::thread::sleep(Duration::from_millis(2));
                found = answers.compare(&journal)?;
            }
        }
        match journal.load_checkpoint(CHECKPOINT, 1) {
            Some((at, bytes)) if bytes != (ROUNDS - 1).to_be_bytes() || at > head => {
                return Err(format!("a checkpoint that nobody saved: {at}, {bytes:?}"));
            }
            Some(_) | None => {}
        }
        match journal.verify() {
            Ok(report) if found && report.is_sound() => {
                return Err("verify finds nothing where reading does".into());
            }
            Ok(_) => {}
            Err(error) => told(&error)?,
        }
        let found = found | self.goes_on(&journal, answers, found)?;
        journal.close();
        Ok(if found { Outcome::Told } else { Outcome::Harmless })
    }

    /// An append is refused or right, and takes nothing away; whether it was refused.
    fn goes_on(
        &self,
        journal: &Journal,
        answers: &Answers,
        mut told: bool,
    ) -> Result<bool, String> {
        let version = answers.versions[0];
        let began = Instant::now();
        let mut done = put(journal, append(0, version.0, &["one more"]));
        while done.as_ref().is_err_and(|why| why.to_string().contains("try again shortly"))
            && began.elapsed() < Duration::from_secs(20)
            && !told
        {
            std::thread::sleep(Duration::from_millis(2));
            done = put(journal, append(0, version.0, &["one more"]));
        }
        match done {
            Ok(done) if done.first.0 != answers.events.len() as u64 + 1 => {
                return Err(format!("an append came to {done:?}"));
            }
            Ok(done) if done.version.0 != version.0 + 1 => {
                return Err(format!("an append came to {done:?}"));
            }
            Ok(_) => {}
            Err(why) if told || why.to_string().contains("damaged at ") => told = true,
            Err(why) => return Err(format!("all reads, and an append does not go: {why}")),
        }
        for (at, expected) in answers.events.iter().enumerate() {
            let found = journal.read_stored(Sequence(at as u64), 1);
            let found = found.map(|found| found.into_iter().next());
            if answer("event", found, &Some(expected.clone()))? && !told {
                return Err(format!("event {} was there before an append", at + 1));
            }
        }
        Ok(told)
    }
}

/// The database's panics are what is to be contained: they are not worth a page of text each.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.location().is_some_and(|place| place.file().contains("/redb-")) {
                before(info);
            }
        }));
    });
}

/// Looks at every case, and says how many there were of each outcome; gives back how many were
/// noticed.
fn all(whole: &Whole, part: Part, cases: impl Iterator<Item = (String, Disk)>) -> usize {
    hush();
    let before = processor_time();
    let (mut refused, mut named, mut harmless) = (0, 0, 0);
    let mut wrong = Vec::new();
    for (name, disk) in cases {
        match catch_unwind(AssertUnwindSafe(|| whole.look(part, &disk))) {
            Ok(Ok(Outcome::Refused)) => refused += 1,
            Ok(Ok(Outcome::Told)) => named += 1,
            Ok(Ok(Outcome::Harmless)) => harmless += 1,
            Ok(Err(why)) => wrong.push(format!("{name}: {}", &why[..why.len().min(600)])),
            Err(_) => wrong.push(format!("{name}: a panic came through")),
        }
    }
    let count = refused + named + harmless + wrong.len();
    let took = (processor_time() - before).as_secs_f64();
    eprintln!(
        "{part:?}: {count} cases: {refused} refused, {named} told, {harmless} harmless, {} wrong; \
         {took:.1} s of processor time",
        wrong.len()
    );
    wrong.truncate(30);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    refused + named
}

/// Offsets worth changing: all of the file's header, the heads of pages that hold something and of
/// the rest of those every `step`th byte, and of empty pages one.
fn offsets(image: &[u8], step: usize) -> Vec<usize> {
    let mut found = Vec::new();
    for (number, page) in image.chunks(PAGE).enumerate() {
        let holds = page.iter().any(|byte| *byte != 0);
        for at in 0..page.len() {
            let head = at < PAGE_HEAD || (number == 0 && at < HEADER);
            let chosen = match holds {
                true => head || (at + number).is_multiple_of(step),
                false => step == 1 || at == 7,
            };
            if chosen {
                found.push(number * PAGE + at);
            }
        }
    }
    found
}

fn change_bytes(whole: &Whole, part: Part, step: usize) {
    let image = whole.image(part);
    let found = offsets(&image, if soak() { 1 } else { step });
    let mut random = Random::new(7);
    let cases = found.into_iter().flat_map(|at| {
        // Every bit gets its turn, and sometimes the whole byte does; of the one byte that says
        // which commit counts, each bit.
        let masks = match at {
            9 => (0..8).map(|bit| 1 << bit).collect(),
            _ if random.chance(3) => vec![0xff],
            _ => vec![1 << random.below(8)],
        };
        let image = &image;
        masks.into_iter().map(move |mask: u8| {
            let disk = whole.damaged(part, |file| file.write(at, &[image[at] ^ mask]));
            (format!("byte {at} xor {mask:#x}"), disk)
        })
    });
    let noticed = all(whole, part, cases);
    assert!(part == Part::Index || noticed > 50, "{noticed} is too few to mean anything");
}

#[test]
fn a_changed_byte_of_the_log_is_told_or_harmless() {
    change_bytes(&closed(), Part::Log, 97);
}

#[test]
fn a_changed_byte_of_a_log_whose_process_was_killed_is_told_or_harmless() {
    change_bytes(&killed(), Part::Log, 311);
}

#[test]
fn a_changed_byte_of_the_index_is_mended() {
    change_bytes(&closed(), Part::Index, 211);
}

/// Beside the header, whose change the sums do not outlive, a file is found out page by page; so is
/// one whose sums are gone.
#[test]
fn changed_sums_of_pages_are_harmless() {
    let whole = closed();
    for part in [Part::Log, Part::Index] {
        let sums = whole.disk.sums(part).expect("they were kept");
        let step = if soak() { 1 } else { 41 };
        let cases = (0..sums.len()).step_by(step).map(|at| {
            let (mut disk, mut changed) = (whole.disk.clone(), sums.to_vec());
            changed[at] ^= 0x10;
            disk.keep_sums(part, &changed);
            (format!("byte {at} of the sums"), disk)
        });
        let told = all(&whole, part, cases);
        assert_eq!(told, 0, "a change of the sums was taken for one of the file");
    }
}

fn cut_off(whole: &Whole, part: Part) {
    let len = whole.image(part).len();
    let near = |at: usize| [at.saturating_sub(1), at, at + 1];
    let lengths: Vec<_> = match soak() {
        true => (0..len).collect(),
        false => (0..len).step_by(PAGE / 2).flat_map(near).filter(|at| *at < len).collect(),
    };
    let cut = |at| {
        let disk = whole.damaged(part, |file| file.set_len(at));
        (format!("cut off at {at}"), disk)
    };
    let noticed = all(whole, part, lengths.into_iter().map(cut));
    assert!(part == Part::Index || noticed > 100, "{noticed} is too few to mean anything");
}

#[test]
fn a_log_cut_off_anywhere_is_refused() {
    cut_off(&closed(), Part::Log);
}

#[test]
fn a_log_whose_process_was_killed_cut_off_anywhere_is_refused_or_harmless() {
    cut_off(&killed(), Part::Log);
}

#[test]
fn an_index_cut_off_anywhere_is_mended() {
    cut_off(&closed(), Part::Index);
}
