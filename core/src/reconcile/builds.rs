//! Builds: given out, asked after, given out anew, and ended when nobody wants them.

use std::collections::BTreeSet;

use super::{Effect, late};
use crate::deployment::{Attempt, DeploymentCommand, Stage};
use crate::ids::{DeploymentId, WorkerId};
use crate::limits;
use crate::machine::Machine as _;
use crate::observed::{Observed, Sent};
use crate::time::Timestamp;
use crate::turns::Turns;
use crate::view::{DeploymentView, View};
use crate::worker::Lease;

/// Whether a worker goes by an order to run something of it, or was not heard of yet.
pub(super) fn is_ordered(id: DeploymentId, view: &View, observed: &Observed) -> bool {
    let mut held = view.workers.iter().filter(|(_, worker)| {
        worker.state.member().is_some_and(|member| member.lease == Lease::Held)
    });
    held.any(|(worker, _)| {
        observed.workers.get(worker).is_none_or(|seen| {
            seen.report.assignments.iter().any(|one| one.deployment == id && !one.stopping)
        })
    })
}

pub(super) fn send(
    id: DeploymentId,
    deployment: &DeploymentView,
    attempt: &Attempt,
    turns: &Turns,
    observed: &Observed,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    let generation = match attempt.stage {
        Stage::Queued { .. } if !turns.out.contains(&id) && !turns.next().contains(&id) => return,
        Stage::Queued { generation, until: _ } => generation,
        Stage::Building { generation, until: _, worker: _ } => {
            let seen = observed.builds.get(&id).filter(|seen| seen.generation == generation);
            let heard = seen.map_or(deployment.since(), |seen| seen.heard_at);
            let silence = observed.silence(Some(heard), now);
            if silence >= limits::BUILD_LEASE {
                let lose = DeploymentCommand::LoseBuild { generation };
                effects.push(Effect::Deployment(id, lose));
                return;
            }
            if silence < limits::BUILD_SILENCE {
                return;
            }
            generation
        }
        Stage::Requested
        | Stage::Built { .. }
        | Stage::Releasing { .. }
        | Stage::Starting { .. }
        | Stage::Healthy
        | Stage::Switching { .. }
        | Stage::Draining { .. }
        | Stage::Live
        | Stage::Ended(_) => return,
    };
    if let Some(until) = late::has_until(deployment, attempt, observed, now)
        && observed.due(&Sent::Build(id, generation), limits::RESEND_AFTER, now)
    {
        effects.push(Effect::SendBuild { deployment: id, generation, until });
    }
}

/// Ends what is built and nobody wants: by the newest inventory of each worker, and at once where a
/// deployment is over whose builder was heard of since.
pub(super) fn cancel(view: &View, observed: &Observed, now: Timestamp, effects: &mut Vec<Effect>) {
    let held = observed.workers.iter().flat_map(|(worker, seen)| {
        seen.report.builds.iter().map(|build| (*worker, build.deployment, build.generation))
    });
    let unwanted = held.filter(|(worker, id, generation)| !wanted(view, *worker, *id, *generation));
    let since = observed.builds.iter().filter(|(id, build)| {
        let inventory = observed.workers.get(&build.worker).map(|seen| seen.heard_at);
        let over = view.deployments.get(id).is_none_or(|of| of.state.ended());
        over && inventory.is_none_or(|at| at <= build.heard_at)
    });
    let since = since.map(|(id, build)| (build.worker, *id, build.generation));
    let all: BTreeSet<(WorkerId, DeploymentId, u32)> = unwanted.chain(since).collect();
    for (worker, deployment, generation) in all {
        let sent = Sent::CancelBuild(worker, deployment, generation);
        if observed.due(&sent, limits::RESEND_AFTER, now) {
            effects.push(Effect::SendCancelBuild { worker, deployment, generation });
        }
    }
}

fn wanted(view: &View, by: WorkerId, deployment: DeploymentId, given_out: u32) -> bool {
    let attempt = view.deployments.get(&deployment).and_then(|view| view.state.attempt());
    match attempt.map(|attempt| &attempt.stage) {
        Some(Stage::Queued { generation, .. }) => *generation == given_out,
        Some(Stage::Building { generation, worker, .. }) => {
            *generation == given_out && *worker == by
        }
        // Its end is on its way, or the view is behind the report.
        Some(Stage::Built { .. } | Stage::Requested) => true,
        Some(
            Stage::Starting { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Draining { .. }
            | Stage::Live
            | Stage::Releasing { .. },
        ) => {
            // Whoever has built it is done: what it says may be of a moment before, and an order that follows
            // would only wait behind the one to end that.
            let built = attempt.and_then(|attempt| attempt.built.as_ref());
            built.is_some_and(|built| built.worker == by)
        }
        Some(Stage::Ended(_)) | None => false,
    }
}
