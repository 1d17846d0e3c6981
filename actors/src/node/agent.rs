//! The whole agent: opens what it keeps, connects, and keeps the node alive.

use std::collections::VecDeque;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hythe_core::ids::{InstallationId, WorkerId};
use hythe_core::names::{BadText, WorkerName};
use ractor::Actor;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::actor::NodeActor;
use super::builds::Builds;
use super::environment::{EnvironmentError, Keys};
use super::ledger::{Ledger, LedgerError};
use super::state::Setup;
use super::steps::Tools;
use super::{guard, identity};
use crate::bus::{self, BusError, NatsSettings};
use crate::docker::labels::Owner;
use crate::docker::{Engine, EngineError};

/// From one writing of log positions to the next: what is lost of them in a crash is found again.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// How long the node has to end.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// First and longest wait before a node that failed is started again.
const AGAIN_FIRST: Duration = Duration::from_millis(100);
const AGAIN_MOST: Duration = Duration::from_secs(5);
/// An agent whose node fails this often within [`FAILURES_WITHIN`] gives up: whatever supervises
/// the process is to see it.
const MOST_FAILURES: usize = 8;
const FAILURES_WITHIN: Duration = Duration::from_secs(60);

/// How an agent is set up.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// Its own folder; made where it is missing, for this user only.
    pub data: PathBuf,
    /// The installation that it belongs to.
    pub installation: InstallationId,
    /// The worker's name; the host's name where none is given.
    pub name: Option<WorkerName>,
    /// Where NATS is.
    pub nats: NatsSettings,
    /// The engine's socket, `unix:///path`; `DOCKER_HOST` or the usual one where none is given.
    pub docker_host: Option<String>,
    /// Folders below which `file://` repositories may be built from.
    pub local_repos: Vec<PathBuf>,
    /// Builds at once; 0 for an agent that builds nothing.
    pub builds_at_once: usize,
}

/// Why an agent cannot work.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its folder cannot be made or written to.
    #[error("use the agent's folder {}: {why}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// Its ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Its key cannot be used.
    #[error(transparent)]
    Key(#[from] EnvironmentError),
    /// The engine's address makes no sense. That it does not answer is no error: it is waited for.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The address of NATS makes no sense. That it does not answer is no error, either.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// It has no usable name.
    #[error("name the worker: {0}")]
    Name(#[from] BadText),
    /// It failed too often in too short a time.
    #[error(
        "keep the agent running: it failed {MOST_FAILURES} times within a minute; its log says why"
    )]
    Failing,
}

/// Runs an agent until `shutdown`. Containers go on running after it.
///
/// # Errors
/// [`AgentError`]: when its folder cannot be used, or when it fails again and again.
pub async fn run(config: AgentConfig, shutdown: CancellationToken) -> Result<(), AgentError> {
    let (ledger, keys, worker) = open(config.data.clone()).await?;
    let name = match config.name {
        Some(name) => name,
        None => identity::host_name()?,
    };
    let bus = bus::connect_in_background(&config.nats, &format!("hythe agent {name}")).await?;
    let tools = Tools {
        engine: Engine::new(config.docker_host.as_deref())?,
        owner: Owner { installation: config.installation, worker },
        ledger: Arc::clone(&ledger),
        keys: Arc::new(keys),
    };
    let setup = Arc::new(Setup {
        tools,
        bus: bus.clone(),
        builds: Builds::default(),
        name,
        capacity: identity::capacity(),
        reports: watch::Sender::new(None),
    });
    tracing::info!(%worker, name = %setup.name, engine = setup.tools.engine.socket(), "agent starts");
    let flushing = tokio::spawn(flush(Arc::clone(&ledger)));
    let ended = supervise(&setup, &shutdown).await;
    flushing.abort();
    ledger.with(Ledger::flush).await?;
    bus.close().await;
    ended
}

/// Opens what the agent keeps; blocks, so on a thread for that.
async fn open(data: PathBuf) -> Result<(Arc<Ledger>, Keys, WorkerId), AgentError> {
    let folder = data.clone();
    let opened = tokio::task::spawn_blocking(move || {
        make_private(&data).map_err(|why| AgentError::Folder { path: data.clone(), why })?;
        let ledger = Ledger::open(&data.join("ledger.redb"))?;
        let worker = ledger.worker(WorkerId::new(uuid::Uuid::now_v7()))?;
        let keys = Keys::open(&data.join("sealing.key"))?;
        Ok((Arc::new(ledger), keys, worker))
    });
    opened.await.unwrap_or_else(|error| {
        Err(AgentError::Folder { path: folder, why: std::io::Error::other(error) })
    })
}

fn make_private(folder: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

async fn flush(ledger: Arc<Ledger>) {
    guard::for_ever("writing log positions", || async {
        loop {
            tokio::time::sleep(FLUSH_EVERY).await;
            if let Err(error) = ledger.with(Ledger::flush).await {
                tracing::error!(%error, "the positions in logs could not be written yet");
            }
        }
    })
    .await;
}

/// Keeps a node running: one that ends is followed by another, which finds everything in the
/// ledger and on the engine.
async fn supervise(setup: &Arc<Setup>, shutdown: &CancellationToken) -> Result<(), AgentError> {
    let mut failures: VecDeque<Instant> = VecDeque::new();
    let mut wait = AGAIN_FIRST;
    loop {
        let spawned = Actor::spawn(None, NodeActor, Arc::clone(setup)).await;
        match spawned {
            Ok((node, mut ended)) => {
                tokio::select! {
                    () = shutdown.cancelled() => {
                        if node.stop_and_wait(None, Some(STOP_WITHIN)).await.is_err() {
                            node.kill();
                        }
                        return Ok(());
                    }
                    _ = &mut ended => tracing::error!("the node has ended and is started again"),
                }
            }
            Err(error) => tracing::error!(%error, "the node could not be started yet"),
        }
        let now = Instant::now();
        failures.push_back(now);
        while failures.front().is_some_and(|first| now.duration_since(*first) > FAILURES_WITHIN) {
            failures.pop_front();
        }
        if failures.len() == 1 {
            wait = AGAIN_FIRST;
        }
        if failures.len() >= MOST_FAILURES {
            return Err(AgentError::Failing);
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return Ok(());
        }
        wait = (wait * 2).min(AGAIN_MOST);
    }
}
