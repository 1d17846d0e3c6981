//! Bodies on their way through: never collected, each piece passed on as it comes.
//!
//! Invariants: what a request holds (its count, its replica, its connection) is let go when the
//! answer's body is; a connection returns to the pool only if both bodies came to their end. An answer's body
//! drives the connection that it comes on: nothing is read ahead for a client that does not take it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hythe_core::wire::access::AccessFailed;

use super::balance::Chosen;
use super::compress::Squeezer;
use super::connection::{Clock, Connection};
use super::exchange::Exchange;
use super::headers;
use super::pool::{Pool, Upward};
use super::site::FileBody;
use super::table::InFlight;

/// How far a request's body has come.
#[derive(Debug)]
pub(crate) struct Progress {
    connection: Arc<Connection>,
    clock: Clock,
    ended: AtomicBool,
    failed: AtomicBool,
    too_large: AtomicBool,
    last: AtomicU64,
    bytes: AtomicU64,
    /// The most bytes that it may have.
    most: u64,
}

impl Progress {
    pub(crate) fn new(connection: Arc<Connection>, clock: Clock, most: u64) -> Self {
        let last = AtomicU64::new(clock.now_ms());
        let (ended, failed) = (AtomicBool::new(false), AtomicBool::new(false));
        let (too_large, bytes) = (AtomicBool::new(false), AtomicU64::new(0));
        Self { connection, clock, ended, failed, too_large, last, bytes, most }
    }

    /// Whether it had more bytes than it may.
    pub(crate) fn too_large(&self) -> bool {
        self.too_large.load(Relaxed)
    }

    /// How many bytes came.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Whether the client broke it off or broke its form.
    pub(crate) fn failed(&self) -> bool {
        self.failed.load(Relaxed)
    }

    /// When the last piece came, by the edge's clock in milliseconds.
    pub(crate) fn last_ms(&self) -> u64 {
        self.last.load(Relaxed)
    }

    /// Whether all of it came.
    pub(crate) fn ended(&self) -> bool {
        self.ended.load(Relaxed)
    }
}

/// Why a request's body ends before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The client broke it off or broke its form.
    #[error(transparent)]
    Client(#[from] hyper::Error),
    /// It has more bytes than the app takes.
    #[error("the body is larger than the app takes")]
    TooLarge,
}

/// A client's body on its way to a replica.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// None.
    Empty,
    /// One that comes as the client sends it.
    Stream(Incoming, Arc<Progress>),
}

/// A piece of a client's body, or what comes after it, as the app may have it.
fn passed(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        headers::trailers_to_app(trailers);
    }
    frame
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Stream(body, progress) => {
                let polled = Pin::new(&mut *body).poll_frame(cx).map_ok(passed);
                progress.connection.body_waits(polled.is_pending());
                match &polled {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(None) => progress.ended.store(true, Relaxed),
                    Poll::Ready(Some(Err(_))) => progress.failed.store(true, Relaxed),
                    Poll::Ready(Some(Ok(frame))) => {
                        let more = frame.data_ref().map_or(0, |data| data.len() as u64);
                        let bytes = progress.bytes.load(Relaxed).saturating_add(more);
                        progress.bytes.store(bytes, Relaxed);
                        if bytes > progress.most {
                            progress.too_large.store(true, Relaxed);
                            return Poll::Ready(Some(Err(BodyError::TooLarge)));
                        }
                        // Nothing comes after trailers. What comes over HTTP/2 may say apart that it is over, and
                        // by then nobody asks any more who has as much as was announced.
                        let whole = body.size_hint().exact() == Some(0);
                        if whole || frame.is_trailers() || body.is_end_stream() {
                            progress.ended.store(true, Relaxed);
                        }
                    }
                }
                progress.last.store(progress.clock.now_ms(), Relaxed);
                polled.map(|polled| polled.map(|frame| frame.map_err(BodyError::Client)))
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
    pub(crate) upward: Upward,
    /// Of the request's body, where it has one.
    pub(crate) progress: Option<Arc<Progress>>,
}

impl Lease {
    /// Ends it after a complete answer.
    fn complete(self, pool: &Pool) {
        if self.progress.is_none_or(|progress| progress.ended()) {
            pool.put(&self.in_flight.upstream, self.chosen.address, self.upward);
        }
    }
}

/// An answer's body on its way to the client.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    content: Content,
    exchange: Exchange,
}

#[derive(Debug)]
enum Content {
    Page(Bytes),
    File(Box<FileBody>),
    App { body: Incoming, ended: bool, lease: Option<Box<Lease>>, squeezed: Option<Box<Squeezed>> },
}

/// An answer that is compressed on its way.
#[derive(Debug)]
struct Squeezed {
    squeezer: Squeezer,
    trailers: Option<Frame<Bytes>>,
    over: bool,
}

/// Pieces of an app that are compressed at once, before others get their turn.
const AT_ONCE: u32 = 16;

