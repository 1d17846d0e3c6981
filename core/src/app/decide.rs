//! What an app does when asked.

use std::collections::{BTreeMap, BTreeSet};

use super::{ActiveApp, App, AppCommand, AppEvent, AppSettings, SettingsChange};
use crate::claims::{ClaimChange, ClaimKey};
use crate::deployment::DeploymentSpec;
use crate::ids::DeploymentId;
use crate::limits;
use crate::machine::Machine;
use crate::names::{EnvName, HostName};
use crate::priority::Priority;
use crate::record::AggregateKind;
use crate::rejection::Rejection;
use crate::source::{Resources, Source};
use crate::time::Millis;

type Decision = Result<Vec<AppEvent>, Rejection>;

const NOTHING: Decision = Ok(Vec::new());

impl Machine for App {
    const KIND: AggregateKind = AggregateKind::App;
    type Command = AppCommand;
    type Event = AppEvent;

    fn decide(&self, command: AppCommand) -> Decision {
        match (self, command) {
            (Self::Absent, AppCommand::Create { id, name, settings }) => {
                check_settings(&settings)?;
                Ok(vec![AppEvent::Created { id, name, settings }])
            }
            (Self::Active(_) | Self::Deleted, AppCommand::Create { .. }) => {
                Err(Rejection::Exists { what: "app".into() })
            }
            (Self::Deleted, AppCommand::Delete) => NOTHING,
            // What reports and reactions say about an app that is gone means nothing.
            (
                Self::Deleted,
                AppCommand::SwitchTraffic { .. }
                | AppCommand::Promote { .. }
                | AppCommand::Settle { .. },
            ) => NOTHING,
            (Self::Absent | Self::Deleted, _needs_an_app) => Err(Rejection::not_found("app")),
            (Self::Active(app), command) => app.decide(command),
        }
    }

    fn evolve(self, event: &AppEvent) -> Self {
        super::evolve::evolve(self, event)
    }

    fn priority(command: &AppCommand) -> Priority {
        match command {
            AppCommand::Create { .. }
            | AppCommand::Configure(_)
            | AppCommand::RequestDeployment { .. } => Priority::Ordinary,
            AppCommand::ChangeEnvironment { set, remove: _ } if set.is_empty() => Priority::Urgent,
            AppCommand::ChangeEnvironment { .. } => Priority::Ordinary,
            AppCommand::SwitchTraffic { .. }
            | AppCommand::Promote { .. }
            | AppCommand::Settle { .. }
            | AppCommand::Delete => Priority::Urgent,
        }
    }

    fn claims(&self, event: &AppEvent) -> Vec<ClaimChange> {
        match event {
            AppEvent::Created { id, name, settings } => {
                let note = id.uuid().as_bytes().to_vec();
                let mut claims =
                    vec![ClaimChange::Take { key: ClaimKey::app_name(name), note: note.clone() }];
                claims.extend(settings.domains.iter().map(|domain| take(domain, &note)));
                claims
            }
            AppEvent::Configured(change) => self.domain_claims(change),
            AppEvent::Deleted { .. } => self.active().map_or_else(Vec::new, |app| {
                let domains = app.settings.domains.iter().map(ClaimKey::domain);
                std::iter::once(ClaimKey::app_name(&app.name))
                    .chain(domains)
                    .map(|key| ClaimChange::Release { key })
                    .collect()
            }),
            AppEvent::EnvironmentChanged { .. }
            | AppEvent::DeploymentRequested { .. }
            | AppEvent::DeploymentReplaced { .. }
            | AppEvent::DeploymentBegun { .. }
            | AppEvent::TrafficSwitched { .. }
            | AppEvent::TrafficReturned { .. }
            | AppEvent::DeploymentPromoted { .. }
            | AppEvent::DeploymentSettled { .. } => Vec::new(),
        }
    }

    fn ended(&self) -> bool {
        match self {
            Self::Deleted => true,
            Self::Absent | Self::Active(_) => false,
        }
    }
}

impl App {
    fn domain_claims(&self, change: &SettingsChange) -> Vec<ClaimChange> {
        let (Some(app), Some(domains)) = (self.active(), &change.domains) else {
            return Vec::new();
        };
        let note = app.id.uuid().as_bytes().to_vec();
        let gone = app.settings.domains.difference(domains);
        let new = domains.difference(&app.settings.domains);
        gone.map(|domain| ClaimChange::Release { key: ClaimKey::domain(domain) })
            .chain(new.map(|domain| take(domain, &note)))
            .collect()
    }
}

fn take(domain: &HostName, note: &[u8]) -> ClaimChange {
    ClaimChange::Take { key: ClaimKey::domain(domain), note: note.to_vec() }
}

impl ActiveApp {
    fn decide(&self, command: AppCommand) -> Decision {
        match command {
            AppCommand::Create { .. } => Err(Rejection::Exists { what: "app".into() }),
            AppCommand::Configure(change) => self.configure(change),
            AppCommand::ChangeEnvironment { set, remove } => self.change_environment(set, remove),
            AppCommand::RequestDeployment { deployment, source } => {
                self.request_deployment(deployment, source)
            }
            AppCommand::SwitchTraffic { deployment } => self.switch_traffic(deployment),
            AppCommand::Promote { deployment } => self.promote(deployment),
            AppCommand::Settle { deployment } => self.settle(deployment),
            AppCommand::Delete => {
                let all = [self.live, self.serving, self.rolling, self.waiting];
                Ok(vec![AppEvent::Deleted { deployments: all.into_iter().flatten().collect() }])
            }
        }
    }

