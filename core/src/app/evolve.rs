//! What an app becomes by an event. An event that does not fit changes nothing.

use super::{ActiveApp, App, AppEvent, AppSettings, SettingsChange, Stop};
use crate::canary::Canary;
use crate::domain::{Domains, Trust};
use crate::edge::EdgeSettings;
use crate::hook::Triggers;
use crate::preview::Previews;

pub(super) fn evolve(app: App, event: &AppEvent) -> App {
    match (app, event) {
        (App::Absent, AppEvent::Created { id, name, settings }) => {
            App::Active(Box::new(ActiveApp {
                id: *id,
                name: name.clone(),
                settings: (**settings).clone(),
                env: std::collections::BTreeMap::new(),
                next_secret: 1,
                deployments: 0,
                live: None,
                serving: None,
                rolling: None,
                waiting: None,
                called_off: None,
                stopped: None,
                discarded: None,
                triggers: Triggers::default(),
                source_key: None,
                one_offs: std::collections::BTreeMap::new(),
                crons: std::collections::BTreeMap::new(),
                edge: EdgeSettings::default(),
                previews: Previews::default(),
                preview: None,
                domains: Domains::default(),
                canary: None,
                asleep: false,
            }))
        }
        (App::Absent, _before_creation) => App::Absent,
        (App::Deleted, _after_the_end) => App::Deleted,
        (App::Active(_), AppEvent::Deleted { .. }) => App::Deleted,
        (App::Active(mut app), event) => {
            app.apply(event);
            App::Active(app)
        }
    }
}