impl Squeezed {
    fn poll(
        &mut self,
        body: &mut Incoming,
        lease: &mut Option<Box<Lease>>,
        ended: &mut bool,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        for _ in 0..AT_ONCE {
            if *ended {
                if let Some(last) = self.squeezer.end() {
                    return Poll::Ready(Some(Ok(Frame::data(last))));
                }
                if let Some(trailers) = self.trailers.take() {
                    // Nobody asks for more than that.
                    self.over = true;
                    return Poll::Ready(Some(Ok(trailers)));
                }
                self.over = true;
                return Poll::Ready(None);
            }
            match next(body, lease.as_deref_mut(), cx) {
                Poll::Ready(None) => *ended = true,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        if let Some(enough) = self.squeezer.take(&data) {
                            return Poll::Ready(Some(Ok(Frame::data(enough))));
                        }
                    }
                    Err(last) => {
                        *ended = last.is_trailers();
                        self.trailers = Some(last);
                    }
                },
                Poll::Pending => {
                    return match self.squeezer.flush() {
                        Some(all) => Poll::Ready(Some(Ok(Frame::data(all)))),
                        None => Poll::Pending,
                    };
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The next piece of an app's answer, as the connection that it comes on brings it.
fn next(
    body: &mut Incoming,
    lease: Option<&mut Lease>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
    match lease {
        Some(lease) => lease.upward.poll(cx, |cx| Pin::new(body).poll_frame(cx)),
        None => Pin::new(body).poll_frame(cx),
    }
}

/// Why an answer's body ends before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    /// The app broke it off or broke its form.
    #[error(transparent)]
    App(#[from] hyper::Error),
    /// A file of a site could not be read on.
    #[error("a file of a site cannot be read: {0}")]
    File(std::io::Error),
}

impl ResponseBody {
    /// A file of a site.
    pub(crate) fn file(file: FileBody, exchange: Exchange) -> Self {
        Self { content: Content::File(Box::new(file)), exchange }
    }

    /// One of the edge's own.
    pub(crate) fn page(page: Bytes, exchange: Exchange) -> Self {
        Self { content: Content::Page(page), exchange }
    }

    /// An app's, as it is or compressed.
    pub(crate) fn app(
        body: Incoming,
        lease: Box<Lease>,
        squeezer: Option<Squeezer>,
        exchange: Exchange,
    ) -> Self {
        let lease = Some(lease);
        let squeezed =
            squeezer.map(|squeezer| Box::new(Squeezed { squeezer, trailers: None, over: false }));
        Self { content: Content::App { body, ended: false, lease, squeezed }, exchange }
    }
}

impl ResponseBody {
    /// The replica that it comes from, where it comes from one.
    pub(crate) fn chosen(&self) -> Option<&Chosen> {
        match &self.content {
            Content::Page(_) | Content::File(_) => None,
            Content::App { lease, .. } => lease.as_ref().map(|lease| &lease.chosen),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let polled = match &mut self.content {
            Content::Page(page) if page.is_empty() => Poll::Ready(None),
            Content::Page(page) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(page))))),
            Content::File(file) => file
                .poll(cx)
                .map(|piece| piece.map(|piece| piece.map(Frame::data).map_err(AnswerError::File))),
            Content::App { body, ended, lease, squeezed: Some(squeezed) } => squeezed
                .poll(body, lease, ended, cx)
                .map(|polled| polled.map(|one| one.map_err(Into::into))),
            Content::App { body, ended, lease, squeezed: None } => {
                let polled = next(body, lease.as_deref_mut(), cx);
                // Whoever has the trailers asks for no more.
                *ended |= match &polled {
                    Poll::Ready(None) => true,
                    Poll::Ready(Some(Ok(frame))) => frame.is_trailers(),
                    Poll::Ready(Some(Err(_))) | Poll::Pending => false,
                };
                polled.map(|polled| polled.map(|one| one.map_err(Into::into)))
            }
        };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.exchange.sent(bytes);
            }
            Poll::Ready(Some(Err(AnswerError::App(_)))) => self.exchange.failed(AccessFailed::App),
            Poll::Ready(Some(Err(AnswerError::File(_)))) => {
                self.exchange.failed(AccessFailed::Edge);
            }
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Page(page) => page.is_empty(),
            Content::File(file) => file.left() == 0,
            Content::App { squeezed: Some(squeezed), .. } => squeezed.over,
            Content::App { body, squeezed: None, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Page(page) => SizeHint::with_exact(page.len() as u64),
            Content::File(file) => SizeHint::with_exact(file.left()),
            Content::App { squeezed: Some(_), .. } => SizeHint::default(),
            Content::App { body, squeezed: None, .. } => body.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        match &mut self.content {
            Content::Page(_) => {}
            // Of one that could not be read on, nothing is left.
            Content::File(file) if file.left() == 0 => {}
            Content::File(_) => self.exchange.failed(AccessFailed::Client),
            Content::App { body, ended, lease, squeezed } => {
                // The server does not ask again once the announced length has come.
                let came = *ended || body.is_end_stream();
                if came && let Some(lease) = lease.take() {
                    lease.complete(self.exchange.pool());
                }
                if !squeezed.as_ref().map_or(came, |squeezed| squeezed.over) {
                    self.exchange.failed(AccessFailed::Client);
                }
            }
        }
    }
}
