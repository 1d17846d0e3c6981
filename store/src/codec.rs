//! Events as bytes and back: postcard, one enum per kind of aggregate, under a schema number.
//!
//! Postcard stores a variant's position, so the event enums only ever grow at their ends. Where the
//! form of an event itself changes, the schema number goes up for that event: it is written in its
//! new form from then on, and the old form stays readable in a module of its own.

mod schema_1;

use hythe_core::app::AppEvent;
use hythe_core::deployment::DeploymentEvent;
use hythe_core::event::Event;
use hythe_core::installation::InstallationEvent;
use hythe_core::project::ProjectEvent;
use hythe_core::record::{AggregateKind, Recorded, Sequence};
use hythe_core::worker::WorkerEvent;
use serde::Serialize;

pub use self::schema_1::StoredEvent;
pub(crate) use self::schema_1::from_json as first_from_json;
use crate::journal::Payload;

/// The newest schema: that of the events whose form has changed since the first one.
pub const SCHEMA: u16 = 2;
/// The first schema, and still that of all other events.
const FIRST: u16 = 1;

/// Why bytes are not an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Written by a later version of Hythe.
    #[error(
        "decode event {sequence}: it has schema {found} and this version of hythe knows up to \
         {SCHEMA}; start the version that wrote it, or a newer one"
    )]
    Newer {
        /// Where.
        sequence: Sequence,
        /// The schema found.
        found: u16,
    },
    /// A kind of event that only a later version of Hythe knows.
    #[error(
        "decode event {sequence}: it is number {found} of the events of kind {kind}, and this \
         version of hythe knows {known}; start the version that wrote it, or a newer one"
    )]
    Unknown {
        /// Where.
        sequence: Sequence,
        /// Of which kind of aggregate.
        kind: AggregateKind,
        /// Which event, counted from 1.
        found: u64,
        /// How many there are.
        known: u64,
    },
    /// Not what the schema says.
    #[error(
        "decode event {sequence} of kind {kind}: {why}; if a newer version of hythe wrote it, \
         start that one, else restore a backup"
    )]
    Bad {
        /// Where; 0 for bytes that are in no journal yet.
        sequence: Sequence,
        /// Which kind of event it should be.
        kind: AggregateKind,
        /// What is wrong.
        why: String,
    },
}

/// An event as the journal takes it.
///
/// # Errors
/// [`CodecError::Bad`] for a value that postcard cannot hold; no event is one.
pub fn encode(event: &Event) -> Result<Payload, CodecError> {
    match event {
        Event::App(event) => encode_as(AggregateKind::App, event),
        Event::Deployment(event) => encode_as(AggregateKind::Deployment, event),
        Event::Worker(event) => encode_as(AggregateKind::Worker, event),
        Event::Installation(event) => encode_as(AggregateKind::Installation, event),
        Event::Project(event) => encode_as(AggregateKind::Project, event),
    }
}

/// An event of one kind as the journal takes it. The same bytes as [`encode`] gives.
///
/// # Errors
/// As [`encode`].
pub fn encode_as<E: StoredEvent + Serialize>(
    kind: AggregateKind,
    event: &E,
) -> Result<Payload, CodecError> {
    let bytes = postcard::to_stdvec(event).map_err(|error| CodecError::Bad {
        sequence: Sequence(0),
        kind,
        why: error.to_string(),
    })?;
    let schema = if event.has_changed() { SCHEMA } else { FIRST };
    Ok(Payload { schema, bytes })
}

/// The event in a payload of an aggregate of this kind.
///
/// # Errors
/// [`CodecError`] for another schema, bytes that do not decode, or bytes left over.
pub fn decode(kind: AggregateKind, payload: &Payload) -> Result<Event, CodecError> {
    decode_at(Sequence(0), kind, payload)
}

/// As [`decode`], for one type of event.
///
/// # Errors
/// As [`decode`].
pub fn decode_as<E: StoredEvent>(kind: AggregateKind, payload: &Payload) -> Result<E, CodecError> {
    typed(Sequence(0), kind, payload)
}

/// A recorded payload as a recorded event.
///
/// # Errors
/// As [`decode`], naming the sequence.
pub fn decode_recorded(recorded: Recorded<Payload>) -> Result<Recorded<Event>, CodecError> {
    let event = decode_at(recorded.sequence, recorded.stream.kind, &recorded.event)?;
    Ok(Recorded {
        sequence: recorded.sequence,
        stream: recorded.stream,
        version: recorded.version,
        meta: recorded.meta,
        event,
    })
}

