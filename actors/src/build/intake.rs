//! Takes commands from JetStream, one for each free slot.
//!
//! All builders of a pool share one durable consumer. NATS is never the truth: when it or the
//! consumer goes away this asks again until they are back.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::{AckKind, Message};
use futures_util::StreamExt;
use hythe_core::wire::FORMAT;
use hythe_core::wire::build::{BuildCommand, BuildProgress, MOST_COMMAND_BYTES};
use hythe_core::wire::subjects;
use hythe_store::steps::Step;
use ractor::ActorRef;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep;

use super::ledger::Verdict;
use super::run::Builder;
use super::secrets;
use super::supervisor::Order;
use crate::bus;

/// How long one question for a command stands. After a restart of the server nobody answers the
/// one that stood, so this is also how long it may take until a builder notices.
const ASK_FOR: Duration = Duration::from_secs(5);
/// From one try to the next when the server or the consumer is not there.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Takes commands, for ever.
pub(super) async fn take_commands(builder: Arc<Builder>, supervisor: ActorRef<Order>) {
    let mut told = false;
    loop {
        match consumer(&builder).await {
            Ok(consumer) => {
                told = false;
                if let Err(error) = pull_from(&consumer, &builder, &supervisor).await {
                    tracing::debug!(error, "asking for build commands again");
                }
            }
            Err(error) if told => tracing::debug!(error, "no build commands yet"),
            Err(error) => {
                told = true;
                tracing::warn!(error, "no build commands can be taken; trying on");
            }
        }
        sleep(AGAIN_AFTER).await;
    }
}

async fn consumer(builder: &Builder) -> Result<PullConsumer, String> {
    let pool = &builder.settings.pool;
    let name = format!("builders-{pool}");
    let jetstream = &builder.reporter.jetstream;
    let stream = jetstream
        .get_stream_no_info(subjects::COMMANDS)
        .await
        .map_err(|error| error.to_string())?;
    let config = pull::Config {
        durable_name: Some(name.clone()),
        filter_subject: subjects::build_commands(pool),
        ack_policy: AckPolicy::Explicit,
        ..pull::Config::default()
    };
    #[expect(clippy::disallowed_methods, reason = "with its step")]
    let made = stream.get_or_create_consumer(&name, config);
    Step::ConsumerMade.take(made).await.map_err(|error| error.to_string())
}

/// Asks for one command whenever there is a slot for it.
async fn pull_from(
    consumer: &PullConsumer,
    builder: &Arc<Builder>,
    supervisor: &ActorRef<Order>,
) -> Result<(), String> {
    loop {
        let slot = Arc::clone(&builder.slots).acquire_owned().await;
        let slot = slot.map_err(|error| error.to_string())?;
        let asked = consumer.batch().max_messages(1).expires(ASK_FOR).messages().await;
        let mut messages = asked.map_err(|error| error.to_string())?;
        if let Some(message) = messages.next().await {
            let message = message.map_err(|error| error.to_string())?;
            receive(&message, slot, builder, supervisor).await;
        }
    }
}

/// Takes one message: durable first, acknowledged then.
async fn receive(
    message: &Message,
    slot: OwnedSemaphorePermit,
    builder: &Arc<Builder>,
    supervisor: &ActorRef<Order>,
) {
    let command = match read(message) {
        Ok(command) => command,
        Err(why) => {
            tracing::error!(why, "a build command that cannot be read is dropped");
            acknowledge(message, AckKind::Term).await;
            return;
        }
    };
    let (deployment, generation) = (command.deployment, command.generation);
    if !secrets::are_for(&command, builder.settings.worker) {
        // It is sent again as long as nobody takes it on, then for this worker, too.
        tracing::info!(%deployment, "a build whose secrets are for others is left to them");
        acknowledge(message, AckKind::Ack).await;
        return;
    }
    let kept = command.clone();
    let progress = match builder.ledger.with(move |ledger| ledger.accept(&kept)).await {
        Ok(Verdict::Accepted) => {
            // The build begins at once; saying so and acknowledging happen beside it.
            let (command, slot) = (Box::new(command), Some(slot));
            let begin = Order::Begin { command, slot, resumed: false };
            if let Err(error) = supervisor.cast(begin) {
                tracing::error!(%deployment, %error, "the build supervisor is gone");
                return;
            }
            BuildProgress::Accepted
        }
        Ok(Verdict::Known(progress)) => progress,
        Ok(Verdict::Refused) => {
            tracing::info!(%deployment, generation, "a build command that is overtaken is dropped");
            acknowledge(message, AckKind::Ack).await;
            return;
        }
        Err(error) => {
            // Not acknowledged: it comes again.
            tracing::error!(%deployment, %error, "a build command was not taken on");
            sleep(AGAIN_AFTER).await;
            return;
        }
    };
    builder.reporter.alive(deployment, generation, progress).await;
    acknowledge(message, AckKind::Ack).await;
}

fn read(message: &Message) -> Result<BuildCommand, String> {
    if message.payload.len() > MOST_COMMAND_BYTES {
        return Err(format!("it has {} bytes", message.payload.len()));
    }
    let command: BuildCommand =
        serde_json::from_slice(&message.payload).map_err(|error| error.to_string())?;
    if command.format != FORMAT {
        return Err(format!("its format is {}, known is {FORMAT}", command.format));
    }
    Ok(command)
}

async fn acknowledge(message: &Message, kind: AckKind) {
    if let Err(error) = bus::acknowledge(message, kind, Step::BuildSettled).await {
        tracing::debug!(%error, "a build command was not acknowledged; it comes again");
    }
}
