//! The data plane: a reverse proxy for HTTP/1.1 and HTTP/2, with and without TLS, that follows the route
//! table.
//!
//! One thread with a runtime of its own per core does the serving ([`serving`]): connections,
//! requests ([`proxy`]), idle connections to replicas ([`pool`]). What they share is the table in
//! force ([`table`]), an atomic load per request, and with it what people set of each app ([`gate`]).
//! Beside them, on the caller's runtime, tables come
//! in ([`feed`]), certificates do ([`tls`]), reports go out ([`report`]), and the next process takes over
//! ([`handover`]).
//!
//! Architecture invariants: the edge knows neither journal nor aggregates. Everything it needs is
//! the table, which it keeps on disk; with nothing but that file it serves. It never waits for
//! NATS, and nothing that a client or an app sends makes it hold more than [`EdgeLimits`] allows.

mod access;
mod balance;
mod bell;
mod body;
mod compress;
mod config;
mod connection;
mod disk;
mod draft;
mod driver;
mod exchange;
mod feed;
mod figures;
mod follow;
mod gate;
mod greet;
mod handover;
mod headers;
mod host;
mod limiter;
mod listen;
mod mounts;
mod pages;
mod pool;
mod proxy;
mod redirect;
mod report;
mod scrape;
mod serving;
mod site;
mod sleep;
mod split;
mod table;
mod tls;
mod trace;
mod tunnel;
mod version;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hythe_actors::bus::{self, BusError};
use hythe_actors::node::EnvironmentError;
use hythe_core::ids::EdgeId;
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinError, JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use config::{BadNetwork, EdgeConfig, EdgeLimits, Network};
pub use handover::{answers_at, door};
pub use hythe_actors::bus::NatsSettings;
pub use listen::Explained;

use connection::Clock;
use disk::Disk;
use feed::Feed;
use gate::{Doorman, Doormen};
use handover::{Door, Found, Holdings, Inherited, Offering, Predecessor};
use listen::{Kind, Listening};
use pool::Pool;
use serving::{Core, Course, RequestIds};
use site::Shelf;
use table::Live;
use tls::Ports;

/// How long an edge that has the lock may take to be found at its door, or to be gone; and how often that is
/// looked at.
const FOUND_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long the edge of before may take to report what it still carries, until this one reports anyway.
const REPORTED_WITHIN: Duration = Duration::from_secs(30);

