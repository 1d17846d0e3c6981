//! Takes orders from JetStream: into the ledger first, then to the node, then acknowledged.

use std::sync::Arc;
use std::time::Duration;

use hythe_core::ids::{DeploymentId, WorkerId};
use hythe_core::plan::Wanted;
use hythe_core::wire::FORMAT;
use hythe_core::wire::subjects;
use hythe_core::wire::worker::{Order, WorkerMessage};
use hythe_store::steps::Step;
use tokio_util::sync::CancellationToken;

use super::builds::Builds;
use super::ledger::Ledger;
use crate::bus::{Bus, ConsumerSpec, Delivery, Verdict};

/// Orders that are fetched ahead.
const AHEAD: usize = 32;
/// How long an order waits that could not be written down.
const AGAIN: Duration = Duration::from_secs(1);

/// Takes orders until `stop`. `tell` hears of each that is new and durable.
pub(crate) async fn take(
    bus: Bus,
    worker: WorkerId,
    ledger: Arc<Ledger>,
    builds: Builds,
    stop: CancellationToken,
    tell: impl Fn(DeploymentId, Wanted) + Send + Sync,
) {
    let spec = ConsumerSpec {
        stream: subjects::COMMANDS.into(),
        durable: format!("worker-{worker}"),
        filter: subjects::worker_orders(worker),
        ahead: AHEAD,
        settled: Step::OrderSettled,
    };
    let (ledger, builds, tell) = (&ledger, &builds, &tell);
    let handler = move |delivery: Delivery| async move {
        match read(&delivery, worker) {
            Ok(order) => obey(order, ledger, builds, tell).await,
            Err(why) => {
                tracing::warn!(subject = delivery.subject, why, "an order was refused");
                Verdict::Refuse
            }
        }
    };
    bus.consume(spec, stop, handler).await;
}

fn read(delivery: &Delivery, worker: WorkerId) -> Result<Order, String> {
    let message: WorkerMessage = delivery.json().map_err(|error| error.to_string())?;
    if message.format != FORMAT {
        return Err(format!(
            "it has format {}, and this agent knows {FORMAT}; update the agent",
            message.format
        ));
    }
    if message.worker != worker {
        return Err(format!("it is for worker {}", message.worker));
    }
    Ok(message.order)
}

async fn obey(
    order: Order,
    ledger: &Arc<Ledger>,
    builds: &Builds,
    tell: &(impl Fn(DeploymentId, Wanted) + Send + Sync),
) -> Verdict {
    let (deployment, wanted) = match order {
        Order::Run(assignment) => (assignment.deployment, Wanted::Run(assignment)),
        Order::Stop { deployment, generation, stop_within } => {
            (deployment, Wanted::Stop { generation, stop_within })
        }
        Order::CancelBuild { deployment, generation } => {
            return match builds.cancel(deployment, generation).await {
                Ok(()) => Verdict::Done,
                Err(error) => {
                    tracing::warn!(%deployment, %error, "a build could not be cancelled yet");
                    Verdict::Again(AGAIN)
                }
            };
        }
    };
    let told = wanted.clone();
    match ledger.with(move |ledger| ledger.accept(deployment, &told)).await {
        Ok(true) => {
            tell(deployment, wanted);
            Verdict::Done
        }
        Ok(false) => {
            tracing::debug!(%deployment, generation = wanted.generation(), "an old order was left");
            Verdict::Done
        }
        Err(error) => {
            tracing::error!(%deployment, %error, "an order could not be written down yet");
            Verdict::Again(AGAIN)
        }
    }
}
