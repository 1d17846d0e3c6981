//! What durable events cost beside a raw file: a preallocated one, written in order, with one
//! `fdatasync` for each group. The same events, the same groups, in turns.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot measure stops")]
#![expect(clippy::print_stdout, reason = "benches print what they measured")]

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use hythe_benches::{figure, millis, percentile, row};
use hythe_core::deployment::DeploymentEvent;
use hythe_core::event::Event;
use hythe_core::ids::{AppId, CorrelationId};
use hythe_core::record::{Actor, AggregateKind, Meta, Sequence, StreamId, Version};
use hythe_core::time::Timestamp;
use hythe_core::view::View;
use hythe_store::codec::{decode_recorded, encode};
use hythe_store::{Append, Journal, JournalOptions, Payload};
use uuid::Uuid;

const GROUP: usize = 64;
const GROUPS: usize = 1_500;
const ROUNDS: usize = 3;
const STREAMS: u128 = 10_000;
const PAYLOAD: usize = 183;

fn main() {
    let folder = tempfile::TempDir::new_in(".").expect("a folder beside the sources");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut late = Vec::new();
    for round in 0..ROUNDS {
        theirs.push(raw(&folder.path().join(format!("raw-{round}"))));
        let (rate, latencies) = journal(&folder.path().join(format!("journal-{round}")));
        ours.push(rate);
        late.push(percentile(&latencies, 0.99));
    }
    let middle = |rates: &mut Vec<f64>| {
        rates.sort_unstable_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    row("durable events, 64 a commit", middle(&mut ours), middle(&mut theirs), "events/s");
    late.sort_unstable();
    figure("  p99 from submitted to durable", millis(late[late.len() / 2]), "ms");
    println!("  {ROUNDS} rounds of {} events of {PAYLOAD} B in {STREAMS} streams", GROUP * GROUPS);
    replay(&folder.path().join("replay"));
}

/// Events per second into a raw file.
fn raw(path: &std::path::Path) -> f64 {
    let mut file = File::create(path).unwrap();
    let length = (GROUP * GROUPS * (PAYLOAD + 8)) as u64;
    nix::fcntl::fallocate(&file, nix::fcntl::FallocateFlags::empty(), 0, length.cast_signed())
        .unwrap();
    file.sync_all().unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let group = vec![7_u8; GROUP * (PAYLOAD + 8)];
    let begin = Instant::now();
    for _ in 0..GROUPS {
        file.write_all(&group).unwrap();
        file.sync_data().unwrap();
    }
    (GROUP * GROUPS) as f64 / begin.elapsed().as_secs_f64()
}

fn meta() -> Meta {
    Meta {
        at: Timestamp(1_790_000_000_000),
        actor: Actor::System,
        correlation: CorrelationId::new(Uuid::nil()),
        causation: Some(Sequence(1)),
    }
}

fn stream(n: usize) -> StreamId {
    // Spread, so that neighbours in time are not neighbours in the index.
    let id = Uuid::from_u128((n as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15) % STREAMS);
    StreamId { kind: AggregateKind::Deployment, id }
}

/// Events per second into the journal, with 64 under way at any time, and how long each took.
fn journal(folder: &std::path::Path) -> (f64, Vec<Duration>) {
    let journal = Journal::open(folder, JournalOptions::default()).unwrap();
    let mut versions = vec![0_u64; usize::try_from(STREAMS).unwrap()];
    let (tell, told) = mpsc::channel();
    let mut latencies = Vec::with_capacity(GROUP * GROUPS);
    let begin = Instant::now();
    for n in 0..GROUP * GROUPS {
        if n % GROUP == 0 && n > 0 {
            latencies.extend(told.iter().take(GROUP));
        }
        let stream = stream(n);
        let version = &mut versions[usize::try_from(stream.id.as_u128()).unwrap()];
        let append = Append {
            stream,
            expected: Version(*version),
            events: vec![Payload { schema: 1, bytes: vec![7; PAYLOAD] }],
            meta: meta(),
            claims: Vec::new(),
            secrets: Vec::new(),
            priority: Default::default(),
        };
        *version += 1;
        let (tell, submitted) = (tell.clone(), Instant::now());
        journal.submit(
            append,
            Box::new(move |result| {
                result.expect("it is taken");
                tell.send(submitted.elapsed()).expect("somebody counts");
            }),
        );
    }
    latencies.extend(told.iter().take(GROUP));
    let rate = (GROUP * GROUPS) as f64 / begin.elapsed().as_secs_f64();
    journal.close();
    (rate, latencies)
}

/// Reads a journal back and folds it into the view.
fn replay(folder: &std::path::Path) {
    let events = 200_000;
    let journal = Journal::open(folder, JournalOptions::default()).unwrap();
    let (tell, told) = mpsc::channel();
    let event = Event::Deployment(DeploymentEvent::BecameHealthy { app: AppId::new(Uuid::nil()) });
    let payload = encode(&event).unwrap();
    let mut versions = vec![0_u64; usize::try_from(STREAMS).unwrap()];
    for n in 0..events {
        let stream = stream(n);
        let version = &mut versions[usize::try_from(stream.id.as_u128()).unwrap()];
        let append = Append {
            stream,
            expected: Version(*version),
            events: vec![payload.clone()],
            meta: meta(),
            claims: Vec::new(),
            secrets: Vec::new(),
            priority: Default::default(),
        };
        *version += 1;
        let tell = tell.clone();
        journal.submit(append, Box::new(move |result| tell.send(result.is_ok()).expect("counted")));
        if n % 512 == 511 {
            assert!(told.iter().take(512).all(|taken| taken));
        }
    }
    assert!(told.iter().take(events % 512).all(|taken| taken));
    let begin = Instant::now();
    let mut view = View::default();
    loop {
        let page = journal.read(view.head, 4_096).unwrap();
        if page.is_empty() {
            break;
        }
        for recorded in page {
            view.apply(&decode_recorded(recorded).unwrap());
        }
    }
    assert_eq!(view.head, Sequence(events as u64));
    figure("replay into the view", events as f64 / begin.elapsed().as_secs_f64(), "events/s");
    journal.close();
}