/// How long the last lines of access logs may take once nothing is served any more.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Why an edge cannot run, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// An address cannot be listened on.
    #[error("listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said, and what helps.
        source: Explained,
    },
    /// No address to listen on was given.
    #[error("listen: no address was given")]
    NoAddress,
    /// A file or the directory cannot be used.
    #[error("use {}: {source}", path.display())]
    Data {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another edge runs with the same directory.
    #[error("use {}: another edge is running with it; --take-over takes its place", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The edge that runs did not give its place away; it goes on.
    #[error("take over from the edge that is running: {0}")]
    TakeOver(io::Error),
    /// The file that says who this edge is does not hold an id.
    #[error("read {}: it holds no id; delete it and the edge takes a new one", path.display())]
    Identity {
        /// The file.
        path: PathBuf,
    },
    /// The file with what is sealed for this edge is opened with cannot be used.
    #[error(transparent)]
    SealingKey(#[from] EnvironmentError),
    /// The library cannot be used.
    #[error("set up TLS: {0}")]
    Tls(rustls::Error),
    /// The address of NATS makes no sense. One that does not answer is no error.
    #[error(transparent)]
    Nats(#[from] BusError),
    /// A serving thread could not be started or has failed.
    #[error("serve: {0}")]
    Serve(io::Error),
}

/// Listens, serves and reports until `shutdown` is ready, then lets requests under way finish
/// within [`EdgeLimits::stop_within`]. Also ends once another process has taken its place and what was
/// under way has ended.
///
/// # Errors
/// [`EdgeError`] when it cannot start, or when a serving thread has failed.
pub async fn run(config: EdgeConfig, shutdown: impl Future<Output = ()>) -> Result<(), EdgeError> {
    let edge = if config.take_over { Edge::take_over(config).await } else { Edge::bind(config) };
    edge?.run(shutdown).await
}

/// An edge that listens and does not serve yet.
#[derive(Debug)]
pub struct Edge {
    id: EdgeId,
    config: EdgeConfig,
    disk: Disk,
    cores: usize,
    listening: Vec<Listening>,
    /// The edge whose place it takes.
    offering: Option<Offering>,
}

impl Edge {
    /// Takes the directory and the addresses. Clients that connect from now on wait.
    ///
    /// # Errors
    /// [`EdgeError`] says which of them cannot be had.
    pub fn bind(config: EdgeConfig) -> Result<Self, EdgeError> {
        let disk = Disk::open(&config.data)?;
        Self::with(config, disk, Inherited::default(), None)
    }

    /// The same, with what the edge has that runs with the same directory: it goes on until this one runs,
    /// and then finishes what it has. Where none runs, nothing is taken over.
    ///
    /// # Errors
    /// [`EdgeError`] says what cannot be had. The edge that runs goes on then.
    pub async fn take_over(config: EdgeConfig) -> Result<Self, EdgeError> {
        let broken = |source| EdgeError::Data { path: config.data.clone(), source };
        std::fs::create_dir_all(&config.data).map_err(broken)?;
        let given_up = Instant::now() + FOUND_WITHIN;
        loop {
            let found = handover::take(&config.data).await.map_err(EdgeError::TakeOver)?;
            if let Some(Found { offering, lock, inherited }) = found {
                let disk = Disk::inherit(&config.data, lock)?;
                return Self::with(config, disk, inherited, Some(offering));
            }
            match Disk::open(&config.data) {
                // It is starting, ending, or giving its place to yet another one.
                Err(EdgeError::InUse { .. }) if Instant::now() < given_up => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                disk => return Self::with(config, disk?, Inherited::default(), None),
            }
        }
    }

    fn with(
        config: EdgeConfig,
        disk: Disk,
        mut inherited: Inherited,
        offering: Option<Offering>,
    ) -> Result<Self, EdgeError> {
        if config.listen.is_empty() {
            return Err(EdgeError::NoAddress);
        }
        listen::raise_socket_limit();
        let id = disk.identity()?;
        let cores = config
            .cores
            .or_else(|| thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get);
        let plain = config.listen.iter().map(|address| (Kind::Http, *address, cores));
        let secure = config.https.iter().map(|address| (Kind::Https, *address, cores));
        let metrics = config.metrics.map(|address| (Kind::Metrics, address, 1));
        let listening = plain
            .chain(secure)
            .chain(metrics)
            .map(|(kind, address, cores)| {
                listen::listen(kind, address, cores, inherited.take(kind, address))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { id, config, disk, cores, listening, offering })
    }

    fn addresses_of(&self, kind: Kind) -> impl Iterator<Item = SocketAddr> {
        let of_kind = self.listening.iter().filter(move |listening| listening.kind == kind);
        of_kind.map(|listening| listening.address)
    }

    /// Where its figures are read, where they are; the port is not 0.
    #[must_use]
    pub fn metrics(&self) -> Option<SocketAddr> {
        self.addresses_of(Kind::Metrics).next()
    }

    /// Who this edge is.
    #[must_use]
    pub fn id(&self) -> EdgeId {
        self.id
    }

    /// Where it listens, in the order of [`EdgeConfig::listen`]; no port is 0.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses_of(Kind::Http).collect()
    }

    /// Where it listens for TLS, in the order of [`EdgeConfig::https`]; no port is 0.
    #[must_use]
    pub fn secure_addresses(&self) -> Vec<SocketAddr> {
        self.addresses_of(Kind::Https).collect()
    }

    /// Serves until `shutdown` is ready; see [`run`].
    ///
    /// # Errors
    /// [`EdgeError`] when it cannot start, or when a serving thread has failed.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), EdgeError> {
        let (sites, limits) = (self.config.data.join("sites"), &self.config.limits);
        let shelf = Shelf::open(sites.clone(), limits.site_memory).and_then(|shelf| {
            if self.disk.is_fresh() {
                shelf.clear()?;
            }
            Ok(shelf)
        });
        let shelf = shelf.map_err(|source| EdgeError::Data { path: sites, source })?;
        let (shelf, spare) = (Arc::new(shelf), limits.site_spare);
        let live = Arc::new(Live::serving(self.cores, Some(Arc::clone(&shelf))));
        let port = |kind| self.addresses_of(kind).next().map(|address| address.port());
        let https = port(Kind::Https).map(|port| self.config.public_https.unwrap_or(port));
        let told = tls::Told {
            edge: self.id,
            ports: Ports { http: port(Kind::Http), https },
            base_domain: self.config.base_domain.clone(),
            stay: self.config.limits.certificates_stay,
            alone: self.config.limits.alone,
            look: self.config.limits.alone_look,
        };
        let disk = Arc::new(self.disk);
        let (tls, certificates) = tls::open(told, &disk, Arc::clone(&live.changed))?;
        let feed = Feed::new(Arc::clone(&live), Arc::clone(&disk));
        feed.load();
        let door = Door::draft(&self.config.data);

        let stop = CancellationToken::new();
        let course = Course::new();
        let _stop_whatever_happens = (stop.clone().drop_guard(), course.end.clone().drop_guard());
        let limits = Arc::new(self.config.limits);
        let trusted: Arc<[Network]> = self.config.trusted.into();
        let clock = Clock::start();
        let doormen = Doormen::new(limits.passwords);
        let mut threads = JoinSet::new();
        let sockets = listen::spread(&self.listening, self.cores).map_err(EdgeError::Serve)?;
        let (outlets, collector) = access::outlets(self.cores);
        for ((index, sockets), access) in sockets.into_iter().enumerate().zip(outlets) {
            let core = Arc::new(Core {
                edge: self.id,
                live: Arc::clone(&live),
                tls: Arc::clone(&tls),
                pool: Pool::new(clock, &limits),
                limits: Arc::clone(&limits),
                clock,
                ids: RequestIds::new(),
                trusted: Arc::clone(&trusted),
                proxy_protocol: self.config.proxy_protocol,
                index,
                doorman: Doorman::new(&doormen),
                compressing: Arc::new(Semaphore::new(limits.compressions)),
                shaking: Arc::new(Semaphore::new(limits.handshakes)),
                course: course.clone(),
                access,
            });
            let ended = start(index, core, sockets, stop.clone()).map_err(EdgeError::Serve)?;
            threads.spawn(ended);
        }
        let name = format!("hythe-edge {}", self.id);
        let bus = bus::connect_in_background(&self.config.nats, &name).await?;
        let metrics = metrics_sockets(&self.listening)?;
        // From here on nothing can be missing any more.
        let predecessor = match self.offering {
            Some(offering) => Some(settle(offering, &live, &course, &mut threads).await?),
            None => None,
        };
        course.begin.cancel();
        let addresses: Vec<_> = self.listening.iter().map(|listening| listening.address).collect();
        tracing::info!(edge = %self.id, ?addresses, "serving");

        let mut background = JoinSet::new();
        background.spawn(feed.follow(bus.clone()));
        // It ends with the threads, and what they left is told.
        let (source, sources) = watch::channel(self.id);
        let telling = tokio::spawn(collector.run(sources, bus.clone()));
        let mut given_up = vec![
            background.spawn(certificates.follow(bus.clone())),
            background.spawn(site::keep(Arc::clone(&shelf), Arc::clone(&live), bus.clone(), spare)),
        ];
        let before = predecessor.as_ref().map(|before| before.reported.clone());
        let (told, tls_of_it) = (Arc::clone(&live), Some(Arc::clone(&tls)));
        let reporting =
            report::report(self.id, told, tls_of_it, bus.clone(), CancellationToken::new());
        given_up.push(background.spawn(async move {
            if let Some(reported) = before {
                // One that cannot reach NATS any more is to keep nobody silent.
                tokio::time::timeout(REPORTED_WITHIN, reported.cancelled()).await.ok();
            }
            reporting.await;
        }));
        for socket in metrics {
            let serving = scrape::serve(socket, Arc::clone(&live), Arc::clone(&tls));
            given_up.push(background.spawn(serving));
        }

        let holdings = Holdings { edge: self.id, listening: self.listening };
        let mut shutdown = pin!(shutdown);
        let successor = tokio::select! {
            () = &mut shutdown => None,
            successor = give(door, &holdings, &disk, &live) => Some(successor),
            ended = threads.join_next() => return Err(ended_early(ended)),
            Some(ended) = background.join_next() => {
                ended.map_err(|error| EdgeError::Serve(io::Error::other(error)))?;
                return Err(EdgeError::Serve(io::Error::other("feed or report ended by itself")));
            }
        };
        // In this process nobody is to wait in a queue any more.
        drop(holdings);
        if successor.is_none() {
            tracing::info!("stopping");
            course.end.cancel();
        }
        stop.cancel();
        // Reports go on until the last request has ended: someone may be waiting for that.
        let before = predecessor
            .map(|before| tokio::spawn(stop_with(before, course.end.clone(), limits.stop_within)));
        let finishing = Finishing { threads, before, telling, course, limits };
        match successor {
            Some(successor) => {
                tracing::info!("another process serves from here on; finishing what is under way");
                given_up.iter().for_each(AbortHandle::abort);
                let (own, told) = (EdgeId::new(Uuid::now_v7()), CancellationToken::new());
                source.send_replace(own);
                background.spawn(site::take_in(shelf, Arc::clone(&live)));
                let said = report::report(own, Arc::clone(&live), None, bus.clone(), told.clone());
                let reporting = background.spawn(said);
                let finished = finishing.beside(successor, told, shutdown).await;
                // Nothing of it is to come after the last word.
                reporting.abort();
                report::farewell(own, &live, &bus).await;
                finished
            }
            None => finishing.all().await,
        }
    }
}

/// Takes the place that is offered, once all threads are ready.
async fn settle(
    offering: Offering,
    live: &Live,
    course: &Course,
    threads: &mut JoinSet<io::Result<()>>,
) -> Result<Predecessor, EdgeError> {
    if live.revision() < offering.revision {
        let older =
            "the table on disk is older than the one that is in force there: is the disk full?";
        return Err(EdgeError::TakeOver(io::Error::other(older)));
    }
    let all = u32::try_from(threads.len()).unwrap_or(u32::MAX);
    tokio::select! {
        ready = course.ready.acquire_many(all) => {
            ready.map_err(io::Error::other).map_err(EdgeError::Serve)?.forget();
        }
        ended = threads.join_next() => return Err(ended_early(ended)),
    }
    offering.settle().await.map_err(EdgeError::TakeOver)
}

fn metrics_sockets(listening: &[Listening]) -> Result<Vec<tokio::net::TcpListener>, EdgeError> {
    let mut found = Vec::new();
    for Listening { kind: _, address, sockets } in
        listening.iter().filter(|listening| listening.kind == Kind::Metrics)
    {
        let failed =
            |source| EdgeError::Listen { address: *address, source: Explained::new(source) };
        for socket in sockets {
            let socket = socket.try_clone().and_then(tokio::net::TcpListener::from_std);
            found.push(socket.map_err(failed)?);
        }
    }
    Ok(found)
}

/// Waits for the end of the edge of before, which stops when this one does.
async fn stop_with(before: Predecessor, end: CancellationToken, within: Duration) {
    let gone = before.gone.clone();
    tokio::select! {
        () = gone.cancelled() => return,
        () = end.cancelled() => {}
    }
    if tokio::time::timeout(within, before.stop()).await.is_err() {
        tracing::warn!("the edge of before did not stop in time");
    }
}

/// Waits for the next edge at the door, if there could be one made.
async fn give(
    door: io::Result<Door>,
    holdings: &Holdings,
    disk: &Disk,
    live: &Live,
) -> handover::Successor {
    let opened = door.and_then(|door| door.open().map(|()| door));
    match opened {
        Ok(door) => door.give(holdings, disk, live).await,
        Err(error) => {
            tracing::warn!(%error, "no other edge will be able to take over from this one");
            std::future::pending().await
        }
    }
}

/// Serving threads that accept no more.
struct Finishing {
    threads: JoinSet<io::Result<()>>,
    /// The end of the edge whose place this one took.
    before: Option<JoinHandle<()>>,
    /// What writes the access logs: it ends after the threads.
    telling: JoinHandle<()>,
    course: Course,
    limits: Arc<EdgeLimits>,
}

impl Finishing {
    async fn all(mut self) -> Result<(), EdgeError> {
        while let Some(ended) = self.threads.join_next().await {
            ended.map_err(io::Error::other).flatten().map_err(EdgeError::Serve)?;
        }
        if tokio::time::timeout(LAST_LINES, self.telling).await.is_err() {
            tracing::debug!("the last lines of access logs are lost");
        }
        match self.before {
            Some(before) => before.await.map_err(|error| EdgeError::Serve(io::Error::other(error))),
            None => Ok(()),
        }
    }

    /// While another process serves. `reported` is cancelled once what is under way was reported.
    async fn beside(
        self,
        mut successor: handover::Successor,
        reported: CancellationToken,
        shutdown: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), EdgeError> {
        let end = self.course.end.clone();
        let over = tokio::time::sleep(self.limits.finish_within);
        let following = async {
            tokio::select! {
                () = successor.stops(&reported) => {}
                () = shutdown => {}
                () = over => {}
            }
            tracing::info!("stopping");
            end.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = self.all() => ended,
            () = following => Ok(()),
        }
    }
}

fn ended_early(ended: Option<Result<io::Result<()>, JoinError>>) -> EdgeError {
    let by_itself = || io::Error::other("a thread ended by itself");
    let ended = ended.map_or(Ok(()), |ended| ended.map_err(io::Error::other).flatten());
    EdgeError::Serve(ended.err().unwrap_or_else(by_itself))
}

/// Starts a serving thread. What is returned is ready when the thread has ended.
fn start(
    index: usize,
    core: Arc<Core>,
    sockets: Vec<(Kind, std::net::TcpListener)>,
    stop: CancellationToken,
) -> io::Result<impl Future<Output = io::Result<()>>> {
    let (tell, ended) = tokio::sync::oneshot::channel();
    thread::Builder::new().name(format!("edge-{index}")).spawn(move || {
        // Nobody listens any more where the edge was dropped.
        let _ = tell.send(serving::serve(&core, sockets, &stop));
    })?;
    Ok(async move { ended.await.unwrap_or_else(|_| Err(io::Error::other("a thread panicked"))) })
}
