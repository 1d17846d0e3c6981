//! A process that appends as fast as it can is killed at random moments, again and again over the
//! same directory: what it was told was done is there, whole and in order, and nothing else is but
//! what it had asked for.
//!
//! The process is this test itself, started anew. It says on its standard output what was
//! acknowledged, in the callback that says so to it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use hythe_core::claims::{ClaimChange, ClaimKey};
use hythe_core::record::{Sequence, Version};
use uuid::Uuid;

use super::campaign::soak;
use super::fixture::{append, stream};
use super::model::{END, Lane, Model, label};
use super::random::Random;
use crate::error::AppendError;
use crate::journal::{Append, Appended, Journal, JournalOptions};
use crate::secrets::{Secret, SecretChange};

const DIR: &str = "HYTHE_TEST_KILL_DIR";
const ROUND: &str = "HYTHE_TEST_KILL_ROUND";
/// Threads of the process; each has a stream, and in each round a lane of its own.
const THREADS: u32 = 4;
/// Appends of one thread that wait for their answers.
const WINDOW: usize = 16;
const CHECKPOINT: &str = "killed";

fn options() -> JournalOptions {
    JournalOptions { index_every: 64, cursor_within: Duration::ZERO, ..JournalOptions::default() }
}

/// What a lane asks for: always the same.
fn asked(lane: Lane, number: usize) -> Append {
    let label = label(lane, number);
    let texts: Vec<_> = (0..1 + number % 3).map(|n| format!("{label}{n} of a load")).collect();
    let mut append = append(
        u128::from(lane % THREADS),
        0,
        &texts.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let key = |number: usize| ClaimKey(format!("key/{lane}/{number}"));
    append.claims = vec![ClaimChange::Take { key: key(number), note: label.into_bytes() }];
    if number >= 5 {
        append.claims.push(ClaimChange::Release { key: key(number - 5) });
    }
    let (scope, name) = (Uuid::from_u128(u128::from(lane % THREADS)), format!("NAME_{lane}"));
    if number % 50 == 49 {
        append.secrets.push(SecretChange::Delete { scope, name });
    } else if number.is_multiple_of(7) {
        let value = Secret::from(format!("value {number}"));
        append.secrets.push(SecretChange::Put { scope, name, version: number as u64, value });
    }
    append
}

/// What is killed. By itself, as a test, it does nothing.
#[test]
fn under_load() {
    let (Some(dir), Ok(round)) = (std::env::var_os(DIR), std::env::var(ROUND)) else { return };
    let first = round.parse::<u32>().unwrap() * THREADS;
    // The test runner has begun a line of its own.
    say("\n");
    let journal = Journal::open(Path::new(&dir), options()).unwrap();
    std::thread::scope(|scope| {
        for lane in first..first + THREADS {
            let journal = &journal;
            scope.spawn(move || load(journal, lane));
        }
        loop {
            let at = journal.head();
            journal.save_cursor("load", at).unwrap();
            journal.save_checkpoint(CHECKPOINT, 1, at, at.to_string().as_bytes()).unwrap();
            say(&format!("checkpoint {at}\n"));
        }
    });
}

/// In one piece, unless the process is killed meanwhile.
fn say(line: &str) {
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

fn load(journal: &Journal, lane: Lane) {
    let mut version = journal.stream_version(stream(u128::from(lane % THREADS))).unwrap().0;
    let room = Arc::new((Mutex::new(WINDOW), Condvar::new()));
    for number in 0.. {
        let mut append = asked(lane, number);
        append.expected = Version(version);
        version += append.events.len() as u64;
        let mut left = room.1.wait_while(room.0.lock().unwrap(), |left| *left == 0).unwrap();
        *left -= 1;
        drop(left);
        let room = Arc::clone(&room);
        journal.submit(
            append,
            Box::new(move |answer| {
                let Appended { first, last, version } = answer.unwrap();
                say(&format!("done {lane} {number} {first} {last} {}\n", version.0));
                *room.0.lock().unwrap() += 1;
                room.1.notify_one();
            }),
        );
    }
}

/// Starts the process, kills it, and says what it said.
fn killed(dir: &Path, round: u32, random: &mut Random) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "journal::tests::kill::under_load", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let (begun, begins) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let (mut lines, mut out) = (Vec::new(), out);
        loop {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            // What comes last may be cut short.
            let Some(whole) = line.strip_suffix('\n') else { return lines };
            lines.push(whole.to_owned());
            let _ = begun.send(());
        }
    });
    // Now and then while it still opens, mostly in the middle of it.
    let opening = random.chance(8);
    for _ in 0..if opening { 0 } else { 8 } {
        begins.recv_timeout(Duration::from_secs(60)).unwrap();
    }
    std::thread::sleep(Duration::from_micros(random.below(120_000) as u64));
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

