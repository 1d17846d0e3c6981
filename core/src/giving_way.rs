//! When the live version of an app ends so that the next one can start: both write to the same volume.
//!
//! Not before the worker of the next one has taken on the order to run its replicas, and has its image: where
//! that is missing, it is built anew first, and meanwhile the live one is to go on. Once the live one has given
//! way it is not gone back to for an order that changes: what it had may be stopped by then.

use crate::app::ActiveApp;
use crate::deployment::Stage;
use crate::ids::DeploymentId;
use crate::observed::Observed;
use crate::process::is_process;
use crate::time::Timestamp;
use crate::view::View;

/// The live deployment that ends now, and since when it is to.
pub(crate) fn giving_way(
    view: &View,
    observed: &Observed,
    app: &ActiveApp,
) -> Option<(DeploymentId, Timestamp)> {
    let next = app.rolling?;
    view.giving_way(app).filter(|_| !is_held_up(view, observed, app, next))
}

/// Whether it is known that a deployment cannot start yet. Where its worker is not heard of, what is in
/// force stays: whether the live one [goes on](goes_on) tells whether it was held up before.
fn is_held_up(view: &View, observed: &Observed, app: &ActiveApp, next: DeploymentId) -> bool {
    let of = view.deployments.get(&next);
    let attempt = of.and_then(|of| of.state.attempt());
    let attempt = attempt.filter(|attempt| matches!(attempt.stage, Stage::Starting { .. }));
    let mut places = attempt.into_iter().flat_map(|attempt| &attempt.placements);
    let goes_on = app.live.is_some_and(|live| goes_on(view, observed, app, live));
    places.any(|place| {
        let Some(seen) = observed.workers.get(&place.worker) else { return goes_on };
        let mut orders = seen.report.assignments.iter();
        // An order of before was for its release command, which is stopped before the replicas start.
        let newest = of.map_or(0, |of| of.assigned.0);
        let ordered = orders.any(|order| {
            let runs = order.deployment == next && !order.stopping;
            runs && (order.generation >= newest || !goes_on)
        });
        let missing = observed.replica(next, place).is_some_and(|replica| replica.image_missing);
        !ordered || missing
    })
}

/// Whether the live one was not told to end yet: the table leads to it, or, where nobody is led to the app, the
/// worker that it serves on holds an order to run it.
fn goes_on(view: &View, observed: &Observed, app: &ActiveApp, live: DeploymentId) -> bool {
    if !app.settings.run.container.unrouted {
        return observed.routed_since.contains_key(&live);
    }
    let attempt = view.deployments.get(&live).and_then(|of| of.state.attempt());
    let mut places = attempt.into_iter().flat_map(|attempt| &attempt.placements);
    let serves = places.find(|place| !is_process(place.index));
    let seen = serves.and_then(|place| observed.workers.get(&place.worker));
    let mut orders = seen.into_iter().flat_map(|seen| &seen.report.assignments);
    orders.any(|order| order.deployment == live && !order.stopping)
}
