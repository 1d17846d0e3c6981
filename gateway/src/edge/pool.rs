//! Idle connections to replicas, one pool per core.
//!
//! Invariants: a connection lies here only between exchanges (answer read to its end, request
//! written to its end); one that is known to be closed, old or of a retired deployment is never given
//! out; the number kept is bounded per replica and in all. Deployments never share a connection, even
//! when one inherits another's address. Nobody drives what lies here: what came on it meanwhile, its end
//! most of all, is seen before it is given out, and now and then.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::Either;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hythe_core::ids::DeploymentId;
use rustc_hash::FxHashMap;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::balance::Upstream;
use super::body::RequestBody;
use super::config::EdgeLimits;
use super::connection::{Clock, millis};
use super::driver::{self, Driver};
use super::listen;
use super::table::Flight;

/// Who answers there. Of these nobody outside has a say, so that the cheapest hash will do: each request asks
/// for one twice.
type Key = (DeploymentId, SocketAddr);

/// How often an HTTP/2 connection to a replica is asked whether it lives, and how long it may take to
/// say so.
const PING: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(10));
/// Connections over HTTP/2 per core: one for each replica that speaks it.
const MOST_SHARED: usize = 1_024;

/// What requests are sent on.
#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<RequestBody>),
    Http2(http2::SendRequest<RequestBody>),
}

/// A connection to a replica. Dropping the last that holds it closes it, also in the middle of a
/// request's body. One over HTTP/2 is held by many requests, and the pool.
///
/// Over HTTP/1 it goes on while what it brings is waited for with [`Upward::poll`], until it is handed over to
/// a task.
#[derive(Debug)]
pub(crate) struct Upward {
    sender: Sender,
    driver: Driver,
    /// Whether a byte of an answer has come since this was last cleared.
    answered: Arc<AtomicBool>,
    /// Whether it has carried a request before.
    pub(crate) used: bool,
}

impl Upward {
    /// Whether it speaks HTTP/2.
    pub(crate) fn multiplexes(&self) -> bool {
        match self.sender {
            Sender::Http1(_) => false,
            Sender::Http2(_) => true,
        }
    }

    fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }

    fn is_ready(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_ready(),
            Sender::Http2(sender) => sender.is_ready(),
        }
    }

    /// Sends a request.
    pub(crate) fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> + use<>
    {
        self.driver.stir();
        match &mut self.sender {
            Sender::Http1(sender) => Either::Left(sender.try_send_request(request)),
            Sender::Http2(sender) => Either::Right(sender.try_send_request(request)),
        }
    }

    /// Polls an answer that is to come on it, or a piece of one.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        what: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.driver.poll(cx, what)
    }

    /// Has it go on even while nobody takes what it brings.
    pub(crate) fn hand_over(&mut self) {
        self.driver.hand_over();
    }

    /// Forgets what came before; to be called before a request is sent.
    pub(crate) fn expect_answer(&self) {
        self.answered.store(self.multiplexes(), Relaxed);
    }

    /// Whether anything has come since.
    pub(crate) fn answered(&self) -> bool {
        self.answered.load(Relaxed)
    }
}

#[derive(Debug)]
struct Idle {
    upward: Upward,
    since: u64,
}

#[derive(Debug)]
struct Shelf {
    flight: Arc<Flight>,
    idle: Vec<Idle>,
}

#[derive(Debug, Default)]
struct Shelves {
    by_key: FxHashMap<Key, Shelf>,
    total: usize,
    /// Connections that many requests share.
    shared: FxHashMap<Key, Common>,
}

/// A connection that many requests share.
#[derive(Debug)]
struct Common {
    flight: Arc<Flight>,
    sender: http2::SendRequest<RequestBody>,
    driver: Arc<AbortOnDropHandle<()>>,
}

/// One core's idle connections.
#[derive(Debug)]
pub(crate) struct Pool {
    shelves: Mutex<Shelves>,
    clock: Clock,
    most: usize,
    most_total: usize,
    keep_ms: u64,
    sure_ms: u64,
    connect_within: Duration,
}

impl Pool {
    pub(crate) fn new(clock: Clock, limits: &EdgeLimits) -> Self {
        Self {
            shelves: Mutex::default(),
            clock,
            most: limits.pool_idle,
            most_total: limits.pool_idle_total,
            keep_ms: millis(limits.pool_idle_for),
            sure_ms: millis(limits.pool_sure_for),
            connect_within: limits.connect_within,
        }
    }

    /// An idle connection, the one used last first. With `sure`, only one that was in use a
    /// moment ago.
    pub(crate) fn take(&self, upstream: &Upstream, to: SocketAddr, sure: bool) -> Option<Upward> {
        let oldest =
            self.clock.now_ms().saturating_sub(if sure { self.sure_ms } else { self.keep_ms });
        let mut shelves = self.shelves();
        let shelf = shelves.by_key.get_mut(&(upstream.deployment, to))?;
        let before = shelf.idle.len();
        let mut found = None;
        let mut index = before;
        while let Some(next) = index.checked_sub(1) {
            index = next;
            let Some(idle) = shelf.idle.get_mut(index) else { break };
            if idle.since <= oldest {
                break;
            }
            idle.upward.driver.notice();
            if idle.upward.is_closed() {
                shelf.idle.remove(index);
            } else if idle.upward.is_ready() {
                found = Some(shelf.idle.remove(index).upward);
                break;
            }
            // Neither: it has not come round since the last exchange. Leave it be.
        }
        let gone = before.saturating_sub(shelf.idle.len());
        shelves.total = shelves.total.saturating_sub(gone);
        found
    }

