//! Carries what a program writes to whoever reads it, and back what they write, over packets.
//!
//! Invariant: no more is held here than a window. A reader that stalls stops the reading, and with
//! it the program; that is what is wanted here.

use std::sync::Arc;

use async_nats::{Client, Subscriber};
use futures_util::StreamExt as _;
use hythe_core::ids::RunId;
use hythe_core::link::Link;
use hythe_core::time::Millis;
use hythe_core::wire::run::{Body, Packet, RunEnded, Signal, TerminalSize};
use hythe_core::wire::subjects;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::bus::Bus;
use crate::docker::attach::Stream;
use crate::node::clock;

/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long the last word may take to arrive.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(10);

/// What a program writes, piece by piece.
pub(super) type Pieces = mpsc::Receiver<(Stream, Vec<u8>)>;

/// One end of the way between a program and whoever runs it.
pub(super) struct Way {
    client: Client,
    subject: Arc<str>,
    incoming: Subscriber,
    link: Link,
    began: Instant,
    tick: tokio::time::Interval,
}

/// What comes from there.
#[derive(Debug)]
pub(super) enum Heard {
    /// Something for the program's input; to be told when it is used up.
    Input(Vec<u8>),
    /// The end of its input; likewise.
    InputEnd,
    /// Its terminal has another size.
    Resize(TerminalSize),
    /// A signal for it.
    Signal(Signal),
    /// They go, or are gone.
    Gone,
}

impl Way {
    /// Opens it; packets to and from it bear this id.
    pub(super) async fn open(bus: &Bus, run: RunId) -> Result<Self, String> {
        let client = bus.client().clone();
        let incoming = client.subscribe(subjects::run_to_worker(run)).await;
        let incoming = incoming.map_err(|error| format!("listen to a run's input: {error}"))?;
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            client,
            subject: subjects::run_from_worker(run).into(),
            incoming,
            link: Link::new(Millis(0)),
            began: Instant::now(),
            tick,
        })
    }

    /// How long it has been open.
    pub(super) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    fn now(&self) -> Millis {
        clock::millis(self.began.elapsed())
    }

    /// Whether another piece may be sent.
    pub(super) const fn has_room(&self) -> bool {
        self.link.has_room()
    }

    /// Something that was heard is used up.
    pub(super) const fn used_one(&mut self) {
        self.link.used_one();
    }

    /// Waits for something to come; nothing after a while, or where what came was only a sign of
    /// life. Nothing is lost where this is dropped.
    pub(super) async fn next(&mut self) -> Option<Heard> {
        let message = tokio::select! {
            message = self.incoming.next() => message,
            _ = self.tick.tick() => {
                return self.link.is_silent(self.now()).then_some(Heard::Gone);
            }
        };
        // The connection itself was closed.
        let Some(message) = message else { return Some(Heard::Gone) };
        let packet = match Packet::decode(&message.payload) {
            Ok(packet) if packet.body.is_for_worker() => packet,
            Ok(_) | Err(_) => return None,
        };
        let now = self.now();
        match self.link.hear(packet, now)? {
            Body::Leave => Some(Heard::Gone),
            Body::Input(bytes) => Some(Heard::Input(bytes)),
            Body::InputEnd => Some(Heard::InputEnd),
            Body::Resize(size) => {
                self.link.used_one();
                Some(Heard::Resize(size))
            }
            Body::Signal(signal) => {
                self.link.used_one();
                Some(Heard::Signal(signal))
            }
            Body::Nothing | Body::Output(_) | Body::ErrorOutput(_) | Body::Ended(_) => None,
        }
    }

    /// Sends a piece; there is room.
    pub(super) async fn piece(&mut self, (stream, bytes): (Stream, Vec<u8>)) {
        let body = match stream {
            Stream::Output => Body::Output(bytes),
            Stream::ErrorOutput => Body::ErrorOutput(bytes),
        };
        let now = self.now();
        let packet = self.link.send(body, now);
        self.publish(&packet).await;
    }

    /// Sends what is due.
    pub(super) async fn flush(&mut self) {
        let now = self.now();
        for packet in self.link.due(now) {
            self.publish(&packet).await;
        }
    }

    async fn publish(&self, packet: &Packet) {
        let message = packet.encode().into();
        #[expect(clippy::disallowed_methods, reason = "a packet is no durable step")]
        let sent = self.client.publish(self.subject.to_string(), message).await;
        if let Err(error) = sent {
            tracing::debug!(%error, "a packet of a run could not be sent; it is sent again");
        }
    }

    /// Says how it ended, and waits until that has arrived, within bounds.
    pub(super) async fn last_word(&mut self, ended: RunEnded) {
        let until = Instant::now() + LAST_WORD_WITHIN;
        let now = self.now();
        let packet = self.link.send(Body::Ended(ended), now);
        self.publish(&packet).await;
        while !self.link.all_received() && Instant::now() < until {
            if matches!(self.next().await, Some(Heard::Gone)) {
                break;
            }
            self.flush().await;
        }
    }
}
