//! Events for integrations: the journal as CloudEvents 1.0 on the stream `EVENTS`.
//!
//! In the journal's order, each at least once, from a cursor that is kept in the journal. The
//! CloudEvents id is the event's sequence, by which a repeated one is known.

use std::time::Duration;

use hythe_core::event::Event;
use hythe_core::ids::InstallationId;
use hythe_core::record::{Recorded, Sequence};
use hythe_core::wire::subjects;
use hythe_store::steps::Step;
use hythe_store::{Journal, codec};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::bus::{Bus, BusError, Outgoing, encode};

/// The cursor's name in the journal.
const CURSOR: &str = "publisher";
/// Events read at once.
const PAGE: usize = 256;
/// After more than so many at once it waits for [`GATHER`], so that under load they come in
/// groups: one by one they would take more of the machine than what they tell of.
const FEW: usize = 4;
const GATHER: Duration = Duration::from_millis(5);
/// After so many events that it put into words it lets others go first.
const IN_A_ROW: usize = 16;
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
        let many = page.len() > FEW;
        let mut events = Vec::with_capacity(page.len());
        for stored in page {
            if !events.is_empty() && events.len().is_multiple_of(IN_A_ROW) {
                tokio::task::yield_now().await;
            }
            let recorded = codec::decode_recorded(stored).map_err(|error| error.to_string())?;
            events.push((recorded.sequence, outgoing(&recorded, installation)?));
        }
        let messages: Vec<_> = events.iter().map(|(_, message)| message.clone()).collect();
        let there = bus.publish_in_order(Step::EventPublished, &messages).await;
        // The first that is not there, and what was refused for its sake, one by one.
        for (at, (sequence, message)) in events.iter().enumerate() {
            if at >= there && !publish(&bus, *sequence, message, &stop).await {
                return Ok(());
            }
            done = *sequence;
        }
        journal.save_cursor(CURSOR, done).map_err(|error| error.to_string())?;
        if many && stop.run_until_cancelled(tokio::time::sleep(GATHER)).await.is_none() {
            return Ok(());
        }
    }
}

/// Publishes one event, however long that takes. False once everything stops.
async fn publish(
    bus: &Bus,
    sequence: Sequence,
    message: &Outgoing,
    stop: &CancellationToken,
) -> bool {
    let Outgoing { subject, payload, id } = message;
    while let Err(error) =
        bus.publish_bytes(Step::EventPublished, subject, payload.clone(), Some(id)).await
    {
        if matches!(error, BusError::TooLarge { .. }) {
            // It would never get through, and hold up all that come after it.
            tracing::error!(%error, %sequence, "an event is only in the journal");
            return true;
        }
        tracing::debug!(%error, %sequence, "an event is published later");
        let pause = async {
            bus.ready().await;
            tokio::time::sleep(AGAIN_AFTER).await;
        };
        if stop.run_until_cancelled(pause).await.is_none() {
            return false;
        }
    }
    true
}

/// An event as it is published.
fn outgoing(recorded: &Recorded<Event>, installation: InstallationId) -> Result<Outgoing, String> {
    let subject = subjects::event(recorded.stream.kind, recorded.event.name(), recorded.stream.id);
    let message = cloud_event(recorded, installation);
    let payload = encode(&subject, &message).map_err(|error| error.to_string())?;
    // Another installation on the same NATS counts its events as well; and so does this one again, from an
    // earlier one on, once it was restored: what it says then must not be taken for what it said before.
    let id = format!("{installation}-{}-{}", recorded.sequence, recorded.meta.at.0);
    Ok(Outgoing { payload, id, subject })
}

/// An event as CloudEvents 1.0 has it (structured mode, JSON).
#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: String,
    time: String,
    datacontenttype: &'static str,
    hytheactor: String,
    hythecorrelation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hythecausation: Option<String>,
    data: &'a Event,
}

fn cloud_event(recorded: &Recorded<Event>, installation: InstallationId) -> CloudEvent<'_> {
    let millis = i64::try_from(recorded.meta.at.0).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    CloudEvent {
        specversion: "1.0",
        id: recorded.sequence.to_string(),
        source: format!("/hythe/{installation}"),
        kind: format!("hythe.{}.{}", recorded.stream.kind, recorded.event.name()),
        subject: recorded.stream.to_string(),
        time: time.to_string(),
        datacontenttype: "application/json",
        hytheactor: recorded.meta.actor.to_string(),
        hythecorrelation: recorded.meta.correlation.to_string(),
        hythecausation: recorded.meta.causation.map(|causation| causation.to_string()),
        data: &recorded.event,
    }
}

#[cfg(test)]
mod tests {
    use hythe_core::ids::CorrelationId;
    use hythe_core::record::{Actor, AggregateKind, Meta, StreamId, Version};
    use hythe_core::time::Timestamp;
    use hythe_core::worker::WorkerEvent;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_event_of_after_a_restoration_is_not_taken_for_the_one_that_was_lost() {
        let at = |at| Recorded {
            sequence: Sequence(7),
            stream: StreamId { kind: AggregateKind::Worker, id: Uuid::nil() },
            version: Version(1),
            meta: Meta {
                at: Timestamp(at),
                actor: Actor::System,
                correlation: CorrelationId::new(Uuid::nil()),
                causation: None,
            },
            event: Event::Worker(WorkerEvent::Lost),
        };
        let id = |recorded: &Recorded<Event>| {
            outgoing(recorded, InstallationId::new(Uuid::nil())).unwrap().id
        };
        assert_eq!(id(&at(1)), id(&at(1)), "one that is told twice is known by it");
        assert_ne!(id(&at(1)), id(&at(2)));
    }
    #[test]
    fn it_says_what_cloudevents_want() {
        let recorded = Recorded {
            sequence: Sequence(7),
            stream: StreamId { kind: AggregateKind::Worker, id: Uuid::nil() },
            version: Version(1),
            meta: Meta {
                at: Timestamp(1_000),
                actor: Actor::System,
                correlation: CorrelationId::new(Uuid::nil()),
                causation: Some(Sequence(6)),
            },
            event: Event::Worker(WorkerEvent::Lost),
        };
        let said = |recorded: &Recorded<Event>| {
            serde_json::to_value(cloud_event(recorded, InstallationId::new(Uuid::nil()))).unwrap()
        };
        let mut expected = serde_json::json!({
            "specversion": "1.0",
            "id": "7",
            "source": format!("/hythe/{}", InstallationId::new(Uuid::nil())),
            "type": format!("hythe.{}.{}", recorded.stream.kind, recorded.event.name()),
            "subject": recorded.stream.to_string(),
            "time": "1970-01-01T00:00:01Z",
            "datacontenttype": "application/json",
            "hytheactor": "system",
            "hythecorrelation": recorded.meta.correlation.to_string(),
            "hythecausation": "6",
            "data": recorded.event,
        });
        assert_eq!(said(&recorded), expected);
        let first =
            Recorded { meta: Meta { causation: None, ..recorded.meta.clone() }, ..recorded };
        expected.as_object_mut().unwrap().remove("hythecausation");
        assert_eq!(said(&first), expected);
    }
}
