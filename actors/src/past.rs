//! The past: what the journal says was so at any of its events.
//!
//! Nothing of it is kept but the chronicle, which is made by the first question and grows with the
//! journal. What is asked for is folded from the streams that it takes, on threads of its own, a
//! few questions at a time; whoever finds no room is told to come back. The present is not held up:
//! the journal is read like by anybody else.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hythe_core::event::Event;
use hythe_core::ids::{AppId, DeploymentId, ProjectId, WorkerId};
use hythe_core::past::{Chronicle, Point, newest_by, piece, projects, wanted, wanted_in_brief};
use hythe_core::record::{AggregateKind, Recorded, Sequence, StreamId, Version};
use hythe_core::time::{Millis, Timestamp};
use hythe_core::view::View;
use hythe_store::codec::decode_recorded;
use hythe_store::{Journal, StoreError};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Questions at once.
const AT_ONCE: usize = 4;
/// When one who found no room is to come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Events read at once.
const BATCH: usize = 1024;
/// Events of one stream that one question reads.
const MOST_OF_A_STREAM: usize = 200_000;
/// How far somebody else's clock may be ahead of ours.
const CLOCKS_DIFFER: Millis = Millis::seconds(10);

/// The way in; clones share the chronicle.
#[derive(Clone)]
pub struct Past(Arc<Inner>);

struct Inner {
    journal: Journal,
    chronicle: Mutex<Chronicle>,
    room: Arc<Semaphore>,
}

impl fmt::Debug for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Past").field("journal", &self.0.journal).finish_non_exhaustive()
    }
}

/// Which moment is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// After this event.
    Sequence(Sequence),
    /// At this time.
    Time(Timestamp),
}

/// Why the past could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// Too many look at once.
    #[error("too many look back at once; try again in {} ms", retry_after.as_millis())]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// There is no such event yet.
    #[error("the newest event is {head}; there is no event {asked} yet")]
    Beyond {
        /// What was asked for.
        asked: Sequence,
        /// The newest event.
        head: Sequence,
    },
    /// Nothing had happened yet.
    #[error("the journal begins later")]
    Before {
        /// The first event, where there is one.
        first: Option<Timestamp>,
    },
    /// It is not over yet.
    #[error("that time has not come yet")]
    Future {
        /// What time it is.
        now: Timestamp,
    },
    /// It takes too much.
    #[error("{stream} has more than {MOST_OF_A_STREAM} events; ask for its events instead")]
    TooLong {
        /// The stream.
        stream: StreamId,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The machinery failed.
    #[error("look back: {0}")]
    Failed(String),
}

impl Past {
    pub(crate) fn new(journal: &Journal) -> Self {
        let (journal, chronicle) = (journal.clone(), Mutex::default());
        Self(Arc::new(Inner { journal, chronicle, room: Arc::new(Semaphore::new(AT_ONCE)) }))
    }

    /// The past, to be read on the caller's own thread; for questions that take a few reads.
    #[must_use]
    pub fn book(&self) -> Book {
        Book(self.clone())
    }

    /// Looks at the past, on a thread where waiting for the disk holds nobody up.
    ///
    /// # Errors
    /// [`PastError::Busy`] where there is no room; whatever `look` says.
    pub async fn look<T, E>(
        &self,
        look: impl FnOnce(&Book) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<PastError> + Send + 'static,
    {
        let Ok(room) = Arc::clone(&self.0.room).try_acquire_owned() else {
            return Err(PastError::Busy { retry_after: RETRY_AFTER }.into());
        };
        let book = self.book();
        let looking = tokio::task::spawn_blocking(move || {
            // Held until the work ends, also where nobody waits for its answer any more.
            let _room = room;
            look(&book)
        });
        looking.await.map_err(|error| PastError::Failed(error.to_string()))?
    }
}

/// The past, open to be read. Blocks on the disk.
#[derive(Debug)]
pub struct Book(Past);

impl Book {
    fn journal(&self) -> &Journal {
        &self.0.0.journal
    }

    /// The newest event.
    #[must_use]
    pub fn head(&self) -> Sequence {
        self.journal().head()
    }

