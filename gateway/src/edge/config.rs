//! What an edge is told at start: where to listen, where its files lie, whom to trust, its bounds.
//!
//! Invariant: every resource that a client or an app can make the edge hold has a bound here.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use hythe_actors::bus::NatsSettings;
use hythe_core::certificate::AlonePace;
use hythe_core::names::HostName;
pub use hythe_core::network::{BadNetwork, Network};

/// Everything an edge needs to know to run.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// Where to answer plain HTTP. Port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Where to answer over TLS. Port 0 takes a free one.
    pub https: Vec<SocketAddr>,
    /// The port on which clients find that; that of the first of `https` when not given.
    pub public_https: Option<u16>,
    /// The domain whose wildcard certificate is shown to clients for whose host there is none.
    pub base_domain: Option<HostName>,
    /// Directory of its own: `edge.id`, `edge.lock`, `edge.sock`, `routes.json`, `sealing.key`, the folder
    /// `certificates` and the files of static sites (`sites`) lie there. Made if missing.
    pub data: PathBuf,
    /// Where tables come from and reports go.
    pub nats: NatsSettings,
    /// Peers (other proxies) whose forwarding headers are believed and added to.
    pub trusted: Vec<Network>,
    /// Whether trusted peers begin each connection with the PROXY protocol's header, version 1 or 2.
    pub proxy_protocol: bool,
    /// Where what it counts can be read, for Prometheus. Port 0 takes a free one.
    pub metrics: Option<SocketAddr>,
    /// Whether it takes the place of the edge that runs with the same directory, where there is one.
    pub take_over: bool,
    /// Serving threads; one per core that this process may use when not given.
    pub cores: Option<NonZeroUsize>,
    /// Bounds and deadlines.
    pub limits: EdgeLimits,
}

impl EdgeConfig {
    /// A configuration with nobody trusted, all cores and the default bounds.
    #[must_use]
    pub fn new(listen: Vec<SocketAddr>, data: PathBuf, nats: NatsSettings) -> Self {
        Self {
            listen,
            https: Vec::new(),
            public_https: None,
            base_domain: None,
            data,
            nats,
            trusted: Vec::new(),
            proxy_protocol: false,
            metrics: None,
            take_over: false,
            cores: None,
            limits: EdgeLimits::default(),
        }
    }
}

/// Bounds and deadlines of one edge. Spans of zero are taken as one millisecond.
#[derive(Clone, Debug)]
pub struct EdgeLimits {
    /// Bytes of a request's line and headers together; more is answered 431.
    pub header_bytes: usize,
    /// From the first byte of a request's head (or from the connection's start) to its end. Kept
    /// to within twice this span.
    pub head_within: Duration,
    /// How long a client's connection may lie idle between requests.
    pub idle: Duration,
    /// How long a client may neither send the body it announced nor take bytes of the answer.
    /// Kept to within twice this span.
    pub stall: Duration,
    /// How long an upgraded connection (a WebSocket, say) may go on after one side has closed.
    pub half_open: Duration,
    /// Clients' connections per core; further ones wait in the listen queue.
    pub connections: usize,
    /// How long connecting to one replica may take.
    pub connect_within: Duration,
    /// From the end (or the last received piece) of a request to the head of the app's answer.
    pub answer_within: Duration,
    /// Idle connections kept per core and replica.
    pub pool_idle: usize,
    /// Idle connections kept per core over all replicas.
    pub pool_idle_total: usize,
    /// How long an idle connection to a replica is kept: less than what servers commonly grant
    /// (Node: 5 s), so that the edge closes first.
    pub pool_idle_for: Duration,
    /// An idle connection older than this takes only requests that can be sent again, since the
    /// replica may be closing it at this moment.
    pub pool_sure_for: Duration,
    /// How many replicas or connections one request is tried on.
    pub tries: usize,
    /// Requests of one app that wait at once while it starts.
    pub waiting: usize,
    /// Requests at once on one connection over HTTP/2.
    pub streams: u32,
    /// Passwords that are looked at at once; further ones wait.
    pub passwords: usize,
    /// Answers that are compressed at once, per core; further ones pass as they are.
    pub compressions: usize,
    /// TLS handshakes at once, per core; further clients wait in the listen queue.
    pub handshakes: usize,
    /// How long certificates stay that a bucket does not have though nobody removed them, from when
    /// the control plane has written to it: it was made anew, and they may come back.
    pub certificates_stay: Duration,
    /// When certificates are ordered without the control plane, of which nothing is heard.
    pub alone: AlonePace,
    /// How often it is looked whether any is to be, the first time so long after the start: what the control
    /// plane has to say comes in meanwhile.
    pub alone_look: Duration,
    /// How long requests may go on after the shutdown signal.
    pub stop_within: Duration,
    /// After another process has taken over, how long an idle connection is kept for a request that may
    /// be on its way. The answer to that says that it was the last one.
    pub part_within: Duration,
    /// After another process has taken over, how long requests and upgraded connections go on as if
    /// nothing had happened. After that it is as after the shutdown signal.
    pub finish_within: Duration,
    /// Bytes of static sites' small files that are kept in memory, over all cores.
    pub site_memory: u64,
    /// Bytes of static sites' files that are kept on the disk besides those that the table needs.
    pub site_spare: u64,
}

impl Default for EdgeLimits {
    fn default() -> Self {
        Self {
            header_bytes: 32 * 1024,
            head_within: Duration::from_secs(15),
            idle: Duration::from_secs(75),
            stall: Duration::from_secs(60),
            half_open: Duration::from_secs(10),
            connections: 16_384,
            connect_within: Duration::from_secs(4),
            answer_within: Duration::from_secs(600),
            pool_idle: 256,
            pool_idle_total: 4_096,
            pool_idle_for: Duration::from_secs(4),
            pool_sure_for: Duration::from_secs(1),
            tries: 4,
            waiting: 256,
            streams: 128,
            passwords: 1,
            compressions: 512,
            handshakes: 1_024,
            certificates_stay: Duration::from_secs(600),
            alone: AlonePace::default(),
            alone_look: Duration::from_secs(60),
            stop_within: Duration::from_secs(30),
            part_within: Duration::from_secs(10),
            finish_within: Duration::from_secs(600),
            site_memory: 64 * 1024 * 1024,
            site_spare: 1024 * 1024 * 1024,
        }
    }
}