    fn configure(&self, change: Box<SettingsChange>) -> Decision {
        let mut settings = self.settings.clone();
        change.apply(&mut settings);
        check_settings(&settings)?;
        if settings == self.settings {
            return NOTHING;
        }
        Ok(vec![AppEvent::Configured(change)])
    }

    fn change_environment(
        &self,
        set: BTreeMap<EnvName, u64>,
        remove: BTreeSet<EnvName>,
    ) -> Decision {
        if let Some(name) = remove.iter().find(|name| set.contains_key(*name)) {
            return Err(Rejection::invalid(
                name.as_str(),
                "is both set and removed: leave one of them out",
            ));
        }
        if let Some(name) = remove.iter().find(|name| !self.env.contains_key(*name)) {
            return Err(Rejection::not_found(format!("environment variable as {name}")));
        }
        let added = set.keys().filter(|name| !self.env.contains_key(*name)).count();
        if self.env.len() + added - remove.len() > limits::MOST_ENV {
            return Err(Rejection::conflict(format!(
                "an app has at most {} environment variables; remove some first",
                limits::MOST_ENV
            )));
        }
        if set.values().any(|version| *version < self.next_secret) {
            return Err(Rejection::conflict(
                "the environment was changed by somebody else at the same moment; try again",
            ));
        }
        if set.is_empty() && remove.is_empty() {
            return NOTHING;
        }
        Ok(vec![AppEvent::EnvironmentChanged { set, remove }])
    }

    fn request_deployment(&self, deployment: DeploymentId, source: Option<Source>) -> Decision {
        let known = [self.live, self.serving, self.rolling, self.waiting];
        if known.contains(&Some(deployment)) {
            return NOTHING;
        }
        let Some(source) = source.or_else(|| self.settings.source.clone()) else {
            return Err(Rejection::conflict(format!(
                "{} has no source yet: deploy it with --repo URL once",
                self.name
            )));
        };
        let requested =
            AppEvent::DeploymentRequested { deployment, spec: Box::new(self.spec(source)) };
        Ok(match (self.rolling, self.waiting) {
            (None, _) => vec![requested, AppEvent::DeploymentBegun { deployment }],
            (Some(_), None) => vec![requested],
            (Some(_), Some(waiting)) => vec![
                requested,
                AppEvent::DeploymentReplaced { deployment: waiting, by: deployment },
            ],
        })
    }

    fn spec(&self, source: Source) -> DeploymentSpec {
        DeploymentSpec {
            app: self.id,
            app_name: self.name.clone(),
            number: self.deployments + 1,
            source,
            build: self.settings.build.clone(),
            port: self.settings.port,
            env: self.env.clone(),
            replicas: self.settings.replicas,
            health: self.settings.health.clone(),
            resources: self.settings.resources.clone(),
            drain_within: limits::DRAIN_WITHIN,
            stop_within: limits::STOP_WITHIN,
        }
    }

    fn switch_traffic(&self, deployment: DeploymentId) -> Decision {
        if self.rolling != Some(deployment) || self.serving == Some(deployment) {
            return NOTHING;
        }
        Ok(vec![AppEvent::TrafficSwitched { deployment, previous: self.serving }])
    }

    fn promote(&self, deployment: DeploymentId) -> Decision {
        if self.serving != Some(deployment) || self.live == Some(deployment) {
            return NOTHING;
        }
        let mut events = vec![AppEvent::DeploymentPromoted { deployment, previous: self.live }];
        events.extend(self.next());
        Ok(events)
    }

    fn settle(&self, deployment: DeploymentId) -> Decision {
        let mut events = Vec::new();
        if self.serving == Some(deployment) && self.live != Some(deployment) {
            events.push(AppEvent::TrafficReturned { from: deployment, to: self.live });
        }
        if self.rolling == Some(deployment) {
            events.push(AppEvent::DeploymentSettled { deployment });
            events.extend(self.next());
        } else if self.waiting == Some(deployment) || self.live == Some(deployment) {
            events.push(AppEvent::DeploymentSettled { deployment });
        }
        Ok(events)
    }

    fn next(&self) -> Option<AppEvent> {
        self.waiting.map(|deployment| AppEvent::DeploymentBegun { deployment })
    }
}

fn check_settings(settings: &AppSettings) -> Result<(), Rejection> {
    let AppSettings { source: _, build: _, port, replicas, health, resources, domains } = settings;
    if *port == Some(0) {
        return Err(Rejection::invalid("port", "is 1 to 65535"));
    }
    if *replicas == 0 || *replicas > limits::MOST_REPLICAS {
        let most = limits::MOST_REPLICAS;
        return Err(Rejection::invalid("replicas", format!("is 1 to {most}; got {replicas}")));
    }
    if domains.len() > limits::MOST_DOMAINS {
        let most = limits::MOST_DOMAINS;
        return Err(Rejection::invalid("domains", format!("are at most {most}")));
    }
    let spans = [
        ("health.interval", health.interval, Millis(100), Millis::seconds(300)),
        ("health.timeout", health.timeout, Millis(100), Millis::seconds(300)),
        ("health.start_within", health.start_within, Millis::seconds(1), Millis::seconds(3_600)),
    ];
    for (field, span, least, most) in spans {
        if span < least || span > most {
            return Err(Rejection::invalid(field, format!("is {least} to {most}; got {span}")));
        }
    }
    let Resources { memory_bytes, cpu_millis, processes } = resources;
    if *memory_bytes < Resources::LEAST_MEMORY_BYTES {
        return Err(Rejection::invalid("memory", "is 6 MiB at the least"));
    }
    if *cpu_millis < 10 {
        return Err(Rejection::invalid("cpu", "is 0.01 of a CPU at the least"));
    }
    if *processes < 1 {
        return Err(Rejection::invalid("processes", "is 1 at the least"));
    }
    Ok(())
}
