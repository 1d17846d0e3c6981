//! The events whose form schema 2 changed, as schema 1 wrote them.
//!
//! Frozen: nothing here changes any more, and nothing here is written but by an import. The types within that have
//! not changed since are the present ones; one that is about to change gets its frozen copy here
//! first. `tests/golden/events.txt` holds bytes of each.

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::app::{AppEvent, AppSettings, SettingsChange};
use hythe_core::declared::Declared;
use hythe_core::deployment::{BuiltImage, DeploymentEvent, DeploymentSpec, Origin};
use hythe_core::health::{HealthCheck, Probe};
use hythe_core::ids::{AppId, DeploymentId, ProjectId, WorkerId};
use hythe_core::names::{
    AppName, CommitId, EnvName, HealthPath, HostName, ImageId, RepositoryPath,
};
use hythe_core::run::RunSettings;
use hythe_core::source::{BuildSettings, Resources, Source};
use hythe_core::time::{Millis, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::journal::Payload;

/// An event type some of whose events have another form in schema 1.
pub trait StoredEvent: DeserializeOwned {
    /// The event at this position of the enum, if its form has changed: from what follows the
    /// position, and what is left of the bytes. None for one that is read as it is today.
    fn changed(_position: u32, _bytes: &[u8]) -> Option<postcard::Result<(Self, &[u8])>> {
        None
    }

    /// Whether the form of this event has changed.
    fn has_changed(&self) -> bool {
        false
    }
}

/// Reads a `T` and makes the present event of it.
fn read<T: DeserializeOwned, E>(
    bytes: &[u8],
    make: impl FnOnce(T) -> E,
) -> Option<postcard::Result<(E, &[u8])>> {
    Some(postcard::take_from_bytes(bytes).map(|(old, rest)| (make(old), rest)))
}

/// The bytes of such an event, from its JSON of then: what an import writes again.
pub(crate) fn from_json(event: &Value) -> Option<Payload> {
    let (kind, event) = only(event)?;
    let (name, event) = only(event)?;
    let bytes = match (kind, name) {
        ("app", "Created") => bytes::<Created1>(0, event),
        ("app", "Configured") => bytes::<Change1>(1, event),
        ("app", "DeploymentRequested") => bytes::<Asked1>(3, event),
        ("deployment", "Requested") => bytes::<Spec1>(0, event),
        ("deployment", "Built") => bytes::<BuiltEvent1>(3, event),
        _ => None,
    };
    bytes.map(|bytes| Payload { schema: 1, bytes })
}

fn only(value: &Value) -> Option<(&str, &Value)> {
    let mut fields = value.as_object()?.iter();
    fields.next().filter(|_| fields.next().is_none()).map(|(name, value)| (name.as_str(), value))
}

fn bytes<T: Serialize + DeserializeOwned>(position: u32, event: &Value) -> Option<Vec<u8>> {
    let old: T = serde_json::from_value(event.clone()).ok()?;
    postcard::to_stdvec(&(position, old)).ok()
}

impl StoredEvent for AppEvent {
    fn changed(position: u32, bytes: &[u8]) -> Option<postcard::Result<(Self, &[u8])>> {
        match position {
            0 => read(bytes, |Created1 { id, name, settings }| Self::Created {
                id,
                name,
                settings: Box::new(settings.into()),
            }),
            1 => read(bytes, |change: Change1| Self::Configured(Box::new(change.into()))),
            3 => read(bytes, |Asked1 { deployment, spec }| Self::DeploymentRequested {
                deployment,
                spec: Box::new(spec.into()),
            }),
            _ => None,
        }
    }

    fn has_changed(&self) -> bool {
        match self {
            Self::Created { .. }
            | Self::Configured(_)
            | Self::DeploymentRequested { .. }
            // New with schema 2.
            | Self::DeploymentRepeated { .. } => true,
            Self::EnvironmentChanged { .. }
            | Self::DeploymentReplaced { .. }
            | Self::DeploymentBegun { .. }
            | Self::TrafficSwitched { .. }
            | Self::TrafficReturned { .. }
            | Self::DeploymentPromoted { .. }
            | Self::DeploymentSettled { .. }
            | Self::Deleted { .. }
            | Self::DeploymentCalledOff { .. }
            | Self::Stopped { .. }
            | Self::Started
            | Self::Discarded { .. }
            | Self::Restored { .. }
            | Self::TriggersSet(_)
            | Self::SourceKeySet(_)
            | Self::CommandRun { .. }
            | Self::CommandEnded { .. }
            | Self::CronSet { .. }
            | Self::CronRemoved { .. }
            | Self::CronRun { .. }
            | Self::CronSkipped { .. }
            | Self::ProcessesScaled { .. }
            | Self::PreviewsSet(_)
            | Self::PreviewWanted { .. }
            | Self::PreviewUnwanted { .. }
            | Self::PreviewCommented { .. }
            | Self::BecamePreview(_)
            | Self::DomainAdded { .. }
            | Self::DomainSet { .. }
            | Self::DomainVerified { .. }
            | Self::DomainFailing { .. }
            | Self::DomainLost { .. }
            | Self::DomainRemoved { .. }
            | Self::EdgeSet(_)
            | Self::CanaryAsked { .. }
            | Self::CanaryStarted { .. }
            | Self::CanaryWeightSet { .. }
            | Self::CanaryPromoted { .. }
            | Self::FellAsleep { .. }
            | Self::Woken { .. }
            | Self::Scaled { .. } => false,
        }
    }
}

impl StoredEvent for DeploymentEvent {
    fn changed(position: u32, bytes: &[u8]) -> Option<postcard::Result<(Self, &[u8])>> {
        match position {
            0 => read(bytes, |spec: Spec1| Self::Requested(Box::new(spec.into()))),
            3 => read(bytes, |BuiltEvent1 { built, until }| Self::Built {
                built: built.into(),
                until,
            }),
            _ => None,
        }
    }

    fn has_changed(&self) -> bool {
        match self {
            Self::Requested(_) | Self::Built { .. } => true,
            Self::BuildQueued { .. }
            | Self::BuildStarted { .. }
            | Self::Placed { .. }
            | Self::BecameHealthy { .. }
            | Self::SwitchStarted { .. }
            | Self::Switched { .. }
            | Self::WentLive { .. }
            | Self::Ended { .. }
            | Self::BuildSkipped { .. }
            | Self::ImageMissed { .. }
            | Self::ProcessesScaled { .. }
            | Self::Declared(_)
            | Self::Scaled { .. }
            | Self::Rescaled { .. }
            | Self::ReplicasLeft
            | Self::ReleaseStarted { .. }
            | Self::Released { .. }
            | Self::PostDeployStarted { .. }
            | Self::PostDeployed
            | Self::PostDeployFailed { .. } => false,
        }
    }
}

impl StoredEvent for hythe_core::worker::WorkerEvent {}

impl StoredEvent for hythe_core::project::ProjectEvent {}

impl StoredEvent for hythe_core::installation::InstallationEvent {}

#[derive(Serialize, Deserialize)]
struct Created1 {
    id: AppId,
    name: AppName,
    settings: Settings1,
}

#[derive(Serialize, Deserialize)]
struct Asked1 {
    deployment: DeploymentId,
    spec: Spec1,
}

#[derive(Serialize, Deserialize)]
struct BuiltEvent1 {
    built: Built1,
    until: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Settings1 {
    source: Option<Source>,
    build: Build1,
    port: Option<u16>,
    replicas: u16,
    health: Health1,
    resources: Resources,
    domains: BTreeSet<HostName>,
}

impl From<Settings1> for AppSettings {
    fn from(old: Settings1) -> Self {
        let Settings1 { source, build, port, replicas, health, resources, domains } = old;
        let (build, health) = (build.into(), health.into());
        let before =
            Self { source, build, port, replicas, health, resources, domains, ..Self::default() };
        // What could not be set was this, whatever the defaults are today.
        Self { drain_within: Millis(30_000), stop_within: Millis(10_000), ..before }
    }
}

#[derive(Serialize, Deserialize)]
struct Change1 {
    source: Option<Source>,
    build: Option<Build1>,
    #[expect(clippy::option_option, reason = "the form that was written")]
    port: Option<Option<u16>>,
    replicas: Option<u16>,
    health: Option<Health1>,
    resources: Option<Resources>,
    domains: Option<BTreeSet<HostName>>,
}

impl From<Change1> for SettingsChange {
    fn from(old: Change1) -> Self {
        let Change1 { source, build, port, replicas, health, resources, domains } = old;
        let (build, health) = (build.map(Into::into), health.map(Into::into));
        Self { source, build, port, replicas, health, resources, domains, ..Self::default() }
    }
}

#[derive(Serialize, Deserialize)]
struct Spec1 {
    app: AppId,
    app_name: AppName,
    number: u64,
    source: Source,
    build: Build1,
    port: Option<u16>,
    env: BTreeMap<EnvName, u64>,
    replicas: u16,
    health: Health1,
    resources: Resources,
    drain_within: Millis,
    stop_within: Millis,
}

impl From<Spec1> for DeploymentSpec {
    fn from(old: Spec1) -> Self {
        Self {
            app: old.app,
            app_name: old.app_name,
            project: ProjectId::DEFAULT,
            number: old.number,
            source: old.source,
            build: old.build.into(),
            port: old.port,
            env: old.env,
            replicas: old.replicas,
            health: old.health.into(),
            resources: old.resources,
            drain_within: old.drain_within,
            stop_within: old.stop_within,
            run: RunSettings::default(),
            origin: Origin::Build,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Built1 {
    image: ImageId,
    commit: CommitId,
    port: u16,
    worker: WorkerId,
}

impl From<Built1> for BuiltImage {
    fn from(Built1 { image, commit, port, worker }: Built1) -> Self {
        Self { image, commit, port, worker, site: None, declared: Declared::default() }
    }
}

#[derive(Serialize, Deserialize)]
struct Build1 {
    dockerfile: Option<RepositoryPath>,
}

impl From<Build1> for BuildSettings {
    fn from(Build1 { dockerfile }: Build1) -> Self {
        // What could not be set was this, whatever the defaults are today.
        Self { dockerfile, within: Millis(30 * 60_000), ..Self::default() }
    }
}

#[derive(Serialize, Deserialize)]
struct Health1 {
    path: Option<HealthPath>,
    interval: Millis,
    timeout: Millis,
    start_within: Millis,
}

impl From<Health1> for HealthCheck {
    fn from(Health1 { path, interval, timeout, start_within }: Health1) -> Self {
        let probe = path.map_or(Probe::Default, |path| Probe::Http { path, statuses: None });
        // What nobody had changed is as whatever is used then has it.
        let set = |span: Millis, usual| (span != Millis(usual)).then_some(span);
        Self {
            probe,
            interval: set(interval, 500),
            timeout: set(timeout, 5_000),
            retries: None,
            start_within: set(start_within, 60_000),
        }
    }
}
