//! The data plane: a reverse proxy for HTTP/1.1 and HTTP/2 that follows the route table.
//!
//! One thread with a runtime of its own per core does the serving ([`serving`]): connections,
//! requests ([`proxy`]), idle connections to replicas ([`pool`]). What they share is the table in
//! force ([`table`]), an atomic load per request, and with it what people set of each app ([`gate`]).
//! Beside them, on the caller's runtime, tables come
//! in ([`feed`]) and reports go out ([`report`]).
//!
//! Architecture invariants: the edge knows neither journal nor aggregates. Everything it needs is
//! the table, which it keeps on disk; with nothing but that file it serves. It never waits for
//! NATS, and nothing that a client or an app sends makes it hold more than [`EdgeLimits`] allows.

mod balance;
mod body;
mod compress;
mod config;
mod connection;
mod disk;
mod exchange;
mod feed;
mod figures;
mod gate;
mod greet;
mod headers;
mod host;
mod limiter;
mod listen;
mod pages;
mod pool;
mod proxy;
mod redirect;
mod report;
mod scrape;
mod serving;
mod table;
mod tunnel;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use hythe_actors::bus::{self, BusError};
use hythe_core::ids::EdgeId;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use config::{BadNetwork, EdgeConfig, EdgeLimits, Network};
pub use hythe_actors::bus::NatsSettings;
pub use listen::Explained;

use connection::Clock;
use disk::Disk;
use feed::Feed;
use gate::{Doorman, Doormen};
use pool::Pool;
use serving::{Core, RequestIds};
use table::Live;

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
    #[error("use {}: another edge is running with it", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The file that says who this edge is does not hold an id.
    #[error("read {}: it holds no id; delete it and the edge takes a new one", path.display())]
    Identity {
        /// The file.
        path: PathBuf,
    },
    /// The address of NATS makes no sense. One that does not answer is no error.
    #[error(transparent)]
    Nats(#[from] BusError),
    /// A serving thread could not be started or has failed.
    #[error("serve: {0}")]
    Serve(io::Error),
}

/// Listens, serves and reports until `shutdown` is ready, then lets requests under way finish
/// within [`EdgeLimits::stop_within`].
///
/// # Errors
/// [`EdgeError`] when it cannot start, or when a serving thread has failed.
pub async fn run(config: EdgeConfig, shutdown: impl Future<Output = ()>) -> Result<(), EdgeError> {
    Edge::bind(config)?.run(shutdown).await
}

/// An edge that listens and does not serve yet.
#[derive(Debug)]
pub struct Edge {
    id: EdgeId,
    config: EdgeConfig,
    disk: Disk,
    addresses: Vec<SocketAddr>,
    /// Per core, one socket for each address.
    sockets: Vec<Vec<std::net::TcpListener>>,
    /// Where its figures are read.
    metrics: Option<(SocketAddr, std::net::TcpListener)>,
}

impl Edge {
    /// Takes the directory and the addresses. Clients that connect from now on wait.
    ///
    /// # Errors
    /// [`EdgeError`] says which of them cannot be had.
    pub fn bind(config: EdgeConfig) -> Result<Self, EdgeError> {
        if config.listen.is_empty() {
            return Err(EdgeError::NoAddress);
        }
        listen::raise_socket_limit();
        let disk = Disk::open(&config.data)?;
        let id = disk.identity()?;
        let cores = config
            .cores
            .or_else(|| thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get);
        let mut addresses = Vec::with_capacity(config.listen.len());
        let mut sockets: Vec<Vec<_>> = (0..cores).map(|_| Vec::new()).collect();
        for address in &config.listen {
            let listening = listen::listen(*address, cores)?;
            addresses.push(listening.address);
            for (core, socket) in sockets.iter_mut().zip(listening.sockets) {
                core.push(socket);
            }
        }
        let metrics = match config.metrics {
            Some(address) => {
                let listening = listen::listen(address, 1)?;
                listening.sockets.into_iter().next().map(|socket| (listening.address, socket))
            }
            None => None,
        };
        Ok(Self { id, config, disk, addresses, sockets, metrics })
    }

