//! What an app does when asked.

use super::changing::check_settings;
use super::domains::names_of;
use super::{ActiveApp, App, AppCommand, AppEvent};
use crate::claims::{ClaimChange, ClaimKey};
use crate::machine::Machine;
use crate::names::HostName;
use crate::priority::Priority;
use crate::record::AggregateKind;
use crate::rejection::Rejection;

pub(super) type Decision = Result<Vec<AppEvent>, Rejection>;

pub(super) const NOTHING: Decision = Ok(Vec::new());

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
}
