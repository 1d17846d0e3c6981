//! What is known of a client's connection while it lives, and when it has to go.
//!
//! One timer per connection, armed for the earliest moment at which it could be over time and
//! armed again when it fires early: a request costs no timer, only notes of the time. That makes
//! the deadlines coarse: one is kept to within twice its span. The one for an answer is kept exactly where it
//! is no shorter than the longest time that the timer is ever armed for; shorter ones have a timer of their own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use super::config::EdgeLimits;

/// Milliseconds since the edge started, from 1 on, so that 0 can stand for "not".
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    began_ns: u64,
    /// The same by the kernel's own count, in milliseconds.
    began_ms: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { began_ns: counted_ns(), began_ms: counted_ms() }
    }

    /// As the kernel counts it, every few milliseconds: a request asks some ten times, and for deadlines
    /// that is exact enough.
    pub(crate) fn now_ms(self) -> u64 {
        counted_ms().saturating_sub(self.began_ms).saturating_add(1)
    }

    /// The same in nanoseconds, to the nanosecond.
    pub(crate) fn now_ns(self) -> u64 {
        counted_ns().saturating_sub(self.began_ns).saturating_add(1)
    }
}

/// Milliseconds of the clock that is read without asking the hardware.
fn counted_ms() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let rest = u64::try_from(now.tv_nsec / 1_000_000).unwrap_or_default();
    seconds.saturating_mul(1_000).saturating_add(rest)
}

/// Nanoseconds of the clock that is exact: some five hundred years fit.
fn counted_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::try_from(now.tv_nsec).unwrap_or_default())
}

pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Nothing has come since the last answer.
const IDLE: u8 = 0;
/// A request's head is coming, or the connection is new.
const HEAD: u8 = 1;
/// A request is being answered.
const BUSY: u8 = 2;

/// One client's connection. Upgraded ones keep it, and with it their place among the bounded
/// number of connections.
#[derive(Debug)]
pub(crate) struct Connection {
    clock: Clock,
    phase: AtomicU8,
    /// Requests that are being answered: over HTTP/1 at most one.
    active: AtomicU32,
    /// Whether it speaks HTTP/2: there, bytes that come between requests are no head of one.
    multiplexed: AtomicBool,
    since: AtomicU64,
    /// Since when another process serves in our place; 0 when none does.
    parted: AtomicU64,
    /// Since when we wait for bytes of a request's body; 0 when not.
    body_waits: AtomicU64,
    /// Since when the client takes nothing; 0 when not.
    write_waits: AtomicU64,
    /// Until when an answer is waited for; 0 where none is, or by another timer.
    answer_by: AtomicU64,
    _place: OwnedSemaphorePermit,
}

/// What a connection's timer does when it fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// A deadline has passed.
    Now,
    /// None has; look again after this.
    Later(Duration),
}

impl Connection {
    pub(crate) fn new(clock: Clock, place: OwnedSemaphorePermit) -> Self {
        Self {
            clock,
            phase: AtomicU8::new(HEAD),
            active: AtomicU32::new(0),
            multiplexed: AtomicBool::new(false),
            since: AtomicU64::new(clock.now_ms()),
            parted: AtomicU64::new(0),
            body_waits: AtomicU64::new(0),
            write_waits: AtomicU64::new(0),
            answer_by: AtomicU64::new(0),
            _place: place,
        }
    }

    /// A request's head is complete.
    pub(crate) fn request_began(&self) {
        self.active.fetch_add(1, Relaxed);
        self.phase.store(BUSY, Relaxed);
    }

    /// Another process serves from here on. Whether the connection can be told so at once: over HTTP/2
    /// it can, and over HTTP/1 with the next answer.
    pub(crate) fn parts(&self) -> bool {
        self.parted.store(self.clock.now_ms(), Relaxed);
        self.multiplexed.load(Relaxed)
    }

    /// Whether the next answer is its last one, which has to say so. Over HTTP/2 the connection says so
    /// in another way.
    pub(crate) fn is_last(&self) -> bool {
        self.parted.load(Relaxed) > 0 && !self.multiplexed.load(Relaxed)
    }

    /// It speaks HTTP/2.
    pub(crate) fn multiplexes(&self) {
        self.multiplexed.store(true, Relaxed);
    }

    /// The answer is complete, or given up.
    pub(crate) fn request_ended(&self) {
        self.body_waits.store(0, Relaxed);
        if self.active.fetch_sub(1, Relaxed) == 1 {
            self.since.store(self.clock.now_ms(), Relaxed);
            self.phase.store(IDLE, Relaxed);
        }
    }

