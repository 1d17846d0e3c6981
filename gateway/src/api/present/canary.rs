//! A canary as people see it.

use hythe_core::ids::AppId;

use super::{Sight, reference_to};
use crate::api::dto::{AppRef, Canary};

/// An app's canary, where it has one.
pub(crate) fn canary(sight: Sight<'_>, id: AppId) -> Option<Canary> {
    let app = sight.view.apps.get(&id)?.state.active()?;
    let canary = app.canary?;
    let started = app.singing().is_some();
    let since = sight.view.deployments.get(&canary.deployment).map(|view| view.since());
    let parts = sight.observed.routes().values().filter(|route| route.app == id);
    let mut parts = parts.filter_map(|route| route.canary.as_deref());
    let part = parts.find(|part| part.deployment == canary.deployment);
    Some(Canary {
        app: AppRef { id, name: app.name.to_string() },
        deployment: reference_to(sight, canary.deployment)?,
        live: app.live.and_then(|live| reference_to(sight, live)),
        percent: canary.weight.percent(),
        started,
        until: since.filter(|_| started).map(|since| since.plus(canary.within).into()),
        targets: part
            .map_or_else(Vec::new, |part| part.targets.iter().map(ToString::to_string).collect()),
    })
}
