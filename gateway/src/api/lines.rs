//! Lines of log: a page of them, or as they come.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use hythe_actors::bus::{self, BusError, LogCursor, LogStream, LogsFrom};
use hythe_core::deployment::{Deployment, Stage, StageName};
use hythe_core::ids::DeploymentId;
use hythe_core::record::Sequence;
use hythe_core::task::Hook;
use hythe_core::wire::log::LogSource;
use hythe_core::wire::subjects;
use tokio::sync::watch;

use super::ApiState;
use super::dto::{LogItem, LogPage, LogQuery};
use super::extract::bounded;
use super::present;
use super::problem::{Kind, Problem};

/// How long a page may take.
const PAGE_WITHIN: Duration = Duration::from_secs(10);
/// How long the last lines of a build may be under way once it is known to be over.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(3);
const MOST_TAIL: u32 = 10_000;

/// Where to begin.
pub(crate) fn from(query: &LogQuery) -> Result<LogsFrom, Problem> {
    match (query.cursor.as_deref(), query.tail) {
        (Some(_), Some(_)) => Err(Problem::field("tail", "give a cursor or a tail, not both")),
        (Some(cursor), None) => cursor
            .parse::<LogCursor>()
            .map(LogsFrom::Cursor)
            .map_err(|bad| Problem::field("cursor", bad.to_string())),
        (None, Some(tail)) if tail > MOST_TAIL => {
            Err(Problem::field("tail", format!("\"tail\" is 0 to {MOST_TAIL}; got {tail}")))
        }
        (None, Some(tail)) => Ok(LogsFrom::Tail(usize::try_from(tail).unwrap_or(usize::MAX))),
        (None, None) => Ok(LogsFrom::Beginning),
    }
}

/// Opens the lines on any of some subjects.
pub(crate) async fn open(
    state: &ApiState,
    subjects: &[String],
    from: LogsFrom,
    follow: bool,
) -> Result<LogStream, Problem> {
    state.control().bus().logs(subjects, from, follow).await.map_err(|error: BusError| {
        tracing::warn!(%error, "failed to read a log");
        Problem::new(
            Kind::Unavailable,
            "the log cannot be read at the moment: NATS does not answer; try again soon",
        )
        .retry_after(Duration::from_secs(2))
    })
}

/// An item as people see it.
pub(crate) fn shown(state: &ApiState, item: bus::LogItem) -> LogItem {
    state.see(|sight| present::item(sight, item))
}

/// A page of what there is.
pub(crate) async fn page(
    state: &ApiState,
    subjects: &[String],
    query: &LogQuery,
) -> Result<LogPage, Problem> {
    let most = bounded("limit", query.limit, 500, 5_000)?;
    let lines = open(state, subjects, from(query)?, false).await?;
    let read = lines.map(|item| shown(state, item)).take(most).collect::<Vec<_>>();
    let items = tokio::time::timeout(PAGE_WITHIN, read).await.map_err(|_| {
        Problem::new(Kind::Unavailable, "the log takes too long to read; try again soon")
            .retry_after(Duration::from_secs(2))
    })?;
    let next = items.iter().rev().find_map(|item| match item {
        LogItem::Line { cursor, .. } | LogItem::Access { cursor, .. } => Some(cursor.clone()),
        LogItem::Gap { .. } | LogItem::End { .. } | LogItem::Note { .. } => None,
    });
    let more = items.len() >= most;
    Ok(LogPage { next: next.or_else(|| query.cursor.clone()), items, more })
}