    /// More of the request's body is wanted and has not come, or has.
    pub(crate) fn body_waits(&self, waits: bool) {
        // Over HTTP/2 a silent stream says nothing of the others.
        note(&self.body_waits, waits && !self.multiplexed.load(Relaxed), self.clock);
    }

    /// Whether its timer looks in time after what may take so long: it is armed for no longer than a head
    /// may take. Over HTTP/2 each of many requests has a time of its own.
    pub(crate) fn times(&self, limit_ms: u64, limits: &EdgeLimits) -> bool {
        limit_ms >= millis(limits.head_within) && !self.multiplexed.load(Relaxed)
    }

    /// Its request is polled at this moment, if not before, by the edge's clock; at none where that is 0.
    pub(crate) fn answer_by(&self, by_ms: u64) {
        self.answer_by.store(by_ms, Relaxed);
    }

    pub(crate) fn due(&self, limits: &EdgeLimits) -> Due {
        let now = self.clock.now_ms();
        let parted = self.parted.load(Relaxed);
        let mut next = now.saturating_add(millis(limits.head_within));
        // What is over is the request, which is polled when the timer fires, and not the connection.
        let answer_by = self.answer_by.load(Relaxed);
        if answer_by > now {
            next = next.min(answer_by);
        }
        let phase = match self.phase.load(Relaxed) {
            // A request may be on its way, of a client that did not know.
            IDLE if parted > 0 => {
                (self.since.load(Relaxed).max(parted), limits.part_within.min(limits.idle))
            }
            IDLE => (self.since.load(Relaxed), limits.idle),
            HEAD => (self.since.load(Relaxed), limits.head_within),
            _ => (0, limits.idle),
        };
        let waits = |since: &AtomicU64| (since.load(Relaxed), limits.stall);
        for (since, limit) in [phase, waits(&self.body_waits), waits(&self.write_waits)] {
            if since == 0 {
                continue;
            }
            let at = since.saturating_add(millis(limit).max(1));
            if at <= now {
                return Due::Now;
            }
            next = next.min(at);
        }
        Due::Later(Duration::from_millis(next.saturating_sub(now).max(1)))
    }
}

fn note(since: &AtomicU64, waits: bool, clock: Clock) {
    if !waits {
        since.store(0, Relaxed);
    } else if since.load(Relaxed) == 0 {
        since.store(clock.now_ms(), Relaxed);
    }
}

/// A client's socket that notes when a head begins to come and when the client takes nothing.
/// Whatever carries the bytes: a plain connection, or one with TLS around it.
#[derive(Debug)]
pub(crate) struct ClientSocket<S> {
    pub(crate) stream: S,
    /// What was read to see what the client speaks.
    pub(crate) early: Bytes,
    pub(crate) connection: Arc<Connection>,
}

impl<S> ClientSocket<S> {
    fn noted<T>(&self, written: Poll<T>) -> Poll<T> {
        note(&self.connection.write_waits, written.is_pending(), self.connection.clock);
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let some = self.early.len().min(buf.remaining());
            buf.put_slice(self.early.get(..some).unwrap_or_default());
            self.early.advance(some);
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let connection = &self.connection;
        let begins = polled.is_ready()
            && connection.phase.load(Relaxed) == IDLE
            && !connection.multiplexed.load(Relaxed);
        if begins {
            connection.since.store(connection.clock.now_ms(), Relaxed);
            connection.phase.store(HEAD, Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ClientSocket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.noted(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What TLS has taken and not sent yet waits here.
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.noted(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn the_timer_is_armed_for_the_end_of_an_answer_where_it_keeps_that() {
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let clock = Clock::start();
        let connection = Connection::new(clock, place);
        let limits = EdgeLimits { head_within: Duration::from_secs(15), ..EdgeLimits::default() };
        let (exact, short) = (millis(limits.head_within), millis(limits.head_within) - 1);
        assert!(connection.times(exact, &limits) && !connection.times(short, &limits));
        connection.request_began();
        let usual = Due::Later(limits.head_within);
        assert_eq!(connection.due(&limits), usual);
        connection.answer_by(clock.now_ms() + 5_000);
        let Due::Later(armed) = connection.due(&limits) else { panic!("nothing is over") };
        assert!(armed <= Duration::from_secs(5), "{armed:?}");
        // One that passed is the request's, and ends no connection.
        connection.answer_by(1);
        assert_eq!(connection.due(&limits), usual);
        connection.answer_by(0);
        assert_eq!(connection.due(&limits), usual);
        connection.multiplexes();
        assert!(!connection.times(exact, &limits));
    }
}
