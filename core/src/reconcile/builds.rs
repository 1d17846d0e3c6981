//! Builds: given out, asked after, given out anew, and ended when nobody wants them.

use super::Effect;
use crate::deployment::{Attempt, DeploymentCommand, Stage};
use crate::ids::{DeploymentId, WorkerId};
use crate::limits;
use crate::observed::{Observed, Sent};
use crate::time::Timestamp;
use crate::view::{DeploymentView, View};

pub(super) fn send(
    id: DeploymentId,
    deployment: &DeploymentView,
    attempt: &Attempt,
    observed: &Observed,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    let (generation, until) = match attempt.stage {
        Stage::Queued { generation, until } => (generation, until),
        Stage::Building { generation, until, worker: _ } => {
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
            (generation, until)
        }
        Stage::Requested
        | Stage::Built { .. }
        | Stage::Starting { .. }
        | Stage::Healthy
        | Stage::Switching { .. }
        | Stage::Draining { .. }
        | Stage::Live
        | Stage::Ended(_) => return,
    };
    if now < until && observed.due(&Sent::Build(id, generation), limits::RESEND_AFTER, now) {
        effects.push(Effect::SendBuild { deployment: id, generation, until });
    }
}

pub(super) fn cancel(view: &View, observed: &Observed, now: Timestamp, effects: &mut Vec<Effect>) {
    for (worker, seen) in &observed.workers {
        for build in &seen.report.builds {
            let unwanted = !wanted(view, *worker, build.deployment, build.generation);
            let sent = Sent::CancelBuild(*worker, build.deployment, build.generation);
            if unwanted && observed.due(&sent, limits::RESEND_AFTER, now) {
                effects.push(Effect::SendCancelBuild {
                    worker: *worker,
                    deployment: build.deployment,
                    generation: build.generation,
                });
            }
        }
    }
}

fn wanted(view: &View, by: WorkerId, deployment: DeploymentId, given_out: u32) -> bool {
    let stage = view.deployments.get(&deployment).and_then(|view| view.state.attempt());
    match stage.map(|attempt| &attempt.stage) {
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
            | Stage::Ended(_),
        )
        | None => false,
    }
}
