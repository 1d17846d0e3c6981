//! An event as people and programs see it.

use hythe_core::event::Event;
use hythe_core::past::tell;
use hythe_core::record::Recorded;
use serde_json::{Map, Value};

use crate::api::dto::EventEntry;

/// An event. Its data is what the journal holds, which never is the value of a secret.
pub(crate) fn event(recorded: &Recorded<Event>) -> EventEntry {
    let Recorded { sequence, stream, version, meta, event } = recorded;
    EventEntry {
        sequence: sequence.0,
        event_type: format!("{}.{}", stream.kind, event.name()),
        says: tell(event),
        aggregate: stream.kind.to_string(),
        id: stream.id,
        version: version.0,
        time: meta.at.into(),
        actor: meta.actor.to_string(),
        correlation: meta.correlation.uuid(),
        causation: meta.causation.map(|sequence| sequence.0),
        data: data(event),
    }
}

/// What is inside the variant: the variant's name is in the type already.
fn data(event: &Event) -> Value {
    let whole = match event {
        Event::App(event) => serde_json::to_value(event),
        Event::Deployment(event) => serde_json::to_value(event),
        Event::Worker(event) => serde_json::to_value(event),
        Event::Installation(event) => serde_json::to_value(event),
        Event::Project(event) => serde_json::to_value(event),
    };
    match whole {
        Ok(Value::Object(variant)) => match variant.into_iter().next() {
            Some((_, inner @ Value::Object(_))) => inner,
            Some((_, inner)) => Value::Object(Map::from_iter([("value".to_owned(), inner)])),
            None => Value::Object(Map::new()),
        },
        // A variant without data is only its name. Events are plain data: none fails.
        Ok(_) | Err(_) => Value::Object(Map::new()),
    }
}
