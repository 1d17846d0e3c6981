//! An app as people see it.

use hythe_core::app::ActiveApp;
use hythe_core::deployment::Attempt;
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::waiting::replica_state;
use hythe_core::wire::worker::ReplicaState;

use super::{Sight, reference_to};
use crate::api::dto::{App, AppStatus, DeploymentRef, DeploymentStatus};
use crate::api::settings;

/// An app, where it exists.
pub(crate) fn app(sight: Sight<'_>, id: AppId) -> Option<App> {
    let view = sight.view.apps.get(&id)?;
    let active = view.state.active()?;
    let health = health(sight, active);
    let latest = view.deployments.last().copied();
    let (status, status_detail) = status(sight, active, &health, latest);
    let reference = |id: Option<DeploymentId>| id.and_then(|id| reference_to(sight, id));
    Some(App {
        id,
        name: active.name.to_string(),
        url: sight.config.url(active.name.as_str()),
        status,
        status_detail,
        settings: settings::shown(&active.settings),
        replicas_healthy: health.healthy,
        replicas_wanted: health.wanted,
        deployments: active.deployments,
        live: reference(active.live),
        rolling: on_its_way(sight, active, active.rolling),
        waiting: on_its_way(sight, active, active.waiting),
        latest: reference(latest),
        created_at: view.created_at.into(),
        updated_at: view.updated_at.into(),
        as_of: sight.as_of,
    })
}

/// A deployment that the app knows of; its own history may begin a moment later.
fn on_its_way(
    sight: Sight<'_>,
    app: &ActiveApp,
    id: Option<DeploymentId>,
) -> Option<DeploymentRef> {
    let id = id?;
    reference_to(sight, id).or_else(|| {
        let requested_at = sight.view.apps.get(&app.id)?.updated_at;
        Some(DeploymentRef {
            id,
            number: app.deployments,
            status: DeploymentStatus::Requested,
            commit: None,
            created_at: requested_at.into(),
        })
    })
}

/// The replicas of the live deployment.
struct Health {
    wanted: u16,
    healthy: u16,
    /// Nobody has said anything about them.
    unknown: u16,
    /// The first that is not well, in words.
    ill: Option<String>,
}

fn health(sight: Sight<'_>, app: &ActiveApp) -> Health {
    let mut health = Health { wanted: 0, healthy: 0, unknown: 0, ill: None };
    let attempt =
        |id: DeploymentId| -> Option<&Attempt> { sight.view.deployments.get(&id)?.state.attempt() };
    let Some((id, attempt)) = app.live.and_then(|id| Some((id, attempt(id)?))) else {
        return health;
    };
    health.wanted = attempt.spec.replicas;
    for place in &attempt.placements {
        match sight.observed.replica(id, place) {
            Some(replica) if replica.state == ReplicaState::Healthy => health.healthy += 1,
            Some(replica) => {
                health.ill.get_or_insert_with(|| replica_state(replica).message);
            }
            None if sight.observed.workers.contains_key(&place.worker) => {
                health.ill.get_or_insert_with(|| format!("replica {} to be created", place.index));
            }
            None => health.unknown += 1,
        }
    }
    health
}

fn status(
    sight: Sight<'_>,
    app: &ActiveApp,
    health: &Health,
    latest: Option<DeploymentId>,
) -> (AppStatus, String) {
    let Health { wanted, healthy, unknown, ill } = health;
    let replicas = || {
        let ill = ill.as_ref().map_or_else(String::new, |ill| format!("; waiting for {ill}"));
        format!("{healthy} of {wanted} replicas are healthy{ill}")
    };
    if let Some(moving) = on_its_way(sight, app, app.rolling.or(app.waiting)) {
        let DeploymentRef { number, status, .. } = moving;
        let meanwhile = match app.live {
            Some(_) if sight.as_of.is_some() => "; the version before was live".into(),
            Some(_) => format!("; of the version before, {}", replicas()),
            None => String::new(),
        };
        let detail = format!("deployment {number} is {}{meanwhile}", status.as_str());
        return (AppStatus::Deploying, detail);
    }
    if let Some(DeploymentRef { number, .. }) =
        sight.as_of.and(app.live).and_then(|live| reference_to(sight, live))
    {
        let detail = format!("deployment {number} was live; how its replicas were is not kept");
        return (AppStatus::Unknown, detail);
    }
    if app.live.is_none() {
        return match latest.and_then(|id| reference_to(sight, id)) {
            Some(DeploymentRef { number, status, .. }) => (
                AppStatus::Failed,
                format!("nothing is live; deployment {number}, the newest, is {}", status.as_str()),
            ),
            None => (AppStatus::NeverDeployed, "no deployment was requested yet".into()),
        };
    }
    if healthy == wanted {
        (AppStatus::Running, replicas())
    } else if *unknown == wanted - healthy && *healthy == 0 {
        (AppStatus::Unknown, "its workers have said nothing since the server started".into())
    } else if *healthy == 0 {
        (AppStatus::Down, replicas())
    } else {
        (AppStatus::Degraded, replicas())
    }
}
