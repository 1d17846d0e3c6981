//! What an app does when asked.

use std::collections::{BTreeMap, BTreeSet};

use super::domains::names_of;
use super::{ActiveApp, App, AppCommand, AppEvent, AppSettings, SettingsChange};
use crate::claims::{ClaimChange, ClaimKey};
use crate::deployment::{DeploymentSpec, Origin};
use crate::edge::{EdgeSettings, EdgeUser};
use crate::health::HealthCheck;
use crate::hook::Triggers;
use crate::ids::DeploymentId;
use crate::limits;
use crate::machine::Machine;
use crate::names::{EnvName, HostName};
use crate::priority::Priority;
use crate::record::AggregateKind;
use crate::rejection::Rejection;
use crate::source::{Pushed, Resources, Source};
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
            (Self::Absent, AppCommand::CreatePreview(new)) => super::previews::create(*new),
            (Self::Active(_) | Self::Deleted, AppCommand::CreatePreview(_)) => {
                Err(Rejection::Exists { what: "app".into() })
            }
            (
                Self::Deleted,
                AppCommand::Delete
                | AppCommand::Expire { .. }
                | AppCommand::Discard { .. }
                | AppCommand::NotePreviewComment { .. }
                | AppCommand::EndPreview { .. },
            ) => NOTHING,
            // What reports and reactions say about an app that is gone means nothing.
            (
                Self::Deleted,
                AppCommand::SwitchTraffic { .. }
                | AppCommand::Promote { .. }
                | AppCommand::Settle { .. }
                | AppCommand::EndCommand { .. }
                | AppCommand::SkipCron { .. }
                | AppCommand::FallAsleep { .. }
                | AppCommand::Wake { .. }
                | AppCommand::NoteDomain { .. },
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
            | AppCommand::SetTriggers(_)
            | AppCommand::ConfigureWithTriggers { .. }
            | AppCommand::SetEdge(_)
            | AppCommand::RequestDeployment { .. }
            | AppCommand::Push { .. }
            | AppCommand::Repeat { .. }
            | AppCommand::Start
            | AppCommand::Restore
            | AppCommand::Scale { .. }
            | AppCommand::SetSourceKey(_)
            | AppCommand::SetCron { .. }
            | AppCommand::RunCron { .. }
            | AppCommand::SkipCron { .. }
            | AppCommand::FallAsleep { .. }
            | AppCommand::SetPreviews(_)
            | AppCommand::WantPreview { .. }
            | AppCommand::CreatePreview(_)
            | AppCommand::MovePreview(_)
            | AppCommand::AddDomain { .. }
            | AppCommand::SetDomain { .. }
            | AppCommand::RequestCanary { .. }
            | AppCommand::RunCommand { .. } => Priority::Ordinary,
            AppCommand::ChangeEnvironment { set, remove: _ } if set.is_empty() => Priority::Urgent,
            AppCommand::ChangeEnvironment { .. } => Priority::Ordinary,
            AppCommand::SwitchTraffic { .. }
            | AppCommand::Promote { .. }
            | AppCommand::Settle { .. }
            | AppCommand::Stop { .. }
            | AppCommand::Discard { .. }
            | AppCommand::EndCommand { .. }
            | AppCommand::PauseCron { .. }
            | AppCommand::RemoveCron { .. }
            | AppCommand::EndPreview { .. }
            | AppCommand::NotePreviewComment { .. }
            | AppCommand::Expire { .. }
            | AppCommand::NoteDomain { .. }
            | AppCommand::RemoveDomain { .. }
            | AppCommand::WeighCanary { .. }
            | AppCommand::PromoteCanary
            | AppCommand::AbortCanary
            | AppCommand::Wake { .. }
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
            AppEvent::Configured(_)
            | AppEvent::DomainVerified { .. }
            | AppEvent::DomainLost { .. }
            | AppEvent::DomainRemoved { .. } => self.claims_by(event),
            AppEvent::Discarded { .. } | AppEvent::Deleted { .. } => {
                // What was deleted before has none any more.
                let app = self.active().filter(|app| app.discarded.is_none());
                let keys = app.map(names_of).unwrap_or_default();
                keys.into_iter().map(|key| ClaimChange::Release { key }).collect()
            }
            AppEvent::Restored { name: _ } => self.active().map_or_else(Vec::new, |app| {
                let note = app.id.uuid().as_bytes().to_vec();
                let keys = names_of(app).into_iter();
                keys.map(|key| ClaimChange::Take { key, note: note.clone() }).collect()
            }),
            AppEvent::EnvironmentChanged { .. }
            | AppEvent::DeploymentRequested { .. }
            | AppEvent::DeploymentReplaced { .. }
            | AppEvent::DeploymentBegun { .. }
            | AppEvent::TrafficSwitched { .. }
            | AppEvent::TrafficReturned { .. }
            | AppEvent::DeploymentPromoted { .. }
            | AppEvent::DeploymentSettled { .. }
            | AppEvent::DeploymentRepeated { .. }
            | AppEvent::DeploymentCalledOff { .. }
            | AppEvent::Stopped { .. }
            | AppEvent::Started
            | AppEvent::TriggersSet(_)
            | AppEvent::Scaled { .. }
            | AppEvent::SourceKeySet(_)
            | AppEvent::CommandRun { .. }
            | AppEvent::CommandEnded { .. }
            | AppEvent::CronSet { .. }
            | AppEvent::CronRemoved { .. }
            | AppEvent::CronRun { .. }
            | AppEvent::CronSkipped { .. }
            | AppEvent::PreviewsSet(_)
            | AppEvent::PreviewWanted { .. }
            | AppEvent::PreviewUnwanted { .. }
            | AppEvent::PreviewCommented { .. }
            | AppEvent::BecamePreview(_)
            | AppEvent::DomainAdded { .. }
            | AppEvent::DomainSet { .. }
            | AppEvent::DomainFailing { .. }
            | AppEvent::EdgeSet(_)
            | AppEvent::CanaryAsked { .. }
            | AppEvent::CanaryStarted { .. }
            | AppEvent::CanaryWeightSet { .. }
            | AppEvent::CanaryPromoted { .. }
            | AppEvent::FellAsleep { .. }
            | AppEvent::Woken { .. }
            | AppEvent::ProcessesScaled { .. } => Vec::new(),
        }
    }

    fn ended(&self) -> bool {
        match self {
            Self::Deleted => true,
            Self::Absent | Self::Active(_) => false,
        }
    }
}

