//! How many durable events a second the journal takes, and what reading them costs:
//! `cargo run --release -p hythe-store --example throughput -- DIR [EVENTS [two-phase]]`.
//!
//! Appends of one event for 10,000 streams in turn, so many in flight at a time; with `N` in
//! flight about `N` go into a commit. Raw: a file written and synced in the same portions.
#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use hythe_core::ids::CorrelationId;
use hythe_core::record::{Actor, AggregateKind, Meta, Sequence, StreamId, Version};
use hythe_core::time::Timestamp;
use hythe_store::{Append, Journal, JournalOptions, Payload};
use uuid::Uuid;

const STREAMS: u64 = 10_000;
const PAYLOAD: usize = 183;

fn append(n: u64) -> Append {
    Append {
        stream: StreamId {
            kind: AggregateKind::App,
            // Spread like real ids, not in order.
            id: Uuid::from_u128(u128::from(n % STREAMS).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c)),
        },
        expected: Version(n / STREAMS),
        events: vec![Payload { schema: 1, bytes: vec![n.to_le_bytes()[0]; PAYLOAD] }],
        meta: Meta {
            at: Timestamp(1_700_000_000_000 + n),
            actor: Actor::Owner,
            correlation: CorrelationId(Uuid::from_u128(u128::from(n))),
            causation: n.checked_sub(1).map(Sequence),
        },
        claims: Vec::new(),
        secrets: Vec::new(),
        priority: Default::default(),
    }
}

fn rate(events: u64, took: Duration) -> f64 {
    f64::from(u32::try_from(events).unwrap_or(u32::MAX)) / took.as_secs_f64()
}

fn appends(journal: &Journal, from: u64, events: u64, group: u64) -> Result<f64, Box<dyn Error>> {
    let began = Instant::now();
    let mut sent = from;
    while sent < from + events {
        let (tell, told) = mpsc::channel();
        let upto = (sent + group).min(from + events);
        let left = Arc::new(AtomicU64::new(upto - sent));
        for n in sent..upto {
            // Only the last answer wakes anybody: the figure is to be the journal's.
            let (tell, left) = (tell.clone(), Arc::clone(&left));
            let done = move |answer: Result<_, _>| {
                if left.fetch_sub(1, Ordering::Relaxed) == 1 || answer.is_err() {
                    drop(tell.send(answer));
                }
            };
            journal.submit(append(n), Box::new(done));
        }
        told.recv()??;
        sent = upto;
    }
    Ok(rate(events, began.elapsed()))
}

fn raw(dir: &Path, events: u64, group: u64) -> Result<f64, Box<dyn Error>> {
    let mut file = std::fs::File::create(dir.join("raw"))?;
    file.write_all(&vec![0; usize::try_from(events)? * PAYLOAD])?;
    file.sync_all()?;
    std::io::Seek::rewind(&mut file)?;
    let portion = vec![1; usize::try_from(group)? * PAYLOAD];
    let began = Instant::now();
    for _ in 0..events / group {
        file.write_all(&portion)?;
        file.sync_data()?;
    }
    Ok(rate(events, began.elapsed()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("which directory?")?;
    let most: u64 = args.next().map_or(Ok(300_000), |n| n.parse())?;
    let two_phase = args.next().is_some();
    let options = JournalOptions { two_phase, ..JournalOptions::default() };
    let dir = tempfile::tempdir_in(dir)?;
    let journal = Journal::open(dir.path(), options.clone())?;
    let mut at = 0;
    for (group, events) in [(1, most / 60), (64, most), (512, most)] {
        let raw = raw(dir.path(), events, group)?;
        let ours = appends(&journal, at, events, group)?;
        at += events;
        println!("{group:4} in flight: {ours:9.0}/s, raw {raw:9.0}/s, ratio {:.2}", ours / raw);
    }
    let blocks = |name: &str| -> Result<u64, std::io::Error> {
        use std::os::unix::fs::MetadataExt;
        Ok(std::fs::metadata(dir.path().join("journal").join(name))?.blocks() * 512)
    };
    let began = Instant::now();
    let (mut from, mut read) = (Sequence(0), 0);
    loop {
        let events = journal.read(from, 4096)?;
        let Some(last) = events.last() else { break };
        from = last.sequence;
        read += events.len() as u64;
    }
    println!("read: {:.0}/s", rate(read, began.elapsed()));
    let mut times: Vec<_> = (0..1000)
        .map(|n| {
            let began = Instant::now();
            let found = journal.read_stream(append(n * 7).stream, Version(0), 1000);
            found.map(|found| (began.elapsed(), found.len()))
        })
        .collect::<Result<_, _>>()?;
    times.sort_unstable();
    println!("one stream: p50 {:?}, p99 {:?}", times[500], times[990]);
    let began = Instant::now();
    journal.close();
    println!("close: {:?}", began.elapsed());
    println!(
        "bytes per event: {} log, {} index",
        blocks("journal.redb")? / at,
        blocks("index.redb")? / at
    );
    let began = Instant::now();
    let journal = Journal::open(dir.path(), options)?;
    println!("open: {:?} ({})", began.elapsed(), journal.head());
    Ok(())
}
