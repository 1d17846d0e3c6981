//! Looking at containers: what the engine says of them, and the last lines of those that ended.
//!
//! Invariant: an end is never told without the lines before it; both come from one look.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use hythe_core::ids::AppId;
use hythe_core::limits::{MOST_CHECK_BYTES, MOST_TAIL_LINE_BYTES, MOST_TAIL_LINES};

use super::position::{Position, Reading};
use crate::docker::inspect::{Condition, Observed};
use crate::docker::labels::Owner;
use crate::docker::logs::Extent;
use crate::docker::{Engine, EngineError};

/// Containers whose last lines are read at once.
const TAILS_AT_ONCE: usize = 8;
/// How long the last lines may take; without them the end is told all the same.
const TAIL_WITHIN: Duration = Duration::from_secs(3);

/// A container that was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    pub(crate) observed: Observed,
    /// Its last lines, where it has ended.
    pub(crate) tail: Option<Vec<String>>,
}

/// Everything of ours on an engine.
#[derive(Debug)]
pub(crate) struct Inventory {
    pub(crate) containers: Vec<Sight>,
    pub(crate) networks: BTreeSet<AppId>,
}

/// Looks at everything.
pub(crate) async fn inventory(engine: &Engine, owner: &Owner) -> Result<Inventory, EngineError> {
    let observed = engine.inventory(owner).await?;
    // Nothing is started again before all of it is known, and where an engine was restarted, all of it has ended.
    let containers = stream::iter(observed).map(|observed| with_tail(engine, observed));
    let containers = containers.buffered(TAILS_AT_ONCE).collect().await;
    Ok(Inventory { containers, networks: engine.networks(owner).await? })
}

/// Looks at one container, by id or name; none where it is gone or not ours.
pub(crate) async fn look(
    engine: &Engine,
    owner: &Owner,
    id: &str,
) -> Result<Option<Sight>, EngineError> {
    match engine.observe(owner, id).await? {
        Some(observed) => Ok(Some(with_tail(engine, observed).await)),
        None => Ok(None),
    }
}

async fn with_tail(engine: &Engine, observed: Observed) -> Sight {
    let tail = match observed.state {
        Condition::Exited { .. } => Some(tail(engine, &observed.id).await),
        Condition::Created | Condition::Running { .. } => None,
    };
    Sight { observed, tail }
}

/// The last lines of a container, each cut to what a report takes; none where they cannot be had.
pub(crate) async fn tail(engine: &Engine, id: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let read = async {
        let extent = Extent::Last { lines: MOST_TAIL_LINES };
        let mut pieces = Box::pin(engine.logs(id, extent).await?);
        let mut reading = Reading::new(Position::default());
        while let Some(piece) = pieces.next().await {
            if let Some(read) = reading.take(&piece?, u64::MAX) {
                lines.push(read.line);
            }
        }
        lines.extend(reading.finish());
        Ok::<(), EngineError>(())
    };
    if !matches!(tokio::time::timeout(TAIL_WITHIN, read).await, Ok(Ok(()))) {
        tracing::debug!(id, "the last lines of a container could not all be read");
    }
    let skipped = lines.len().saturating_sub(MOST_TAIL_LINES);
    lines.into_iter().skip(skipped).map(|line| line.text).collect()
}

/// A line cut to what a report takes.
pub(crate) fn cut(mut line: String) -> String {
    if line.len() > MOST_TAIL_LINE_BYTES {
        let mut end = MOST_TAIL_LINE_BYTES;
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        line.push('…');
    }
    line
}

/// The end of what a check's command wrote, as much as is told.
pub(crate) fn end_of(mut text: String) -> String {
    if text.len() > MOST_CHECK_BYTES {
        let mut from = text.len() - MOST_CHECK_BYTES;
        while !text.is_char_boundary(from) {
            from += 1;
        }
        text.replace_range(..from, "…");
    }
    text
}
