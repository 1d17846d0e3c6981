//! What people set of an app, and a change of that.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::health::HealthCheck;
use crate::hook::RepositoryKey;
use crate::ids::ProjectId;
use crate::limits;
use crate::names::HostName;
use crate::run::RunSettings;
use crate::source::{BuildSettings, Resources, Source};
use crate::time::Millis;

/// What people set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppSettings {
    /// Where the source lies; without one nothing can be deployed.
    pub source: Option<Source>,
    /// How to build it.
    pub build: BuildSettings,
    /// The port that the app listens on; found from the image where none is given.
    pub port: Option<u16>,
    /// How many replicas.
    pub replicas: u16,
    /// How a replica shows that it is fit for traffic.
    pub health: HealthCheck,
    /// The most that one replica may use.
    pub resources: Resources,
    /// Host names besides the app's own.
    pub domains: BTreeSet<HostName>,
    /// The project that it is in.
    pub project: ProjectId,
    /// How its processes are run.
    pub run: RunSettings,
    /// How long requests may go on after a switch.
    pub drain_within: Millis,
    /// From SIGTERM to SIGKILL.
    pub stop_within: Millis,
}

impl Default for AppSettings {
    fn default() -> Self {
        Self {
            source: None,
            build: BuildSettings::default(),
            port: None,
            replicas: 1,
            health: HealthCheck::default(),
            resources: Resources::default(),
            domains: BTreeSet::new(),
            project: ProjectId::DEFAULT,
            run: RunSettings::default(),
            drain_within: limits::DRAIN_WITHIN,
            stop_within: limits::STOP_WITHIN,
        }
    }
}

impl AppSettings {
    /// The repository that it is deployed from, where it is from one of a provider.
    #[must_use]
    pub fn repository(&self) -> Option<RepositoryKey> {
        RepositoryKey::of(&self.source.as_ref()?.git()?.repository)
    }
}

/// A change of settings: only what is given changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsChange {
    /// A new source.
    pub source: Option<Source>,
    /// New build settings.
    pub build: Option<BuildSettings>,
    /// A new port; `Some(None)` goes back to finding it from the image.
    pub port: Option<Option<u16>>,
    /// A new number of replicas.
    pub replicas: Option<u16>,
    /// A new health check.
    pub health: Option<HealthCheck>,
    /// New limits.
    pub resources: Option<Resources>,
    /// New domains, in place of the old ones.
    pub domains: Option<BTreeSet<HostName>>,
    /// Another project.
    pub project: Option<ProjectId>,
    /// How its processes are run from then on.
    pub run: Option<RunSettings>,
    /// A new time for requests to go on after a switch.
    pub drain_within: Option<Millis>,
    /// A new time from SIGTERM to SIGKILL.
    pub stop_within: Option<Millis>,
}
