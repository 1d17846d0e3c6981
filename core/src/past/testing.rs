//! Made-up histories for the tests of this folder.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::app::{AppEvent, AppSettings, SettingsChange};
use crate::canary::Weight;
use crate::deployment::{BuiltImage, DeploymentEvent, Fault, Outcome, StageName};
use crate::event::Event;
use crate::ids::{CorrelationId, DeploymentId};
use crate::names::{EnvName, ImageId};
use crate::record::{Actor, Meta, Recorded, Sequence, StreamId, Version};
use crate::site::{BuiltSite, SiteId};
use crate::testing::{app_id, at, built, deployment_id, image, name, placements, source, spec};
use crate::time::{Millis, Timestamp};
use crate::worker::WorkerEvent;

/// A journal in a list. Event N bears the time N, in seconds, unless it is told otherwise.
#[derive(Default)]
pub(crate) struct Journal {
    pub(crate) events: Vec<Recorded<Event>>,
    live: BTreeMap<u128, DeploymentId>,
    count: BTreeMap<u128, u64>,
    env: BTreeMap<EnvName, u64>,
    versions: BTreeMap<Uuid, Version>,
    /// Who does what follows.
    pub(crate) actor: Option<Actor>,
}

impl Journal {
    /// Events that bear these times, in milliseconds.
    pub(crate) fn of_times(times: &[u64]) -> Self {
        let mut journal = Self::default();
        for time in times {
            journal.push(Uuid::from_u128(7), Event::Worker(WorkerEvent::Lost));
            journal.events.last_mut().unwrap().meta.at = Timestamp(*time);
        }
        journal
    }

    pub(crate) fn push(&mut self, id: Uuid, event: Event) -> Sequence {
        let sequence = Sequence(self.events.len() as u64 + 1);
        let actor = self.actor.clone().unwrap_or(Actor::Owner);
        let correlation = CorrelationId::new(Uuid::nil());
        let meta = Meta { at: at(sequence.0), actor, correlation, causation: None };
        let stream = StreamId { kind: event.kind(), id };
        let version = self.versions.entry(id).or_default();
        version.0 += 1;
        let version = *version;
        self.events.push(Recorded { sequence, stream, version, meta, event });
        sequence
    }

    pub(crate) fn stream(&self, id: Uuid) -> Vec<Recorded<Event>> {
        self.events.iter().filter(|recorded| recorded.stream.id == id).cloned().collect()
    }

    pub(crate) fn app(&mut self, app: u128, event: AppEvent) -> Sequence {
        self.push(app_id(app).uuid(), Event::App(event))
    }

    pub(crate) fn create(&mut self, app: u128, named: &str) -> Sequence {
        let settings = AppSettings { source: Some(source()), ..AppSettings::default() };
        let settings = Box::new(settings);
        self.app(app, AppEvent::Created { id: app_id(app), name: name(named), settings })
    }

    pub(crate) fn delete(&mut self, app: u128) -> Sequence {
        self.app(app, AppEvent::Deleted { deployments: BTreeSet::new() })
    }

    pub(crate) fn configure(&mut self, app: u128, change: SettingsChange) -> Sequence {
        self.app(app, AppEvent::Configured(Box::new(change)))
    }

    pub(crate) fn set_env(&mut self, app: u128, variable: &str, version: u64) -> Sequence {
        let variable = EnvName::new(variable).unwrap();
        self.env.insert(variable.clone(), version);
        let (set, remove) = (BTreeMap::from([(variable, version)]), BTreeSet::new());
        self.app(app, AppEvent::EnvironmentChanged { set, remove })
    }

    /// Asks for a deployment; it begins at once.
    pub(crate) fn request(&mut self, app: u128, n: u128) -> Sequence {
        let deployment = deployment_id(n);
        let number = self.count.entry(app).or_default();
        *number += 1;
        let mut spec = spec(1);
        (spec.app, spec.number, spec.env) = (app_id(app), *number, self.env.clone());
        let spec = Box::new(spec);
        let requested = AppEvent::DeploymentRequested { deployment, spec: spec.clone() };
        let asked = self.app(app, requested);
        self.app(app, AppEvent::DeploymentBegun { deployment });
        self.push(deployment.uuid(), Event::Deployment(DeploymentEvent::Requested(spec)));
        asked
    }

    /// One that fails.
    pub(crate) fn fail(&mut self, app: u128, n: u128) {
        self.request(app, n);
        let deployment = deployment_id(n);
        let (stage, fault) = (StageName::Starting, Fault::new("it failed"));
        let outcome = Outcome::Failed { stage, fault };
        let ended = DeploymentEvent::Ended { app: app_id(app), outcome };
        self.push(deployment.uuid(), Event::Deployment(ended));
        self.app(app, AppEvent::DeploymentSettled { deployment });
    }

    /// A whole deployment, from the request until it is live and the one before is over.
    pub(crate) fn deploy(&mut self, app: u128, n: u128) -> Sequence {
        self.deploy_image(app, n, image())
    }

    /// The same with this image.
    pub(crate) fn deploy_image(&mut self, app: u128, n: u128, image: ImageId) -> Sequence {
        self.deploy_built(app, n, BuiltImage { image, ..built() })
    }

    /// The same with this static site.
    pub(crate) fn deploy_site(&mut self, app: u128, n: u128, id: SiteId) -> Sequence {
        let site = Some(Box::new(BuiltSite { id, files: 1, bytes: 1 }));
        self.deploy_built(app, n, BuiltImage { site, port: 0, ..built() })
    }

    /// A static site that takes a part of the requests.
    pub(crate) fn canary_site(&mut self, app: u128, n: u128, id: SiteId) {
        let deployment = deployment_id(n);
        let (weight, within) = (Weight::new(10).unwrap(), Millis::seconds(3_600));
        self.request(app, n);
        self.app(app, AppEvent::CanaryAsked { deployment, weight, within });
        let site = Some(Box::new(BuiltSite { id, files: 1, bytes: 1 }));
        let built = BuiltImage { site, port: 0, ..built() };
        let until = at(1_000_000);
        for event in [
            DeploymentEvent::BuildQueued { generation: 1, until },
            DeploymentEvent::Built { built, until },
            DeploymentEvent::BecameHealthy { app: app_id(app) },
        ] {
            self.push(deployment.uuid(), Event::Deployment(event));
        }
        self.app(app, AppEvent::CanaryStarted { deployment, weight });
    }

    fn deploy_built(&mut self, app: u128, n: u128, built: BuiltImage) -> Sequence {
        let asked = self.request(app, n);
        let deployment = deployment_id(n);
        let until = at(1_000_000);
        let previous = self.live.insert(app, deployment);
        let id = app_id(app);
        let placements = built.site.is_none().then(|| placements(1));
        let mut push = |event| self.push(deployment.uuid(), Event::Deployment(event));
        push(DeploymentEvent::BuildQueued { generation: 1, until });
        push(DeploymentEvent::Built { built, until });
        if let Some(placements) = placements {
            push(DeploymentEvent::Placed { placements, until });
        }
        push(DeploymentEvent::BecameHealthy { app: id });
        self.app(app, AppEvent::TrafficSwitched { deployment, previous });
        self.push(deployment.uuid(), Event::Deployment(DeploymentEvent::WentLive { app: id }));
        self.app(app, AppEvent::DeploymentPromoted { deployment, previous });
        if let Some(previous) = previous {
            let ended = DeploymentEvent::Ended { app: id, outcome: Outcome::Superseded };
            self.push(previous.uuid(), Event::Deployment(ended));
            self.app(app, AppEvent::DeploymentSettled { deployment: previous });
        }
        asked
    }
}
