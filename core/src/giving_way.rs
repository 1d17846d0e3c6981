//! When the live version of an app ends so that the next one can start: both write to the same volume.
//!
//! Not before the worker of the next one has taken on the order to run it, and has its image: where that
//! is missing, it is built anew first, and meanwhile the live one is to go on.

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
    let attempt = view.deployments.get(&next).and_then(|of| of.state.attempt());
    let attempt = attempt.filter(|attempt| matches!(attempt.stage, Stage::Starting { .. }));
    let mut places = attempt.into_iter().flat_map(|attempt| &attempt.placements);
    places.any(|place| {
        let Some(seen) = observed.workers.get(&place.worker) else {
            return app.live.is_some_and(|live| observed.routed_since.contains_key(&live));
        };
        let mut orders = seen.report.assignments.iter();
        let ordered = orders.any(|order| order.deployment == next && !order.stopping);
        let missing = observed.replica(next, place).is_some_and(|replica| replica.image_missing);
        !ordered || missing
    })
}