fn take(domain: &HostName, note: &[u8]) -> ClaimChange {
    ClaimChange::Take { key: ClaimKey::domain(domain), note: note.to_vec() }
}

impl ActiveApp {
    fn decide(&self, command: AppCommand) -> Decision {
        if let Some(refusal) = self.refuses(&command) {
            return Err(refusal);
        }
        self.carry_out(command).map(|events| self.woken_by(events))
    }

    fn carry_out(&self, command: AppCommand) -> Decision {
        match command {
            AppCommand::Create { .. } | AppCommand::CreatePreview(_) => {
                Err(Rejection::Exists { what: "app".into() })
            }
            AppCommand::Configure(change) => self.configure(change),
            AppCommand::SetTriggers(triggers) => self.set_triggers(triggers),
            AppCommand::ConfigureWithTriggers { change, triggers } => {
                let mut events = self.configure(change)?;
                events.extend(self.set_triggers(triggers)?);
                Ok(events)
            }
            AppCommand::SetEdge(settings) => self.set_edge(&settings),
            AppCommand::ChangeEnvironment { set, remove } => self.change_environment(set, remove),
            AppCommand::RequestDeployment { deployment, source, no_cache } => {
                self.request_deployment(deployment, source, no_cache)
            }
            AppCommand::Repeat { deployment, earlier, how } => {
                self.repeat(deployment, *earlier, how)
            }
            AppCommand::Push { deployment, pushed, no_cache } => {
                self.push(deployment, pushed, no_cache)
            }
            AppCommand::Stop { at } => self.stop(at),
            AppCommand::Start => Ok(self.start()),
            AppCommand::Scale { replicas, processes, known } => {
                self.scale(replicas, processes, &known)
            }
            AppCommand::SetSourceKey(key) => self.set_source_key(key),
            AppCommand::Discard { at } => Ok(self.discard(at)),
            AppCommand::Restore => Ok(self.restore()),
            AppCommand::RunCommand { run, one_off } => self.run_command(run, one_off),
            AppCommand::EndCommand { run, end } => Ok(self.end_command(run, end)),
            AppCommand::SetCron { cron, settings, at } => self.set_cron(cron, settings, at),
            AppCommand::PauseCron { cron, paused, at } => self.pause_cron(cron, paused, at),
            AppCommand::RemoveCron { cron } => self.remove_cron(cron),
            AppCommand::RunCron { cron, due, run, one_off } => {
                self.run_cron(cron, due, run, one_off)
            }
            AppCommand::SkipCron { cron, skipped } => Ok(self.skip_cron(cron, skipped)),
            AppCommand::SwitchTraffic { deployment } => self.switch_traffic(deployment),
            AppCommand::Promote { deployment } => self.promote(deployment),
            AppCommand::Settle { deployment } => self.settle(deployment),
            AppCommand::Delete => Ok(self.delete()),
            AppCommand::Expire { at } if self.is_spent(at) => Ok(self.delete()),
            AppCommand::Expire { .. } => NOTHING,
            AppCommand::SetPreviews(settings) => self.set_previews(*settings),
            AppCommand::WantPreview { pull, app, refresh, at } => {
                self.want_preview(pull, app, refresh, at)
            }
            AppCommand::EndPreview { number, why, at } => Ok(self.end_preview(number, why, at)),
            AppCommand::NotePreviewComment { number, comment } => {
                Ok(self.note_comment(number, comment))
            }
            AppCommand::MovePreview(given) => self.take_over(*given),
            AppCommand::AddDomain { host, token, mode, at } => {
                self.add_domain(host, token, mode, at)
            }
            AppCommand::SetDomain { host, mode } => self.set_domain(host, mode),
            // Where it was deleted, it has given its domains back.
            AppCommand::NoteDomain { .. } if self.discarded.is_some() => NOTHING,
            AppCommand::NoteDomain { host, token, news, at } => {
                Ok(self.note_domain(host, &token, news, at))
            }
            AppCommand::RemoveDomain { host } => self.remove_domain(host),
            AppCommand::RequestCanary { deployment, source, no_cache, weight, within } => {
                self.request_canary(deployment, source, no_cache, (weight, within))
            }
            AppCommand::WeighCanary { weight } => self.weigh_canary(weight),
            AppCommand::PromoteCanary => self.promote_canary(),
            AppCommand::AbortCanary => self.abort_canary(),
            AppCommand::FallAsleep { unasked } => Ok(self.fall_asleep(unasked)),
            AppCommand::Wake { why } => Ok(self.wake(why)),
        }
    }

