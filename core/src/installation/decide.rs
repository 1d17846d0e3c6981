//! What the installation does when asked, and becomes by it.

use super::access::SourceToken;
use super::registry::RegistryLogin;
use super::ssh::SourceHost;
use super::{Installation, InstallationCommand, InstallationEvent, Schedule};
use crate::claims::ClaimChange;
use crate::hook::{Hook, Provider, RepositoryKey, Telling};
use crate::ids::HookId;
use crate::limits;
use crate::machine::Machine;
use crate::priority::Priority;
use crate::record::AggregateKind;
use crate::rejection::Rejection;
use crate::time::Timestamp;

pub(super) type Decision = Result<Vec<InstallationEvent>, Rejection>;

pub(super) const NOTHING: Decision = Ok(Vec::new());

impl Machine for Installation {
    const KIND: AggregateKind = AggregateKind::Installation;
    type Command = InstallationCommand;
    type Event = InstallationEvent;

    fn decide(&self, command: InstallationCommand) -> Decision {
        match command {
            InstallationCommand::SetSchedule { schedule, at } => {
                check(&schedule)?;
                if self.schedule.as_ref().is_some_and(|(now, _)| *now == schedule) {
                    return NOTHING;
                }
                Ok(vec![InstallationEvent::BackupScheduled { schedule, at }])
            }
            InstallationCommand::RemoveSchedule if self.schedule.is_none() => NOTHING,
            InstallationCommand::RemoveSchedule => Ok(vec![InstallationEvent::BackupUnscheduled]),
            InstallationCommand::NoteMade(made) => {
                if self.made.as_ref().is_some_and(|last| last.id == made.id) {
                    return NOTHING;
                }
                Ok(vec![InstallationEvent::BackupMade(made)])
            }
            InstallationCommand::NoteFailed(mut failed) => {
                if self.failed.as_ref().is_some_and(|last| last.id == failed.id) {
                    return NOTHING;
                }
                bound(&mut failed.why);
                Ok(vec![InstallationEvent::BackupFailed(failed)])
            }
            InstallationCommand::NoteStale { at } => {
                if self.stale || self.schedule.is_none() {
                    return NOTHING;
                }
                Ok(vec![InstallationEvent::BackupBecameStale { at }])
            }
            InstallationCommand::SetMirror(mirror) => {
                if self.mirror.as_ref() == Some(&mirror) {
                    return NOTHING;
                }
                Ok(vec![InstallationEvent::MirrorSet(mirror)])
            }
            InstallationCommand::RemoveMirror if self.mirror.is_none() => NOTHING,
            InstallationCommand::RemoveMirror => Ok(vec![InstallationEvent::MirrorRemoved]),
            InstallationCommand::NoteMirrorBehind { mut why } => {
                if self.mirror.is_none() || self.mirror_behind.is_some() {
                    return NOTHING;
                }
                bound(&mut why);
                Ok(vec![InstallationEvent::MirrorFellBehind { why }])
            }
            InstallationCommand::NoteMirrorCaughtUp if self.mirror_behind.is_none() => NOTHING,
            InstallationCommand::NoteMirrorCaughtUp => Ok(vec![InstallationEvent::MirrorCaughtUp]),
            InstallationCommand::NoteRestored(restored) => {
                if self.restored.as_ref() == Some(&restored) {
                    return NOTHING;
                }
                Ok(vec![InstallationEvent::Restored(restored)])
            }
            InstallationCommand::SetRegistry { host, user, version, at } => {
                if version != self.registry_version + 1 {
                    return Err(Rejection::conflict(
                        "a login to a registry was changed at the same moment; try again",
                    ));
                }
                let most = limits::MOST_REGISTRIES;
                if !self.registries.contains_key(&host) && self.registries.len() >= most {
                    return Err(Rejection::conflict(format!(
                        "there are {most} registries to log in to, which is the most; remove one \
                         first (hythe registry logout HOST)"
                    )));
                }
                Ok(vec![InstallationEvent::RegistrySet { host, user, version, at }])
            }
            InstallationCommand::RemoveRegistry { host } if self.registries.contains_key(&host) => {
                Ok(vec![InstallationEvent::RegistryRemoved { host }])
            }
            InstallationCommand::RemoveRegistry { .. } => NOTHING,
            InstallationCommand::AddHook { id, provider, repository, at } => {
                self.add_hook(id, provider, repository, at)
            }
            InstallationCommand::RotateHook { id, version, at } => match self.hooks.get(&id) {
                None => Err(Rejection::not_found("webhook")),
                Some(hook) if version != hook.version + 1 => Err(Rejection::conflict(
                    "this webhook got another secret at the same moment; try again",
                )),
                Some(_) => Ok(vec![InstallationEvent::HookRotated { id, version, at }]),
            },
            InstallationCommand::RemoveHook { id } if self.hooks.contains_key(&id) => {
                Ok(vec![InstallationEvent::HookRemoved { id }])
            }
            InstallationCommand::RemoveHook { .. } => NOTHING,
            InstallationCommand::SetStatuses { id, api } => match self.hooks.get(&id) {
                None => Err(Rejection::not_found("webhook")),
                Some(hook) if hook.statuses == api => NOTHING,
                Some(_) => Ok(vec![InstallationEvent::StatusesSet { id, api }]),
            },
            InstallationCommand::SetDomainSettings(settings) => {
                settings.check()?;
                if *settings == self.domains {
                    return NOTHING;
                }
                Ok(vec![InstallationEvent::DomainSettingsSet(settings)])
            }
            InstallationCommand::SetTold { id, what, api } => match (self.hooks.get(&id), what) {
                (None, _) => Err(Rejection::not_found("webhook")),
                (Some(hook), _) if hook.told(what) == api.as_ref() => NOTHING,
                (Some(hook), Telling::Deployments)
                    if api.is_some() && hook.provider != Provider::GitHub =>
                {
                    Err(Rejection::conflict(format!(
                        "{} has no place for deployments, GitHub alone has; tell it how commits fare: \
                         hythe hook statuses {id} --on",
                        hook.provider
                    )))
                }
                (Some(_), Telling::Comments | Telling::Deployments) => {
                    Ok(vec![InstallationEvent::ToldSet { id, what, api }])
                }
            },
            InstallationCommand::SetAddress { address } => {
                if self.address.as_ref() == Some(&address) {
                    return NOTHING;
                }
                Ok(vec![InstallationEvent::AddressSet { address }])
            }
            InstallationCommand::RemoveAddress if self.address.is_none() => NOTHING,
            InstallationCommand::RemoveAddress => Ok(vec![InstallationEvent::AddressRemoved]),
            InstallationCommand::SetSourceToken { prefix, user, version, at } => {
                self.set_source_token(prefix, user, version, at)
            }
            InstallationCommand::RemoveSourceToken { prefix }
                if self.source_tokens.contains_key(&prefix) =>
            {
                Ok(vec![InstallationEvent::SourceTokenRemoved { prefix }])
            }
            InstallationCommand::RemoveSourceToken { .. } => NOTHING,
            InstallationCommand::SetSourceHost { host, keys, at } => {
                self.set_source_host(host, keys, at)
            }
            InstallationCommand::RemoveSourceHost { host }
                if self.source_hosts.contains_key(&host) =>
            {
                Ok(vec![InstallationEvent::SourceHostRemoved { host }])
            }
            InstallationCommand::RemoveSourceHost { .. } => NOTHING,
            InstallationCommand::GitHub(command) => self.github(command),
            InstallationCommand::Certificate(command) => self.certificate(command),
        }
    }