fn decode_at(
    sequence: Sequence,
    kind: AggregateKind,
    payload: &Payload,
) -> Result<Event, CodecError> {
    Ok(match kind {
        AggregateKind::App => Event::App(typed::<AppEvent>(sequence, kind, payload)?),
        AggregateKind::Deployment => {
            Event::Deployment(typed::<DeploymentEvent>(sequence, kind, payload)?)
        }
        AggregateKind::Worker => Event::Worker(typed::<WorkerEvent>(sequence, kind, payload)?),
        AggregateKind::Installation => {
            Event::Installation(typed::<InstallationEvent>(sequence, kind, payload)?)
        }
        AggregateKind::Project => Event::Project(typed::<ProjectEvent>(sequence, kind, payload)?),
    })
}

fn typed<E: StoredEvent>(
    sequence: Sequence,
    kind: AggregateKind,
    payload: &Payload,
) -> Result<E, CodecError> {
    let bad = |why: String| CodecError::Bad { sequence, kind, why };
    match payload.schema {
        FIRST | SCHEMA => {}
        0 => return Err(bad("there is no schema 0".into())),
        found => return Err(CodecError::Newer { sequence, found }),
    }
    let read = match payload.schema {
        FIRST => read_first(&payload.bytes),
        _newest => postcard::take_from_bytes(&payload.bytes),
    };
    let (event, rest) = read.map_err(|error| {
        unknown(sequence, kind, payload).unwrap_or_else(|| bad(error.to_string()))
    })?;
    if !rest.is_empty() {
        return Err(bad(format!("{} bytes are left over", rest.len())));
    }
    Ok(event)
}

/// An event of the first schema, where its form may be another one than today's.
fn read_first<E: StoredEvent>(bytes: &[u8]) -> postcard::Result<(E, &[u8])> {
    let (position, rest) = postcard::take_from_bytes::<u32>(bytes)?;
    E::changed(position, rest).unwrap_or_else(|| postcard::take_from_bytes(bytes))
}

/// Whether bytes are an event that was added later: its position is beyond the last one's.
fn unknown(sequence: Sequence, kind: AggregateKind, payload: &Payload) -> Option<CodecError> {
    let (position, _) = postcard::take_from_bytes::<u32>(&payload.bytes).ok()?;
    let known = Event::NAMES.iter().filter(|(of, _)| *of == kind).count() as u64;
    let found = u64::from(position) + 1;
    (found > known).then_some(CodecError::Unknown { sequence, kind, found, known })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hythe_core::ids::WorkerId;
    use hythe_core::names::WorkerName;
    use hythe_core::record::{StreamId, Version};
    use uuid::Uuid;

    fn removed() -> Event {
        Event::Worker(WorkerEvent::Removed)
    }

    #[test]
    fn what_is_encoded_decodes() {
        let payload = encode(&removed()).unwrap();
        assert_eq!(decode(AggregateKind::Worker, &payload).unwrap(), removed());
        assert_eq!(encode_as(AggregateKind::Worker, &WorkerEvent::Removed).unwrap(), payload);
        let typed: WorkerEvent = decode_as(AggregateKind::Worker, &payload).unwrap();
        assert_eq!(typed, WorkerEvent::Removed);
    }

    #[test]
    fn what_is_left_over_cut_off_or_newer_is_refused() {
        let id = WorkerId(Uuid::from_u128(1));
        let name = WorkerName::new("one").unwrap();
        let event = Event::Worker(WorkerEvent::Registered {
            id,
            name,
            capacity: hythe_core::worker::Capacity::default(),
        });
        let whole = encode(&event).unwrap();
        let mut long = whole.clone();
        long.bytes.push(0);
        let error = decode(AggregateKind::Worker, &long).unwrap_err().to_string();
        assert!(error.contains("1 bytes are left over"), "{error}");
        for len in 0..whole.bytes.len() {
            let cut = Payload { schema: FIRST, bytes: whole.bytes[..len].to_vec() };
            assert!(decode(AggregateKind::Worker, &cut).is_err(), "{len}");
        }
        let later = Payload { schema: SCHEMA, bytes: vec![99, 1] };
        let error = decode(AggregateKind::Worker, &later).unwrap_err().to_string();
        assert!(error.contains("number 100 of the events of kind worker"), "{error}");
        assert!(error.contains("or a newer one"), "{error}");
        let newer = Recorded {
            sequence: Sequence(9),
            stream: StreamId { kind: AggregateKind::Worker, id: Uuid::nil() },
            version: Version(1),
            meta: crate::journal::tests::fixture::meta(),
            event: Payload { schema: SCHEMA + 1, ..whole },
        };
        let error = decode_recorded(newer).unwrap_err();
        assert_eq!(error, CodecError::Newer { sequence: Sequence(9), found: 3 });
    }
}
