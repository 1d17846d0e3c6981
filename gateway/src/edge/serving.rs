//! One serving thread per core: it accepts, speaks HTTP with clients, and owns its connections.
//!
//! Invariants: threads share only the table and the shutdown signal; the number of connections per
//! core is bounded, further clients wait in the kernel's queue; after the shutdown signal, or once another
//! process has taken over, no connection is accepted but those already in that queue, and none is cut before
//! the time is up.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use hyper::StatusCode;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hythe_core::ids::EdgeId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::access::Outlet;
use super::bell::Bell;
use super::config::{EdgeLimits, Network};
use super::connection::{ClientSocket, Clock, Connection, Due};
use super::gate::Doorman;
use super::greet::greet;
use super::headers::Peer;
use super::host::Last;
use super::listen::{self, Kind};
use super::pool::Pool;
use super::proxy::Proxy;
use super::table::Live;
use super::tls::{self, Certificate, Tls};

/// How often idle connections to replicas are looked through.
const SWEEP: Duration = Duration::from_millis(500);
/// How long accepting pauses when the process has run out of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);
/// How often a silent HTTP/2 connection is asked whether it lives, and how long it may take to say so.
const PING: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(20));
/// How a plain connection reached us, and one over TLS.
const PLAIN: &str = "http";
const SECURE: &str = "https";
/// The part of its time that a handshake gets while there are many.
const HURRY: u32 = 5;

/// What the requests of one core share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) edge: EdgeId,
    pub(crate) live: Arc<Live>,
    pub(crate) tls: Arc<Tls>,
    pub(crate) pool: Pool,
    pub(crate) limits: Arc<EdgeLimits>,
    pub(crate) clock: Clock,
    pub(crate) ids: RequestIds,
    pub(crate) trusted: Arc<[Network]>,
    /// Whether trusted peers say whose each connection is.
    pub(crate) proxy_protocol: bool,
    /// Which core this is.
    pub(crate) index: usize,
    pub(crate) doorman: Doorman,
    /// Places for answers that are compressed.
    pub(crate) compressing: Arc<Semaphore>,
    /// Places for handshakes.
    pub(crate) shaking: Arc<Semaphore>,
    pub(crate) course: Course,
    /// Where lines of access logs go.
    pub(crate) access: Outlet,
}

impl Core {
    /// Whether a peer is believed when it says whose requests it passes on.
    fn trusts(&self, address: SocketAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address.ip()))
    }
}

/// What serving threads are told, and tell, besides that they are to accept no more.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    /// Gains a permit from each thread that is ready to accept.
    pub(crate) ready: Arc<Semaphore>,
    /// They may accept.
    pub(crate) begin: CancellationToken,
    /// What is idle ends, and the rest within [`EdgeLimits::stop_within`]. Where another process took
    /// over, that is some time after no more is accepted.
    pub(crate) end: CancellationToken,
}

impl Course {
    pub(crate) fn new() -> Self {
        Self {
            ready: Arc::new(Semaphore::new(0)),
            begin: CancellationToken::new(),
            end: CancellationToken::new(),
        }
    }
}

/// Ids for requests that come without one: 32 hexadecimal digits, unique but not secret.
#[derive(Debug)]
pub(crate) struct RequestIds {
    /// The first half of each: this process' own.
    process: [u8; 16],
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        // Without the system's randomness ids may repeat between restarts, which harms little.
        let random = || getrandom::u64().unwrap_or_default();
        Self { process: hex(random()), next: AtomicU64::new(random()) }
    }

    pub(crate) fn next(&self) -> HeaderValue {
        let count = self.next.fetch_add(1, Relaxed);
        let text = [self.process, hex(count)];
        HeaderValue::from_bytes(text.as_flattened())
            .unwrap_or_else(|_| HeaderValue::from_static("0"))
    }
}

