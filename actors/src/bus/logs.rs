//! Reading logs: history, then live, across every break of NATS.
//!
//! A reader never waits for ever without saying so to whoever asks for a bounded history, and
//! never skips in silence: what is gone from the stream shows as [`LogItem::Gap`]. A slow reader
//! holds back its own delivery only.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::jetstream::consumer::{self, AckPolicy, DeliverPolicy, PullConsumer};
use futures_util::{Stream, StreamExt};
use hythe_core::wire::log::LogFrame;
use hythe_core::wire::subjects;
use tokio::sync::mpsc;

use super::connection::{ANSWER_WITHIN, Bus};
use super::consume::stream_is_gone;
use super::cursor::LogCursor;
use super::error::BusError;
use super::lines::{Lines, LogItem, Tail};
use super::publish::decode;

/// The most lines that `tail` gives.
pub(super) const MOST_TAIL: usize = 10_000;
/// Items that wait for a slow reader.
const BUFFERED: usize = 256;
/// Frames per request.
const FRAMES_AHEAD: usize = 128;
/// From one sign of life of an idle stream to the next.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// NATS forgets a reader that was not heard of for this long.
const FORGET_AFTER: Duration = Duration::from_secs(30);
/// How long a reader of history waits for NATS to come back before it ends with a gap.
const HISTORY_PATIENCE: Duration = Duration::from_secs(30);
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// From where to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogsFrom {
    /// From the oldest line that is kept.
    Beginning,
    /// After a line that was read before.
    Cursor(LogCursor),
    /// The last so many lines, at most 10,000.
    Tail(usize),
}

/// Lines as they come. Ends by itself only where it was not asked to follow.
#[derive(Debug)]
pub struct LogStream {
    items: mpsc::Receiver<LogItem>,
}

impl Stream for LogStream {
    type Item = LogItem;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<LogItem>> {
        self.items.poll_recv(cx)
    }
}

impl Bus {
    /// Reads the lines on any of `subjects` (see [`hythe_core::wire::subjects`]): what there is, and with
    /// `follow` what comes, until the stream is dropped.
    ///
    /// # Errors
    /// Where NATS does not answer within a few seconds. Later breaks are waited out.
    pub async fn logs(
        &self,
        subjects: &[String],
        from: LogsFrom,
        follow: bool,
    ) -> Result<LogStream, BusError> {
        let (tell, items) = mpsc::channel(BUFFERED);
        let mut reader = Reader {
            bus: self.clone(),
            subjects: subjects.to_vec(),
            follow,
            tell,
            lines: match from {
                LogsFrom::Beginning => Lines::default(),
                LogsFrom::Cursor(_) | LogsFrom::Tail(_) => Lines::in_the_middle(),
            },
            at: match from {
                LogsFrom::Cursor(cursor) => Some(cursor),
                LogsFrom::Beginning | LogsFrom::Tail(_) => None,
            },
            tail: match from {
                LogsFrom::Tail(most) => Some(Tail::new(most.min(MOST_TAIL))),
                LogsFrom::Beginning | LogsFrom::Cursor(_) => None,
            },
        };
        let opening = reader.open();
        let opened = tokio::time::timeout(ANSWER_WITHIN, opening).await.map_err(|_| {
            BusError::TimedOut { what: "read the logs".into(), waited: ANSWER_WITHIN }
        })??;
        tokio::spawn(reader.run(opened));
        Ok(LogStream { items })
    }
}

struct Reader {
    bus: Bus,
    subjects: Vec<String>,
    follow: bool,
    tell: mpsc::Sender<LogItem>,
    lines: Lines,
    /// After which line to go on.
    at: Option<LogCursor>,
    /// The last lines of the history, until all of it was read.
    tail: Option<Tail>,
}

/// A consumer on the stream of one making.
struct Opened {
    epoch: u64,
    created: u64,
    consumer: PullConsumer,
    /// Whether there is nothing on it yet.
    empty: bool,
}

enum Ending {
    /// The reader is gone, or has all it asked for.
    Over,
    /// NATS broke off: open again.
    Broken,
}

impl Reader {
    async fn run(mut self, first: Opened) {
        let mut opened = Some(first);
        loop {
            if let Some(opened) = opened.take()
                && matches!(self.read(opened).await, Ending::Over)
            {
                return;
            }
            let patience = if self.follow { Duration::MAX } else { HISTORY_PATIENCE };
            let tell = self.tell.clone();
            let again = tokio::select! {
                again = tokio::time::timeout(patience, self.open_again()) => again,
                () = tell.closed() => return,
            };
            match again {
                Ok(again) => opened = Some(again),
                Err(_) => {
                    // The rest of the history cannot be had: not even how much it is.
                    self.flush_tail().await;
                    self.say(LogItem::Gap { lost: None }).await;
                    return;
                }
            }
        }
    }

    async fn open_again(&mut self) -> Opened {
        loop {
            tokio::time::sleep(AGAIN_AFTER).await;
            match self.open().await {
                Ok(opened) => return opened,
                Err(error) => tracing::debug!(%error, "reading logs again soon"),
            }
        }
    }

    async fn say(&self, item: LogItem) -> bool {
        self.tell.send(item).await.is_ok()
    }

