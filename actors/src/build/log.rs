//! A build's log on its way to readers.
//!
//! Lines count from 1 without gaps per generation. They leave in frames, at once when it is quiet
//! and at most every 100 ms when it is not; acknowledgements are awaited in the background. The
//! log never holds a build up: what cannot be delivered is dropped, its numbers with it, so that
//! readers see the gap.

use std::time::Duration;

use async_nats::jetstream::Context;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hythe_core::ids::DeploymentId;
use hythe_core::limits;
use hythe_core::wire::FORMAT;
use hythe_core::wire::log::{FRAME_BYTES, FRAME_LINES, LogFrame, LogLine, LogSource, LogStream};
use hythe_core::wire::subjects;
use hythe_store::steps::Step;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::publish::{self, publish};
use crate::mask::Mask;

/// From one frame to the next when lines come without a pause.
const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// Lines that wait for the writer.
const WAITING_LINES: usize = 1_024;
/// Frames that wait for their acknowledgement; beyond them lines are dropped.
const WAITING_FRAMES: usize = 128;
/// How long the last frames may take to be acknowledged.
const END_WITHIN: Duration = Duration::from_secs(5);

/// The log of one build. Dropped without its [`end`](BuildLog::end), it stays open for whoever
/// goes on with the build.
#[derive(Debug)]
pub(crate) struct BuildLog {
    lines: mpsc::Sender<Option<LogLine>>,
    writer: JoinHandle<()>,
    mask: Mask,
}

impl BuildLog {
    /// Begins a log whose first line bears the number `first`.
    pub(crate) fn start(
        jetstream: Context,
        deployment: DeploymentId,
        generation: u32,
        first: u64,
        mask: Mask,
    ) -> Self {
        let (lines, waiting) = mpsc::channel(WAITING_LINES);
        let writer = Writer {
            jetstream,
            subject: subjects::build_log(deployment),
            source: LogSource::Build { deployment, generation },
            generation,
            next: first,
        };
        Self { lines, writer: tokio::spawn(writer.run(waiting)), mask }
    }

    /// What Hythe itself says.
    pub(crate) async fn say(&self, text: impl Into<String>) {
        let text = text.into();
        self.line(publish::nanos_now(), LogStream::Hythe, &text).await;
    }

    /// A line of the build. `at` is in nanoseconds since the Unix epoch.
    pub(crate) async fn line(&self, at: u64, stream: LogStream, text: &str) {
        let line = LogLine { at, stream, text: self.fit(text) };
        // The writer never stops reading while this is alive.
        let _ = self.lines.send(Some(line)).await;
    }

    /// A text as it may be shown: within its bounds, with the values of secrets masked, without
    /// what would move the reader's cursor.
    pub(crate) fn fit(&self, text: &str) -> String {
        let clean: String = text.chars().filter(|c| !matches!(c, '\0' | '\r' | '\n')).collect();
        cut(&self.mask, &clean)
    }

    /// A text with the values of secrets masked, for whoever cuts it: half a value is one, too.
    pub(crate) fn masked(&self, text: &str) -> String {
        self.mask.mask(text)
    }

    /// How many bytes of a line have to be known so that it can be shown.
    pub(crate) const fn line_bytes(&self) -> usize {
        // One more than a line may have, so that what cuts it sees that it was longer.
        limits::MOST_LINE_BYTES + 1 + self.mask.longest()
    }

    /// Ends the log: its last frame says so.
    pub(crate) async fn end(self) {
        let _ = self.lines.send(None).await;
        let _ = self.writer.await;
    }
}

/// A line within its bounds. Masked first: nothing of a value shows where it is cut.
fn cut(mask: &Mask, text: &str) -> String {
    let most = limits::MOST_LINE_BYTES;
    if text.len() <= most {
        let shown = mask.mask(text);
        // A mask may be longer than what it hides.
        return if shown.len() <= most { shown } else { shorten(&shown, most) };
    }
    let note = format!("… (cut: {} bytes)", text.len());
    let shown = mask.up_to(text, most - note.len());
    shorten(&shown, most - note.len()) + &note
}

