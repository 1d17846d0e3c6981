//! Deployments that take over from an earlier one: rollback, redeploy, restart.
//!
//! None of them builds where the earlier image is still there. What a rollback brings back are the
//! app's settings, environment and domains too, as they were when the earlier one was asked for: the
//! next deployment builds on them. Values of variables are kept, by version, for as long as the app
//! is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ActiveApp, AppEvent, AppSettings, SettingsChange};
use crate::deployment::{BuiltImage, DeploymentSpec, Origin};
use crate::ids::DeploymentId;
use crate::rejection::Rejection;
use crate::site::serves_files;
use crate::source::{BuildSettings, Source};

/// What a deployment takes over from an earlier one. Append-only: events hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// All that it was: image, settings, environment.
    Rollback,
    /// Image and commit; settings and environment are the present ones.
    Redeploy,
    /// All that it is, in new replicas.
    Restart,
}

/// An earlier deployment, as far as a new one takes over from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Its id.
    pub deployment: DeploymentId,
    /// What it ran with.
    pub spec: DeploymentSpec,
    /// What was built for it.
    pub built: BuiltImage,
    /// The app's settings of then, to be brought back with it; none leaves the present ones.
    pub settings: Option<Box<AppSettings>>,
    /// Whether what was built is known to be there no more: it is built anew, from the same commit.
    pub gone: bool,
}

impl ActiveApp {
    pub(super) fn repeat(
        &self,
        deployment: DeploymentId,
        earlier: Earlier,
        how: Repeat,
    ) -> Result<Vec<AppEvent>, Rejection> {
        if self.knows(deployment) {
            return Ok(Vec::new());
        }
        if earlier.spec.app != self.id {
            return Err(Rejection::not_found("deployment of this app by that id"));
        }
        let events = match how {
            Repeat::Rollback => {
                if self.live == Some(earlier.deployment) && self.serving == self.live {
                    return Err(self.is_live(&earlier.spec));
                }
                self.bring_back(&earlier)?
            }
            Repeat::Restart if self.stopped.is_some() => {
                return Err(Rejection::conflict(format!(
                    "{name} is stopped; to run it again: hythe start {name}",
                    name = self.name
                )));
            }
            Repeat::Redeploy | Repeat::Restart => {
                if self.live != Some(earlier.deployment) {
                    return Err(Rejection::conflict(
                        "another version went live at the same moment; try again",
                    ));
                }
                if self.rolling.is_some() || self.waiting.is_some() {
                    return Err(Rejection::conflict(format!(
                        "a deployment of {} is on its way and will replace every replica; wait \
                         for it, or cancel it first",
                        self.name
                    )));
                }
                Vec::new()
            }
        };
        Ok(self.ask_for(deployment, earlier, how, events))
    }

    fn is_live(&self, spec: &DeploymentSpec) -> Rejection {
        let (name, number) = (&self.name, spec.number);
        Rejection::conflict(match self.rolling {
            Some(_) => format!(
                "deployment {number} is the live one; to stay with it, cancel the one that is on \
                 its way: hythe cancel {name}"
            ),
            None => format!(
                "deployment {number} is live already; to run it in new replicas: hythe restart \
                 {name}"
            ),
        })
    }

    /// Settings, domains and environment as they were.
    fn bring_back(&self, earlier: &Earlier) -> Result<Vec<AppEvent>, Rejection> {
        let Some(settings) = &earlier.settings else { return Ok(Vec::new()) };
        let mut events =
            self.configure(Box::new(SettingsChange::between(&self.settings, settings)))?;
        let then = &earlier.spec.env;
        let changed = then.iter().filter(|(name, version)| self.env.get(*name) != Some(*version));
        let set: BTreeMap<_, _> = changed.map(|(name, version)| (name.clone(), *version)).collect();
        let gone = self.env.keys().filter(|name| !then.contains_key(*name));
        let remove: BTreeSet<_> = gone.cloned().collect();
        if !set.is_empty() || !remove.is_empty() {
            events.push(AppEvent::EnvironmentChanged { set, remove });
        }
        Ok(events)
    }

