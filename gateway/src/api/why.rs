//! Why something happened, and what followed from it.

use std::collections::{BTreeMap, BTreeSet};

use hythe_actors::past::{Book, PastError};
use hythe_core::app::AppEvent;
use hythe_core::deployment::DeploymentEvent;
use hythe_core::event::Event;
use hythe_core::past::{beginning, cause, implied, tell};
use hythe_core::project::ProjectEvent;
use hythe_core::record::{Actor, AggregateKind, Recorded, Sequence, StreamId};
use hythe_core::worker::WorkerEvent;

use super::dto::{Beginning, Why, WhyStep};
use super::present;
use super::problem::Problem;

/// Events of one chain.
const MOST_STEPS: usize = 1_000;
/// Events that are looked at for what followed.
const MOST_LOOKED_AT: usize = 100_000;
/// Effects that are told.
const MOST_EFFECTS: usize = 1_000;
/// Events read at once.
const BATCH: usize = 1_024;

/// The chain that leads to an event, and what followed from it where that is wanted.
pub(crate) fn why(book: &Book, sequence: Sequence, effects: bool) -> Result<Why, Problem> {
    let event = book.event(sequence)?;
    let mut teller = Teller { book, subjects: BTreeMap::new() };
    let chain = chain(book, event)?;
    let (effects, more_effects) = match effects {
        false => (None, false),
        true => {
            let (effects, more) = followed(book, sequence)?;
            (Some(teller.all(effects)?), more)
        }
    };
    let beginning =
        chain.first().and_then(beginning).map_or(Beginning::Unknown, |known| match known {
            hythe_core::past::Beginning::Request => Beginning::Request,
            hythe_core::past::Beginning::Report => Beginning::Report,
            hythe_core::past::Beginning::Watch => Beginning::Watch,
        });
    Ok(Why { beginning, chain: teller.all(chain)?, effects, more_effects })
}

/// An event and all that it goes back to, oldest first.
fn chain(book: &Book, event: Recorded<Event>) -> Result<Vec<Recorded<Event>>, PastError> {
    let mut chain = vec![event];
    while let Some(last) = chain.last().filter(|_| chain.len() < MOST_STEPS) {
        let Some(before) = goes_back_to(book, last)? else { break };
        chain.push(book.event(before)?);
    }
    chain.reverse();
    Ok(chain)
}

/// The event that one follows from: as its record says, and where that names none, as the history of its
/// app has it.
fn goes_back_to(book: &Book, event: &Recorded<Event>) -> Result<Option<Sequence>, PastError> {
    let cause = cause(event);
    if cause.is_some()
        || event.meta.actor != Actor::System
        || event.stream.kind != AggregateKind::App
    {
        return Ok(cause);
    }
    // What is in the same append may say what it is.
    let upto = Sequence(event.sequence.0.saturating_add(1));
    match book.stream(event.stream, upto) {
        Ok(history) => Ok(implied(event, &history)),
        // Then it is told as far as its records say.
        Err(PastError::TooLong { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The event that an event goes back to: itself, or what began it.
pub(crate) fn origin(book: &Book, event: Recorded<Event>) -> Result<Recorded<Event>, PastError> {
    let mut event = event;
    for _ in 0..MOST_STEPS {
        match cause(&event) {
            Some(before) => event = book.event(before)?,
            None => break,
        }
    }
    Ok(event)
}

fn followed(book: &Book, sequence: Sequence) -> Result<(Vec<Recorded<Event>>, bool), PastError> {
    let mut known = BTreeSet::from([sequence]);
    let mut effects = Vec::new();
    let (mut at, mut looked_at) = (sequence, 0);
    while looked_at < MOST_LOOKED_AT {
        let page = book.events(at, BATCH)?;
        let Some(last) = page.last() else { return Ok((effects, false)) };
        at = last.sequence;
        looked_at += page.len();
        for recorded in page {
            if cause(&recorded).is_some_and(|cause| known.contains(&cause)) {
                if effects.len() >= MOST_EFFECTS {
                    return Ok((effects, true));
                }
                known.insert(recorded.sequence);
                effects.push(recorded);
            }
        }
    }
    Ok((effects, true))
}

/// Says what events say, and of whom.
struct Teller<'a> {
    book: &'a Book,
    subjects: BTreeMap<StreamId, String>,
}

impl Teller<'_> {
    fn all(&mut self, events: Vec<Recorded<Event>>) -> Result<Vec<WhyStep>, PastError> {
        events.into_iter().map(|event| self.step(&event)).collect()
    }

    fn step(&mut self, event: &Recorded<Event>) -> Result<WhyStep, PastError> {
        let subject = match self.subjects.get(&event.stream) {
            Some(subject) => subject.clone(),
            None => {
                let first = self.book.first(event.stream)?;
                let subject = first.as_ref().map_or_else(|| event.stream.to_string(), subject);
                self.subjects.insert(event.stream, subject.clone());
                subject
            }
        };
        Ok(WhyStep { says: tell(&event.event), subject, event: present::event(event) })
    }
}

/// By name, going by the first event of its history.
fn subject(first: &Recorded<Event>) -> String {
    match &first.event {
        Event::App(AppEvent::Created { name, .. }) => format!("app {name}"),
        Event::Deployment(DeploymentEvent::Requested(spec)) => {
            format!("deployment #{} of {}", spec.number, spec.app_name)
        }
        Event::Worker(WorkerEvent::Registered { name, .. }) => format!("worker {name}"),
        Event::Installation(_) => "the installation".to_owned(),
        Event::Project(ProjectEvent::Created { name, .. }) => format!("project {name}"),
        // No history begins otherwise.
        Event::App(_) | Event::Deployment(_) | Event::Worker(_) | Event::Project(_) => {
            first.stream.to_string()
        }
    }
}