    fn evolve(mut self, event: &InstallationEvent) -> Self {
        match event {
            InstallationEvent::BackupScheduled { schedule, at } => {
                self.schedule = Some((schedule.clone(), *at));
                self.scheduled = None;
                self.stale = false;
                self.failures = 0;
            }
            InstallationEvent::BackupUnscheduled => {
                self.schedule = None;
                self.scheduled = None;
                self.stale = false;
                self.failures = 0;
            }
            InstallationEvent::BackupMade(made) => {
                let wanted = self.schedule.as_ref().map(|(schedule, _)| &schedule.to);
                if made.to.is_some() && made.to.as_ref() == wanted {
                    self.scheduled = Some(made.at);
                    self.stale = false;
                }
                self.made = Some(made.clone());
                self.failed = None;
                self.failures = 0;
            }
            InstallationEvent::BackupFailed(failed) => {
                self.failed = Some(failed.clone());
                self.failures = self.failures.saturating_add(1);
            }
            InstallationEvent::BackupBecameStale { at: _ } => self.stale = true,
            InstallationEvent::MirrorSet(mirror) => {
                self.mirror = Some(mirror.clone());
                self.mirror_behind = None;
            }
            InstallationEvent::MirrorRemoved => {
                self.mirror = None;
                self.mirror_behind = None;
            }
            InstallationEvent::MirrorFellBehind { why } => self.mirror_behind = Some(why.clone()),
            InstallationEvent::MirrorCaughtUp => self.mirror_behind = None,
            InstallationEvent::Restored(restored) => self.restored = Some(restored.clone()),
            InstallationEvent::RegistrySet { host, user, version, at } => {
                let login = RegistryLogin { user: user.clone(), version: *version, at: *at };
                self.registries.insert(host.clone(), login);
                self.registry_version = *version;
            }
            InstallationEvent::RegistryRemoved { host } => {
                self.registries.remove(host);
            }
            InstallationEvent::HookAdded { id, provider, repository, at } => {
                let (provider, repository) = (*provider, repository.clone());
                let (version, at) = (1, *at);
                let secret_at = at;
                let (statuses, comments, deployments) = (None, None, None);
                let hook = Hook {
                    provider,
                    repository,
                    version,
                    at,
                    secret_at,
                    statuses,
                    comments,
                    deployments,
                };
                self.hooks.insert(*id, hook);
            }
            InstallationEvent::HookRotated { id, version, at } => {
                if let Some(hook) = self.hooks.get_mut(id) {
                    (hook.version, hook.secret_at) = (*version, *at);
                }
            }
            InstallationEvent::HookRemoved { id } => {
                self.hooks.remove(id);
            }
            InstallationEvent::StatusesSet { id, api } => {
                if let Some(hook) = self.hooks.get_mut(id) {
                    hook.statuses.clone_from(api);
                }
            }
            InstallationEvent::ToldSet { id, what, api } => {
                if let Some(hook) = self.hooks.get_mut(id) {
                    let told = match what {
                        Telling::Comments => &mut hook.comments,
                        Telling::Deployments => &mut hook.deployments,
                    };
                    told.clone_from(api);
                }
            }
            InstallationEvent::DomainSettingsSet(settings) => self.domains = (**settings).clone(),
            InstallationEvent::AddressSet { address } => self.address = Some(address.clone()),
            InstallationEvent::AddressRemoved => self.address = None,
            InstallationEvent::SourceTokenSet { prefix, user, version, at } => {
                let token = SourceToken { user: user.clone(), version: *version, at: *at };
                self.source_tokens.insert(prefix.clone(), token);
                self.source_token_version = *version;
            }
            InstallationEvent::SourceTokenRemoved { prefix } => {
                self.source_tokens.remove(prefix);
            }
            InstallationEvent::SourceHostSet { host, keys, at } => {
                let known = SourceHost { keys: keys.clone(), at: *at };
                self.source_hosts.insert(host.clone(), known);
            }
            InstallationEvent::SourceHostRemoved { host } => {
                self.source_hosts.remove(host);
            }
            InstallationEvent::GitHub(event) => self.with_github(event),
            InstallationEvent::Certificate(event) => self.with_certificate(event),
        }
        self
    }

