//! Folding the journal: any state is what its events make of it.

use hythe_core::event::Event;
use hythe_core::record::{Recorded, Sequence};

use crate::codec::decode_recorded;
use crate::error::StoreError;
use crate::journal::Journal;

/// Events read at once.
const BATCH: usize = 4096;

/// What a fold came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed<S> {
    /// The state after the last event.
    pub state: S,
    /// The last event folded; where the fold began if there was none.
    pub at: Sequence,
    /// How many events were folded.
    pub events: u64,
}

/// Folds the events after `from` up to `until` (or to the head as it is at the end) into a state.
/// Each event is checked against the hash chain and handed over once, in order.
///
/// # Errors
/// [`StoreError::Damaged`] or [`StoreError::Codec`] at the first event that cannot be read.
pub fn fold<S>(
    journal: &Journal,
    from: Sequence,
    until: Option<Sequence>,
    state: S,
    mut step: impl FnMut(S, Recorded<Event>) -> S,
) -> Result<Replayed<S>, StoreError> {
    let mut done = Replayed { state, at: from, events: 0 };
    loop {
        let left = until.map_or(u64::MAX, |until| until.0.saturating_sub(done.at.0));
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(BATCH);
        let events = journal.read(done.at, most)?;
        if events.is_empty() {
            return Ok(done);
        }
        for recorded in events {
            done.at = recorded.sequence;
            done.events += 1;
            done.state = step(done.state, decode_recorded(recorded)?);
        }
    }
}
