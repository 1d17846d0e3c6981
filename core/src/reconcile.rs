//! What the control plane must do next: the difference between what was decided and what is seen.
//!
//! Run again on every event, every report and a timer; effects come from here and never from
//! having just seen an event, so that a crash between deciding and doing loses nothing. What is
//! on its way already comes up again until its effect is seen: commands for aggregates are
//! idempotent, and messages are held back by [`Observed::sent`].
//!
//! What all of this comes to is tested in `tests/simulation/`, against a world that breaks.

mod builds;
mod canaries;
mod exits;
mod late;
mod post_deploys;
pub(crate) mod releases;
mod replicas;
mod scaling;
mod sleep;
mod switches;
mod tasks;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod volumes;

use std::collections::{BTreeMap, BTreeSet};

use crate::app::AppCommand;
use crate::deployment::{Attempt, DeploymentCommand, Stage, StageName};
use crate::ids::{AppId, DeploymentId, WorkerId};
use crate::limits;
use crate::names::HostName;
use crate::observed::{Observed, Sent};
use crate::routes::{Route, routes};
use crate::time::Timestamp;
use crate::turns::Turns;
use crate::view::{DeploymentView, View};
use crate::waiting::waiting_for;
use crate::worker::{Lease, WorkerCommand};

pub(crate) use self::replicas::is_gone;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Give a command to a deployment.
    Deployment(DeploymentId, DeploymentCommand),
    /// Give a command to an app. With one that goes for good goes what belongs to it.
    App(AppId, AppCommand),
    /// Give a command to a worker's aggregate.
    Worker(WorkerId, WorkerCommand),
    /// Send a build to the builders.
    SendBuild {
        /// The deployment.
        deployment: DeploymentId,
        /// Which giving out.
        generation: u32,
        /// When the build fails.
        until: Timestamp,
    },
    /// Tell a worker to run what it was placed with of a deployment.
    SendRun {
        /// The worker.
        worker: WorkerId,
        /// The deployment.
        deployment: DeploymentId,
        /// The generation of the order.
        generation: u64,
        /// Which replicas.
        replicas: Vec<u16>,
        /// Whether one that exits is started again.
        restart: bool,
    },
    /// Tell a worker to run nothing of a deployment.
    SendStop {
        /// The worker.
        worker: WorkerId,
        /// The deployment.
        deployment: DeploymentId,
        /// The generation of the order.
        generation: u64,
    },
    /// Tell a worker to end a build.
    SendCancelBuild {
        /// The worker.
        worker: WorkerId,
        /// The deployment.
        deployment: DeploymentId,
        /// Which giving out.
        generation: u32,
    },
    /// Put these routes in force, under a new revision.
    PublishRoutes(BTreeMap<HostName, Route>),
}

impl Effect {
    /// What to note as sent once it was.
    #[must_use]
    pub const fn sent(&self) -> Option<Sent> {
        match self {
            Self::SendBuild { deployment, generation, .. } => {
                Some(Sent::Build(*deployment, *generation))
            }
            Self::SendRun { worker, deployment, generation, .. }
            | Self::SendStop { worker, deployment, generation } => {
                Some(Sent::Order(*worker, *deployment, *generation))
            }
            Self::SendCancelBuild { worker, deployment, generation } => {
                Some(Sent::CancelBuild(*worker, *deployment, *generation))
            }
            Self::App(..) | Self::Deployment(..) | Self::Worker(..) | Self::PublishRoutes(_) => {
                None
            }
        }
    }
}