    pub(super) fn configure(&self, change: Box<SettingsChange>) -> Decision {
        let mut settings = self.settings.clone();
        change.apply(&mut settings);
        check_settings(&settings)?;
        if settings == self.settings {
            return NOTHING;
        }
        let ended = self.previews_left_behind(&settings);
        Ok(ended.chain([AppEvent::Configured(change)]).collect())
    }

    fn set_triggers(&self, triggers: Box<Triggers>) -> Decision {
        triggers.check()?;
        if *triggers == self.triggers {
            return NOTHING;
        }
        Ok(vec![AppEvent::TriggersSet(triggers)])
    }

    fn set_edge(&self, settings: &EdgeSettings) -> Decision {
        settings.check()?;
        if *settings == self.edge {
            return NOTHING;
        }
        let newest = self.edge.users.values().max().copied().unwrap_or_default();
        let fresh =
            |(user, version): &(&EdgeUser, &u64)| self.edge.users.get(*user) != Some(*version);
        if settings.users.iter().filter(fresh).any(|(_, version)| *version <= newest) {
            return Err(Rejection::conflict(
                "the users were changed by somebody else at the same moment; try again",
            ));
        }
        Ok(vec![AppEvent::EdgeSet(settings.listed())])
    }

    pub(super) fn change_environment(
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

    pub(super) fn request_deployment(
        &self,
        deployment: DeploymentId,
        source: Option<Source>,
        no_cache: bool,
    ) -> Decision {
        if self.knows(deployment) {
            return NOTHING;
        }
        let Some(source) = source.or_else(|| self.settings.source.clone()) else {
            return Err(Rejection::conflict(format!(
                "{} has no source yet: deploy it with --repo URL once",
                self.name
            )));
        };
        let mut spec = Box::new(self.spec(source));
        spec.build.no_cache |= no_cache;
        if let Some(name) = spec.build.secrets.iter().find(|name| !self.env.contains_key(*name)) {
            return Err(Rejection::invalid(
                "build_secrets",
                format!(
                    "the build may read {name}, which is not set; set it with `hythe env set {} \
                     {name}=-`, or take it off the list",
                    self.name
                ),
            ));
        }
        let requested = AppEvent::DeploymentRequested { deployment, spec };
        let follows = self.turn(deployment).into_iter().chain(self.give_way_to(deployment));
        Ok(std::iter::once(requested).chain(follows).collect())
    }

    /// Source and request in one: a push of which only half is known could not be repeated.
    fn push(&self, deployment: DeploymentId, pushed: Pushed, no_cache: bool) -> Decision {
        if self.knows(deployment) {
            return NOTHING;
        }
        if self.preview.is_some() {
            return Err(Rejection::conflict(format!(
                "{} is a preview: its commits come from its pull request",
                self.name
            )));
        }
        let source = Source::Pushed(pushed);
        let change = SettingsChange { source: Some(source.clone()), ..SettingsChange::default() };
        let mut events = self.configure(Box::new(change))?;
        events.extend(self.request_deployment(deployment, Some(source), no_cache)?);
        Ok(events)
    }

    /// Whether it has a part to play here.
    pub(super) fn knows(&self, deployment: DeploymentId) -> bool {
        [self.live, self.serving, self.rolling, self.waiting].contains(&Some(deployment))
    }

    /// What follows from a request at once: it is its turn, or it takes the place of what waits.
    pub(super) const fn turn(&self, deployment: DeploymentId) -> Option<AppEvent> {
        match (self.rolling, self.waiting) {
            (None, _) => Some(AppEvent::DeploymentBegun { deployment }),
            (Some(_), None) => None,
            (Some(_), Some(waiting)) => {
                Some(AppEvent::DeploymentReplaced { deployment: waiting, by: deployment })
            }
        }
    }

    pub(super) fn spec(&self, source: Source) -> DeploymentSpec {
        DeploymentSpec {
            app: self.id,
            app_name: self.name.clone(),
            project: self.settings.project,
            number: self.deployments + 1,
            source,
            build: self.settings.build.clone(),
            port: self.settings.port,
            env: self.env.clone(),
            replicas: self.settings.replicas,
            health: self.settings.health.clone(),
            resources: self.settings.resources.clone(),
            drain_within: self.settings.drain_within,
            stop_within: self.settings.stop_within,
            run: self.settings.run.clone(),
            origin: Origin::Build,
        }
    }

    fn switch_traffic(&self, deployment: DeploymentId) -> Decision {
        let wanted = self.rolling == Some(deployment) && self.called_off != Some(deployment);
        if !wanted || self.serving == Some(deployment) {
            return NOTHING;
        }
        if let Some(begun) = self.begin_canary(deployment) {
            return Ok(begun);
        }
        Ok(vec![AppEvent::TrafficSwitched { deployment, previous: self.serving }])
    }

    fn promote(&self, deployment: DeploymentId) -> Decision {
        if self.serving != Some(deployment) || self.live == Some(deployment) {
            return NOTHING;
        }
        let mut events = Vec::new();
        if self.wakes(deployment) {
            events.push(AppEvent::Started);
        }
        events.push(AppEvent::DeploymentPromoted { deployment, previous: self.live });
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
    let AppSettings {
        source: _,
        build,
        port,
        replicas,
        health,
        resources,
        domains,
        project: _,
        run,
        drain_within,
        stop_within,
    } = settings;
    build.check()?;
    run.check()?;
    if *port == Some(0) {
        return Err(Rejection::invalid("port", "is 1 to 65535"));
    }
    if *replicas == 0 || *replicas > limits::MOST_REPLICAS {
        let most = limits::MOST_REPLICAS;
        return Err(Rejection::invalid("replicas", format!("is 1 to {most}; got {replicas}")));
    }
    run.container.check(*replicas)?;
    if domains.len() > limits::MOST_DOMAINS {
        let most = limits::MOST_DOMAINS;
        return Err(Rejection::invalid("domains", format!("are at most {most}")));
    }
    let HealthCheck { probe: _, interval, timeout, retries, start_within } = health;
    let most = limits::HEALTH_RETRIES_MOST;
    if retries.is_some_and(|retries| retries == 0 || retries > most) {
        return Err(Rejection::invalid("health.retries", format!("are 1 to {most}")));
    }
    let (least, most) = (limits::HEALTH_SPAN_LEAST, limits::HEALTH_SPAN_MOST);
    let start_within = start_within.unwrap_or(limits::HEALTH_START_WITHIN);
    let spans = [
        ("health.interval", interval.unwrap_or(least), least, most),
        ("health.timeout", timeout.unwrap_or(least), least, most),
        ("health.start_within", start_within, Millis::seconds(1), Millis::seconds(3_600)),
        ("drain_within", *drain_within, Millis(0), Millis::seconds(3_600)),
        ("stop_within", *stop_within, Millis::seconds(1), limits::STOP_WITHIN_MOST),
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
    if *cpu_millis < Resources::LEAST_CPU_MILLIS {
        return Err(Rejection::invalid("cpu", "is 0.01 of a CPU at the least"));
    }
    if *processes < 1 {
        return Err(Rejection::invalid("processes", "is 1 at the least"));
    }
    Ok(())
}