    /// Looks at the chronicle, which is up to date. The first time this reads the whole journal.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn chronicle<T>(&self, look: impl FnOnce(&Chronicle) -> T) -> Result<T, PastError> {
        let mut chronicle = self.0.0.chronicle.lock().unwrap_or_else(PoisonError::into_inner);
        let head = self.journal().head();
        while chronicle.seen() < head {
            let page = self.journal().read(chronicle.seen(), BATCH)?;
            if page.is_empty() {
                break;
            }
            for recorded in page {
                chronicle.note(&decode(recorded)?);
            }
        }
        Ok(look(&chronicle))
    }

    /// The event that a moment comes down to.
    ///
    /// # Errors
    /// Where the moment is before the first event or is not over yet.
    pub fn find(&self, moment: Moment, now: Timestamp) -> Result<Point, PastError> {
        match moment {
            Moment::Sequence(asked) => {
                let head = self.journal().head();
                if asked == Sequence(0) {
                    return Err(PastError::Before { first: self.chronicle(Chronicle::first)? });
                }
                if asked > head {
                    return Err(PastError::Beyond { asked, head });
                }
                self.point(asked)
            }
            Moment::Time(time) => {
                let (first, latest) = self.chronicle(|c| (c.first(), c.latest()))?;
                if time > now.plus(CLOCKS_DIFFER).max(latest) {
                    return Err(PastError::Future { now });
                }
                match self.newest_by(time)? {
                    Sequence(0) => Err(PastError::Before { first }),
                    found => self.point(found),
                }
            }
        }
    }

