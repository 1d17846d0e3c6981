//! Events in order, from anywhere in the journal on, and as they happen.

use std::collections::VecDeque;

use futures_util::{Stream, stream};
use hythe_core::event::Event;
use hythe_core::record::{Recorded, Sequence};
use hythe_store::{Journal, Payload, codec};
use serde::Serialize;

use super::dto::EventEntry;
use super::filter::Filter;
use super::present;
use super::problem::{Kind, Problem};

/// Events that are read at once.
const BATCH: usize = 512;
/// Events that one request looks at, wanted or not.
const MOST_LOOKED_AT: usize = 20_000;

/// Some events, and how far was looked.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) events: Vec<EventEntry>,
    pub(crate) next: Sequence,
    /// Whether there is no more in that direction.
    pub(crate) done: bool,
}

/// What a WebSocket says.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Told {
    Event(Box<EventEntry>),
    /// Nothing up to here was wanted.
    Cursor {
        cursor: u64,
    },
}

impl Filter {
    /// Reads on from `after` until `most` events were found, or it has looked at enough.
    fn forward(
        &mut self,
        journal: &Journal,
        after: Sequence,
        most: usize,
    ) -> Result<Looked, Problem> {
        let after = after.max(self.after);
        let mut looked = Looked { events: Vec::new(), next: after, done: false };
        let mut looked_at = 0;
        while looked_at < MOST_LOOKED_AT {
            let batch = journal.read(looked.next, BATCH).map_err(|error| unreadable(&error))?;
            if batch.is_empty() {
                looked.done = true;
                break;
            }
            looked_at += batch.len();
            for recorded in batch {
                if self.until.is_some_and(|until| recorded.sequence > until) {
                    looked.done = true;
                    return Ok(looked);
                }
                if looked.events.len() >= most {
                    return Ok(looked);
                }
                looked.next = recorded.sequence;
                if let Some(recorded) = self.take(journal, recorded)? {
                    looked.events.push(present::event(&recorded));
                }
            }
        }
        looked.done |= looked.next >= journal.head();
        Ok(looked)
    }

    /// Reads back from `before` until `most` events were found, or it has looked at enough. The
    /// oldest found comes first.
    fn backward(
        &mut self,
        journal: &Journal,
        before: Sequence,
        most: usize,
    ) -> Result<Looked, Problem> {
        let end = self.until.map_or(u64::MAX, |until| until.0.saturating_add(1));
        let mut upto = before.0.min(end).min(journal.head().0 + 1).max(1) - 1;
        let mut found = VecDeque::new();
        let mut looked_at = 0;
        while upto > self.after.0 && looked_at < MOST_LOOKED_AT && found.len() < most {
            let from = upto.saturating_sub(BATCH as u64).max(self.after.0);
            let mut batch = Vec::new();
            let mut at = from;
            while at < upto {
                let left = usize::try_from(upto - at).unwrap_or(BATCH);
                let page = journal.read(Sequence(at), left).map_err(|error| unreadable(&error))?;
                let Some(last) = page.last() else { break };
                at = last.sequence.0;
                batch.extend(page);
            }
            looked_at += batch.len();
            for recorded in batch.into_iter().rev() {
                upto = recorded.sequence.0 - 1;
                if let Some(recorded) = self.take(journal, recorded)? {
                    found.push_front(present::event(&recorded));
                    if found.len() >= most {
                        break;
                    }
                }
            }
            upto = if found.len() >= most { upto } else { from };
        }
        let done = upto <= self.after.0;
        Ok(Looked { events: found.into(), next: Sequence(upto + 1), done })
    }
}

pub(crate) fn decode(recorded: Recorded<Payload>) -> Result<Recorded<Event>, Problem> {
    codec::decode_recorded(recorded).map_err(|error| unreadable(&error))
}

pub(crate) fn unreadable(error: &dyn std::error::Error) -> Problem {
    tracing::error!(%error, "failed to read events");
    Problem::new(Kind::Unavailable, "the journal cannot be read; see the server's log")
}

/// The events after `after`, at most `most`.
pub(crate) async fn read(
    journal: &Journal,
    after: Sequence,
    most: usize,
) -> Result<Vec<Recorded<Event>>, Problem> {
    let journal = journal.clone();
    let read = tokio::task::spawn_blocking(move || journal.read(after, most));
    let events = read.await.map_err(|error| unreadable(&error))?;
    events.map_err(|error| unreadable(&error))?.into_iter().map(decode).collect()
}

/// Which way to look, and from where.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    After(Sequence),
    Before(Sequence),
}

/// Reads on without holding up the runtime.
pub(crate) async fn look(
    journal: &Journal,
    mut filter: Filter,
    from: Direction,
    most: usize,
) -> Result<(Looked, Filter), Problem> {
    let journal = journal.clone();
    let read = tokio::task::spawn_blocking(move || {
        let looked = match from {
            Direction::After(after) => filter.forward(&journal, after, most),
            Direction::Before(before) => filter.backward(&journal, before, most),
        };
        looked.map(|looked| (looked, filter))
    });
    read.await.map_err(|error| unreadable(&error))?
}

/// All events after `after`, and then as they happen, until the last that is wanted.
pub(crate) fn follow(
    journal: Journal,
    filter: Filter,
    after: Sequence,
    progress: bool,
) -> impl Stream<Item = Result<Told, Problem>> + Send {
    struct At {
        head: tokio::sync::watch::Receiver<Sequence>,
        journal: Journal,
        filter: Filter,
        after: Sequence,
        ready: VecDeque<Told>,
    }
    let head = journal.watch();
    let after = after.max(filter.after);
    let at = At { head, journal, filter, after, ready: VecDeque::new() };
    stream::try_unfold(at, move |mut at| async move {
        loop {
            if let Some(told) = at.ready.pop_front() {
                return Ok(Some((told, at)));
            }
            if at.filter.until.is_some_and(|until| at.after >= until)
                || at.head.wait_for(|head| *head > at.after).await.is_err()
            {
                return Ok(None);
            }
            let from = Direction::After(at.after);
            let (looked, filter) = look(&at.journal, at.filter, from, BATCH).await?;
            at.filter = filter;
            // A bound that was met is where it ends, whatever lies between.
            let end = at.filter.until.filter(|until| looked.done && *until <= *at.head.borrow());
            at.after = end.unwrap_or(looked.next).max(looked.next);
            if progress && looked.events.is_empty() {
                at.ready.push_back(Told::Cursor { cursor: at.after.0 });
            }
            at.ready.extend(looked.events.into_iter().map(|event| Told::Event(Box::new(event))));
        }
    })
}
