//! One server, its NATS, and the made-up worker and edge around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hythe_core::limits;
use hythe_core::names::HostName;
use hythe_core::record::Sequence;
use hythe_core::time::{Millis, Timestamp};
use hythe_core::view::View;

use super::fake::{FakeEdge, FakeWorker};
use crate::bus::testing::TestNats;
use crate::clock::Clock;
use crate::control::Control;
use crate::reactor;
use crate::server::{Server, ServerConfig, run};

pub(super) const WITHIN: Duration = Duration::from_secs(60);

pub(super) struct World {
    pub(super) nats: TestNats,
    pub(super) worker: FakeWorker,
    pub(super) edge: FakeEdge,
    server: Option<Server>,
    data: tempfile::TempDir,
    ahead: Arc<AtomicU64>,
}

impl World {
    pub(super) async fn start() -> Self {
        let nats = TestNats::start().await;
        let data = tempfile::tempdir().unwrap();
        let ahead = Arc::new(AtomicU64::new(0));
        let server = start_server(&nats, &data, &ahead).await;
        let installation = server.control().installation();
        let worker = FakeWorker::start(&nats.settings(), installation).await;
        let edge = FakeEdge::start(&nats.settings()).await;
        let world = Self { nats, worker, edge, server: Some(server), data, ahead };
        // After a start, a switch waits for edges that might be there and have not been heard of.
        world.advance(Duration::from_millis(limits::EDGE_LEASE.0));
        world.until("the worker has joined", |view| view.workers.values().next().map(drop)).await;
        world
    }

    pub(super) fn control(&self) -> &Control {
        self.server.as_ref().unwrap().control()
    }

    /// Moves the server's clock.
    pub(super) fn advance(&self, by: Duration) {
        self.ahead.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Waits until the view shows something.
    pub(super) async fn until<T>(&self, what: &str, look: impl Fn(&View) -> Option<T>) -> T {
        let control = self.control();
        let mut seen = control.seen();
        let wait = async {
            loop {
                seen.borrow_and_update();
                if let Some(found) = control.read(&look) {
                    return found;
                }
                seen.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(WITHIN, wait).await {
            Ok(found) => found,
            Err(_) => {
                let stages = control.read(|view| {
                    let deployments = view.deployments.values();
                    deployments.map(|d| format!("{:?}", d.stages)).collect::<Vec<_>>()
                });
                let observed = control.observed(|observed| {
                    format!("{:?} {:?}", observed.edges, observed.routed_since)
                });
                panic!("{what}: not within {WITHIN:?}\n{stages:#?}\n{observed}");
            }
        }
    }

    /// Waits until somebody has come this far in the journal.
    pub(super) async fn cursor(&self, name: &str, at: Sequence) {
        let wait = async {
            // Cursors tell nobody when they move.
            while self.control().journal().load_cursor(name) < at {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(WITHIN, wait).await.unwrap_or_else(|_| panic!("{name} at {at}"));
    }

    /// Waits until everything that follows from the last event has followed.
    pub(super) async fn settled(&self) {
        loop {
            let head = self.control().journal().head();
            self.cursor(reactor::CURSOR, head).await;
            if self.control().journal().head() == head {
                return;
            }
        }
    }

    pub(super) async fn restart(&mut self) {
        self.server.take().unwrap().close().await;
        self.server = Some(start_server(&self.nats, &self.data, &self.ahead).await);
        self.advance(Duration::from_millis(limits::EDGE_LEASE.0));
    }

    pub(super) async fn close(mut self) {
        self.server.take().unwrap().close().await;
    }
}

async fn start_server(nats: &TestNats, data: &tempfile::TempDir, ahead: &Arc<AtomicU64>) -> Server {
    let base_domain = HostName::new("localhost").unwrap();
    let mut config = ServerConfig::new(data.path().into(), nats.settings(), base_domain);
    let (system, ahead) = (Clock::system(), Arc::clone(ahead));
    config.clock = Clock::new(move || {
        let Timestamp(now) = system.now().plus(Millis(ahead.load(Ordering::Relaxed)));
        Timestamp(now)
    });
    run(config).await.unwrap()
}
