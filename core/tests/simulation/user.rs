//! People: they create, change, deploy, cancel and delete, whatever else goes on.

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::app::{App, AppCommand, AppSettings, Repeat, SettingsChange};
use hythe_core::canary::Weight;
use hythe_core::container::ContainerSettings;
use hythe_core::deployment::{Deployment, DeploymentCommand};
use hythe_core::domain::{DomainHost, DomainNews, DomainToken};
use hythe_core::edge::EdgeSettings;
use hythe_core::hook::{DeployOn, Triggers};
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::limits;
use hythe_core::record::Actor;
use hythe_core::task::Hook;
use hythe_core::versions::{before_live, earlier};
use hythe_core::worker::{Worker, WorkerCommand};

use crate::aggregate::{Answer, Waiter};
use crate::behaviour::Behaviour;
use crate::made;
use crate::pushes::Checkouts;
use crate::schedule::Due;
use crate::trace::Short;
use crate::world::World;

/// Apps at once.
const MOST_APPS: usize = 3;

/// What people have done.
#[derive(Debug, Default)]
pub(crate) struct User {
    apps: u64,
    deployments: u64,
    domains: u64,
    pub(crate) projects: u64,
    pub(crate) runs: u64,
    /// Whether there are cron jobs and commands by hand.
    pub(crate) has_jobs: bool,
    /// Whether there are previews.
    pub(crate) has_previews: bool,
    /// Whether people push to apps, and what they push from.
    pub(crate) has_pushes: bool,
    pub(crate) checkouts: Checkouts,
    /// Whether people wait for commands at their terminals.
    pub(crate) has_terminals: bool,
    /// Whether providers are told how commits fare.
    pub(crate) has_statuses: bool,
    /// Whether repositories say something themselves of what runs.
    pub(crate) has_sayings: bool,
}

impl World {
    /// Somebody asks for something.
    pub(crate) fn ask_something(&mut self) {
        if self.calm {
            return;
        }
        let after = self.random.u64(50..14_000);
        self.after(after, Due::User);
        if !self.control.up {
            return;
        }
        let apps: Vec<AppId> = self.control.view.apps.keys().copied().collect();
        if apps.is_empty() {
            return self.create_app();
        }
        let app = apps[self.random.usize(..apps.len())];
        match self.random.u32(..100) {
            0..8 if apps.len() < MOST_APPS => self.create_app(),
            8..14 => {
                let behaviour = self.any_behaviour();
                self.deploy_canary(app, behaviour);
            }
            14..48 => {
                let behaviour = self.any_behaviour();
                self.deploy(app, behaviour);
            }
            48..60 => self.repeat(app),
            60..71 => self.cancel_some(),
            71..75 => self.run_or_not(app),
            75..83 => self.configure(app),
            83..85 => self.change_environment(app),
            85..89 => self.change_what_stands_before(app),
            89..94 => self.drain_or_not(),
            94..97 => self.delete_or_restore(app),
            97..99 => self.judge_canary(app),
            _ => {}
        }
        if self.random.u32(..12) == 0 {
            self.change_what_lies_around(app);
        }
        if self.user.has_jobs && self.random.u32(..4) == 0 {
            self.change_jobs(app);
        }
        if self.user.has_previews && self.random.u32(..6) == 0 {
            self.change_previews(app);
        }
        if self.user.has_pushes && self.random.u32(..4) == 0 {
            self.push(app);
        }
        if self.user.has_terminals && self.random.u32(..8) == 0 {
            self.run_by_hand(app, None);
        }
    }

    pub(crate) fn next_app(&mut self) -> AppId {
        self.user.apps += 1;
        made::app_id(self.user.apps)
    }

    pub(crate) fn next_deployment(&mut self) -> DeploymentId {
        self.user.deployments += 1;
        made::deployment_id(self.user.deployments)
    }