impl ActiveApp {
    fn apply(&mut self, event: &AppEvent) {
        match event {
            AppEvent::Created { .. } | AppEvent::Deleted { .. } => {}
            AppEvent::Configured(change) => {
                let before = self.settings.repository();
                change.apply(&mut self.settings);
                if self.settings.repository() != before {
                    self.previews.forget_past();
                }
            }
            AppEvent::EnvironmentChanged { set, remove } => {
                self.env.retain(|name, _| !remove.contains(name));
                self.env.extend(set.iter().map(|(name, version)| (name.clone(), *version)));
                let newest = set.values().max().map_or(0, |version| version.saturating_add(1));
                self.next_secret = self.next_secret.max(newest);
            }
            AppEvent::DeploymentRequested { deployment, .. }
            | AppEvent::DeploymentRepeated { deployment, .. } => {
                self.deployments = self.deployments.saturating_add(1);
                self.waiting = Some(*deployment);
            }
            AppEvent::DeploymentReplaced { deployment, .. } => {
                self.forget_canary(*deployment);
                if self.waiting == Some(*deployment) {
                    self.waiting = None;
                }
            }
            AppEvent::DeploymentBegun { deployment } => {
                if self.waiting == Some(*deployment) {
                    self.waiting = None;
                }
                self.rolling = Some(*deployment);
            }
            AppEvent::DeploymentCalledOff { deployment, by: _ } => {
                self.forget_canary(*deployment);
                if self.waiting == Some(*deployment) {
                    self.waiting = None;
                }
                if self.rolling == Some(*deployment) {
                    self.called_off = Some(*deployment);
                }
            }
            AppEvent::Stopped { until } => {
                self.asleep = false;
                self.stopped = Some(Stop { until: *until, during: self.taking_over() });
            }
            AppEvent::Started => self.stopped = None,
            AppEvent::Discarded { until, drained } => self.discarded(*until, *drained),
            AppEvent::Restored { name: _ } => self.restored(),
            AppEvent::TriggersSet(triggers) => self.triggers = (**triggers).clone(),
            AppEvent::EdgeSet(listed) => self.edge = EdgeSettings::of(listed),
            AppEvent::CanaryAsked { deployment, weight, within } => {
                let (deployment, weight, within) = (*deployment, *weight, *within);
                self.canary = Some(Canary { deployment, weight, within, started: false });
            }
            AppEvent::CanaryStarted { deployment, weight }
            | AppEvent::CanaryWeightSet { deployment, weight } => {
                self.canary_weighs(*deployment, *weight);
            }
            AppEvent::CanaryPromoted { deployment } => self.forget_canary(*deployment),
            AppEvent::FellAsleep { unasked: _ } => self.asleep = true,
            AppEvent::Woken { why: _ } => self.asleep = false,
            AppEvent::CommandRun { run, one_off } => {
                self.one_offs.insert(*run, (**one_off).clone());
            }
            AppEvent::CommandEnded { run, end } => {
                self.one_offs.remove(run);
                self.crons.values_mut().for_each(|cron| cron.ended(*run, *end));
            }
            AppEvent::CronSet { cron, settings, at } => self.cron_set(cron, settings, *at),
            AppEvent::CronRemoved { cron } => {
                self.crons.remove(cron);
            }
            AppEvent::CronRun { cron, due, run } => self.cron_ran(cron, *due, *run),
            AppEvent::CronSkipped { cron, skipped } => self.cron_skipped(cron, *skipped),
            AppEvent::Scaled { replicas, deployments: _ } => self.settings.replicas = *replicas,
            AppEvent::ProcessesScaled { processes, deployments: _ } => {
                self.settings.run.scale_processes(processes);
            }
            AppEvent::PreviewsSet(settings) => self.previews_set(settings),
            AppEvent::PreviewWanted { pull, app, revision, at } => {
                self.preview_wanted(pull, *app, *revision, *at);
            }
            AppEvent::PreviewUnwanted { number, why, at } => {
                self.preview_unwanted(*number, *why, *at);
            }
            AppEvent::PreviewCommented { number, comment } => {
                self.preview_commented(*number, *comment);
            }
            AppEvent::BecamePreview(of) => self.preview = Some(of.clone()),
            AppEvent::DomainAdded { host, token, mode, at } => {
                self.domain_added(host, token, *mode, *at);
            }
            AppEvent::DomainSet { host, mode } => self.domains.set_mode(host, *mode),
            AppEvent::DomainVerified { host, at } => {
                self.domains.set_trust(host, |_before| Trust::Verified { at: *at });
            }
            AppEvent::DomainFailing { host, why, at } => self.domain_failing(host, why, *at),
            AppEvent::DomainLost { host, why, at } => {
                self.domains.set_trust(host, |_before| Trust::Lost { at: *at, why: why.clone() });
            }
            AppEvent::DomainRemoved { host } => self.domains.remove(host),
            AppEvent::SourceKeySet(key) => self.source_key = Some(key.clone()),
            AppEvent::TrafficSwitched { deployment, .. } => {
                self.forget_canary(*deployment);
                self.serving = Some(*deployment);
            }
            AppEvent::TrafficReturned { to, .. } => self.serving = *to,
            AppEvent::DeploymentPromoted { deployment, .. } => {
                self.live = Some(*deployment);
                if self.rolling == Some(*deployment) {
                    self.rolling = None;
                }
            }
            AppEvent::DeploymentSettled { deployment } => {
                self.forget_canary(*deployment);
                for place in [
                    &mut self.live,
                    &mut self.serving,
                    &mut self.rolling,
                    &mut self.waiting,
                    &mut self.called_off,
                ] {
                    if *place == Some(*deployment) {
                        *place = None;
                    }
                }
                // With its live version goes what slept.
                self.asleep &= self.live.is_some();
            }
        }
    }
}

impl SettingsChange {
    /// Writes what is given over `settings`.
    pub fn apply(&self, settings: &mut AppSettings) {
        let Self {
            source,
            build,
            port,
            replicas,
            health,
            resources,
            domains,
            project,
            run,
            drain_within,
            stop_within,
        } = self;
        if let Some(source) = source {
            settings.source = Some(source.clone());
        }
        if let Some(build) = build {
            settings.build = build.clone();
        }
        if let Some(port) = port {
            settings.port = *port;
        }
        if let Some(replicas) = replicas {
            settings.replicas = *replicas;
        }
        if let Some(health) = health {
            settings.health = health.clone();
        }
        if let Some(resources) = resources {
            settings.resources = resources.clone();
        }
        if let Some(domains) = domains {
            settings.domains.clone_from(domains);
        }
        if let Some(project) = project {
            settings.project = *project;
        }
        if let Some(run) = run {
            settings.run.clone_from(run);
        }
        if let Some(drain_within) = drain_within {
            settings.drain_within = *drain_within;
        }
        if let Some(stop_within) = stop_within {
            settings.stop_within = *stop_within;
        }
    }
}