    /// Where its figures are read, where they are; the port is not 0.
    #[must_use]
    pub fn metrics(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(address, _)| *address)
    }

    /// Who this edge is.
    #[must_use]
    pub fn id(&self) -> EdgeId {
        self.id
    }

    /// Where it listens, in the order of [`EdgeConfig::listen`]; no port is 0.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until `shutdown` is ready; see [`run`].
    ///
    /// # Errors
    /// [`EdgeError`] when it cannot start, or when a serving thread has failed.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), EdgeError> {
        let live = Arc::new(Live::on(self.sockets.len()));
        let feed = Feed::new(Arc::clone(&live), Arc::new(self.disk));
        feed.load();

        let stop = CancellationToken::new();
        let _stop_whatever_happens = stop.clone().drop_guard();
        let limits = Arc::new(self.config.limits);
        let trusted: Arc<[Network]> = self.config.trusted.into();
        let clock = Clock::start();
        let doormen = Doormen::new(limits.passwords);
        let mut threads = JoinSet::new();
        for (index, sockets) in self.sockets.into_iter().enumerate() {
            let core = Arc::new(Core {
                edge: self.id,
                live: Arc::clone(&live),
                pool: Arc::new(Pool::new(clock, &limits)),
                limits: Arc::clone(&limits),
                clock,
                ids: RequestIds::new(),
                trusted: Arc::clone(&trusted),
                proxy_protocol: self.config.proxy_protocol,
                index,
                doorman: Doorman::new(&doormen),
                compressing: Arc::new(Semaphore::new(limits.compressions)),
            });
            let ended = start(index, core, sockets, stop.clone()).map_err(EdgeError::Serve)?;
            threads.spawn(ended);
        }
        tracing::info!(edge = %self.id, addresses = ?self.addresses, "serving");

        let name = format!("hythe-edge {}", self.id);
        let bus = bus::connect_in_background(&self.config.nats, &name).await?;
        let mut background = JoinSet::new();
        background.spawn(feed.follow(bus.clone()));
        background.spawn(report::report(self.id, Arc::clone(&live), bus));
        if let Some((address, socket)) = self.metrics {
            let failed = |source| EdgeError::Listen { address, source: Explained::new(source) };
            let socket = tokio::net::TcpListener::from_std(socket).map_err(failed)?;
            background.spawn(scrape::serve(socket, live));
        }

        tokio::select! {
            () = shutdown => {}
            Some(ended) = threads.join_next() => {
                ended.map_err(io::Error::other).flatten().map_err(EdgeError::Serve)?;
                return Err(EdgeError::Serve(io::Error::other("a thread ended by itself")));
            }
            Some(ended) = background.join_next() => {
                ended.map_err(|error| EdgeError::Serve(io::Error::other(error)))?;
                return Err(EdgeError::Serve(io::Error::other("feed or report ended by itself")));
            }
        }
        tracing::info!("stopping");
        stop.cancel();
        // Reports go on until the last request has ended: someone may be waiting for that.
        while let Some(ended) = threads.join_next().await {
            ended.map_err(io::Error::other).flatten().map_err(EdgeError::Serve)?;
        }
        Ok(())
    }
}

/// Starts a serving thread. What is returned is ready when the thread has ended.
fn start(
    index: usize,
    core: Arc<Core>,
    sockets: Vec<std::net::TcpListener>,
    stop: CancellationToken,
) -> io::Result<impl Future<Output = io::Result<()>>> {
    let (tell, ended) = tokio::sync::oneshot::channel();
    thread::Builder::new().name(format!("edge-{index}")).spawn(move || {
        // Nobody listens any more where the edge was dropped.
        let _ = tell.send(serving::serve(&core, sockets, &stop));
    })?;
    Ok(async move { ended.await.unwrap_or_else(|_| Err(io::Error::other("a thread panicked"))) })
}
