//! The projection that lists, pages and the reconciler read: a fold of the whole journal.
//!
//! It is rebuilt from the journal at any time; a checkpoint of it only saves that time. Raise
//! [`View::FORMAT`] whenever a type inside it changes, and older checkpoints are rebuilt.

mod deployments;
mod difference;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::app::{App, AppEvent};
use crate::deployment::{Deployment, StageName};
use crate::event::Event;
use crate::ids::{AppId, DeploymentId, ProjectId, WorkerId};
use crate::installation::{Installation, InstallationEvent};
use crate::machine::Machine;
use crate::names::{AppName, EnvName, HostName};
use crate::project::{ActiveProject, Project};
use crate::record::{Actor, Meta, Recorded, Sequence};
use crate::source::Source;
use crate::time::Timestamp;
use crate::worker::Worker;

/// Everything that is, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The newest event that is in it.
    pub head: Sequence,
    /// Apps that exist.
    pub apps: BTreeMap<AppId, AppView>,
    /// Their ids by name.
    pub names: BTreeMap<AppName, AppId>,
    /// Deployments: all that have not ended, and the last ended ones of each app.
    pub deployments: BTreeMap<DeploymentId, DeploymentView>,
    /// Workers that belong to the installation.
    pub workers: BTreeMap<WorkerId, WorkerView>,
    /// How the deployments were asked for whose own history has not begun yet.
    pub requests: BTreeMap<DeploymentId, Asked>,
    /// The installation itself.
    pub installation: InstallationView,
    /// Projects, but for the one that is always there.
    pub projects: BTreeMap<ProjectId, ProjectView>,
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectView {
    /// Its state.
    pub state: Project,
    /// When it came into being.
    pub created_at: Timestamp,
    /// The newest of its events.
    pub last: Sequence,
}

/// An app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppView {
    /// Its state.
    pub state: App,
    /// When it came into being.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// When it last was stopped or started, deleted or restored, fell asleep or was woken.
    pub rested_at: Option<Timestamp>,
    /// The newest of its events.
    pub last: Sequence,
    /// When each environment variable was set.
    pub env_set_at: BTreeMap<EnvName, Timestamp>,
    /// Its deployments that are kept in the view, oldest first.
    pub deployments: Vec<DeploymentId>,
    /// What asked for the newest commit of each of its previews, by the pull request's number.
    pub previews: BTreeMap<u64, Because>,
}

/// The event that something follows from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Because {
    /// Who, when, in what connection.
    pub meta: Meta,
    /// The event.
    pub event: Sequence,
}

/// A deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentView {
    /// Its state.
    pub state: Deployment,
    /// When it came to each stage, in order.
    pub stages: Vec<(StageName, Timestamp)>,
    /// The first of its events.
    pub begun: Sequence,
    /// The newest of its events.
    pub last: Sequence,
    /// The event that last changed what workers are to run for it: the generation of orders.
    pub assigned: Sequence,
    /// How it came about: who, when, in what connection.
    pub requested: Meta,
    /// What the app's settings were then, as far as its own spec does not say it.
    pub then: Then,
}

/// How a deployment was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Who, when, in what connection.
    pub meta: Meta,
    /// What the app's settings were.
    pub then: Then,
}

/// An app's settings when a deployment was asked for, as far as they are no part of its spec: what
/// a rollback to it brings back besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Then {
    /// The source that the app was deployed from.
    pub source: Option<Source>,
    /// The host names besides its own.
    pub domains: BTreeSet<HostName>,
}

/// A worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerView {
    /// Its state.
    pub state: Worker,
    /// When it joined.
    pub joined_at: Timestamp,
    /// The newest of its events.
    pub last: Sequence,
}

/// The installation itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallationView {
    /// Its state.
    pub state: Installation,
    /// The newest of its events; 0 where there is none.
    pub last: Sequence,
    /// The event that says that it was restored last.
    pub restored_at: Option<Sequence>,
}

impl View {
    /// The format of its checkpoints.
    pub const FORMAT: u32 = 16;