/// What a deployment's log ends with, once its build and its release command are over.
pub(crate) fn note(state: &ApiState, id: DeploymentId) -> Option<LogItem> {
    state.see(|sight| {
        let state = sight.view.deployments.get(&id).map(|view| &view.state);
        let Some(attempt) = state.and_then(Deployment::attempt) else {
            return Some(LogItem::Note { text: "the deployment is gone".into() });
        };
        let text = match &attempt.stage {
            Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Releasing { .. } => return None,
            Stage::Built { .. } if attempt.to_release().is_some() => return None,
            Stage::Ended(_) if attempt.built.is_none() => {
                format!("there is no image: the deployment is {}", attempt.stage.name())
            }
            Stage::Built { .. }
            | Stage::Starting { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Draining { .. }
            | Stage::Live
            | Stage::Ended(_) => {
                format!("the image is built; the deployment is {}", attempt.stage.name())
            }
        };
        Some(LogItem::Note { text })
    })
}

/// Where the lines of a deployment's build are, and those of its release command.
pub(crate) fn of_deployment(state: &ApiState, id: DeploymentId) -> Vec<String> {
    let app = state.see(|sight| {
        let attempt = sight.view.deployments.get(&id)?.state.attempt()?;
        attempt.spec.run.hook(Hook::Release).map(|_| attempt.spec.app)
    });
    let release = app.map(|app| subjects::replica_log(app, id, Hook::Release.index()));
    std::iter::once(subjects::build_log(id)).chain(release).collect()
}

/// Whether the lines of a release command are part of a deployment's log.
fn was_released(state: &ApiState, id: DeploymentId) -> bool {
    state.see(|sight| {
        let view = sight.view.deployments.get(&id);
        view.is_some_and(|view| view.stages.iter().any(|(stage, _)| *stage == StageName::Releasing))
    })
}

/// Whether nothing of a deployment was built so far, and how far it came without: an image that is gone when it is
/// to start is built anew.
fn without_build(state: &ApiState, id: DeploymentId) -> WithoutBuild {
    let over = [StageName::Healthy, StageName::Failed, StageName::Cancelled, StageName::Superseded];
    state.see(|sight| {
        let Some(view) = sight.view.deployments.get(&id) else { return WithoutBuild::No };
        let came_to =
            |wanted: &[StageName]| view.stages.iter().any(|(stage, _)| wanted.contains(stage));
        if came_to(&[StageName::Queued, StageName::Building]) {
            WithoutBuild::No
        } else if came_to(&over) {
            WithoutBuild::ForGood
        } else {
            WithoutBuild::SoFar
        }
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WithoutBuild {
    No,
    SoFar,
    ForGood,
}

/// A deployment's lines as they come, until its build and its release command are over and their
/// last line was told.
pub(crate) fn follow_deployment(
    state: ApiState,
    id: DeploymentId,
    lines: LogStream,
) -> impl Stream<Item = Result<LogItem, Problem>> + Send {
    struct At {
        state: ApiState,
        id: DeploymentId,
        lines: Option<LogStream>,
        head: watch::Receiver<Sequence>,
        /// Whether the builder has said that no more lines come.
        built: bool,
        /// Whether that was said of the release command.
        released: bool,
    }
    let head = state.control().journal().watch();
    let at = At { state, id, lines: Some(lines), head, built: false, released: false };
    stream::unfold(at, |mut at| async move {
        loop {
            let lines = at.lines.as_mut()?;
            let last = note(&at.state, at.id);
            let without = without_build(&at.state, at.id);
            let built = at.built || without == WithoutBuild::ForGood;
            let ended = if was_released(&at.state, at.id) { at.released } else { built };
            // Nobody has said anything of it that could be under way.
            let waits = last.is_none() || without == WithoutBuild::SoFar;
            if let (Some(note), true) = (&last, ended) {
                let note = note.clone();
                at.lines = None;
                return Some((Ok(note), at));
            }
            let next = tokio::select! {
                line = lines.next() => Some(line),
                moved = at.head.changed(), if waits => {
                    moved.ok()?;
                    let newest = *at.head.borrow();
                    // The view must have it before the stage is looked at; if that takes too
                    // long, the next event brings another look.
                    drop(at.state.control().wait_for(newest).await);
                    continue;
                }
                () = tokio::time::sleep(LAST_LINES_WITHIN), if !waits => None,
            };
            match next {
                Some(Some(item)) => {
                    at.built = ends(&item, |source| matches!(source, LogSource::Build { .. }));
                    at.released |=
                        ends(&item, |source| matches!(source, LogSource::Replica { .. }));
                    let item = shown(&at.state, item);
                    return Some((Ok(item), at));
                }
                Some(None) | None => {
                    at.lines = None;
                    return last.map(|note| (Ok(note), at));
                }
            }
        }
    })
}

/// Whether an item says that such a source has no more lines.
fn ends(item: &bus::LogItem, of: impl Fn(&LogSource) -> bool) -> bool {
    match item {
        bus::LogItem::Ended { source } => of(source),
        bus::LogItem::Line { .. } | bus::LogItem::Gap { .. } => false,
    }
}
