//! Follows one container's log and publishes its lines, each once.
//!
//! Invariants: nothing is held in memory beyond one batch. While NATS cannot be reached nothing is
//! read: the engine's log files are the buffer, and where they did not suffice the reader is told.
//! A position moves on only after JetStream has the lines before it. What JetStream had already
//! (an acknowledgement was lost, an agent died before it wrote its position) is found by asking it
//! for the newest frame, and left out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::OptionFuture;
use futures_util::stream::StreamExt as _;
use hythe_core::ids::AppId;
use hythe_core::plan::ReplicaKey;
use hythe_core::time::Timestamp;
use hythe_core::wire::FORMAT;
use hythe_core::wire::log::{FRAME_BYTES, FRAME_LINES, LogFrame, LogLine, LogSource, LogStream};
use hythe_core::wire::subjects;
use hythe_store::steps::Step;
use tokio::sync::watch;

use super::clock;
use super::ledger::Ledger;
use super::position::{LOST, Position, Reading};
use super::published::{Newest, newest};
use crate::bus::{Bus, BusError};
use crate::docker::logs::Extent;
use crate::docker::{Engine, EngineError};

/// First and longest wait before a log is opened again.
const AGAIN_FIRST: Duration = Duration::from_millis(100);
const AGAIN_MOST: Duration = Duration::from_secs(3);

/// How long nothing comes from the stream of a run that is over before it is given up. Nothing is
/// lost by it: the rest is read anew.
const QUIET: Duration = Duration::from_millis(300);

/// What the node knows of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It runs, since this moment.
    Running(Timestamp),
    /// It ended at this moment; it may be started again.
    Ended(Timestamp),
    /// It is gone.
    Gone,
}

/// What is needed to follow a container's log.
#[derive(Clone, Debug)]
pub(crate) struct Follow {
    pub(crate) engine: Engine,
    pub(crate) bus: Bus,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) app: AppId,
    pub(crate) key: ReplicaKey,
    /// The container's id.
    pub(crate) container: String,
    /// What Hythe says at the beginning of a container's log.
    pub(crate) remarks: Vec<String>,
    /// How many lines were published.
    pub(crate) counted: Arc<AtomicU64>,
}

#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Ledger(#[from] super::ledger::LedgerError),
}

/// Follows until the container is gone. `drained` becomes true when everything was published that
/// a container which has ended wrote.
pub(crate) async fn follow(
    follow: Follow,
    mut phase: watch::Receiver<Phase>,
    drained: watch::Sender<bool>,
) {
    let mut wait = AGAIN_FIRST;
    loop {
        let now = *phase.borrow_and_update();
        if now == Phase::Gone {
            break;
        }
        drained.send_if_modified(|drained| std::mem::replace(drained, false));
        match follow.session(&mut phase, now).await {
            Ok(()) => {
                wait = AGAIN_FIRST;
                if matches!(now, Phase::Ended(_)) && *phase.borrow() == now {
                    drained.send_replace(true);
                    if phase.changed().await.is_err() {
                        return;
                    }
                    continue;
                }
            }
            // What ran once stays known without its container.
            Err(Broken::Engine(error)) if error.not_found() => wait = (wait * 2).min(AGAIN_MOST),
            Err(error) => {
                tracing::debug!(replica = ?follow.key, %error, "a log is read again soon");
                wait = (wait * 2).min(AGAIN_MOST);
            }
        }
        // Until the node has seen why the stream ended.
        if let Ok(Err(_)) = tokio::time::timeout(wait, phase.changed()).await {
            return;
        }
    }
    if let Err(error) = follow.end().await {
        tracing::debug!(replica = ?follow.key, %error, "the end of a log was not published");
    }
    drained.send_replace(true);
}

impl Follow {
    fn subject(&self) -> String {
        subjects::replica_log(self.app, self.key.deployment, self.key.index)
    }

    fn frame(&self, first: u64, lines: Vec<LogLine>, ended: bool) -> LogFrame {
        let source = LogSource::Replica {
            app: self.app,
            deployment: self.key.deployment,
            index: self.key.index,
        };
        LogFrame { format: FORMAT, source, first, lines, ended }
    }

    async fn position(&self) -> Result<Position, Broken> {
        let key = self.key;
        Ok(self.ledger.with(move |ledger| ledger.position(key)).await?.unwrap_or_default())
    }

