//! Bodies on their way through: never collected, each piece passed on as it comes.
//!
//! Invariants: what a request holds (its count, its replica, its connection) is let go when the
//! answer's body is; a connection returns to the pool only if both bodies came to their end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::balance::Chosen;
use super::connection::{Clock, Connection};
use super::pool::{Pool, Upward};
use super::table::InFlight;

/// How far a request's body has come.
#[derive(Debug)]
pub(crate) struct Progress {
    connection: Arc<Connection>,
    clock: Clock,
    ended: AtomicBool,
    failed: AtomicBool,
    last: AtomicU64,
}

impl Progress {
    pub(crate) fn new(connection: Arc<Connection>, clock: Clock) -> Self {
        let last = AtomicU64::new(clock.now_ms());
        let (ended, failed) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { connection, clock, ended, failed, last }
    }

    /// Whether the client broke it off or broke its form.
    pub(crate) fn failed(&self) -> bool {
        self.failed.load(Relaxed)
    }

    /// When the last piece came, by the edge's clock in milliseconds.
    pub(crate) fn last_ms(&self) -> u64 {
        self.last.load(Relaxed)
    }

    fn ended(&self) -> bool {
        self.ended.load(Relaxed)
    }
}

/// A client's body on its way to a replica.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// None.
    Empty,
    /// One that comes as the client sends it.
    Stream(Incoming, Arc<Progress>),
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Stream(body, progress) => {
                let polled = Pin::new(&mut *body).poll_frame(cx);
                progress.connection.body_waits(polled.is_pending());
                match &polled {
                    Poll::Pending => return polled,
                    Poll::Ready(None) => progress.ended.store(true, Relaxed),
                    Poll::Ready(Some(Err(_))) => progress.failed.store(true, Relaxed),
                    Poll::Ready(Some(Ok(_))) if body.is_end_stream() => {
                        progress.ended.store(true, Relaxed);
                    }
                    Poll::Ready(Some(Ok(_))) => {}
                }
                progress.last.store(progress.clock.now_ms(), Relaxed);
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream(body, _) => body.size_hint(),
        }
    }
}

/// What a request holds of the app's side until its answer has ended.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) in_flight: InFlight,
    pub(crate) chosen: Chosen,
    pub(crate) pool: Arc<Pool>,
    pub(crate) upward: Upward,
    /// Of the request's body, where it has one.
    pub(crate) progress: Option<Arc<Progress>>,
}

impl Lease {
    /// Ends it after a complete answer.
    fn complete(self) {
        if self.progress.is_none_or(|progress| progress.ended()) {
            self.pool.put(&self.in_flight.upstream, self.chosen.address, self.upward);
        }
    }
}

/// An answer's body on its way to the client.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    content: Content,
    connection: Arc<Connection>,
}

#[derive(Debug)]
enum Content {
    Page(Bytes),
    App { body: Incoming, ended: bool, lease: Option<Box<Lease>> },
}

impl ResponseBody {
    /// One of the edge's own.
    pub(crate) fn page(page: Bytes, connection: Arc<Connection>) -> Self {
        Self { content: Content::Page(page), connection }
    }

    /// An app's.
    pub(crate) fn app(body: Incoming, lease: Lease, connection: Arc<Connection>) -> Self {
        let lease = Some(Box::new(lease));
        Self { content: Content::App { body, ended: false, lease }, connection }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.content {
            Content::Page(page) if page.is_empty() => Poll::Ready(None),
            Content::Page(page) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(page))))),
            Content::App { body, ended, .. } => {
                let polled = Pin::new(body).poll_frame(cx);
                if matches!(polled, Poll::Ready(None)) {
                    *ended = true;
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Page(page) => page.is_empty(),
            Content::App { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Page(page) => SizeHint::with_exact(page.len() as u64),
            Content::App { body, .. } => body.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.connection.request_ended();
        match &mut self.content {
            Content::Page(_) => {}
            Content::App { body, ended, lease } => {
                // The server does not ask again once the announced length has come.
                if (*ended || body.is_end_stream())
                    && let Some(lease) = lease.take()
                {
                    lease.complete();
                }
            }
        }
    }
}