    /// Takes in the next event. One that is in it already changes nothing.
    pub fn apply(&mut self, recorded: &Recorded<Event>) {
        if recorded.sequence <= self.head {
            return;
        }
        self.head = recorded.sequence;
        let id = recorded.stream.id;
        match &recorded.event {
            Event::App(event) => self.apply_app(AppId::new(id), event, recorded),
            Event::Deployment(event) => {
                self.apply_deployment(DeploymentId::new(id), event, recorded);
            }
            Event::Worker(event) => {
                let worker = WorkerId::new(id);
                let view = self.workers.entry(worker).or_insert_with(|| WorkerView {
                    state: Worker::default(),
                    joined_at: recorded.meta.at,
                    last: recorded.sequence,
                });
                view.state = std::mem::take(&mut view.state).evolve(event);
                view.last = recorded.sequence;
                if view.state.ended() {
                    self.workers.remove(&worker);
                }
            }
            Event::Installation(event) => {
                let view = &mut self.installation;
                view.state = std::mem::take(&mut view.state).evolve(event);
                view.last = recorded.sequence;
                if matches!(event, InstallationEvent::Restored(_)) {
                    view.restored_at = Some(recorded.sequence);
                }
            }
            Event::Project(event) => {
                let project = ProjectId::new(id);
                let view = self.projects.entry(project).or_insert_with(|| ProjectView {
                    state: Project::default(),
                    created_at: recorded.meta.at,
                    last: recorded.sequence,
                });
                view.state = std::mem::take(&mut view.state).evolve(event);
                view.last = recorded.sequence;
                if view.state.ended() {
                    self.projects.remove(&project);
                }
            }
        }
    }

    fn apply_app(&mut self, id: AppId, event: &AppEvent, recorded: &Recorded<Event>) {
        let at = recorded.meta.at;
        let view = self.apps.entry(id).or_insert_with(|| AppView {
            state: App::default(),
            created_at: at,
            updated_at: at,
            rested_at: None,
            last: recorded.sequence,
            env_set_at: BTreeMap::new(),
            deployments: Vec::new(),
            previews: BTreeMap::new(),
        });
        match event {
            AppEvent::Created { name, .. } => {
                self.names.insert(name.clone(), id);
            }
            AppEvent::EnvironmentChanged { set, remove } => {
                view.env_set_at.retain(|name, _| !remove.contains(name));
                view.env_set_at.extend(set.keys().map(|name| (name.clone(), at)));
            }
            AppEvent::Discarded { .. } | AppEvent::Deleted { .. } => {
                // One that was deleted before may have left it to another.
                let app = view.state.active().filter(|app| app.discarded.is_none());
                if let Some(app) = app {
                    self.names.remove(&app.name);
                }
            }
            AppEvent::Restored { name } => {
                self.names.insert(name.clone(), id);
            }
            AppEvent::PreviewWanted { pull, .. } => {
                let because = Because { meta: recorded.meta.clone(), event: recorded.sequence };
                view.previews.insert(pull.number, because);
            }
            AppEvent::PreviewUnwanted { number, .. } => {
                view.previews.remove(number);
            }
            AppEvent::DeploymentRequested { deployment, .. }
            | AppEvent::DeploymentRepeated { deployment, .. } => {
                let settings = view.state.active().map(|app| &app.settings);
                let then = settings.map(|settings| Then {
                    source: settings.source.clone(),
                    domains: settings.domains.clone(),
                });
                let asked = Asked { meta: recorded.meta.clone(), then: then.unwrap_or_default() };
                self.requests.insert(*deployment, asked);
            }
            AppEvent::Configured(_)
            | AppEvent::DeploymentReplaced { .. }
            | AppEvent::DeploymentBegun { .. }
            | AppEvent::TrafficSwitched { .. }
            | AppEvent::TrafficReturned { .. }
            | AppEvent::DeploymentPromoted { .. }
            | AppEvent::DeploymentSettled { .. }
            | AppEvent::DeploymentCalledOff { .. }
            | AppEvent::ProcessesScaled { .. }
            | AppEvent::PreviewsSet(_)
            | AppEvent::PreviewCommented { .. }
            | AppEvent::BecamePreview(_)
            | AppEvent::DomainAdded { .. }
            | AppEvent::DomainSet { .. }
            | AppEvent::DomainVerified { .. }
            | AppEvent::DomainFailing { .. }
            | AppEvent::DomainLost { .. }
            | AppEvent::DomainRemoved { .. }
            | AppEvent::EdgeSet(_)
            | AppEvent::CanaryAsked { .. }
            | AppEvent::CanaryStarted { .. }
            | AppEvent::CanaryWeightSet { .. }
            | AppEvent::CanaryPromoted { .. }
            | AppEvent::FellAsleep { .. }
            | AppEvent::Woken { .. }
            | AppEvent::Scaled { .. }
            | AppEvent::SourceKeySet(_)
            | AppEvent::Stopped { .. }
            | AppEvent::TriggersSet(_)
            | AppEvent::CommandRun { .. }
            | AppEvent::CommandEnded { .. }
            | AppEvent::CronSet { .. }
            | AppEvent::CronRemoved { .. }
            | AppEvent::CronRun { .. }
            | AppEvent::CronSkipped { .. }
            | AppEvent::Started => {}
        }
        view.state = std::mem::take(&mut view.state).evolve(event);
        view.updated_at = at;
        view.last = recorded.sequence;
        if let AppEvent::DeploymentSettled { deployment } = event {
            let live = view.state.active().and_then(|app| app.live);
            self.run_again(live, *deployment, recorded.sequence);
            return;
        }
        if let AppEvent::CanaryStarted { deployment, .. } = event {
            // What takes requests is started again where it exits, which its order has to say.
            if let Some(canary) = self.deployments.get_mut(deployment) {
                canary.assigned = recorded.sequence;
            }
            return;
        }
        if let AppEvent::Stopped { .. }
        | AppEvent::Started
        | AppEvent::Discarded { .. }
        | AppEvent::Restored { .. }
        | AppEvent::FellAsleep { .. }
        | AppEvent::Woken { .. } = event
        {
            view.rested_at = Some(at);
            // Whether its replicas run is another matter now.
            let live = view.state.active().and_then(|app| app.live);
            if let Some(deployment) = live.and_then(|live| self.deployments.get_mut(&live)) {
                deployment.assigned = recorded.sequence;
            }
        }
        if view.state.ended() {
            let gone = self.apps.remove(&id).map(|view| view.deployments).unwrap_or_default();
            for deployment in gone {
                self.drop_if_ended(deployment);
            }
        }
    }

