//! Events in order, from anywhere in the journal on, and as they happen.

use std::collections::{HashMap, VecDeque};

use futures_util::{Stream, stream};
use hythe_core::deployment::DeploymentEvent;
use hythe_core::event::Event;
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::record::{AggregateKind, Recorded, Sequence, StreamId, Version};
use hythe_store::{Journal, codec};

use super::ApiState;
use super::dto::{EventEntry, EventQuery};
use super::present;
use super::problem::{Kind, Problem};

/// Events that are read at once.
const BATCH: usize = 512;
/// Events that one request looks at, wanted or not.
const MOST_LOOKED_AT: usize = 20_000;
/// Deployments whose app is remembered.
const MOST_REMEMBERED: usize = 4_096;

/// Which events are wanted.
#[derive(Debug)]
pub(crate) struct Filter {
    kind: Option<AggregateKind>,
    app: Option<AppId>,
    apps: HashMap<DeploymentId, Option<AppId>>,
}

/// Some events, and how far was looked.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) events: Vec<EventEntry>,
    pub(crate) next: Sequence,
}

impl Filter {
    pub(crate) fn new(state: &ApiState, query: &EventQuery) -> Result<Self, Problem> {
        let kind = query.aggregate.as_deref().map(str::parse::<AggregateKind>).transpose();
        let kind = kind.map_err(|unknown| Problem::field("aggregate", unknown.to_string()))?;
        let app = match query.app.as_deref() {
            None => None,
            // What happened to an app that is gone can still be asked for by its id.
            Some(app) => match app.parse::<AppId>() {
                Ok(id) => Some(id),
                Err(_not_an_id) => Some(state.app(app)?.0),
            },
        };
        Ok(Self { kind, app, apps: HashMap::new() })
    }

    fn wants(&mut self, journal: &Journal, recorded: &Recorded<Event>) -> Result<bool, Problem> {
        if self.kind.is_some_and(|kind| kind != recorded.stream.kind) {
            return Ok(false);
        }
        let Some(app) = self.app else { return Ok(true) };
        match &recorded.event {
            Event::App(_) => Ok(recorded.stream.id == app.uuid()),
            Event::Worker(_) => Ok(false),
            Event::Deployment(event) => {
                let id = DeploymentId::new(recorded.stream.id);
                Ok(self.app_of(journal, id, event)? == Some(app))
            }
        }
    }

    fn app_of(
        &mut self,
        journal: &Journal,
        id: DeploymentId,
        event: &DeploymentEvent,
    ) -> Result<Option<AppId>, Problem> {
        if let Some(app) = said(event) {
            return Ok(Some(app));
        }
        if let Some(app) = self.apps.get(&id) {
            return Ok(*app);
        }
        let stream = StreamId { kind: AggregateKind::Deployment, id: id.uuid() };
        let first =
            journal.read_stream(stream, Version(0), 1).map_err(|error| unreadable(&error))?;
        let app = match first.into_iter().next() {
            None => None,
            Some(first) => match decode(first)?.event {
                Event::Deployment(event) => said(&event),
                Event::App(_) | Event::Worker(_) => None,
            },
        };
        if self.apps.len() >= MOST_REMEMBERED {
            self.apps.clear();
        }
        self.apps.insert(id, app);
        Ok(app)
    }

    /// Reads on from `after` until `most` events were found, or it has looked at enough.
    fn look(&mut self, journal: &Journal, after: Sequence, most: usize) -> Result<Looked, Problem> {
        let mut looked = Looked { events: Vec::new(), next: after };
        let mut looked_at = 0;
        while looked_at < MOST_LOOKED_AT {
            let batch = journal.read(looked.next, BATCH).map_err(|error| unreadable(&error))?;
            if batch.is_empty() {
                break;
            }
            looked_at += batch.len();
            for recorded in batch {
                let recorded = decode(recorded)?;
                if self.wants(journal, &recorded)? {
                    looked.events.push(present::event(&recorded));
                }
                looked.next = recorded.sequence;
                if looked.events.len() >= most {
                    return Ok(looked);
                }
            }
        }
        Ok(looked)
    }
}

/// The app that an event of a deployment names.
fn said(event: &DeploymentEvent) -> Option<AppId> {
    match event {
        DeploymentEvent::Requested(spec) => Some(spec.app),
        DeploymentEvent::BecameHealthy { app }
        | DeploymentEvent::WentLive { app }
        | DeploymentEvent::Ended { app, .. } => Some(*app),
        DeploymentEvent::BuildQueued { .. }
        | DeploymentEvent::BuildStarted { .. }
        | DeploymentEvent::Built { .. }
        | DeploymentEvent::Placed { .. }
        | DeploymentEvent::SwitchStarted { .. }
        | DeploymentEvent::Switched { .. } => None,
    }
}

fn decode(recorded: Recorded<hythe_store::Payload>) -> Result<Recorded<Event>, Problem> {
    codec::decode_recorded(recorded).map_err(|error| unreadable(&error))
}

fn unreadable(error: &dyn std::error::Error) -> Problem {
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

/// Reads on without holding up the runtime.
pub(crate) async fn look(
    journal: &Journal,
    mut filter: Filter,
    after: Sequence,
    most: usize,
) -> Result<(Looked, Filter), Problem> {
    let journal = journal.clone();
    let read = tokio::task::spawn_blocking(move || {
        filter.look(&journal, after, most).map(|looked| (looked, filter))
    });
    read.await.map_err(|error| unreadable(&error))?
}

/// All events after `after`, and then as they happen.
pub(crate) fn follow(
    journal: Journal,
    filter: Filter,
    after: Sequence,
) -> impl Stream<Item = Result<EventEntry, Problem>> + Send {
    struct At {
        head: tokio::sync::watch::Receiver<Sequence>,
        journal: Journal,
        filter: Filter,
        after: Sequence,
        ready: VecDeque<EventEntry>,
    }
    let head = journal.watch();
    let at = At { head, journal, filter, after, ready: VecDeque::new() };
    stream::try_unfold(at, |mut at| async move {
        loop {
            if let Some(event) = at.ready.pop_front() {
                return Ok(Some((event, at)));
            }
            if at.head.wait_for(|head| *head > at.after).await.is_err() {
                return Ok(None);
            }
            let (looked, filter) = look(&at.journal, at.filter, at.after, BATCH).await?;
            at.filter = filter;
            at.after = looked.next;
            at.ready = looked.events.into();
        }
    })
}
