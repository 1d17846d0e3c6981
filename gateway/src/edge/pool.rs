//! Idle connections to replicas, one pool per core.
//!
//! Invariants: a connection lies here only between exchanges (answer read to its end, request
//! written to its end); one that is closed, old or of a retired deployment is never given out; the
//! number kept is bounded per replica and in all. Deployments never share a connection, even when
//! one inherits another's address.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use hythe_core::ids::DeploymentId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::balance::Upstream;
use super::body::RequestBody;
use super::config::EdgeLimits;
use super::connection::{Clock, millis};
use super::listen;
use super::table::Flight;

type Key = (DeploymentId, SocketAddr);

/// A connection to a replica. Dropping it closes it, also in the middle of a request's body.
#[derive(Debug)]
pub(crate) struct Upward {
    pub(crate) sender: SendRequest<RequestBody>,
    _driver: AbortOnDropHandle<()>,
    /// Whether a byte of an answer has come since this was last cleared.
    answered: Arc<AtomicBool>,
    /// Whether it has carried a request before.
    pub(crate) used: bool,
}

impl Upward {
    /// Forgets what came before; to be called before a request is sent.
    pub(crate) fn expect_answer(&self) {
        self.answered.store(false, Relaxed);
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
    by_key: HashMap<Key, Shelf>,
    total: usize,
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
            let Some(idle) = shelf.idle.get(index) else { break };
            if idle.since <= oldest {
                break;
            }
            if idle.upward.sender.is_closed() {
                shelf.idle.remove(index);
            } else if idle.upward.sender.is_ready() {
                found = Some(shelf.idle.remove(index).upward);
                break;
            }
            // Neither: its task has not come round since the last exchange. Leave it be.
        }
        let gone = before.saturating_sub(shelf.idle.len());
        shelves.total = shelves.total.saturating_sub(gone);
        found
    }

    /// Puts a connection back after a complete exchange.
    pub(crate) fn put(&self, upstream: &Upstream, to: SocketAddr, mut upward: Upward) {
        let mut shelves = self.shelves();
        if upward.sender.is_closed()
            || upstream.flight.retired()
            || shelves.total >= self.most_total
        {
            return;
        }
        upward.used = true;
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
            shelf
                .idle
                .retain(|idle| keep && idle.since >= oldest && !idle.upward.sender.is_closed());
            !shelf.idle.is_empty()
        });
        shelves.total = shelves.by_key.values().map(|shelf| shelf.idle.len()).sum();
    }

    /// A new connection to a replica.
    pub(crate) async fn connect(&self, to: SocketAddr) -> io::Result<Upward> {
        let connecting = tokio::time::timeout(self.connect_within, TcpStream::connect(to));
        let stream = connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        listen::tune(&stream);
        let answered = Arc::new(AtomicBool::new(false));
        let socket = AppSocket { stream, answered: Arc::clone(&answered) };
        let (sender, driver) =
            http1::handshake(TokioIo::new(socket)).await.map_err(io::Error::other)?;
        let driver = tokio::spawn(async move {
            if let Err(error) = driver.with_upgrades().await {
                tracing::debug!(%to, %error, "connection to a replica ended");
            }
        });
        Ok(Upward { sender, _driver: AbortOnDropHandle::new(driver), answered, used: false })
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