    pub(crate) fn ask<M: crate::aggregate::Hosted>(
        &mut self,
        asked: &'static str,
        id: uuid::Uuid,
        command: M::Command,
    ) {
        self.note(format_args!("somebody asks: {asked} {}", Short(id)));
        let meta = self.meta(Actor::Owner, None);
        self.command::<M>(id, command, meta, Waiter::User(asked));
    }

    pub(crate) fn create_app(&mut self) {
        let id = self.next_app();
        // Few names, so that some are taken.
        let name = made::app_name(self.random.u64(..5));
        let mut settings = AppSettings {
            source: Some(made::source()),
            replicas: self.random.u16(1..=3),
            ..AppSettings::default()
        };
        if self.random.u32(..3) == 0 {
            let hooks: [&[Hook]; 3] = [&[Hook::Release], &[Hook::PostDeploy], &Hook::ALL];
            settings.run = made::with_hooks(hooks[self.random.usize(..3)]);
        }
        if self.random.u32(..3) == 0 {
            settings.run.processes = made::beside_web(self.random.u16(0..=2));
        }
        if self.random.u32(..3) == 0 {
            settings.domains.insert(made::domain(self.random.u64(..3)));
        }
        if self.random.u32(..4) == 0 {
            settings.run.container = made::writes();
            settings.replicas = 1;
        }
        let create = AppCommand::Create { id, name, settings: Box::new(settings) };
        self.ask::<App>("create", id.uuid(), create);
    }

    /// What the next version does.
    pub(crate) fn any_behaviour(&mut self) -> Behaviour {
        let behaviour = Behaviour::any(&mut self.random);
        if self.user.has_sayings { behaviour.with_any_says(&mut self.random) } else { behaviour }
    }

    /// Deploys an app, as a version that does so.
    pub(crate) fn deploy(&mut self, app: AppId, behaviour: Behaviour) -> DeploymentId {
        let deployment = self.next_deployment();
        self.behaviours.insert(deployment, behaviour);
        self.note(format_args!("{} is {behaviour:?}", Short(deployment.uuid())));
        let request = AppCommand::RequestDeployment { deployment, source: None, no_cache: false };
        self.ask::<App>("deploy", app.uuid(), request);
        deployment
    }

    /// Deploys an app, as a version that takes a part of the requests first.
    fn deploy_canary(&mut self, app: AppId, behaviour: Behaviour) {
        let deployment = self.next_deployment();
        self.behaviours.insert(deployment, behaviour);
        self.note(format_args!("{} is {behaviour:?}, a canary", Short(deployment.uuid())));
        let weight = Weight::new(self.random.u8(1..=99)).unwrap();
        let (source, no_cache, within) = (None, false, limits::CANARY_LEAST);
        let request = AppCommand::RequestCanary { deployment, source, no_cache, weight, within };
        self.ask::<App>("deploy a canary", app.uuid(), request);
    }

    /// Promotes, aborts or weighs a canary.
    fn judge_canary(&mut self, app: AppId) {
        let (asked, command) = match self.random.u32(..3) {
            0 => ("promote", AppCommand::PromoteCanary),
            1 => ("abort", AppCommand::AbortCanary),
            _ => {
                let weight = Weight::new(self.random.u8(1..=99)).unwrap();
                ("weigh", AppCommand::WeighCanary { weight })
            }
        };
        self.ask::<App>(asked, app.uuid(), command);
    }

    /// Goes back, deploys again or restarts.
    fn repeat(&mut self, app: AppId) {
        let view = &self.control.view;
        let Some(active) = view.apps[&app].state.active() else { return };
        let kept = view.apps[&app].deployments.clone();
        let (of, how, asked) = match self.random.u32(..6) {
            0 => (active.live, Repeat::Restart, "restart"),
            1 => (active.live, Repeat::Redeploy, "redeploy"),
            2 => (before_live(view, app), Repeat::Rollback, "rollback"),
            _ => (self.random.choice(kept), Repeat::Rollback, "rollback"),
        };
        let settings = self.random.bool();
        let Some(earlier) = of.and_then(|of| earlier(&self.control.view, of, settings)) else {
            return;
        };
        let deployment = self.next_deployment();
        let behaviour = self.behaviours.get(&earlier.deployment).copied();
        self.behaviours.insert(deployment, behaviour.unwrap_or(Behaviour::GOOD));
        if self.random.u32(..4) == 0 {
            self.image_gone.insert(deployment);
        }
        let (of, id) = (Short(earlier.deployment.uuid()), Short(deployment.uuid()));
        self.note(format_args!("{id} takes over from {of}: {how:?}"));
        let repeat = AppCommand::Repeat { deployment, earlier: Box::new(earlier), how };
        self.ask::<App>(asked, app.uuid(), repeat);
    }

