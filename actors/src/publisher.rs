//! Events for integrations: the journal as CloudEvents 1.0 on the stream `EVENTS`.
//!
//! In the journal's order, each at least once, from a cursor that is kept in the journal. The
//! CloudEvents id is the event's sequence, by which a repeated one is known.

use std::time::Duration;

use hythe_core::event::Event;
use hythe_core::ids::InstallationId;
use hythe_core::record::Recorded;
use hythe_core::wire::subjects;
use hythe_store::steps::Step;
use hythe_store::{Journal, codec};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::bus::{Bus, BusError};

/// The cursor's name in the journal.
const CURSOR: &str = "publisher";
/// Events read at once.
const PAGE: usize = 256;
/// When it tries again after NATS did not take an event.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Publishes until `stop` is cancelled.
///
/// # Errors
/// Where the journal cannot be read.
pub async fn run(
    journal: Journal,
    bus: Bus,
    installation: InstallationId,
    stop: CancellationToken,
) -> Result<(), String> {
    let mut head = journal.watch();
    let mut done = journal.load_cursor(CURSOR);
    loop {
        head.mark_unchanged();
        let page = journal.read(done, PAGE).map_err(|error| error.to_string())?;
        if page.is_empty() {
            let changed = stop.run_until_cancelled(head.changed()).await;
            match changed {
                None => return Ok(()),
                Some(Ok(())) => continue,
                Some(Err(_)) => return Err("the journal is closed".into()),
            }
        }
        for stored in page {
            let recorded = codec::decode_recorded(stored).map_err(|error| error.to_string())?;
            let subject =
                subjects::event(recorded.stream.kind, recorded.event.name(), recorded.stream.id);
            let message = cloud_event(&recorded, installation);
            // Another installation on the same NATS counts its events as well.
            let id = format!("{installation}-{}", recorded.sequence);
            while let Err(error) =
                bus.publish(Step::EventPublished, &subject, &message, Some(&id)).await
            {
                if matches!(error, BusError::TooLarge { .. } | BusError::Format { .. }) {
                    // It would never get through, and hold up all that come after it.
                    let sequence = recorded.sequence;
                    tracing::error!(%error, %sequence, "an event is only in the journal");
                    break;
                }
                tracing::debug!(%error, sequence = %recorded.sequence, "an event is published later");
                let pause = async {
                    bus.ready().await;
                    tokio::time::sleep(AGAIN_AFTER).await;
                };
                if stop.run_until_cancelled(pause).await.is_none() {
                    return Ok(());
                }
            }
            done = recorded.sequence;
            journal.save_cursor(CURSOR, done).map_err(|error| error.to_string())?;
        }
    }
}

/// An event as CloudEvents 1.0 has it (structured mode, JSON).
fn cloud_event(recorded: &Recorded<Event>, installation: InstallationId) -> Value {
    let millis = i64::try_from(recorded.meta.at.0).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    let mut message = json!({
        "specversion": "1.0",
        "id": recorded.sequence.to_string(),
        "source": format!("/hythe/{installation}"),
        "type": format!("hythe.{}.{}", recorded.stream.kind, recorded.event.name()),
        "subject": recorded.stream.to_string(),
        "time": time.to_string(),
        "datacontenttype": "application/json",
        "hytheactor": recorded.meta.actor.to_string(),
        "hythecorrelation": recorded.meta.correlation.to_string(),
        "data": recorded.event,
    });
    if let Some(causation) = recorded.meta.causation {
        message["hythecausation"] = Value::String(causation.to_string());
    }
    message
}