    /// Puts a connection back after a complete exchange.
    pub(crate) fn put(&self, upstream: &Upstream, to: SocketAddr, mut upward: Upward) {
        if upward.multiplexes() {
            return;
        }
        let mut shelves = self.shelves();
        if upward.is_closed() || upstream.flight.retired() || shelves.total >= self.most_total {
            return;
        }
        upward.used = true;
        // Taking the last piece of an answer rings for more, and of that there is none. Should it have been the
        // connection's end that rang, the next request finds that before anything of it is sent.
        upward.driver.rest(upward.is_ready());
        let shelf = shelves
            .by_key
            .entry((upstream.deployment, to))
            .or_insert_with(|| Shelf { flight: Arc::clone(&upstream.flight), idle: Vec::new() });
        if shelf.idle.len() < self.most {
            shelf.idle.push(Idle { upward, since: self.clock.now_ms() });
            shelves.total = shelves.total.saturating_add(1);
        }
    }

    /// Lets go of what is old, closed or retired. To be called now and then.
    pub(crate) fn sweep(&self) {
        let oldest = self.clock.now_ms().saturating_sub(self.keep_ms);
        let mut shelves = self.shelves();
        shelves.by_key.retain(|_, shelf| {
            let keep = !shelf.flight.retired();
            shelf.idle.retain_mut(|idle| {
                idle.upward.driver.notice();
                keep && idle.since >= oldest && !idle.upward.is_closed()
            });
            !shelf.idle.is_empty()
        });
        shelves.shared.retain(|_, one| !one.flight.retired() && !one.sender.is_closed());
        shelves.total = shelves.by_key.values().map(|shelf| shelf.idle.len()).sum();
    }

    /// A new connection to a replica.
    pub(crate) async fn connect(&self, to: SocketAddr) -> io::Result<Upward> {
        let connecting = tokio::time::timeout(self.connect_within, TcpStream::connect(to));
        let stream = connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        listen::tune(&stream);
        let answered = Arc::new(AtomicBool::new(false));
        let socket = AppSocket { stream, answered: Arc::clone(&answered) };
        let (sender, connection) =
            http1::handshake(TokioIo::new(socket)).await.map_err(io::Error::other)?;
        let (sender, driver) =
            (Sender::Http1(sender), Driver::held(connection.with_upgrades(), to));
        Ok(Upward { sender, driver, answered, used: false })
    }

    /// The connection over HTTP/2 to a replica, which is made where there is none.
    pub(crate) async fn share(&self, upstream: &Upstream, to: SocketAddr) -> io::Result<Upward> {
        let key = (upstream.deployment, to);
        let there = {
            let shelves = self.shelves();
            let there = shelves.shared.get(&key).filter(|one| !one.sender.is_closed());
            there.map(|one| (one.sender.clone(), Arc::clone(&one.driver)))
        };
        let (sender, driver) = match there {
            Some(there) => there,
            None => Box::pin(self.connect_shared(upstream, key)).await?,
        };
        // Its answers cannot be told from those to others: what was sent is never sent again.
        let answered = Arc::new(AtomicBool::new(true));
        let (sender, driver) = (Sender::Http2(sender), Driver::by(driver));
        Ok(Upward { sender, driver, answered, used: false })
    }

    async fn connect_shared(
        &self,
        upstream: &Upstream,
        key: Key,
    ) -> io::Result<(http2::SendRequest<RequestBody>, Arc<AbortOnDropHandle<()>>)> {
        let (_, to) = key;
        let connecting = async {
            let stream = TcpStream::connect(to).await?;
            listen::tune(&stream);
            let mut http = http2::Builder::new(TokioExecutor::new());
            http.timer(TokioTimer::new()).keep_alive_interval(PING.0).keep_alive_timeout(PING.1);
            http.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)
        };
        let connecting = tokio::time::timeout(self.connect_within, connecting);
        let (sender, connection) =
            connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let driver = driver::spawn(connection, to);
        let mut shelves = self.shelves();
        if !upstream.flight.retired() && shelves.shared.len() < MOST_SHARED {
            let flight = Arc::clone(&upstream.flight);
            let one = Common { flight, sender: sender.clone(), driver: Arc::clone(&driver) };
            shelves.shared.insert(key, one);
        }
        Ok((sender, driver))
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket to a replica that notes when bytes come.
#[derive(Debug)]
struct AppSocket {
    stream: TcpStream,
    answered: Arc<AtomicBool>,
}

impl AsyncRead for AppSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.answered.store(true, Relaxed);
        }
        polled
    }
}

impl AsyncWrite for AppSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
