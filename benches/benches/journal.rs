//! What durable events cost beside a raw file (preallocated, written in order, one `fdatasync` for
//! each group; once with its blocks only reserved, and once written over, which spares the file
//! system the note that a block is used now) and beside SQLite (WAL, synchronous=FULL, one transaction for each group, the index
//! that reading a stream needs). The same events, the same groups, in turns. Then what a million
//! of them take on the disk, and how fast a million real ones are folded.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure stops")]
#![expect(clippy::print_stdout, reason = "benches print what they measured")]

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use hythe_benches::{figure, history, millis, percentile, row};
use hythe_core::ids::CorrelationId;
use hythe_core::priority::Priority;
use hythe_core::record::{Actor, AggregateKind, Meta, Sequence, StreamId, Version};
use hythe_core::time::Timestamp;
use hythe_core::view::View;
use hythe_store::{Append, Journal, JournalOptions, Payload, replay};
use uuid::Uuid;

const GROUP: usize = 64;
const GROUPS: usize = 1_500;
const ROUNDS: usize = 3;
const STREAMS: u64 = 10_000;
/// Payloads have 43 to 323 bytes, 183 in the mean.
const PAYLOAD: usize = 183;
const SPREAD: usize = 140;
const MILLION: usize = 1_000_000;

fn main() {
    let folder = tempfile::TempDir::new_in(".").unwrap();
    let at = |name: &str, round: usize| folder.path().join(format!("{name}-{round}"));
    let (mut ours, mut sqlites, mut late) = (vec![], vec![], vec![]);
    let (mut reserved, mut written) = (vec![], vec![]);
    for round in 0..ROUNDS {
        reserved.push(raw(&at("reserved", round), false));
        written.push(raw(&at("written", round), true));
        sqlites.push(sqlite(&at("sqlite", round)));
        let mut journal = Filling::open(&at("journal", round));
        let (rate, latencies) = journal.fill(GROUP * GROUPS);
        journal.journal.close();
        ours.push(rate);
        late.push(percentile(&latencies, 0.99));
    }
    let middle = |rates: &mut Vec<f64>| {
        rates.sort_unstable_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let ours = middle(&mut ours);
    row("durable events, raw file, reserved", ours, middle(&mut reserved), "events/s");
    row("durable events, raw file, written over", ours, middle(&mut written), "events/s");
    row("durable events, SQLite", ours, middle(&mut sqlites), "events/s");
    late.sort_unstable();
    figure("  p99 from submitted to durable", millis(late[late.len() / 2]), "ms");
    println!(
        "  {ROUNDS} rounds of {} events of {PAYLOAD} B in {STREAMS} streams, {GROUP} a commit",
        GROUP * GROUPS
    );
    size(&folder.path().join("size"));
    fold(&folder.path().join("fold"));
}

/// A source of bytes that nobody can press together.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let words = std::iter::repeat_with(|| self.next()).take(len.div_ceil(8));
        let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        bytes.truncate(len);
        bytes
    }
}

/// The `n`th event: a stream far from its neighbours', a time, a request of its own.
struct Sample {
    stream: Uuid,
    version: u64,
    at: u64,
    correlation: Uuid,
    causation: Option<u64>,
    payload: Vec<u8>,
}

fn sample(random: &mut Random, n: usize) -> Sample {
    let n64 = n as u64;
    Sample {
        stream: history::id(n64 % STREAMS),
        version: n64 / STREAMS + 1,
        at: 1_790_000_000_000 + n64 / 40,
        correlation: Uuid::from_u64_pair(random.next(), random.next()),
        causation: (n % 2 == 1).then(|| n64 - random.next() % 50.min(n64)),
        payload: {
            let len = PAYLOAD - SPREAD
                + usize::try_from(random.next() % (2 * SPREAD as u64 + 1)).unwrap();
            random.bytes(len)
        },
    }
}

fn per_second(events: usize, begin: Instant) -> f64 {
    f64::from(u32::try_from(events).unwrap()) / begin.elapsed().as_secs_f64()
}

/// Events per second into a raw file.
fn raw(path: &Path, written_over: bool) -> f64 {
    let mut file = File::create(path).unwrap();
    let length = GROUP * GROUPS * (PAYLOAD + 8);
    let reserved = (length as u64).cast_signed();
    nix::fcntl::fallocate(&file, nix::fcntl::FallocateFlags::empty(), 0, reserved).unwrap();
    if written_over {
        file.write_all(&vec![0; length]).unwrap();
    }
    file.sync_all().unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let group = vec![7_u8; GROUP * (PAYLOAD + 8)];
    let begin = Instant::now();
    for _ in 0..GROUPS {
        file.write_all(&group).unwrap();
        file.sync_data().unwrap();
    }
    per_second(GROUP * GROUPS, begin)
}

