//! The route table as people see it, app by app.

use std::collections::BTreeSet;

use hythe_core::app::ActiveApp;
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::names::HostName;
use hythe_core::routes::{Backend, Route as Leads};

use super::{Sight, reference_to};
use crate::api::dto::{AppRef, Route, RouteState};

/// Where an app's hosts lead by the table in force. None where it does not exist.
pub(crate) fn in_force(sight: Sight<'_>, id: AppId) -> Option<Vec<Route>> {
    let app = sight.view.apps.get(&id)?.state.active()?;
    let table = sight.observed.routes();
    let routes =
        hosts(sight, app).filter_map(|host| Some(leads(sight, app, &host, table.get(&host)?)));
    let mounted = app.edge.mounts.keys().filter_map(|at| {
        let there = &table.get(&at.host)?.mounts.get(&at.prefix)?.route;
        let path = Some(at.prefix.to_string());
        (there.app == app.id).then(|| Route { path, ..leads(sight, app, &at.host, there) })
    });
    Some(routes.chain(mounted).collect())
}

fn leads(sight: Sight<'_>, app: &ActiveApp, host: &HostName, found: &Leads) -> Route {
    let backend = &found.backend;
    let (state, targets) = match backend {
        Backend::Replicas { targets, .. } => (RouteState::Serving, targets.as_slice()),
        Backend::Site { .. } => (RouteState::Serving, &[][..]),
        Backend::Starting if found.asleep => (RouteState::Asleep, &[][..]),
        Backend::Starting => (RouteState::Starting, &[][..]),
        Backend::Down if found.stopped => (RouteState::Stopped, &[][..]),
        Backend::Down => (RouteState::Down, &[][..]),
    };
    let targets = targets.iter().map(ToString::to_string).collect();
    route(sight, app, host, (state, backend.deployment()), targets)
}

/// Where an app's hosts led by what was decided. None where it did not exist.
pub(crate) fn then(sight: Sight<'_>, id: AppId) -> Option<Vec<Route>> {
    let app = sight.view.apps.get(&id)?.state.active()?;
    let deployment = app.serving.or(app.live).filter(|_| !app.rests());
    let state = match deployment {
        _ if app.rests() => RouteState::Stopped,
        _ if app.asleep => RouteState::Asleep,
        Some(_) => RouteState::Serving,
        None if app.rolling.is_some() || app.waiting.is_some() => RouteState::Starting,
        None => RouteState::Down,
    };
    let one = |host: HostName| route(sight, app, &host, (state, deployment), Vec::new());
    Some(hosts(sight, app).map(one).collect())
}

fn hosts(sight: Sight<'_>, app: &ActiveApp) -> impl Iterator<Item = HostName> {
    let own = HostName::new(format!("{}.{}", app.name, sight.config.base_domain)).ok();
    let set = app.settings.domains.iter();
    let proven = app.domains.trusted().filter_map(|(host, _)| host.exact());
    let domains: BTreeSet<HostName> = set.chain(proven).cloned().collect();
    own.into_iter().chain(domains)
}

fn redirects(app: &ActiveApp, host: &HostName) -> Option<String> {
    let domain = app.domains.trusted().find(|(domain, _)| domain.exact() == Some(host))?.0;
    app.domains.redirects(domain).map(ToString::to_string)
}

fn route(
    sight: Sight<'_>,
    app: &ActiveApp,
    host: &HostName,
    (state, deployment): (RouteState, Option<DeploymentId>),
    targets: Vec<String>,
) -> Route {
    Route {
        host: host.to_string(),
        app: AppRef { id: app.id, name: app.name.to_string() },
        state,
        deployment: deployment.and_then(|id| reference_to(sight, id)),
        targets,
        redirects_to: redirects(app, host),
        path: None,
    }
}
