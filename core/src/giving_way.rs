//! When the live version of an app ends so that the next one can start: both write to the same volume.
//!
//! Not before the worker of the next one has taken on the order to run its replicas, and has its image: where
//! that is missing, it is built anew first, and meanwhile the live one is to go on. Once the live one has given
//! way it is not gone back to for an order that changes: what it had may be stopped by then.

use crate::app::ActiveApp;
use crate::deployment::Stage;
use crate::ids::DeploymentId;
use crate::observed::Observed;
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
/// force stays: whether the table leads to the live one tells whether it was held up before.
fn is_held_up(view: &View, observed: &Observed, app: &ActiveApp, next: DeploymentId) -> bool {
    let of = view.deployments.get(&next);
    let attempt = of.and_then(|of| of.state.attempt());
    let attempt = attempt.filter(|attempt| matches!(attempt.stage, Stage::Starting { .. }));
    let mut places = attempt.into_iter().flat_map(|attempt| &attempt.placements);
    places.any(|place| {
        let led_to = app.live.is_some_and(|live| observed.routed_since.contains_key(&live));
        let Some(seen) = observed.workers.get(&place.worker) else { return led_to };
        let mut orders = seen.report.assignments.iter();
        // An order of before was for its release command, which is stopped before the replicas start.
        let newest = of.map_or(0, |of| of.assigned.0);
        let ordered = orders.any(|order| {
            let runs = order.deployment == next && !order.stopping;
            runs && (order.generation >= newest || !led_to)
        });
        let missing = observed.replica(next, place).is_some_and(|replica| replica.image_missing);
        !ordered || missing
    })
}
