//! Effects as messages to builders and workers.

use bytes::Bytes;
use hythe_core::deployment::{Attempt, Stage};
use hythe_core::ids::{DeploymentId, WorkerId};
use hythe_core::limits;
use hythe_core::reconcile::Effect;
use hythe_core::wire::FORMAT;
use hythe_core::wire::build::BuildCommand;
use hythe_core::wire::subjects;
use hythe_core::wire::worker::{Assignment, Order, WorkerMessage};
use hythe_store::steps::Step;
use serde::Serialize;

use super::Reconciler;
use crate::sealing::{SealError, seal};
use crate::views::Views;

/// A message, ready to be sent.
pub(super) struct Made {
    pub(super) subject: String,
    pub(super) payload: Bytes,
    /// What has been done once it can be found.
    pub(super) step: Step,
}

/// Why there is no message.
pub(super) enum Unsendable {
    /// What it would say does not hold any more, or cannot be said yet.
    Outdated,
    /// It can never be said.
    Never { deployment: DeploymentId, why: String },
}

impl<V: Views> Reconciler<V> {
    pub(super) fn message(&self, effect: &Effect) -> Result<Made, Unsendable> {
        match effect {
            Effect::SendBuild { deployment, generation, until } => {
                let attempt = self.attempt(*deployment)?;
                let command = BuildCommand {
                    format: FORMAT,
                    deployment: *deployment,
                    generation: *generation,
                    spec: attempt.spec,
                    until: *until,
                };
                made(subjects::build_commands(subjects::DEFAULT_POOL), &command, Step::BuildSent)
            }
            Effect::SendRun { worker, deployment, generation, replicas, restart } => {
                let assignment =
                    self.assignment(*worker, *deployment, *generation, replicas, *restart)?;
                order(*worker, Order::Run(Box::new(assignment)), Step::RunSent)
            }
            Effect::SendStop { worker, deployment, generation } => {
                let stop_within = self
                    .attempt(*deployment)
                    .map_or(limits::STOP_WITHIN, |attempt| attempt.spec.stop_within);
                let (deployment, generation) = (*deployment, *generation);
                let order = Order::Stop { deployment, generation, stop_within };
                self::order(*worker, order, Step::StopSent)
            }
            Effect::SendCancelBuild { worker, deployment, generation } => {
                let (deployment, generation) = (*deployment, *generation);
                order(*worker, Order::CancelBuild { deployment, generation }, Step::CancelBuildSent)
            }
            Effect::Deployment(..) | Effect::Worker(..) | Effect::PublishRoutes(_) => {
                Err(Unsendable::Outdated)
            }
        }
    }

    fn attempt(&self, deployment: DeploymentId) -> Result<Attempt, Unsendable> {
        let known = self.views.look(|view| {
            view.deployments.get(&deployment).and_then(|view| view.state.attempt()).cloned()
        });
        known.ok_or(Unsendable::Outdated)
    }

    fn assignment(
        &self,
        worker: WorkerId,
        deployment: DeploymentId,
        generation: u64,
        replicas: &[u16],
        restart: bool,
    ) -> Result<Assignment, Unsendable> {
        let Attempt { spec, stage, built, placements: _ } = self.attempt(deployment)?;
        let built = built.ok_or(Unsendable::Outdated)?;
        if matches!(stage, Stage::Ended(_)) {
            return Err(Unsendable::Outdated);
        }
        let key = self
            .observatory
            .read(|observed| observed.workers.get(&worker).map(|seen| seen.report.sealing_key))
            .ok_or(Unsendable::Outdated)?;
        let sealed = seal(&self.journal, spec.app, deployment, &spec.env, key);
        let environment = sealed.map_err(|error| match error {
            SealError::Gone { .. } => Unsendable::Never { deployment, why: error.to_string() },
            SealError::Broken(why) => {
                tracing::error!(%deployment, why, "an environment could not be sealed");
                Unsendable::Outdated
            }
        })?;
        Ok(Assignment {
            deployment,
            app: spec.app,
            app_name: spec.app_name,
            generation,
            replicas: replicas.to_vec(),
            image: built.image,
            port: built.port,
            environment,
            health: spec.health,
            resources: spec.resources,
            stop_within: spec.stop_within,
            restart,
        })
    }
}

fn order(worker: WorkerId, order: Order, step: Step) -> Result<Made, Unsendable> {
    let message = WorkerMessage { format: FORMAT, worker, order };
    made(subjects::worker_orders(worker), &message, step)
}

fn made<T: Serialize>(subject: String, message: &T, step: Step) -> Result<Made, Unsendable> {
    let payload = serde_json::to_vec(message).map(Bytes::from);
    payload.map(|payload| Made { subject, payload, step }).map_err(|error| {
        // Plain data with text keys always encodes.
        tracing::error!(%error, "a message could not be encoded");
        Unsendable::Outdated
    })
}
