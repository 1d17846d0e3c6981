//! The build supervisor beside the node: kept running, and asked through here, whichever one runs
//! just now.

use std::time::Duration;

use async_nats::jetstream::Context;
use hythe_core::ids::DeploymentId;
use hythe_core::wire::storage::{CacheId, CacheRecord};
use hythe_core::wire::worker::{BuildHeld, BuilderReport};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::build::{BuildSupervisor, BuilderSettings};

/// From one sign of life of the supervisor to the next.
const ALIVE_EVERY: Duration = Duration::from_secs(2);

/// A handle to the build supervisor, where there is one.
#[derive(Clone, Debug)]
pub(crate) struct Builds {
    /// Builds at once; 0 where this agent does not build at all.
    at_once: usize,
    current: watch::Sender<Option<BuildSupervisor>>,
}

impl Builds {
    pub(crate) fn new(at_once: usize) -> Self {
        Self { at_once, current: watch::Sender::new(None) }
    }

    /// How this worker builds.
    pub(crate) fn report(&self) -> BuilderReport {
        let at_once = u16::try_from(self.at_once).unwrap_or(u16::MAX);
        let current = self.current.borrow();
        let remarks = current.as_ref().map(BuildSupervisor::remarks).unwrap_or_default();
        let disk = current.as_ref().and_then(BuildSupervisor::disk);
        BuilderReport { at_once, remarks, disk }
    }

    /// Runs a supervisor until `stop`, or until it does not answer.
    pub(crate) async fn supervise(
        &self,
        settings: BuilderSettings,
        jetstream: Context,
        stop: &CancellationToken,
    ) -> Result<(), String> {
        let started = BuildSupervisor::start(settings, jetstream).await;
        let supervisor = started.map_err(|error| error.to_string())?;
        self.current.send_replace(Some(supervisor.clone()));
        let alive = async {
            loop {
                tokio::time::sleep(ALIVE_EVERY).await;
                if let Err(error) = supervisor.running().await {
                    return error.to_string();
                }
            }
        };
        let failed = stop.run_until_cancelled(alive).await;
        // Its ledger can be opened again only when nobody holds it any more.
        self.current.send_replace(None);
        supervisor.stop().await;
        failed.map_or(Ok(()), Err)
    }

    /// Ends a build, durably.
    pub(crate) async fn cancel(
        &self,
        deployment: DeploymentId,
        generation: u32,
    ) -> Result<(), String> {
        let supervisor = self.current.borrow().clone();
        match supervisor {
            Some(supervisor) => {
                supervisor.cancel(deployment, generation).await.map_err(|error| error.to_string())
            }
            None if self.at_once == 0 => Ok(()),
            None => Err("no build supervisor runs here just now".into()),
        }
    }

    /// The build cache that builds of this worker left.
    pub(crate) async fn cache(&self) -> Result<Vec<CacheRecord>, String> {
        let supervisor = self.current.borrow().clone();
        match supervisor {
            Some(supervisor) => supervisor.cache().await,
            None => Ok(Vec::new()),
        }
    }

    /// Lets go of some of it; answers how many bytes that gave.
    pub(crate) async fn remove_cache(&self, ids: &[CacheId]) -> Result<u64, String> {
        let supervisor = self.current.borrow().clone();
        match supervisor {
            Some(supervisor) => supervisor.remove_cache(ids).await,
            None => Ok(0),
        }
    }

    /// The builds under way.
    pub(crate) async fn running(&self) -> Vec<BuildHeld> {
        let supervisor = self.current.borrow().clone();
        match supervisor {
            Some(supervisor) => supervisor.running().await.unwrap_or_default(),
            None => Vec::new(),
        }
    }
}
