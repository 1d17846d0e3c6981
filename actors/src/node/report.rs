//! Sends out what the node reports: always the newest, until JetStream has it.

use std::time::Duration;

use hythe_core::wire::subjects;
use hythe_core::wire::worker::{ReplicaState, WorkerReport};
use hythe_store::steps::Step;
use tokio::sync::watch;

use super::builds::Builds;
use super::look::cut;
use crate::bus::{Bus, BusError};

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
            let mut sent = bus.publish(Step::WorkerReported, &subject, &report, None).await;
            if let Err(error @ BusError::TooLarge { .. }) = &sent {
                tracing::warn!(
                    %error,
                    "a report goes out without what replicas and their checks wrote"
                );
                let report = brief(report);
                sent = bus.publish(Step::WorkerReported, &subject, &report, None).await;
            }
            match sent {
                Ok(_published) => break,
                Err(error) => {
                    tracing::warn!(%error, "a report was not delivered and is sent again");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }
}

/// A report that says how replicas are, and of what they wrote nothing: a worker that is not heard of
/// counts as lost.
fn brief(mut report: WorkerReport) -> WorkerReport {
    for replica in &mut report.replicas {
        replica.log.clear();
        match &mut replica.state {
            ReplicaState::Starting { check, elapsed: _, within: _ }
            | ReplicaState::Unhealthy { check } => {
                *check = "what it found is left out: this worker has too much to tell".into();
            }
            ReplicaState::Failed { message } => *message = cut(std::mem::take(message)),
            ReplicaState::Creating
            | ReplicaState::Healthy
            | ReplicaState::Exited { .. }
            | ReplicaState::Stopping => {}
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use hythe_core::ids::{AppId, DeploymentId, InstallationId, WorkerId};
    use hythe_core::names::WorkerName;
    use hythe_core::time::{Millis, Timestamp};
    use hythe_core::wire::FORMAT;
    use hythe_core::wire::worker::{EngineState, ReplicaReport, SealingKey};
    use hythe_core::worker::Capacity;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_brief_report_says_how_each_replica_is_and_nothing_that_grows() {
        let long = || "x".repeat(1 << 20);
        let states = [
            ReplicaState::Starting { check: long(), elapsed: Millis(1), within: None },
            ReplicaState::Unhealthy { check: long() },
            ReplicaState::Failed { message: long() },
            ReplicaState::Healthy,
        ];
        let replicas = states.into_iter().map(|state| ReplicaReport {
            deployment: DeploymentId::new(Uuid::nil()),
            app: AppId::new(Uuid::nil()),
            index: 0,
            state,
            endpoint: None,
            restarts: 0,
            in_a_row: 0,
            log: vec![long()],
            image_missing: false,
        });
        let report = WorkerReport {
            format: FORMAT,
            worker: WorkerId::new(Uuid::nil()),
            installation: InstallationId::new(Uuid::nil()),
            name: WorkerName::new("one").unwrap(),
            capacity: Capacity::default(),
            sealing_key: SealingKey([0; 32]),
            engine: EngineState::Ready { version: "1".into() },
            assignments: Vec::new(),
            replicas: replicas.collect(),
            builds: Vec::new(),
            builder: None,
            at: Timestamp(1),
        };
        let states = |report: &WorkerReport| {
            let states =
                report.replicas.iter().map(|replica| std::mem::discriminant(&replica.state));
            states.collect::<Vec<_>>()
        };
        let before = states(&report);
        let report = brief(report);
        assert_eq!(states(&report), before);
        let sent = serde_json::to_vec(&report).unwrap().len();
        assert!(sent < 4 * 1_024, "{sent}");
    }
}