/// Compares what was decided with what is seen.
#[must_use]
pub fn reconcile(
    view: &View,
    observed: &Observed,
    base_domain: &HostName,
    now: Timestamp,
) -> Vec<Effect> {
    let mut effects = Vec::new();
    let has_traffic = publish(view, observed, base_domain, now, &mut effects);
    let another_table = !effects.is_empty();
    let turns = Turns::of(view, observed);
    for (id, deployment) in &view.deployments {
        let Some(attempt) = deployment.state.attempt() else { continue };
        let mut of_this = Vec::new();
        // While a worker goes by the order under which it missed the image, it would run with the new one.
        let queued = matches!(attempt.stage, Stage::Queued { .. });
        let overdue_at = late::overdue(deployment, attempt, observed, now);
        let waits = turns.moves_up(*id) || (turns.waits(*id) && may_wait(deployment, now));
        // Nobody is late who had no chance to be heard of yet.
        let unheard = late::unheard(attempt, observed, now);
        if (overdue_at.is_none() || unheard) && waits && has_too_little_left(attempt, now) {
            let wait_on = DeploymentCommand::WaitOn { at: now };
            of_this.push(Effect::Deployment(*id, wait_on));
        } else if !(queued && attempt.rebuilt && builds::is_ordered(*id, view, observed)) {
            builds::send(*id, deployment, attempt, &turns, observed, now, &mut of_this);
        }
        replicas::settle(*id, attempt, deployment.assigned, view, observed, now, &mut of_this);
        if another_table {
            // It is decided by the table in force, and the one that comes may lead to what leaves.
            let leaves = Effect::Deployment(*id, DeploymentCommand::FinishLeaving);
            of_this.retain(|effect| *effect != leaves);
        }
        switches::advance(*id, attempt, view, observed, &has_traffic, now, &mut of_this);
        let moves = of_this.iter().any(|effect| matches!(effect, Effect::Deployment(..)));
        if let Some(at) = overdue_at.filter(|_| !moves && !unheard) {
            let command = if turns.moves_up(*id) {
                Some(DeploymentCommand::WaitOn { at })
            } else {
                let waiting_for = overdue_because(view, observed, *id);
                switches::overdue(*id, attempt, observed, &has_traffic, at, waiting_for)
            };
            of_this.extend(command.map(|command| Effect::Deployment(*id, command)));
        }
        canaries::settle(*id, deployment, attempt, view, observed, now, &mut of_this);
        post_deploys::settle(*id, deployment, attempt, view, observed, now, &mut of_this);
        effects.append(&mut of_this);
    }
    replicas::order(view, observed, now, &mut effects);
    builds::cancel(view, observed, now, &mut effects);
    sleep::settle(view, observed, now, &mut effects);
    leases(view, observed, now, &mut effects);
    effects.extend(view.apps.iter().filter_map(|(id, app)| {
        let spent = app.state.active().is_some_and(|app| late::is_spent(app, observed, now));
        spent.then_some(Effect::App(*id, AppCommand::Expire { at: now }))
    }));
    effects
}

/// Whether a build whose turn it is may be given its time anew. One that cannot be given out, whatever the
/// reason, comes to its end all the same, and does not keep others waiting for ever.
fn may_wait(deployment: &DeploymentView, now: Timestamp) -> bool {
    let queued = deployment.stages.iter().rev().find(|(stage, _)| *stage == StageName::Queued);
    queued.is_some_and(|(_, at)| now.since(*at) <= limits::BUILD_TURN_WITHIN)
}

/// Whether a build that were given out now would not have all of its time.
fn has_too_little_left(attempt: &Attempt, now: Timestamp) -> bool {
    let within = attempt.spec.build.within;
    matches!(attempt.stage, Stage::Queued { until, .. } if now.plus(within) >= until)
}

fn overdue_because(view: &View, observed: &Observed, id: DeploymentId) -> crate::deployment::Fault {
    let mut fault = waiting_for(view, observed, id)
        .unwrap_or_else(|| crate::deployment::Fault::new("nothing that is known"));
    fault.message = format!("it took too long; waited for {}", fault.message);
    fault
}

/// When the deadline after `now` that comes next is over.
#[must_use]
pub fn next_deadline(view: &View, now: Timestamp) -> Option<Timestamp> {
    let attempts = view.deployments.values().filter_map(|v| v.state.attempt());
    let deadlines =
        attempts.flat_map(|attempt| [attempt.stage.until(), attempt.post_deploy.until()]);
    deadlines.flatten().filter(|until| *until > now).min()
}

/// Publishes what should be in force where it is not, and says which deployments are to have
/// traffic; none where that cannot be told yet.
fn publish(
    view: &View,
    observed: &Observed,
    base_domain: &HostName,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) -> Option<BTreeSet<DeploymentId>> {
    // After a start without a table to go by, a half-known one would take apps down: wait for the
    // workers that should be heard of.
    let members = view.workers.iter().filter(|(_, worker)| {
        worker.state.member().is_some_and(|member| member.lease == Lease::Held)
    });
    let all_heard = members.into_iter().all(|(id, _)| observed.workers.contains_key(id));
    let blind = observed.table.revision == 0;
    if blind && !all_heard && observed.silence(None, now) < limits::WORKER_LEASE {
        return None;
    }
    let routes = routes(view, observed, base_domain, observed.routes());
    let has_traffic = routes.values().flat_map(Route::deployments).collect();
    // An edge that follows a table of a larger revision, of before NATS lost it, takes ours up only
    // under one that is larger still.
    let ahead = observed.live_edges(now).any(|edge| edge.revision > observed.table.revision);
    if blind || ahead || routes != observed.table.routes {
        effects.push(Effect::PublishRoutes(routes));
    }
    Some(has_traffic)
}

fn leases(view: &View, observed: &Observed, now: Timestamp, effects: &mut Vec<Effect>) {
    for (id, worker) in &view.workers {
        let held = worker.state.member().is_some_and(|member| member.lease == Lease::Held);
        let heard = observed.workers.get(id).map(|worker| worker.heard_at);
        if held && observed.silence(heard, now) >= limits::WORKER_LEASE {
            effects.push(Effect::Worker(*id, WorkerCommand::Lose));
        }
    }
}