    /// Finds the stream and makes a consumer where this reader stands.
    async fn open(&mut self) -> Result<Opened, BusError> {
        let epoch = self.bus.ready().await;
        let what = "read the logs";
        let stream = self
            .bus
            .jetstream()
            .get_stream(subjects::LOGS)
            .await
            .map_err(|error| BusError::refused(what, error))?;
        let info = stream.cached_info();
        let created = u64::try_from(info.created.unix_timestamp_nanos()).unwrap_or(u64::MAX);
        let (first, last) = (info.state.first_sequence, info.state.last_sequence);
        let start = match self.at {
            Some(at) if at.created != created => {
                self.lost_count().await;
                // All of the new stream is new to this reader.
                self.at = Some(LogCursor { created, frame: 0, lines: 0 });
                1
            }
            Some(at) => {
                if at.frame > 0 && at.frame < first {
                    self.lost_count().await;
                }
                at.frame.max(1)
            }
            None => match &self.tail {
                Some(tail) => self.tail_start(tail.most(), first, last).await?,
                None => 1,
            },
        };
        let consumer = self.consumer(start).await?;
        let empty = consumer.cached_info().num_pending == 0;
        Ok(Opened { epoch, created, consumer, empty })
    }

    /// Lines are gone, nobody knows how many.
    async fn lost_count(&mut self) {
        self.lines.excuse();
        let gap = LogItem::Gap { lost: None };
        match &mut self.tail {
            Some(tail) => tail.keep(gap),
            None => drop(self.say(gap).await),
        }
    }

    /// A sequence with at least `most` frames of these subjects behind it, or the first one. Every
    /// frame has a line, so that is enough.
    async fn tail_start(&self, most: usize, first: u64, last: u64) -> Result<u64, BusError> {
        let mut back = 1_024_u64.max(most as u64);
        loop {
            let start = last.saturating_sub(back).max(first).max(1);
            if start <= first.max(1) {
                return Ok(start);
            }
            let consumer = self.consumer(start).await?;
            // Some frames only say that their source has ended.
            if consumer.cached_info().num_pending >= most as u64 + 64 {
                return Ok(start);
            }
            back = back.saturating_mul(8);
        }
    }

    async fn consumer(&self, start: u64) -> Result<PullConsumer, BusError> {
        let config = consumer::pull::Config {
            filter_subjects: self.subjects.clone(),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: start },
            ack_policy: AckPolicy::None,
            inactive_threshold: FORGET_AFTER,
            memory_storage: true,
            num_replicas: 1,
            ..consumer::pull::Config::default()
        };
        #[expect(clippy::disallowed_methods, reason = "it is a reader's, and goes with it")]
        let made = self.bus.jetstream().create_consumer_on_stream(config, subjects::LOGS).await;
        made.map_err(|error| {
            if stream_is_gone(&error) {
                self.bus.missed_a_stream();
            }
            BusError::refused("read the logs", error)
        })
    }

    async fn read(&mut self, opened: Opened) -> Ending {
        if opened.empty && self.history_read().await {
            return Ending::Over;
        }
        let frames = opened
            .consumer
            .stream()
            .max_messages_per_batch(FRAMES_AHEAD)
            .heartbeat(HEARTBEAT)
            .messages()
            .await;
        let Ok(mut frames) = frames else { return Ending::Broken };
        let mut state = self.bus.state();
        let mut delivered = 0;
        loop {
            let changed = state.wait_for(|state| state.epoch() != Some(opened.epoch));
            let next = tokio::select! {
                () = self.tell.closed() => return Ending::Over,
                _ = changed => return Ending::Broken,
                next = frames.next() => next,
            };
            let Some(Ok(message)) = next else { return Ending::Broken };
            let Ok(info) = message.info() else { return Ending::Broken };
            delivered += 1;
            if info.consumer_sequence != delivered {
                // Some were dropped on the way: go on after the last one that came.
                return Ending::Broken;
            }
            let at = LogCursor { created: opened.created, frame: info.stream_sequence, lines: 0 };
            let more = info.pending > 0;
            if !self.take(at, &message.payload).await {
                return Ending::Over;
            }
            if !more && self.history_read().await {
                return Ending::Over;
            }
        }
    }

    /// Takes in one frame. False when nobody reads any more.
    async fn take(&mut self, at: LogCursor, payload: &[u8]) -> bool {
        let skip = match self.at {
            Some(read) if read.created == at.created && read.frame == at.frame => read.lines,
            Some(_) | None => 0,
        };
        let frame: LogFrame = match decode("a log frame", payload) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::warn!(%error, "a log frame does not read");
                self.lost_count().await;
                return true;
            }
        };
        // One more than its lines, for the word that its source has ended was read as well.
        let read = u32::try_from(frame.lines.len() + 1).unwrap_or(u32::MAX);
        for item in self.lines.read(at, frame, skip) {
            match &mut self.tail {
                Some(tail) => tail.keep(item),
                None => {
                    if !self.say(item).await {
                        return false;
                    }
                }
            }
        }
        self.at = Some(LogCursor { lines: read, ..at });
        true
    }

    /// All that was there has been read. True when that was all that was asked for.
    async fn history_read(&mut self) -> bool {
        !self.flush_tail().await || !self.follow
    }

    async fn flush_tail(&mut self) -> bool {
        for item in self.tail.take().into_iter().flat_map(Tail::into_items) {
            if !self.say(item).await {
                return false;
            }
        }
        true
    }
}