fn hex(number: u64) -> [u8; 16] {
    let digits = number.to_be_bytes().map(|byte| [hex_digit(byte >> 4), hex_digit(byte & 15)]);
    let mut text = [0; 16];
    text.copy_from_slice(digits.as_flattened());
    text
}

const fn hex_digit(half: u8) -> u8 {
    if half < 10 { b'0' + half } else { b'a' + half - 10 }
}

/// Serves on the calling thread until `stop` and then until the last connection has ended or the
/// time for that is up.
pub(crate) fn serve(
    core: &Arc<Core>,
    listeners: Vec<(Kind, TcpListener)>,
    stop: &CancellationToken,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listeners: Vec<_> = listeners
            .into_iter()
            .map(|(kind, listener)| Ok((kind, tokio::net::TcpListener::from_std(listener)?)))
            .collect::<io::Result<_>>()?;
        core.course.ready.add_permits(1);
        tokio::select! {
            () = core.course.begin.cancelled() => {}
            () = stop.cancelled() => return Ok(()),
        }
        let places = Arc::new(Semaphore::new(core.limits.connections));
        let accepting: Vec<_> = listeners
            .into_iter()
            .map(|(kind, listener)| {
                let (core, places) = (Arc::clone(core), Arc::clone(&places));
                // Those who wait with their handshake leave places for all others.
                let turns = (kind == Kind::Https).then(|| Arc::clone(&core.shaking));
                tokio::spawn(accept(core, listener, places, turns, stop.clone()))
            })
            .collect();
        let mut sweeping = tokio::time::interval(SWEEP);
        let mut stopped = pin!(stop.cancelled());
        loop {
            tokio::select! {
                () = &mut stopped => break,
                _ = sweeping.tick() => core.pool.sweep(),
            }
        }
        for accepting in accepting {
            accepting.await.map_err(io::Error::other)?;
        }
        let all = u32::try_from(core.limits.connections).unwrap_or(u32::MAX);
        let mut ended = pin!(places.acquire_many(all));
        loop {
            tokio::select! {
                biased;
                _ = &mut ended => return Ok(()),
                () = core.course.end.cancelled() => break,
                _ = sweeping.tick() => core.pool.sweep(),
            }
        }
        if tokio::time::timeout(core.limits.stop_within, ended).await.is_err() {
            let left = core.limits.connections.saturating_sub(places.available_permits());
            tracing::warn!(connections = left, "stopped with requests still under way");
        }
        Ok(())
    })
}

async fn accept(
    core: Arc<Core>,
    listener: tokio::net::TcpListener,
    places: Arc<Semaphore>,
    turns: Option<Arc<Semaphore>>,
    stop: CancellationToken,
) {
    let mut stopped = pin!(stop.cancelled());
    loop {
        let place = tokio::select! {
            () = &mut stopped => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let Ok(place) = place else { return };
        let turn = match &turns {
            None => None,
            Some(turns) => tokio::select! {
                () = &mut stopped => break,
                turn = Arc::clone(turns).acquire_owned() => match turn {
                    Ok(turn) => Some(turn),
                    Err(_) => return,
                },
            },
        };
        tokio::select! {
            biased;
            () = &mut stopped => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => begin(&core, stream, peer, (place, turn), &stop),
                Err(error) => accept_failed(&error).await,
            },
        }
    }
    // Closing the socket resets what waits in its queue, though the client holds it for connected.
    // Room is taken before: one that is accepted without would be reset as well, even where another process
    // goes on with the queue.
    while let Ok(place) = Arc::clone(&places).try_acquire_owned() {
        let turn = turns.as_ref().map(|turns| Arc::clone(turns).try_acquire_owned());
        let Ok(turn) = turn.transpose() else { break };
        // Those are more than the runtime lets one task take at a time.
        match tokio::task::unconstrained(listener.accept()).now_or_never() {
            Some(Ok((stream, peer))) => begin(&core, stream, peer, (place, turn), &stop),
            Some(Err(error)) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Some(Err(_)) | None => break,
        }
    }
}