    /// The newest event at a time; 0 where there is none.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn newest_by(&self, time: Timestamp) -> Result<Sequence, PastError> {
        let window = self.chronicle(|chronicle| chronicle.window(time))?;
        let mut points = Vec::new();
        let mut at = window.from;
        while at < window.upto {
            let left = usize::try_from(window.upto.0 - at.0).unwrap_or(usize::MAX);
            let page = self.journal().read(at, left.min(BATCH))?;
            let Some(last) = page.last() else { break };
            at = last.sequence;
            points.extend(page.iter().map(|r| Point { sequence: r.sequence, time: r.meta.at }));
        }
        Ok(newest_by(window.from, points, time))
    }

    /// One event.
    ///
    /// # Errors
    /// [`PastError::Beyond`] where it is not there.
    pub fn event(&self, sequence: Sequence) -> Result<Recorded<Event>, PastError> {
        let found = self.journal().read(Sequence(sequence.0.saturating_sub(1)), 1)?;
        match found.into_iter().next().filter(|found| found.sequence == sequence) {
            Some(found) => decode(found),
            None => Err(PastError::Beyond { asked: sequence, head: self.journal().head() }),
        }
    }

    fn point(&self, sequence: Sequence) -> Result<Point, PastError> {
        let event = self.event(sequence)?;
        Ok(Point { sequence, time: event.meta.at })
    }

    /// The events after `from`, oldest first; some of them.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn events(&self, from: Sequence, most: usize) -> Result<Vec<Recorded<Event>>, PastError> {
        self.journal().read(from, most)?.into_iter().map(decode).collect()
    }

    /// A stream's events up to the event `at`.
    ///
    /// # Errors
    /// [`PastError::TooLong`], or where the journal cannot be read.
    pub fn stream(
        &self,
        stream: StreamId,
        at: Sequence,
    ) -> Result<Vec<Recorded<Event>>, PastError> {
        let mut found = Vec::new();
        loop {
            let after = found.last().map_or(Version(0), |last: &Recorded<Event>| last.version);
            let page = self.journal().read_stream(stream, after, BATCH)?;
            let read = page.len();
            for recorded in page.into_iter().take_while(|recorded| recorded.sequence <= at) {
                found.push(decode(recorded)?);
            }
            // What is left of it, if anything, is later.
            let taken = found.last().map_or(0, |last| last.version.0) - after.0;
            if read == 0 || taken < read as u64 {
                return Ok(found);
            }
            if found.len() >= MOST_OF_A_STREAM {
                return Err(PastError::TooLong { stream });
            }
        }
    }

    /// The first event of a stream, where it has begun.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn first(&self, stream: StreamId) -> Result<Option<Recorded<Event>>, PastError> {
        let first = self.journal().read_stream(stream, Version(0), 1)?;
        first.into_iter().next().map(decode).transpose()
    }

    /// An app's own events up to the event `at`.
    ///
    /// # Errors
    /// As [`Book::stream`].
    pub fn of_app(&self, app: AppId, at: Sequence) -> Result<Vec<Recorded<Event>>, PastError> {
        self.stream(StreamId { kind: AggregateKind::App, id: app.uuid() }, at)
    }

    /// A deployment's own events up to the event `at`.
    ///
    /// # Errors
    /// As [`Book::stream`].
    pub fn of_deployment(
        &self,
        deployment: DeploymentId,
        at: Sequence,
    ) -> Result<Vec<Recorded<Event>>, PastError> {
        self.stream(StreamId { kind: AggregateKind::Deployment, id: deployment.uuid() }, at)
    }

    /// What the view said of an app as of the event `at`, with the deployments that it kept.
    ///
    /// # Errors
    /// As [`Book::stream`].
    pub fn app(&self, app: AppId, at: Sequence) -> Result<View, PastError> {
        let mut events = self.of_app(app, at)?;
        let projects = projects(&events);
        for deployment in wanted(&events, at) {
            events.extend(self.of_deployment(deployment, at)?);
        }
        events.extend(self.of_projects(projects, at)?);
        Ok(piece(events, at))
    }

    /// The same in brief: with its newest deployment, those that have a part to play, and `more`.
    ///
    /// # Errors
    /// As [`Book::stream`].
    pub fn app_in_brief(
        &self,
        app: AppId,
        more: Option<DeploymentId>,
        at: Sequence,
    ) -> Result<View, PastError> {
        let mut events = self.of_app(app, at)?;
        let mut deployments = wanted_in_brief(&events, at);
        deployments.extend(more);
        let projects = projects(&events);
        for deployment in deployments {
            events.extend(self.of_deployment(deployment, at)?);
        }
        events.extend(self.of_projects(projects, at)?);
        Ok(piece(events, at))
    }

    /// What the view said of all projects, and of which app was in which, as of the event `at`.
    /// Of the apps it says no more.
    ///
    /// # Errors
    /// As [`Book::stream`].
    pub fn projects(&self, at: Sequence) -> Result<View, PastError> {
        let (projects, apps) = self.chronicle(|chronicle| {
            let projects = chronicle.projects.all(at, None).map(|(_, life)| life.id);
            let apps = chronicle.apps.all(at, None).map(|(_, life)| life.id);
            (projects.collect::<Vec<_>>(), apps.collect::<Vec<_>>())
        })?;
        let mut events = self.of_projects(projects, at)?;
        for app in apps {
            events.extend(self.of_app(app, at)?);
        }
        Ok(piece(events, at))
    }

    /// The own events of projects up to the event `at`.
    ///
    /// # Errors
    /// As [`Book::stream`].
    pub fn of_projects(
        &self,
        projects: impl IntoIterator<Item = ProjectId>,
        at: Sequence,
    ) -> Result<Vec<Recorded<Event>>, PastError> {
        let mut events = Vec::new();
        for project in projects {
            let stream = StreamId { kind: AggregateKind::Project, id: project.uuid() };
            events.extend(self.stream(stream, at)?);
        }
        Ok(events)
    }

    /// What the view said of these workers as of the event `at`.
    ///
    /// # Errors
    /// As [`Book::stream`].
    pub fn workers(
        &self,
        workers: impl IntoIterator<Item = WorkerId>,
        at: Sequence,
    ) -> Result<View, PastError> {
        let mut events = Vec::new();
        for worker in workers {
            let id: Uuid = worker.uuid();
            events.extend(self.stream(StreamId { kind: AggregateKind::Worker, id }, at)?);
        }
        Ok(piece(events, at))
    }
}

fn decode(recorded: Recorded<hythe_store::Payload>) -> Result<Recorded<Event>, PastError> {
    decode_recorded(recorded).map_err(|error| StoreError::from(error).into())
}

#[cfg(test)]
mod tests;