/// Events per second into SQLite.
fn sqlite(path: &Path) -> f64 {
    let mut base = rusqlite::Connection::open(path).unwrap();
    base.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE events (
             sequence INTEGER PRIMARY KEY, kind INTEGER NOT NULL, stream BLOB NOT NULL,
             version INTEGER NOT NULL, at INTEGER NOT NULL, actor INTEGER NOT NULL,
             correlation BLOB NOT NULL, causation INTEGER, schema INTEGER NOT NULL,
             payload BLOB NOT NULL);
         CREATE UNIQUE INDEX streams ON events (kind, stream, version);",
    )
    .unwrap();
    let mut random = Random(88_172_645_463_325_252);
    let begin = Instant::now();
    for group in 0..GROUPS {
        let transaction = base.transaction().unwrap();
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO events VALUES (?1, 1, ?2, ?3, ?4, 0, ?5, ?6, 1, ?7)")
                .unwrap();
            for n in group * GROUP..(group + 1) * GROUP {
                let Sample { stream, version, at, correlation, causation, payload } =
                    sample(&mut random, n);
                let number = |number: u64| i64::try_from(number).unwrap();
                insert
                    .execute(rusqlite::params![
                        number(n as u64 + 1),
                        stream.as_bytes(),
                        number(version),
                        number(at),
                        correlation.as_bytes(),
                        causation.map(number),
                        payload,
                    ])
                    .unwrap();
            }
        }
        transaction.commit().unwrap();
    }
    per_second(GROUP * GROUPS, begin)
}

/// A journal that is being filled.
struct Filling {
    journal: Journal,
    random: Random,
    events: usize,
    payload: u64,
}

impl Filling {
    fn open(folder: &Path) -> Self {
        let journal = Journal::open(folder, JournalOptions::default()).unwrap();
        Self { journal, random: Random(88_172_645_463_325_252), events: 0, payload: 0 }
    }

    /// Events per second into the journal, and how long each took. The writer is held up after each
    /// group until the next one is complete, which it mostly is already: so each commit has 64.
    fn fill(&mut self, events: usize) -> (f64, Vec<Duration>) {
        let (tell, told) = mpsc::channel();
        let mut latencies = Vec::with_capacity(events);
        let mut incomplete = None;
        let begin = Instant::now();
        for group in 0..events.div_ceil(GROUP) {
            let size = GROUP.min(events - group * GROUP);
            let (complete, hold) = mpsc::channel::<()>();
            let mut hold = Some(hold);
            for n in 0..size {
                let sample = sample(&mut self.random, self.events);
                self.events += 1;
                self.payload += sample.payload.len() as u64;
                let hold = hold.take_if(|_| n + 1 == size);
                let (tell, submitted) = (tell.clone(), Instant::now());
                self.journal.submit(
                    append(sample),
                    Box::new(move |result| {
                        result.unwrap();
                        tell.send(submitted.elapsed()).unwrap();
                        // Nothing comes; it ends when the next group is complete.
                        hold.map(|hold| hold.recv());
                    }),
                );
            }
            drop(incomplete.replace(complete));
            if group > 0 {
                latencies.extend(told.iter().take(GROUP));
            }
        }
        drop(incomplete);
        latencies.extend(told.iter().take(events - latencies.len()));
        (per_second(events, begin), latencies)
    }
}

fn append(sample: Sample) -> Append {
    Append {
        stream: StreamId { kind: AggregateKind::App, id: sample.stream },
        expected: Version(sample.version - 1),
        events: vec![Payload { schema: 1, bytes: sample.payload }],
        meta: Meta {
            at: Timestamp(sample.at),
            actor: Actor::Owner,
            correlation: CorrelationId::new(sample.correlation),
            causation: sample.causation.map(Sequence),
        },
        claims: Vec::new(),
        secrets: Vec::new(),
        priority: Priority::Ordinary,
    }
}

/// Blocks on the disk of log and index, in bytes. The room that is held back beside them is the
/// same however many events there are.
fn on_disk(folder: &Path) -> u64 {
    let blocks = |name| folder.join(name).metadata().unwrap().blocks();
    (blocks("journal.redb") + blocks("index.redb")) * 512
}

/// What a million events take, while the journal is open and when it was closed.
fn size(folder: &Path) {
    let mut journal = Filling::open(folder);
    let (mut left, mut most) = (MILLION, 0.0f64);
    while left > 0 {
        let next = left.min(MILLION / 10);
        journal.fill(next);
        left -= next;
        let now = ratio(on_disk(&folder.join("journal")), journal.payload);
        most = most.max(now);
    }
    let running = ratio(on_disk(&folder.join("journal")), journal.payload);
    let payload = journal.payload;
    journal.journal.close();
    let closed = ratio(on_disk(&folder.join("journal")), payload);
    figure("bytes on disk per byte of payload, closed", closed, "");
    figure("  while open", running, "");
    figure("  the most from 100,000 events on", most, "");
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    figure("  mean payload", payload as f64 / MILLION as f64, "B");
}

#[expect(clippy::cast_precision_loss, reason = "a ratio")]
fn ratio(one: u64, other: u64) -> f64 {
    one as f64 / other as f64
}

/// Reads a million events of 10,000 apps back and folds them into the view.
fn fold(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    history::write(folder, STREAMS, MILLION as u64);
    let journal = Journal::open(folder, JournalOptions::default()).unwrap();
    let mut rates = Vec::new();
    for _ in 0..=ROUNDS {
        let begin = Instant::now();
        let done = replay::fold(&journal, Sequence(0), None, View::default(), |mut view, event| {
            view.apply(&event);
            view
        })
        .unwrap();
        assert_eq!(done.events, MILLION as u64);
        rates.push(per_second(MILLION, begin));
    }
    // The first one warms the page cache.
    figure("folding a million events, cold", rates.remove(0), "events/s");
    rates.sort_unstable_by(f64::total_cmp);
    figure("folding a million events, warm", rates[rates.len() / 2], "events/s");
    journal.close();
}