/// Puts what the process said into the account; says the last checkpoint that was kept.
fn note(model: &mut Model, round: u32, lines: &[String]) -> u64 {
    let mut done: BTreeMap<Lane, Vec<Appended>> = BTreeMap::new();
    let mut checkpoint = 0;
    for line in lines {
        let words: Vec<_> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        match words.first() {
            Some(&"done") if words.len() == 6 => {
                let lane = done.entry(u32::try_from(number(1)).unwrap()).or_default();
                assert_eq!(lane.len() as u64, number(2), "a lane is answered in its order");
                lane.push(Appended {
                    first: Sequence(number(3)),
                    last: Sequence(number(4)),
                    version: Version(number(5)),
                });
            }
            Some(&"checkpoint") if words.len() == 2 => checkpoint = number(1),
            // The test runner has its say, too.
            Some(_) | None => {}
        }
    }
    for lane in round * THREADS..(round + 1) * THREADS {
        let done = done.remove(&lane).unwrap_or_default();
        for number in 0..done.len() + WINDOW {
            model.ask(lane, asked(lane, number), 0);
            if let Some(done) = done.get(number) {
                model.tell((lane, number), 0, Ok::<_, AppendError>(*done));
            }
        }
    }
    checkpoint
}

#[test]
fn a_process_killed_under_load_loses_nothing_that_it_acknowledged() {
    let rounds = if soak() { 250 } else { 20 };
    let dir = tempfile::tempdir().unwrap();
    let seed = u64::from(std::process::id());
    let mut random = Random::new(seed);
    let mut model = Model::default();
    model.checkpoint_may_go();
    drop(Journal::open(dir.path(), options()).unwrap());
    let (mut checkpoint, mut acknowledged) = (0, 0);
    for round in 0..rounds {
        let context = format!("round {round}, seed {seed}");
        let lines = killed(dir.path(), round, &mut random);
        checkpoint = note(&mut model, round, &lines).max(checkpoint);
        let now = model.acknowledged();
        acknowledged += usize::from(now > acknowledged);
        // Every other time the next process is the one to recover.
        let journal = match round % 2 {
            0 => Journal::open(dir.path(), options()),
            _ => Journal::open_read_only(dir.path()),
        };
        let journal = journal.unwrap_or_else(|error| panic!("{context}: {error}"));
        model.check(&journal, END).unwrap_or_else(|why| panic!("{context}: {why}"));
        assert!(journal.load_cursor("load") <= journal.head(), "{context}");
        let kept = journal.load_checkpoint(CHECKPOINT, 1);
        let fits = kept.as_ref().map_or(checkpoint == 0, |(at, bytes)| {
            at.0 >= checkpoint && *bytes == at.to_string().into_bytes()
        });
        assert!(fits, "{context}: checkpoint {kept:?}, at least {checkpoint}");
        model.shown(&journal, 0).unwrap();
        model.forget_the_rest();
    }
    assert!(acknowledged * 2 > usize::try_from(rounds).unwrap(), "most rounds got something done");
    eprintln!("{rounds} processes killed over {} acknowledged appends", model.acknowledged());
}