fn shorten(text: &str, most: usize) -> String {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

struct Writer {
    jetstream: Context,
    subject: String,
    source: LogSource,
    generation: u32,
    next: u64,
}

impl Writer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Option<LogLine>>) {
        let mut lines: Vec<LogLine> = Vec::new();
        let mut under_way = FuturesUnordered::new();
        let mut flushed = Instant::now().checked_sub(FLUSH_EVERY).unwrap_or_else(Instant::now);
        let ended = loop {
            tokio::select! {
                biased;
                Some(()) = under_way.next() => {}
                () = sleep_until(flushed + FLUSH_EVERY), if !lines.is_empty() => {
                    flushed = Instant::now();
                    let frame = self.frame(&mut lines, false);
                    if under_way.len() < WAITING_FRAMES {
                        under_way.push(self.send(frame));
                    }
                }
                line = waiting.recv() => {
                    match line {
                        Some(Some(line)) => lines.push(line),
                        Some(None) => break true,
                        // Let go of without an end: the build goes on after a restart.
                        None => break false,
                    }
                    if is_full(&lines) {
                        flushed = Instant::now();
                        let frame = self.frame(&mut lines, false);
                        if under_way.len() < WAITING_FRAMES {
                            under_way.push(self.send(frame));
                        }
                    }
                }
            }
        };
        if ended || !lines.is_empty() {
            let last = self.frame(&mut lines, ended);
            under_way.push(self.send(last));
        }
        let rest = async { while under_way.next().await.is_some() {} };
        if timeout(END_WITHIN, rest).await.is_err() {
            tracing::warn!(subject = self.subject, "the end of a build's log was not delivered");
        }
    }

    fn frame(&mut self, lines: &mut Vec<LogLine>, ended: bool) -> LogFrame {
        let lines = std::mem::take(lines);
        let first = self.next;
        self.next += lines.len() as u64;
        LogFrame { format: FORMAT, source: self.source.clone(), first, lines, ended }
    }

    /// Sends at the first poll, so that frames leave in the order in which they were made.
    fn send(&self, frame: LogFrame) -> impl Future<Output = ()> + Send + 'static {
        let (jetstream, subject) = (self.jetstream.clone(), self.subject.clone());
        let id = format!("{subject}-{}-{}", self.generation, frame.first);
        async move {
            if let Err(error) =
                publish(&jetstream, Step::BuildLogPublished, &subject, &frame, Some(&id)).await
            {
                tracing::warn!(subject, first = frame.first, %error, "lines of a build's log were lost");
            }
        }
    }
}

/// Whether lines have to leave before another one comes.
fn is_full(lines: &[LogLine]) -> bool {
    let bytes: usize = lines.iter().map(|line| line.text.len()).sum();
    lines.len() >= FRAME_LINES || bytes >= FRAME_BYTES
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// What a NATS message may have unless its server is told otherwise.
    const MOST_MESSAGE_BYTES: usize = 1024 * 1024;

    #[test]
    fn no_frame_is_larger_than_a_message_may_be() {
        // As JSON each of these bytes is six.
        let line = "\u{1}".repeat(limits::MOST_LINE_BYTES);
        let mut lines = Vec::new();
        while !is_full(&lines) {
            lines.push(LogLine { at: u64::MAX, stream: LogStream::Stdout, text: line.clone() });
        }
        let deployment = DeploymentId::new(Uuid::now_v7());
        let source = LogSource::Build { deployment, generation: u32::MAX };
        let frame = LogFrame { format: FORMAT, source, first: u64::MAX, lines, ended: false };
        let bytes = serde_json::to_vec(&frame).unwrap().len();
        assert!(bytes < MOST_MESSAGE_BYTES - 64 * 1024, "{bytes}");
    }
}
