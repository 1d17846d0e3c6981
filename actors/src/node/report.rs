//! Sends out what the node reports: always the newest, until JetStream has it.

use std::time::Duration;

use hythe_core::wire::subjects;
use hythe_core::wire::worker::WorkerReport;
use hythe_store::steps::Step;
use tokio::sync::watch;

use super::builds::Builds;
use crate::bus::Bus;

/// How long to wait after a report that JetStream did not take.
const AGAIN: Duration = Duration::from_millis(500);

/// Publishes reports for as long as there is a node.
pub(crate) async fn publish(
    bus: Bus,
    builds: Builds,
    mut heard: watch::Receiver<Option<WorkerReport>>,
) {
    heard.mark_changed();
    while heard.changed().await.is_ok() {
        loop {
            bus.ready().await;
            let Some(mut report) = heard.borrow_and_update().clone() else { break };
            report.builds = builds.running().await;
            report.builder = Some(builds.report());
            let subject = subjects::worker_report(report.worker);
            match bus.publish(Step::WorkerReported, &subject, &report, None).await {
                Ok(_published) => break,
                Err(error) => {
                    tracing::warn!(%error, "a report was not delivered and is sent again");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }
}