    /// The project of an id, where it is not the one that is always there.
    #[must_use]
    pub fn project(&self, id: ProjectId) -> Option<&ActiveProject> {
        self.projects.get(&id)?.state.active()
    }

    /// The project that an app is in: where its own is gone, the one that is always there.
    #[must_use]
    pub fn project_of(&self, app: AppId) -> ProjectId {
        let settings = self.apps.get(&app).and_then(|app| app.state.active());
        let project = settings.map_or(ProjectId::DEFAULT, |app| app.settings.project);
        self.project(project).map_or(ProjectId::DEFAULT, |project| project.id)
    }

    /// The app of a name.
    #[must_use]
    pub fn app_named(&self, name: &AppName) -> Option<(AppId, &AppView)> {
        let id = self.names.get(name)?;
        Some((*id, self.apps.get(id)?))
    }
}

impl DeploymentView {
    /// When it came to the stage that it is in.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.stages.last().map_or(self.requested.at, |(_, at)| *at)
    }

    /// Whether it ever was live.
    #[must_use]
    pub fn was_live(&self) -> bool {
        self.stages.iter().any(|(stage, _)| *stage == StageName::Live)
    }

    /// Who asked for it.
    #[must_use]
    pub const fn requested_by(&self) -> &Actor {
        &self.requested.actor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::AppSettings;
    use crate::deployment::DeploymentEvent;
    use crate::ids::CorrelationId;
    use crate::record::{StreamId, Version};
    use crate::testing::{app_id, at, deployment_id, name, spec};

    #[test]
    fn the_first_difference_is_named() {
        let mut journal = crate::past::testing::Journal::default();
        journal.create(1, "shop");
        journal.create(2, "other");
        journal.deploy(1, 1);
        let mut view = View::default();
        journal.events.iter().for_each(|event| view.apply(event));
        assert_eq!(view.first_difference(&view.clone()), None);
        let differs = |change: &dyn Fn(&mut View)| {
            let mut other = view.clone();
            change(&mut other);
            let found = view.first_difference(&other);
            assert_eq!(found, other.first_difference(&view), "both ways");
            found.unwrap()
        };
        let app = format!("app {} (other)", app_id(2));
        assert_eq!(differs(&|v| v.apps.get_mut(&app_id(2)).unwrap().updated_at = at(9_999)), app);
        assert_eq!(differs(&|v| drop(v.apps.remove(&app_id(2)))), app);
        assert_eq!(
            differs(&|v| v.names.retain(|known, _| *known != name("shop"))),
            "the name \"shop\""
        );
        let deployment = format!("deployment {}", deployment_id(1));
        assert_eq!(differs(&|v| v.deployments.clear()), deployment);
        assert!(differs(&|v| v.head = Sequence(1)).contains("events 1 and"));
    }

    fn recorded(sequence: u64, actor: Actor, id: uuid::Uuid, event: Event) -> Recorded<Event> {
        let kind = event.kind();
        let correlation = CorrelationId::new(uuid::Uuid::nil());
        let meta = Meta { at: at(sequence), actor, correlation, causation: None };
        let stream = StreamId { kind, id };
        Recorded { sequence: Sequence(sequence), stream, version: Version(0), meta, event }
    }

    #[test]
    fn a_deployment_was_requested_by_whoever_asked_the_app_for_it() {
        let (app, deployment) = (app_id(1), deployment_id(1));
        let settings = Box::new(AppSettings::default());
        let created = AppEvent::Created { id: app, name: name("shop"), settings };
        let asked = AppEvent::DeploymentRequested { deployment, spec: Box::new(spec(1)) };
        let begun = DeploymentEvent::Requested(Box::new(spec(1)));
        let events = [
            recorded(1, Actor::Owner, app.uuid(), Event::App(created)),
            recorded(2, Actor::Owner, app.uuid(), Event::App(asked)),
            recorded(3, Actor::System, deployment.uuid(), Event::Deployment(begun)),
        ];
        let mut view = View::default();
        events.iter().for_each(|event| view.apply(event));
        let seen = &view.deployments[&deployment];
        assert_eq!((seen.requested_by(), seen.requested.at), (&Actor::Owner, at(2)));
        assert!(view.requests.is_empty(), "nothing is kept twice");
        let before = view.clone();
        events.iter().for_each(|event| view.apply(event));
        assert_eq!(view, before, "an event that is in it already changes nothing");
    }

    #[test]
    fn what_a_canary_runs_is_ordered_anew_when_it_takes_its_part() {
        use crate::canary::Weight;
        use crate::past::testing::Journal;
        use crate::testing::{built, placements};
        let mut journal = Journal::default();
        journal.create(1, "shop");
        journal.deploy(1, 1);
        let (deployment, app, until) = (deployment_id(2), app_id(1), at(1_000_000));
        let weight = Weight::new(10).unwrap();
        journal.request(1, 2);
        let within = crate::limits::CANARY_LEAST;
        journal.app(1, AppEvent::CanaryAsked { deployment, weight, within });
        let mut push = |event| journal.push(deployment.uuid(), Event::Deployment(event));
        push(DeploymentEvent::BuildQueued { generation: 1, until });
        push(DeploymentEvent::Built { built: built(), until });
        let placed = push(DeploymentEvent::Placed { placements: placements(2), until });
        push(DeploymentEvent::BecameHealthy { app });
        let assigned = |journal: &Journal| {
            let mut view = View::default();
            journal.events.iter().for_each(|event| view.apply(event));
            view.deployments[&deployment].assigned
        };
        assert_eq!(assigned(&journal), placed);
        let started = journal.app(1, AppEvent::CanaryStarted { deployment, weight });
        assert_eq!(assigned(&journal), started);
        // Another weight is the edges' affair.
        journal.app(1, AppEvent::CanaryWeightSet { deployment, weight });
        assert_eq!(assigned(&journal), started);
    }
}
