//! Deployments of an app: how one is asked for, gets its turn and the traffic, and ends.

use super::decide::{Decision, NOTHING};
use super::{ActiveApp, AppEvent, SettingsChange};
use crate::deployment::{DeploymentSpec, Origin};
use crate::ids::DeploymentId;
use crate::rejection::Rejection;
use crate::source::{Pushed, Source};

impl ActiveApp {
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
    pub(super) fn push(
        &self,
        deployment: DeploymentId,
        pushed: Pushed,
        no_cache: bool,
    ) -> Decision {
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

    pub(super) fn switch_traffic(&self, deployment: DeploymentId) -> Decision {
        let wanted = self.rolling == Some(deployment) && self.called_off != Some(deployment);
        if !wanted || self.serving == Some(deployment) {
            return NOTHING;
        }
        if let Some(begun) = self.begin_canary(deployment) {
            return Ok(begun);
        }
        Ok(vec![AppEvent::TrafficSwitched { deployment, previous: self.serving }])
    }

    pub(super) fn promote(&self, deployment: DeploymentId) -> Decision {
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

    pub(super) fn settle(&self, deployment: DeploymentId) -> Decision {
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
