//! What becomes of changes of settings: what is refused, and what is no change.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::{Decision, NOTHING};
use super::{ActiveApp, AppEvent, AppSettings, SettingsChange};
use crate::edge::{EdgeSettings, EdgeUser};
use crate::health::HealthCheck;
use crate::hook::Triggers;
use crate::limits;
use crate::names::EnvName;
use crate::rejection::Rejection;
use crate::source::Resources;
use crate::time::Millis;

impl ActiveApp {
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

    pub(super) fn set_triggers(&self, triggers: Box<Triggers>) -> Decision {
        triggers.check()?;
        if *triggers == self.triggers {
            return NOTHING;
        }
        Ok(vec![AppEvent::TriggersSet(triggers)])
    }

    pub(super) fn set_edge(&self, settings: &EdgeSettings) -> Decision {
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
}

pub(super) fn check_settings(settings: &AppSettings) -> Result<(), Rejection> {
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