    fn run_or_not(&mut self, app: AppId) {
        let at = self.control_now();
        let state = self.control.view.apps.get(&app).and_then(|app| app.state.active());
        let beside_web = state.is_some_and(|app| !app.settings.run.processes.is_empty());
        let (asked, command) = match self.random.u32(..5) {
            0 => ("stop", AppCommand::Stop { at }),
            1 => ("start", AppCommand::Start),
            2 if self.user.has_sayings && self.random.bool() => {
                // Whatever the repository of the next version says of it.
                let processes = [(made::mailer_process(), self.random.u16(0..=2))].into();
                let known = BTreeSet::from([made::mailer_process()]);
                ("scale what is said", AppCommand::Scale { replicas: None, processes, known })
            }
            2 if beside_web => {
                let processes = [(made::worker_process(), self.random.u16(0..=3))].into();
                let known = BTreeSet::new();
                ("scale processes", AppCommand::Scale { replicas: None, processes, known })
            }
            _ => {
                let replicas = Some(self.random.u16(1..=4));
                let (processes, known) = (BTreeMap::new(), BTreeSet::new());
                ("scale", AppCommand::Scale { replicas, processes, known })
            }
        };
        self.ask::<App>(asked, app.uuid(), command);
    }

    fn delete_or_restore(&mut self, app: AppId) {
        let state = self.control.view.apps.get(&app).and_then(|app| app.state.active());
        let discarded = state.is_some_and(|app| app.discarded.is_some());
        let at = self.control_now();
        let (asked, command) = match (discarded, self.random.bool()) {
            (true, true) => ("restore", AppCommand::Restore),
            (false, true) => ("delete", AppCommand::Discard { at }),
            (_, false) => ("delete for good", AppCommand::Delete),
        };
        self.ask::<App>(asked, app.uuid(), command);
    }

    fn cancel_some(&mut self) {
        let moving: Vec<DeploymentId> = self
            .control
            .view
            .deployments
            .iter()
            .filter(|(_, view)| view.state.attempt().is_some_and(|a| !a.stage.name().settled()))
            .map(|(id, _)| *id)
            .collect();
        if !moving.is_empty() {
            let id = moving[self.random.usize(..moving.len())];
            self.ask::<Deployment>("cancel", id.uuid(), DeploymentCommand::Cancel);
        }
    }

    fn configure(&mut self, app: AppId) {
        let mut change = SettingsChange::default();
        let state = self.control.view.apps[&app].state.active();
        let mut run = state.map(|app| app.settings.run.clone()).unwrap_or_default();
        match self.random.u32(..5) {
            0 => change.replicas = Some(self.random.u16(1..=4)),
            1 => {
                let writes = run.container.is_exclusive();
                run.container = if writes { ContainerSettings::default() } else { made::writes() };
                (change.run, change.replicas) = (Some(run), Some(1));
            }
            2 => {
                let domains = (0..3).filter(|_| self.random.u32(..3) == 0);
                change.domains = Some(domains.map(made::domain).collect());
            }
            _ => {
                run.processes = match self.random.u16(0..=3) {
                    0 => BTreeMap::new(),
                    replicas => made::beside_web(replicas - 1),
                };
                change.run = Some(run);
            }
        }
        self.ask::<App>("configure", app.uuid(), AppCommand::Configure(Box::new(change)));
    }

