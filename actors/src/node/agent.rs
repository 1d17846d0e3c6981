//! The whole agent: opens what it keeps, connects, and keeps the node alive.

use std::collections::VecDeque;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hythe_core::detect::BaseImages;
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
use super::{guard, identity, runs, storage};
use crate::build::{BuilderSettings, GuardSettings};
use crate::bus::{self, BusError, NatsSettings};
use crate::docker::labels::Owner;
use crate::docker::{Engine, EngineError};
use crate::git::GitSettings;

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

/// The file of the agent's key.
const SEALING_KEY: &str = "sealing.key";

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
    /// What builds are kept to.
    pub guard: GuardSettings,
    /// Where the images come from that apps without a Dockerfile are built on.
    pub base_images: BaseImages,
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
    /// A part of it failed too often in too short a time.
    #[error(
        "keep the agent running: its {part} failed {MOST_FAILURES} times within a minute; its log \
         says why"
    )]
    Failing {
        /// Which part.
        part: &'static str,
    },
}

/// Runs an agent until `shutdown`. Containers go on running after it.
///
/// # Errors
/// [`AgentError`]: when its folder cannot be used, or when a part of it fails again and again.
pub async fn run(config: AgentConfig, shutdown: CancellationToken) -> Result<(), AgentError> {
    let (ledger, keys, worker) = open(config.data.clone()).await?;
    let name = match &config.name {
        Some(name) => name.clone(),
        None => identity::host_name()?,
    };
    let bus = bus::connect_in_background(&config.nats, &format!("hythe agent {name}")).await?;
    let tools = Tools {
        engine: Engine::new(config.docker_host.as_deref())?,
        owner: Owner { installation: config.installation, worker },
        ledger: Arc::clone(&ledger),
        keys: Arc::new(keys),
    };
    let builder = builder(&config, &tools);
    let builds = Builds::new(config.builds_at_once);
    let setup = Arc::new(Setup {
        tools,
        bus: bus.clone(),
        builds: builds.clone(),
        name,
        capacity: identity::capacity(),
        reports: watch::Sender::new(None),
    });
    tracing::info!(%worker, name = %setup.name, engine = setup.tools.engine.socket(), "agent starts");
    let flushing = tokio::spawn(flush(Arc::clone(&ledger)));
    // Where one part gives up, the other ends in order, too.
    let stop = shutdown.child_token();
    let node = async {
        let ended = keep("node", &stop, || run_node(&setup, &stop)).await;
        stop.cancel();
        ended
    };
    let building = async {
        let Some(settings) = builder else { return Ok(()) };
        let ended = keep("build supervisor", &stop, || {
            builds.supervise(settings.clone(), bus.jetstream().clone(), &stop)
        });
        let ended = ended.await;
        stop.cancel();
        ended
    };
    let storing = storage::answer(bus.clone(), setup.tools.clone(), builds.clone(), stop.clone());
    let running = runs::keep(bus.clone(), setup.tools.clone(), stop.clone());
    let (node, building, (), ()) = tokio::join!(node, building, storing, Box::pin(running));
    flushing.abort();
    ledger.with(Ledger::flush).await?;
    bus.close().await;
    node.and(building)
}

/// How the builder beside the node works, where there is one.
fn builder(config: &AgentConfig, tools: &Tools) -> Option<BuilderSettings> {
    let Owner { installation, worker } = tools.owner;
    let usual = BuilderSettings::new(worker, installation, config.data.join("builds"));
    let git = GitSettings { local_repos: config.local_repos.clone(), ..usual.git.clone() };
    (config.builds_at_once > 0).then(|| BuilderSettings {
        engine: PathBuf::from(tools.engine.socket()),
        sealing_key: config.data.join(SEALING_KEY),
        at_once: config.builds_at_once,
        guard: config.guard.clone(),
        base_images: config.base_images.clone(),
        git,
        ..usual
    })
}

/// Opens what the agent keeps; blocks, so on a thread for that.
async fn open(data: PathBuf) -> Result<(Arc<Ledger>, Keys, WorkerId), AgentError> {
    let folder = data.clone();
    let opened = tokio::task::spawn_blocking(move || {
        make_private(&data).map_err(|why| AgentError::Folder { path: data.clone(), why })?;
        let ledger = Ledger::open(&data.join("ledger.redb"))?;
        let worker = ledger.worker(WorkerId::new(uuid::Uuid::now_v7()))?;
        let keys = Keys::open(&data.join(SEALING_KEY))?;
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
        let mut told = false;
        loop {
            tokio::time::sleep(FLUSH_EVERY).await;
            match ledger.with(Ledger::flush).await {
                Ok(()) => told = false,
                // Said once: on a full disk every line takes room.
                Err(error) if told => tracing::debug!(%error, "nor can they be written now"),
                Err(error) => {
                    told = true;
                    tracing::error!(%error, "the positions in logs could not be written yet");
                }
            }
        }
    })
    .await;
}

/// Runs a node until `stop`, or until it fails. The next one finds everything in the ledger and
/// on the engine.
async fn run_node(setup: &Arc<Setup>, stop: &CancellationToken) -> Result<(), String> {
    let spawned = Actor::spawn(None, NodeActor, Arc::clone(setup)).await;
    let (node, mut ended) = spawned.map_err(|error| error.to_string())?;
    tokio::select! {
        () = stop.cancelled() => {
            if node.stop_and_wait(None, Some(STOP_WITHIN)).await.is_err() {
                node.kill();
            }
            Ok(())
        }
        _ = &mut ended => Err("it has ended".into()),
    }
}

/// Keeps a part of the agent running until `stop`: one that fails is started again, a few times.
async fn keep<F: Future<Output = Result<(), String>>>(
    part: &'static str,
    stop: &CancellationToken,
    mut start: impl FnMut() -> F,
) -> Result<(), AgentError> {
    let mut failures: VecDeque<Instant> = VecDeque::new();
    let mut wait = AGAIN_FIRST;
    while !stop.is_cancelled() {
        if let Err(why) = start().await {
            tracing::error!(part, why, "a part of the agent failed and is started again");
        }
        let now = Instant::now();
        failures.push_back(now);
        while failures.front().is_some_and(|first| now.duration_since(*first) > FAILURES_WITHIN) {
            failures.pop_front();
        }
        if failures.len() >= MOST_FAILURES {
            return Err(AgentError::Failing { part });
        }
        if failures.len() == 1 {
            wait = AGAIN_FIRST;
        }
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            break;
        }
        wait = (wait * 2).min(AGAIN_MOST);
    }
    Ok(())
}
