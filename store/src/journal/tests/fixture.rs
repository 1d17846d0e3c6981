//! Short ways to make appends and to ask a journal synchronously.

use std::sync::mpsc;

use hythe_core::claims::{ClaimChange, ClaimKey};
use hythe_core::ids::CorrelationId;
use hythe_core::priority::Priority;
use hythe_core::record::{Actor, AggregateKind, Meta, StreamId, Version};
use hythe_core::time::Timestamp;
use uuid::Uuid;

use super::random::Random;
use crate::error::AppendError;
use crate::journal::{Append, Appended, Journal, Payload};

pub(crate) fn stream(number: u128) -> StreamId {
    StreamId { kind: AggregateKind::App, id: Uuid::from_u128(number) }
}

pub(crate) fn meta() -> Meta {
    Meta {
        at: Timestamp(1_700_000_000_000),
        actor: Actor::Owner,
        correlation: CorrelationId(Uuid::from_u128(0xc0)),
        causation: None,
    }
}

pub(crate) fn append(to: u128, expected: u64, events: &[&str]) -> Append {
    let payload = |text: &&str| Payload { schema: 1, bytes: text.as_bytes().to_vec() };
    Append {
        stream: stream(to),
        expected: Version(expected),
        events: events.iter().map(payload).collect(),
        meta: meta(),
        claims: Vec::new(),
        secrets: Vec::new(),
        priority: Priority::Ordinary,
    }
}

/// Bytes that no one would guess, and the same for the same number.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..len).map(|_| u8::try_from(random.below(256)).expect("below 256")).collect()
}

pub(crate) fn take(key: &str) -> ClaimChange {
    ClaimChange::Take { key: ClaimKey(key.into()), note: b"note".to_vec() }
}

pub(crate) fn release(key: &str) -> ClaimChange {
    ClaimChange::Release { key: ClaimKey(key.into()) }
}

impl Append {
    pub(crate) fn claiming(mut self, claims: Vec<ClaimChange>) -> Self {
        self.claims = claims;
        self
    }
}

/// An answer that comes later.
pub(crate) struct Later(mpsc::Receiver<Result<Appended, AppendError>>);

impl Later {
    pub(crate) fn wait(self) -> Result<Appended, AppendError> {
        self.0.recv().expect("every append is answered")
    }
}

pub(crate) fn submit(journal: &Journal, append: Append) -> Later {
    let (tell, told) = mpsc::channel();
    journal.submit(append, Box::new(move |answer| drop(tell.send(answer))));
    Later(told)
}

pub(crate) fn put(journal: &Journal, append: Append) -> Result<Appended, AppendError> {
    submit(journal, append).wait()
}

/// All payloads as text, with stream number and version.
pub(crate) fn all(journal: &Journal) -> Vec<(u128, u64, String)> {
    let mut found = Vec::new();
    let mut from = hythe_core::record::Sequence(0);
    loop {
        let part = journal.read(from, 100).expect("the log reads");
        let Some(last) = part.last() else { return found };
        from = last.sequence;
        found.extend(part.into_iter().map(|event| {
            let text = String::from_utf8(event.event.bytes).expect("text");
            (event.stream.id.as_u128(), event.version.0, text)
        }));
    }
}
