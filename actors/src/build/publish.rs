//! Publishing to JetStream, and this process's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::jetstream::Context;
use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::message::PublishMessage;
use backon::{ExponentialBuilder, Retryable};
use hythe_core::ids::{DeploymentId, WorkerId};
use hythe_core::time::Timestamp;
use hythe_core::wire::FORMAT;
use hythe_core::wire::build::{BuildProgress, BuildReport};
use hythe_core::wire::subjects;
use hythe_store::steps::Step;
use serde::Serialize;

/// First wait before a message is sent again; doubles.
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// The longest such wait.
const RETRY_MOST: Duration = Duration::from_secs(3);
/// How often a message of no lasting importance is sent.
const TRIES: usize = 5;

/// Why a message was not delivered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Undelivered {
    /// It cannot be written as JSON.
    #[error("it cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    /// JetStream has not acknowledged it.
    #[error("JetStream has not acknowledged it: {0}")]
    Publish(#[from] PublishError),
}

fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::new().with_min_delay(RETRY_FIRST).with_max_delay(RETRY_MOST).with_jitter()
}

/// Publishes a message and waits until JetStream has it, trying a few times. `id` lets the server
/// drop a copy that a retry made.
pub(crate) async fn publish(
    jetstream: &Context,
    step: Step,
    subject: &str,
    message: &impl Serialize,
    id: Option<&str>,
) -> Result<(), Undelivered> {
    send(jetstream, step, subject, message, id, backoff().with_max_times(TRIES)).await
}

async fn send(
    jetstream: &Context,
    step: Step,
    subject: &str,
    message: &impl Serialize,
    id: Option<&str>,
    backoff: ExponentialBuilder,
) -> Result<(), Undelivered> {
    let bytes = bytes::Bytes::from(serde_json::to_vec(message)?);
    let once = || async {
        let mut message = PublishMessage::build().payload(bytes.clone());
        if let Some(id) = id {
            message = message.message_id(id);
        }
        #[expect(clippy::disallowed_methods, reason = "the caller names the step")]
        jetstream.send_publish(subject.to_owned(), message).await?.await?;
        Ok::<(), PublishError>(())
    };
    once.retry(backoff).await?;
    step.passed();
    Ok(())
}

/// Says how builds stand.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    pub(crate) jetstream: Context,
    pub(crate) worker: WorkerId,
}

impl Reporter {
    /// Reports that a build was taken on or goes on. A lost one is made good by the next.
    pub(crate) async fn alive(
        &self,
        deployment: DeploymentId,
        generation: u32,
        progress: BuildProgress,
    ) {
        let report = self.report(deployment, generation, progress);
        let subject = subjects::build_report(deployment);
        if let Err(error) =
            publish(&self.jetstream, Step::BuildAlive, &subject, &report, None).await
        {
            tracing::warn!(%deployment, %error, "a build's sign of life was not delivered");
        }
    }

    /// Reports an end, for as long as it takes.
    pub(crate) async fn ended(
        &self,
        deployment: DeploymentId,
        generation: u32,
        progress: BuildProgress,
    ) {
        let report = self.report(deployment, generation, progress);
        let subject = subjects::build_report(deployment);
        let id = format!("{deployment}-{generation}-ended");
        let backoff = backoff().without_max_times();
        if let Err(error) =
            send(&self.jetstream, Step::BuildReported, &subject, &report, Some(&id), backoff).await
        {
            tracing::error!(%deployment, %error, "a build's end cannot be reported");
        }
    }

    fn report(
        &self,
        deployment: DeploymentId,
        generation: u32,
        progress: BuildProgress,
    ) -> BuildReport {
        BuildReport {
            format: FORMAT,
            worker: self.worker,
            deployment,
            generation,
            progress,
            at: now(),
        }
    }
}

/// Now, by this machine's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp(nanos_now() / 1_000_000)
}

/// Nanoseconds since the Unix epoch.
pub(crate) fn nanos_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
