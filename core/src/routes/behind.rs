//! What stands behind an app's route: replicas or a site, and what takes a part of its requests.

use std::net::SocketAddr;

use super::{Backend, Route};
use crate::app::ActiveApp;
use crate::canary::{Part, PartSite};
use crate::deployment::{Placement, Stage};
use crate::giving_way::giving_way;
use crate::ids::DeploymentId;
use crate::limits;
use crate::observed::Observed;
use crate::process::is_process;
use crate::site::SiteId;
use crate::view::View;
use crate::wire::worker::ReplicaState;

pub(super) fn backend(
    view: &View,
    observed: &Observed,
    app: &ActiveApp,
    previous: Option<&Route>,
) -> Backend {
    // During a switch the version before still runs: where the new one has nothing to offer any
    // more, it serves on.
    // What ends, for its app was stopped or for both write to the same volume, is not gone back to.
    let ends = |live: &DeploymentId| {
        app.is_resting(*live)
            || giving_way(view, observed, app).is_some_and(|(one, _)| one == *live)
    };
    let candidates = [app.serving, app.live.filter(|live| !ends(live))];
    let found = candidates.into_iter().flatten().find_map(|deployment| {
        site(view, app, deployment, previous)
            .or_else(|| replicas(view, observed, deployment, previous))
    });
    found.unwrap_or(if app.live.is_none() && (app.rolling.is_some() || app.waiting.is_some()) {
        Backend::Starting
    } else {
        Backend::Down
    })
}

/// The site that a deployment is, where it is one.
fn site(
    view: &View,
    app: &ActiveApp,
    deployment: DeploymentId,
    previous: Option<&Route>,
) -> Option<Backend> {
    let attempt = view.deployments.get(&deployment)?.state.attempt()?;
    let site = attempt.site()?.id.clone();
    let has_it = previous.is_some_and(|r| r.backend.deployment() == Some(deployment));
    if matches!(attempt.stage, Stage::Ended(_)) && !has_it {
        return None;
    }
    let all = view.apps.get(&app.id).into_iter().flat_map(|app| app.deployments.iter().rev());
    let before = all.filter(|id| **id != deployment).filter_map(|id| view.deployments.get(id));
    let before = before.filter(|view| view.was_live());
    let before = before.filter_map(|view| Some(&view.state.attempt()?.site()?.id));
    let mut earlier: Vec<SiteId> = Vec::new();
    for id in before {
        if earlier.len() == limits::EARLIER_SITES {
            break;
        }
        if *id != site && !earlier.contains(id) {
            earlier.push(id.clone());
        }
    }
    Some(Backend::Site { deployment, site, earlier })
}

/// What goes to a new version: to its healthy replicas or its site, and only beside the version that is live.
pub(super) fn canary(
    view: &View,
    observed: &Observed,
    app: &ActiveApp,
    backend: &Backend,
    previous: Option<&Route>,
) -> Option<Part> {
    let canary = app.singing()?;
    let (deployment, weight) = (canary.deployment, canary.weight);
    backend.deployment().filter(|live| app.live == Some(*live))?;
    let attempt = view.deployments.get(&deployment)?.state.attempt()?;
    if attempt.stage != Stage::Healthy {
        return None;
    }
    if let Some(Backend::Site { site, earlier, .. }) = site(view, app, deployment, previous) {
        let site = Some(PartSite { site, earlier });
        return Some(Part { deployment, targets: Vec::new(), weight, site });
    }
    let web = || attempt.placements.iter().filter(|place| !is_process(place.index));
    let before = previous.and_then(|route| route.canary.as_deref());
    if !web().all(|place| observed.knows(deployment, place))
        && let Some(part) = before.filter(|part| part.deployment == deployment)
    {
        return Some(Part { weight, ..part.clone() });
    }
    let seen = web().filter_map(|place| observed.replica(deployment, place));
    let healthy = seen.filter(|replica| replica.state == ReplicaState::Healthy);
    let targets: Vec<SocketAddr> = healthy.filter_map(|replica| replica.endpoint).collect();
    (!targets.is_empty()).then_some(Part { deployment, targets, weight, site: None })
}

fn replicas(
    view: &View,
    observed: &Observed,
    deployment: DeploymentId,
    previous: Option<&Route>,
) -> Option<Backend> {
    let attempt = view.deployments.get(&deployment)?.state.attempt()?;
    let has_it = previous.is_some_and(|r| r.backend.deployment() == Some(deployment));
    if matches!(attempt.stage, Stage::Ended(_)) && !has_it {
        // Its app has not heard of its end yet. What is being stopped gets no traffic anew.
        return None;
    }
    let web = |place: &&Placement| !is_process(place.index);
    let mut placed = attempt.placements.iter().filter(web);
    let known = placed.all(|place| observed.knows(deployment, place));
    if !known && let Some(route) = previous.filter(|r| r.backend.deployment() == Some(deployment)) {
        return Some(route.backend.clone());
    }
    let that = |places: &[Placement], is: fn(&ReplicaState) -> bool| -> Vec<SocketAddr> {
        // Whatever else runs of the deployment has no part in this.
        let places = places.iter().filter(web);
        let replicas = places.filter_map(|place| observed.replica(deployment, place));
        replicas.filter(|replica| is(&replica.state)).filter_map(|one| one.endpoint).collect()
    };
    let healthy = |state: &ReplicaState| *state == ReplicaState::Healthy;
    let ailing = |state: &ReplicaState| matches!(state, ReplicaState::Unhealthy { .. });
    // Where every replica that was healthy fails its check, the check may be what is wrong:
    // answering from an ailing replica is better than answering from none.
    // And where only one that is too many is healthy, it goes on.
    let targets = [
        that(&attempt.placements, healthy),
        that(&attempt.leaving, healthy),
        that(&attempt.placements, ailing),
    ];
    let targets = targets.into_iter().find(|targets| !targets.is_empty()).unwrap_or_default();
    (!targets.is_empty()).then_some(Backend::Replicas { deployment, targets })
}
