//! Brings the lines of all cores to the log stream, in frames of one app each.
//!
//! Invariants: whatever NATS does, it holds no more than what fits into the outlets; what it cannot
//! bring there it drops, and the numbers of the lines say so to whoever reads. Frames of one app go one
//! after the other, so that its lines stay in order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::stream::{self, StreamExt as _};
use hythe_actors::bus::Bus;
use hythe_core::ids::{AppId, EdgeId};
use hythe_core::wire::FORMAT;
use hythe_core::wire::access::AccessLine;
use hythe_core::wire::log::{FRAME_BYTES, FRAME_LINES, LogFrame, LogLine, LogSource, LogStream};
use hythe_core::wire::subjects;
use hythe_store::steps::Step;
use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::watch;

use super::{Logged, Tap};

/// From one collection to the next.
const EVERY: Duration = Duration::from_millis(250);
/// How long NATS may take for what was collected.
const WITHIN: Duration = Duration::from_secs(2);
/// Apps whose frames are on their way at once.
const AT_ONCE: usize = 16;
/// Collections without a line after which an app is forgotten; its lines count from 1 again then.
const FORGET_AFTER: u32 = 240;

/// An app that had lines lately.
#[derive(Debug)]
struct Known {
    tap: Arc<Tap>,
    /// The number of its newest line.
    last: u64,
    quiet: u32,
    lines: Vec<LogLine>,
}

/// Collects from all cores.
#[derive(Debug)]
pub(crate) struct Collector {
    from: Vec<Receiver<Logged>>,
    known: HashMap<AppId, Known>,
    over: bool,
}

impl Collector {
    pub(super) fn new(from: Vec<Receiver<Logged>>) -> Self {
        Self { from, known: HashMap::new(), over: false }
    }

    /// Collects until no core is left, and brings what they left. `edges` says under which id, which changes
    /// where another process goes on under the one that this one had: what came before that is brought under
    /// the old one at once, and under the new one lines count from 1.
    pub(crate) async fn run(mut self, mut edges: watch::Receiver<EdgeId>, bus: Bus) {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut edge = *edges.borrow_and_update();
        while !self.over {
            let next = tokio::select! {
                _ = every.tick() => edge,
                Ok(()) = edges.changed() => *edges.borrow_and_update(),
            };
            let frames = self.frames(edge);
            if next != edge {
                edge = next;
                self.known.clear();
            }
            // Without NATS they are lost, and their numbers are left out.
            if frames.is_empty() || !bus.is_ready() {
                continue;
            }
            let sending = stream::iter(frames).for_each_concurrent(AT_ONCE, |(app, frames)| {
                let bus = &bus;
                async move {
                    let subject = subjects::access_log(app);
                    for frame in frames {
                        let sent = bus.publish(Step::AccessLogged, &subject, &frame, None).await;
                        if let Err(error) = sent {
                            tracing::debug!(%app, %error, "lines of an access log are lost");
                            return;
                        }
                    }
                }
            });
            if tokio::time::timeout(WITHIN, sending).await.is_err() {
                tracing::debug!("lines of access logs are lost: NATS takes too long");
            }
        }
    }

    /// All lines that wait.
    pub(super) fn drain(&mut self) -> Vec<Logged> {
        let mut lines = Vec::new();
        let mut over = true;
        for from in &mut self.from {
            // Whoever is faster than this waits for the next collection.
            for _ in 0..super::WAITING {
                match from.try_recv() {
                    Ok(line) => lines.push(line),
                    Err(TryRecvError::Empty) => {
                        over = false;
                        break;
                    }
                    Err(TryRecvError::Disconnected) => break,
                }
            }
        }
        self.over = over && lines.is_empty();
        lines
    }

    /// What is to be published, by app and in order.
    fn frames(&mut self, edge: EdgeId) -> Vec<(AppId, Vec<LogFrame>)> {
        for Logged { tap, at, entry } in self.drain() {
            let Ok(text) = serde_json::to_string(&AccessLine::Request(entry)) else { continue };
            let known = self.known.entry(tap.app).or_insert_with(|| Known {
                tap: Arc::clone(&tap),
                last: 0,
                quiet: 0,
                lines: Vec::new(),
            });
            known.tap = tap;
            known.lines.push(LogLine { at, stream: LogStream::Stdout, text });
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut all = Vec::new();
        self.known.retain(|app, known| {
            let left_out = known.tap.take_left_out(now.as_secs());
            if left_out > 0
                && let Ok(text) = serde_json::to_string(&AccessLine::LeftOut { left_out })
            {
                let at = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
                known.lines.push(LogLine { at, stream: LogStream::Hythe, text });
            }
            if known.lines.is_empty() {
                known.quiet += 1;
                return known.quiet < FORGET_AFTER;
            }
            known.quiet = 0;
            let source = LogSource::Access { app: *app, edge };
            all.push((*app, cut(&source, &mut known.last, std::mem::take(&mut known.lines))));
            true
        });
        all
    }
}

/// Makes frames of lines, whose numbers go on after `last`.
fn cut(source: &LogSource, last: &mut u64, lines: Vec<LogLine>) -> Vec<LogFrame> {
    let mut frames: Vec<LogFrame> = Vec::new();
    let mut bytes = 0;
    for line in lines {
        let number = last.saturating_add(1);
        *last = number;
        let size = line.text.len();
        match frames.last_mut() {
            Some(frame) if frame.lines.len() < FRAME_LINES && bytes + size <= FRAME_BYTES => {
                bytes += size;
                frame.lines.push(line);
            }
            Some(_) | None => {
                bytes = size;
                frames.push(LogFrame {
                    format: FORMAT,
                    source: source.clone(),
                    first: number,
                    lines: vec![line],
                    ended: false,
                });
            }
        }
    }
    frames
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn frames_are_full_and_their_numbers_go_on() {
        let app = AppId::new(Uuid::nil());
        let source = LogSource::Access { app, edge: EdgeId::new(Uuid::nil()) };
        let lines = |count: usize, size: usize| -> Vec<LogLine> {
            let line = LogLine { at: 1, stream: LogStream::Stdout, text: "x".repeat(size) };
            vec![line; count]
        };
        let mut last = 0;
        let shape = |frames: Vec<LogFrame>| -> Vec<(u64, usize)> {
            frames.iter().map(|frame| (frame.first, frame.lines.len())).collect()
        };
        let first = cut(&source, &mut last, lines(FRAME_LINES + 1, 10));
        assert_eq!(shape(first), [(1, FRAME_LINES), (FRAME_LINES as u64 + 1, 1)]);
        let start = last + 1;
        let second = cut(&source, &mut last, lines(3, FRAME_BYTES / 2));
        assert_eq!(shape(second), [(start, 2), (start + 2, 1)]);
        assert_eq!(last, start + 2);
    }

    #[test]
    fn an_app_that_is_quiet_is_forgotten_and_the_collector_ends_with_its_cores() {
        let (outlets, mut collector) = super::super::outlets(2);
        let edge = EdgeId::new(Uuid::nil());
        let tap = Arc::new(Tap::new(AppId::new(Uuid::nil()), 2));
        collector
            .known
            .insert(tap.app, Known { tap, last: 7, quiet: FORGET_AFTER - 1, lines: Vec::new() });
        assert!(collector.frames(edge).is_empty());
        assert!(collector.known.is_empty() && !collector.over);
        drop(outlets);
        assert!(collector.frames(edge).is_empty() && collector.over);
    }
}