    fn claims(&self, _event: &InstallationEvent) -> Vec<ClaimChange> {
        Vec::new()
    }

    fn priority(command: &InstallationCommand) -> Priority {
        match command {
            InstallationCommand::SetSchedule { .. }
            | InstallationCommand::SetMirror(_)
            | InstallationCommand::SetRegistry { .. }
            | InstallationCommand::AddHook { .. }
            | InstallationCommand::RotateHook { .. }
            | InstallationCommand::SetStatuses { .. }
            | InstallationCommand::SetTold { .. }
            | InstallationCommand::SetDomainSettings(_)
            | InstallationCommand::SetAddress { .. }
            | InstallationCommand::SetSourceToken { .. }
            | InstallationCommand::SetSourceHost { .. } => Priority::Ordinary,
            // What became of a backup is worth its few bytes just then.
            InstallationCommand::RemoveSchedule
            | InstallationCommand::RemoveMirror
            | InstallationCommand::RemoveRegistry { .. }
            | InstallationCommand::RemoveHook { .. }
            | InstallationCommand::RemoveAddress
            | InstallationCommand::RemoveSourceToken { .. }
            | InstallationCommand::RemoveSourceHost { .. }
            | InstallationCommand::NoteMade(_)
            | InstallationCommand::NoteFailed(_)
            | InstallationCommand::NoteStale { .. }
            | InstallationCommand::NoteMirrorBehind { .. }
            | InstallationCommand::NoteMirrorCaughtUp
            | InstallationCommand::NoteRestored(_) => Priority::Urgent,
            InstallationCommand::GitHub(command) => command.priority(),
            InstallationCommand::Certificate(command) => command.priority(),
        }
    }