    /// Reads from where the position stands to the end of the stream, or until the container is in
    /// another phase and nothing more comes.
    async fn session(
        &self,
        heard: &mut watch::Receiver<Phase>,
        phase: Phase,
    ) -> Result<(), Broken> {
        self.bus.ready().await;
        let mut position = self.position().await?;
        let newest = newest(&self.bus, &self.subject()).await?;
        let fresh = position.container != self.container;
        let mut skip = None;
        if fresh {
            // What the container before it wrote is over; only the count goes on.
            let counted = position.counted.max(newest.map_or(0, |newest| newest.last));
            position =
                Position { container: self.container.clone(), counted, ..Position::default() };
            self.save(&position).await?;
        } else {
            skip = newest.filter(|newest| newest.last > position.counted);
        }
        let since = position.since(clock::nanoseconds());
        let extent = match phase {
            Phase::Running(_) => Extent::Follow { since },
            Phase::Ended(_) | Phase::Gone => Extent::Rest { since },
        };
        let mut pieces = Box::pin(self.engine.logs(&self.container, extent).await?);
        let mut batch = Batch::new(self, Reading::new(position));
        if fresh {
            batch.remark(&self.remarks);
        }
        // One frame is on its way while the next fills: at once when it is quiet, in full frames
        // when it is not, and always in order.
        let mut sending = None;
        loop {
            if sending.is_none() {
                sending = batch.take().map(|(frame, end)| Box::pin(self.send(frame, end)));
            }
            let piece = tokio::select! {
                Some(sent) = OptionFuture::from(sending.as_mut()) => {
                    sending = None;
                    sent?;
                    continue;
                }
                piece = pieces.next(), if !batch.is_full() => piece,
                () = over(heard, phase), if !batch.is_full() => None,
            };
            let Some(piece) = piece else { break };
            let Some(read) = batch.reading.take(&piece?, clock::nanoseconds()) else { continue };
            if skip.as_mut().is_some_and(|newest| newest.includes(&read.line)) {
                // It came out under this number before; count it there only.
                batch.uncount();
                continue;
            }
            if let Some(newest) = skip.take() {
                batch.go_on_after(&newest);
            }
            if read.lost_before {
                batch.lost();
            }
            batch.push(read.line);
        }
        OptionFuture::from(sending).await.transpose()?;
        if matches!(phase, Phase::Ended(_)) {
            for line in batch.reading.finish() {
                batch.push(line);
            }
        }
        if let Some(newest) = skip {
            batch.settle(&newest);
        }
        if let Some((frame, end)) = batch.take() {
            self.send(frame, end).await?;
        }
        self.note(batch.reading.position());
        Ok(())
    }

    /// Publishes a frame; the position moves on to its end when JetStream has it.
    async fn send(&self, frame: LogFrame, end: Position) -> Result<(), Broken> {
        self.bus.publish(Step::LogPublished, &self.subject(), &frame, None).await?;
        self.note(&end);
        Ok(())
    }

    fn note(&self, position: &Position) {
        self.counted.store(position.counted, Ordering::Relaxed);
        self.ledger.note_position(self.key, position.clone());
    }

    async fn save(&self, position: &Position) -> Result<(), Broken> {
        self.ledger.note_position(self.key, position.clone());
        Ok(self.ledger.with(Ledger::flush).await?)
    }

    /// Says that nothing more comes.
    async fn end(&self) -> Result<(), Broken> {
        let first = self.counted.load(Ordering::Relaxed).saturating_add(1);
        let frame = self.frame(first, Vec::new(), true);
        self.bus.publish(Step::LogPublished, &self.subject(), &frame, None).await?;
        Ok(())
    }
}

/// Ends some time after the container came into another phase: the engine does not always end the
/// stream of a run that is over.
async fn over(heard: &mut watch::Receiver<Phase>, phase: Phase) {
    if heard.wait_for(|now| *now != phase).await.is_ok() {
        tokio::time::sleep(QUIET).await;
    }
}

/// Lines on their way into one frame.
struct Batch<'a> {
    follow: &'a Follow,
    reading: Reading,
    lines: Vec<LogLine>,
    bytes: usize,
}

impl<'a> Batch<'a> {
    const fn new(follow: &'a Follow, reading: Reading) -> Self {
        Self { follow, reading, lines: Vec::new(), bytes: 0 }
    }
}

impl Batch<'_> {
    fn push(&mut self, line: LogLine) {
        self.bytes += line.text.len();
        self.lines.push(line);
    }

    /// Whether another two lines may be too much: one that was read may bring a remark with it.
    const fn is_full(&self) -> bool {
        self.lines.len() + 2 > FRAME_LINES || self.bytes >= FRAME_BYTES
    }

    /// Adds what Hythe says; the reading counts it.
    fn remark(&mut self, remarks: &[String]) {
        for text in remarks {
            self.reading.count_one();
            self.push(own_line(text, clock::nanoseconds()));
        }
    }

    /// Says that lines are missing before the one that was just read, whose number moves up.
    fn lost(&mut self) {
        self.reading.count_one();
        self.push(own_line(LOST, clock::nanoseconds()));
    }

    /// Takes back that the line which was just read counts.
    fn uncount(&mut self) {
        let counted = self.reading.position().counted;
        self.reading.count_from(counted.saturating_sub(1));
    }

    /// The line that was just read is the first that JetStream does not have.
    fn go_on_after(&mut self, newest: &Newest) {
        self.reading.count_from(newest.last.saturating_add(1));
    }

    /// Everything there is was published before.
    fn settle(&mut self, newest: &Newest) {
        if self.lines.is_empty() && self.reading.position().counted < newest.last {
            self.reading.count_from(newest.last);
        }
    }

    /// The lines as a frame, and where they end.
    fn take(&mut self) -> Option<(LogFrame, Position)> {
        if self.lines.is_empty() {
            return None;
        }
        let end = self.reading.position().clone();
        let count = u64::try_from(self.lines.len()).unwrap_or(u64::MAX);
        let first = end.next_number().saturating_sub(count);
        self.bytes = 0;
        Some((self.follow.frame(first, std::mem::take(&mut self.lines), false), end))
    }
}

fn own_line(text: &str, at: u64) -> LogLine {
    LogLine { at, stream: LogStream::Hythe, text: text.to_owned() }
}