    fn ask_for(
        &self,
        deployment: DeploymentId,
        earlier: Earlier,
        how: Repeat,
        mut events: Vec<AppEvent>,
    ) -> Vec<AppEvent> {
        let of = earlier.spec.number;
        let spec = Box::new(self.repeated(earlier, how));
        events.push(AppEvent::DeploymentRepeated { deployment, spec, of, how });
        events.extend(self.turn(deployment));
        let overtakes = match how {
            Repeat::Rollback => self.revocable(),
            Repeat::Redeploy | Repeat::Restart => None,
        };
        events.extend(overtakes.map(|overtaken| AppEvent::DeploymentCalledOff {
            deployment: overtaken,
            by: Some(deployment),
        }));
        events
    }

    /// The deployment that moves, while it can still be called off: it has no traffic yet.
    pub(super) fn revocable(&self) -> Option<DeploymentId> {
        self.rolling.filter(|id| self.serving != Some(*id) && self.called_off != Some(*id))
    }

    fn repeated(&self, earlier: Earlier, how: Repeat) -> DeploymentSpec {
        let Earlier { deployment, spec: then, built, settings: _, gone } = earlier;
        let source = then.source.at(&built.commit);
        let of = |built| {
            let built = Box::new(built);
            match how {
                Repeat::Restart | Repeat::Rollback | Repeat::Redeploy if gone => Origin::Build,
                Repeat::Restart => Origin::Restart { deployment, built },
                Repeat::Rollback | Repeat::Redeploy => Origin::Deployment { deployment, built },
            }
        };
        match how {
            Repeat::Rollback | Repeat::Restart => DeploymentSpec {
                app_name: self.name.clone(),
                project: self.settings.project,
                number: self.deployments + 1,
                source,
                origin: of(built),
                ..then
            },
            Repeat::Redeploy => {
                let spec = self.spec(source);
                // The image says which port it listens on only while it is built.
                let port = match (spec.port, then.port) {
                    (Some(port), _) => Some(port),
                    (None, None) => Some(built.port),
                    (None, Some(_)) => None,
                };
                // What is set now may need a container.
                let fits = built.site.is_none() || matches!(serves_files(&spec), Ok(true));
                let port = if built.site.is_some() { Some(built.port) } else { port };
                match port {
                    Some(port) if fits && built_alike(&spec, &then) => {
                        let mut run = spec.run;
                        if run.container.group.is_none() {
                            run.take_on(&then.run.declared.says);
                        }
                        DeploymentSpec { run, origin: of(BuiltImage { port, ..built }), ..spec }
                    }
                    // Built otherwise than it was: the same commit makes another image.
                    Some(_) | None => spec,
                }
            }
        }
    }
}

/// Whether the same commit gives the same image by both.
fn built_alike(now: &DeploymentSpec, then: &DeploymentSpec) -> bool {
    match &now.source {
        Source::Git(_) | Source::Upload(_) | Source::Pushed(_) => {}
        // Nothing of it is built.
        Source::Image(_) => return true,
    }
    let BuildSettings {
        dockerfile,
        context,
        target,
        args,
        secrets,
        within: _,
        no_cache: _,
        fetches,
        site,
    } = &now.build;
    let of = &then.build;
    *dockerfile == of.dockerfile
        && *context == of.context
        && *target == of.target
        && *args == of.args
        && *secrets == of.secrets
        && *fetches == of.fetches
        && *site == of.site
        && secrets.iter().all(|name| now.env.get(name) == then.env.get(name))
}

impl SettingsChange {
    /// What makes `then` of `now`. That there was no source then changes nothing; nor does the
    /// project that it was in, which says nothing about how it runs.
    #[must_use]
    pub fn between(now: &AppSettings, then: &AppSettings) -> Self {
        fn new<T: Clone + PartialEq>(now: &T, then: &T) -> Option<T> {
            (now != then).then(|| then.clone())
        }
        Self {
            source: then.source.clone().filter(|_| now.source != then.source),
            build: new(&now.build, &then.build),
            port: new(&now.port, &then.port),
            replicas: new(&now.replicas, &then.replicas),
            health: new(&now.health, &then.health),
            resources: new(&now.resources, &then.resources),
            domains: new(&now.domains, &then.domains),
            run: new(&now.run, &then.run),
            drain_within: new(&now.drain_within, &then.drain_within),
            stop_within: new(&now.stop_within, &then.stop_within),
            project: None,
        }
    }
}
