//! What this worker's containers are like, as the engine sees them.
//!
//! Invariant: only containers with our labels are reported.

use std::net::IpAddr;

use bollard::models::{
    ContainerInspectResponse, ContainerState as RawState, ContainerStateStatusEnum as Status,
};
use bollard::query_parameters::ListContainersOptionsBuilder;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hythe_core::ids::AppId;
use hythe_core::plan::ReplicaKey;
use hythe_core::time::{Millis, Timestamp};

use super::labels::{self, Owner};
use super::{Engine, EngineError, container, network};
use crate::docker::logs::parse_time;

/// How many containers are looked at at once.
const AT_ONCE: usize = 8;

/// One container of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The engine's id of it.
    pub id: String,
    /// Its app.
    pub app: AppId,
    /// Whose network it is on.
    pub network: AppId,
    /// Which replica it is.
    pub key: ReplicaKey,
    /// How it is.
    pub state: Condition,
    /// Its address on the app's network, while it runs.
    pub address: Option<IpAddr>,
    /// Whether a CPU limit is in force.
    pub limited: bool,
}

/// How a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Created, never started.
    Created,
    /// Running.
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// Ended.
    Exited {
        /// When.
        at: Timestamp,
        /// How long it ran.
        ran: Millis,
        /// Its exit code.
        code: i64,
        /// Whether it ran out of memory.
        out_of_memory: bool,
    },
}

impl Engine {
    /// Every container of ours.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn inventory(&self, owner: &Owner) -> Result<Vec<Observed>, EngineError> {
        let options =
            ListContainersOptionsBuilder::default().all(true).filters(&owner.filter()).build();
        let docker = self.docker().await?;
        let listed =
            docker.list_containers(Some(options)).await.map_err(|error| self.fault(&error))?;
        let found: Vec<Option<Observed>> = stream::iter(listed.into_iter().filter_map(|c| c.id))
            .map(|id| async move { self.observe(owner, &id).await })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// One container, by id or name; none where it is gone or not ours.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn observe(&self, owner: &Owner, id: &str) -> Result<Option<Observed>, EngineError> {
        let docker = self.docker().await?;
        match docker.inspect_container(id, None).await.map_err(|error| self.fault(&error)) {
            Ok(found) => Ok(observed(owner, found)),
            Err(error) if error.not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The number of a container's first process on the engine's machine; none where none runs.
    ///
    /// # Errors
    /// [`EngineError`].
    pub(crate) async fn main_process(&self, id: &str) -> Result<Option<u32>, EngineError> {
        let docker = self.docker().await?;
        let found = docker.inspect_container(id, None).await.map_err(|error| self.fault(&error))?;
        let number = found.state.and_then(|state| state.pid);
        Ok(number.and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0))
    }

    /// One replica's container; none where there is none of ours.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn observe_replica(
        &self,
        owner: &Owner,
        key: ReplicaKey,
    ) -> Result<Option<Observed>, EngineError> {
        self.observe(owner, &container::container_name(key)).await
    }
}

fn observed(owner: &Owner, found: ContainerInspectResponse) -> Option<Observed> {
    let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
    let (app, key) = labels::replica(&labels).filter(|_replica| owner.owns(&labels))?;
    let network = labels::network(&labels).unwrap_or(app);
    let mut networks = found.network_settings.and_then(|s| s.networks).unwrap_or_default();
    let address = networks
        .remove(&network::network_name(owner, network))
        .and_then(|endpoint| endpoint.ip_address?.parse().ok());
    Some(Observed {
        id: found.id?,
        app,
        network,
        key,
        state: condition(&found.state.unwrap_or_default())?,
        address,
        limited: found.host_config.is_some_and(|config| {
            config.nano_cpus.unwrap_or(0) > 0 || config.cpu_quota.unwrap_or(0) > 0
        }),
    })
}

/// None for a container that is being removed: it is as good as gone.
fn condition(state: &RawState) -> Option<Condition> {
    let moment = |text: &Option<String>| {
        let nanoseconds = text.as_deref().and_then(parse_time).unwrap_or(0);
        Timestamp(nanoseconds / 1_000_000)
    };
    let (since, at) = (moment(&state.started_at), moment(&state.finished_at));
    match state.status.unwrap_or(Status::EMPTY) {
        Status::CREATED => Some(Condition::Created),
        Status::RUNNING | Status::PAUSED | Status::RESTARTING | Status::STOPPING => {
            Some(Condition::Running { since })
        }
        Status::EXITED | Status::DEAD | Status::EMPTY => Some(Condition::Exited {
            at,
            ran: at.since(since),
            code: state.exit_code.unwrap_or(0),
            out_of_memory: state.oom_killed.unwrap_or(false),
        }),
        Status::REMOVING => None,
    }
}