    fn ended(&self) -> bool {
        false
    }
}

impl Installation {
    fn add_hook(
        &self,
        id: HookId,
        provider: Provider,
        repository: RepositoryKey,
        at: Timestamp,
    ) -> Decision {
        if self.hooks.contains_key(&id) {
            return NOTHING;
        }
        let same = |hook: &Hook| hook.provider == provider && hook.repository == repository;
        if let Some((there, _)) = self.hooks.iter().find(|(_, hook)| same(hook)) {
            return Err(Rejection::conflict(format!(
                "{repository} has a webhook already, which serves all its apps: hythe hook show \
                 {there}; for a new secret: hythe hook rotate {there}"
            )));
        }
        let most = limits::MOST_HOOKS;
        if self.hooks.len() >= most {
            return Err(Rejection::conflict(format!(
                "there are {most} webhooks, which is the most; remove one first (hythe hook rm ID)"
            )));
        }
        Ok(vec![InstallationEvent::HookAdded { id, provider, repository, at }])
    }
}

fn check(schedule: &Schedule) -> Result<(), Rejection> {
    let (least, most) = (limits::BACKUP_EVERY_LEAST, limits::BACKUP_EVERY_MOST);
    if schedule.every < least || schedule.every > most {
        return Err(Rejection::invalid("every", "is one minute to 366 days, such as 12h or 1d"));
    }
    if schedule.keep == 0 || schedule.keep > limits::MOST_BACKUPS_KEPT {
        let most = limits::MOST_BACKUPS_KEPT;
        return Err(Rejection::invalid("keep", format!("is 1 to {most}; got {}", schedule.keep)));
    }
    Ok(())
}

pub(super) fn bound(why: &mut String) {
    if why.len() > limits::MOST_REASON_BYTES {
        let end = (0..=limits::MOST_REASON_BYTES).rev().find(|at| why.is_char_boundary(*at));
        why.truncate(end.unwrap_or(0));
    }
}