async fn accept_failed(error: &io::Error) {
    // A client that left while it waited is no news; anything else is a lack of something.
    if error.kind() != io::ErrorKind::ConnectionAborted {
        tracing::warn!(%error, "could not accept a connection");
        tokio::time::sleep(PAUSE).await;
    }
}

fn begin(
    core: &Arc<Core>,
    stream: TcpStream,
    address: SocketAddr,
    (place, turn): (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
    stop: &CancellationToken,
) {
    // A connection whose own address cannot be had is gone.
    let Ok(local) = stream.local_addr() else { return };
    listen::tune(&stream);
    let way = Way { address, local, secure: None };
    let (core, stop) = (Arc::clone(core), stop.clone());
    match turn {
        None => drop(tokio::spawn(converse(core, stream, way, place, stop))),
        Some(turn) => drop(tokio::spawn(secure(core, stream, way, (place, turn), stop))),
    }
}

/// Does the handshake, and goes on over what it opened.
async fn secure(
    core: Arc<Core>,
    stream: TcpStream,
    way: Way,
    (place, turn): (OwnedSemaphorePermit, OwnedSemaphorePermit),
    stop: CancellationToken,
) {
    // Where few turns are left, those who take their time are not waited for as long.
    let scarce = core.shaking.available_permits() < core.limits.handshakes / 4;
    let within = core.limits.head_within / if scarce { HURRY } else { 1 };
    let proxied = core.proxy_protocol && core.trusts(way.address);
    let shaking = tls::handshake(&core.tls, stream, proxied);
    let secured = match tokio::time::timeout(within, shaking).await {
        Ok(Ok(secured)) => secured,
        Ok(Err(error)) => {
            tracing::debug!(peer = %way.address, %error, "connection ended at its handshake");
            return;
        }
        Err(_) => {
            core.tls.late();
            return;
        }
    };
    drop(turn);
    let (address, local) = secured.told.unwrap_or((way.address, way.local));
    let agreed = Agreed { http2: secured.http2, certificate: secured.certificate };
    let way = Way { address, local, secure: Some(agreed) };
    // What the handshake took is room that this one does not need besides its own.
    Box::pin(converse(core, secured.stream, way, place, stop)).await;
}

/// Between whom a connection is, and how it came.
#[derive(Debug)]
struct Way {
    address: SocketAddr,
    local: SocketAddr,
    /// What its handshake came to, where it had one. Whose it is was told before that.
    secure: Option<Agreed>,
}

#[derive(Debug)]
struct Agreed {
    http2: bool,
    certificate: Arc<Certificate>,
}

/// Speaks with a client over whatever carries the bytes: what stands before this, as TLS, hands on
/// what it has opened.
async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    core: Arc<Core>,
    mut stream: S,
    mut way: Way,
    place: OwnedSemaphorePermit,
    stop: CancellationToken,
) {
    let limits = Arc::clone(&core.limits);
    let connection = Arc::new(Connection::new(core.clock, place));
    let proxied = way.secure.is_none() && core.proxy_protocol && core.trusts(way.address);
    let greeting = tokio::time::timeout(limits.head_within, greet(&mut stream, proxied));
    let greeting = match greeting.await {
        Ok(Ok(greeting)) => greeting,
        Ok(Err(error)) => {
            tracing::debug!(peer = %way.address, %error, "connection ended at its begin");
            return;
        }
        Err(_) => return,
    };
    if let Some((address, local)) = greeting.told {
        way = Way { address, local, ..way };
    }
    if way.secure.as_ref().is_some_and(|agreed| agreed.http2 != greeting.http2) {
        tracing::debug!(peer = %way.address, "connection ended: it speaks what was not agreed on");
        return;
    }
    let scheme = if way.secure.is_some() { SECURE } else { PLAIN };
    let certificate = way.secure.map(|agreed| agreed.certificate);
    let peer = Peer::new(way.address, way.local, core.trusts(way.address), scheme);
    let socket =
        ClientSocket { stream, early: greeting.early, connection: Arc::clone(&connection) };
    let shared = Arc::clone(&core);
    let end = &shared.course.end;
    let (connection_too, last) = (Arc::clone(&connection), Last::default());
    let proxy = Arc::new(Proxy { core, peer, certificate, connection: connection_too, last });
    let service = service_fn(move |request| {
        let proxy = Arc::clone(&proxy);
        // On the heap for as long as it takes: hyper has room for it for as long as the connection lives.
        let answering = async move {
            let mut answer = proxy.answer(request).await;
            let upgraded = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
            if proxy.connection.is_last() && !upgraded {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        };
        answering.boxed()
    });
    if greeting.http2 {
        connection.multiplexes();
        let speaking = async {
            let mut http = http2::Builder::new(TokioExecutor::new());
            http.timer(TokioTimer::new())
                .keep_alive_interval(PING.0)
                .keep_alive_timeout(PING.1)
                .max_concurrent_streams(limits.streams)
                .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
            let serving = http.serve_connection(TokioIo::new(socket), service);
            let stopping =
                |serving: Pin<&mut http2::Connection<_, _, _>>| serving.graceful_shutdown();
            drive(serving, stopping, &connection, &limits, way.address, (&stop, end)).await;
        };
        // It is large, and many connections are none of these.
        Box::pin(speaking).await;
    } else {
        let mut http = http1::Builder::new();
        // The connection's own timer does this, and tells an idle connection from a slow head.
        http.header_read_timeout(None);
        http.max_header_size(limits.header_bytes);
        http.max_buf_size(limits.header_bytes.max(64 * 1024));
        let serving = http.serve_connection(TokioIo::new(socket), service).with_upgrades();
        let stopping =
            |serving: Pin<&mut http1::UpgradeableConnection<_, _>>| serving.graceful_shutdown();
        drive(serving, stopping, &connection, &limits, way.address, (&stop, end)).await;
    }
}

/// Serves a connection to its end, which comes early where it is over time.
async fn drive<C: Future<Output = hyper::Result<()>>>(
    serving: C,
    stop_it: impl Fn(Pin<&mut C>),
    connection: &Connection,
    limits: &EdgeLimits,
    address: SocketAddr,
    (stop, end): (&CancellationToken, &CancellationToken),
) {
    let mut serving = pin!(serving);
    // First that no more connections are accepted, then that this one is to end.
    let mut told = pin!(stop.cancelled());
    let mut stopping = false;
    let first = match connection.due(limits) {
        Due::Now => Duration::ZERO,
        Due::Later(span) => span,
    };
    let mut timer = pin!(tokio::time::sleep(first));
    // A request polls what serves it some times, and neither of these has come about by that.
    let mut bell = Bell::default();
    let ending = poll_fn(|cx| {
        loop {
            if let Poll::Ready(ended) = serving.as_mut().poll(cx) {
                return Poll::Ready(Some(ended));
            }
            let Some(waker) = bell.rang(cx) else { return Poll::Pending };
            let mut own = Context::from_waker(&waker);
            if !stopping && told.as_mut().poll(&mut own).is_ready() {
                let ends = end.is_cancelled();
                if ends || connection.parts() {
                    stop_it(serving.as_mut());
                }
                stopping = ends;
                told.set(end.cancelled());
                timer.as_mut().reset(Instant::now());
            } else if timer.as_mut().poll(&mut own).is_ready() {
                match connection.due(limits) {
                    Due::Now => return Poll::Ready(None),
                    Due::Later(span) => timer.as_mut().reset(Instant::now() + span),
                }
            } else {
                return Poll::Pending;
            }
            // What is new has to be polled, too.
            bell.look_again();
        }
    });
    match ending.await {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(peer = %address, %error, "connection ended"),
        None => tracing::debug!(peer = %address, "connection ended: over time"),
    }
}