    /// Domains, of which it is said whether they are proven, and how edges serve an app.
    fn change_what_stands_before(&mut self, app: AppId) {
        let at = self.control_now();
        let Some(state) = self.control.view.apps[&app].state.active() else { return };
        let known: Vec<(DomainHost, DomainToken)> =
            state.domains.iter().map(|(host, of)| (host.clone(), of.token.clone())).collect();
        let edge = state.edge.clone();
        // Who has no domain gets one before anything can be said of it.
        let what = self.random.u32(if known.is_empty() { 6..10 } else { 0..10 });
        let (asked, command) = match what {
            6 | 7 => {
                self.user.domains += 1;
                let all_below = self.random.u32(..4) == 0;
                let host = made::custom_domain(self.random.u64(..3), all_below);
                let (token, mode) = (made::token(self.user.domains), None);
                ("add a domain to", AppCommand::AddDomain { host, token, mode, at })
            }
            0..5 => {
                let (host, mut token) = known[self.random.usize(..known.len())].clone();
                // What was looked at may be an earlier addition of the same host.
                if self.random.u32(..4) == 0 {
                    token = made::token(self.random.u64(..self.user.domains) + 1);
                }
                let why = || "it is not there".to_owned();
                let (asked, news) = match self.random.u32(..5) {
                    0 => ("doubt a domain of", DomainNews::Failing { why: why() }),
                    1 => ("lose a domain of", DomainNews::Lost { why: why() }),
                    _ => ("prove a domain of", DomainNews::Verified),
                };
                (asked, AppCommand::NoteDomain { host, token, news, at })
            }
            5 => {
                let (host, _) = known[self.random.usize(..known.len())].clone();
                ("take a domain from", AppCommand::RemoveDomain { host })
            }
            8 => {
                let on = if self.random.bool() { DeployOn::Off } else { DeployOn::Push };
                let triggers = Triggers { on, ..Triggers::default() };
                ("set the triggers of", AppCommand::SetTriggers(Box::new(triggers)))
            }
            _ => {
                let (maintenance, sticky) = (self.random.bool(), self.random.bool());
                let edge = EdgeSettings { maintenance, sticky, ..edge };
                ("set the edge of", AppCommand::SetEdge(Box::new(edge)))
            }
        };
        self.ask::<App>(asked, app.uuid(), command);
    }

    fn change_environment(&mut self, app: AppId) {
        let next = self.control.view.apps[&app].state.active().map_or(1, |app| app.next_secret);
        let set = BTreeMap::from([(made::env_name(self.random.u64(..3)), next)]);
        let remove = BTreeSet::new();
        let change = AppCommand::ChangeEnvironment { set, remove };
        self.ask::<App>("change the environment of", app.uuid(), change);
    }

    fn drain_or_not(&mut self) {
        let m = self.random.usize(..self.machines.len());
        let id = self.machines[m].id.uuid();
        if self.machines[m].gone {
            return self.ask::<Worker>("remove", id, WorkerCommand::Remove);
        }
        // One of them has to take what is new.
        let command = if m > 0 && self.random.u32(..3) == 0 {
            WorkerCommand::Drain
        } else {
            WorkerCommand::Undrain
        };
        self.ask::<Worker>("drain or not", id, command);
    }

    pub(crate) fn user_answered(&mut self, asked: &'static str, answer: &Answer) {
        match answer {
            Answer::Done(sequence) => {
                self.count(format_args!("{asked}: done"));
                if let Some(sequence) = sequence {
                    self.acknowledged(*sequence);
                }
                self.note(format_args!("{asked}: done, {sequence:?}"));
            }
            Answer::Rejected(why) => {
                self.count(format_args!("{asked}: refused"));
                self.note(format_args!("{asked}: {why}"));
            }
            Answer::ClaimTaken => {
                self.count(format_args!("{asked}: taken"));
                self.note(format_args!("{asked}: the name is taken"));
            }
            Answer::Busy => self.note(format_args!("{asked}: busy")),
        }
    }
}
