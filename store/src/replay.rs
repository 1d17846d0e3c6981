//! Folding the journal: any state is what its events make of it.

use std::sync::mpsc::{SyncSender, sync_channel};

use hythe_core::event::Event;
use hythe_core::record::{Recorded, Sequence};

use crate::codec::decode_recorded;
use crate::error::{StoreError, io};
use crate::journal::Journal;

/// Events read at once.
const BATCH: usize = 1024;
/// Batches that are read ahead of the fold.
const AHEAD: usize = 2;

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
/// Each event is checked against the hash chain and handed over once, in order. Another thread
/// reads and decodes ahead of the fold.
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
    std::thread::scope(|scope| {
        let (tell, told) = sync_channel(AHEAD);
        std::thread::Builder::new()
            .name("journal-replay".into())
            .spawn_scoped(scope, move || read_ahead(journal, from, until, &tell))
            .map_err(io("start a thread that reads the journal"))?;
        for batch in told {
            for recorded in batch? {
                done.at = recorded.sequence;
                done.events += 1;
                done.state = step(done.state, recorded);
            }
        }
        Ok(done)
    })
}

type Batch = Result<Vec<Recorded<Event>>, StoreError>;

/// Reads until there is no more, an error, or nobody who wants it.
fn read_ahead(
    journal: &Journal,
    from: Sequence,
    until: Option<Sequence>,
    tell: &SyncSender<Batch>,
) {
    let mut at = from;
    loop {
        let left = until.map_or(u64::MAX, |until| until.0.saturating_sub(at.0));
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(BATCH);
        let batch: Batch = journal.read(at, most).and_then(|events| {
            let decoded: Result<Vec<_>, _> = events.into_iter().map(decode_recorded).collect();
            Ok(decoded?)
        });
        let last = batch.as_ref().ok().and_then(|events| events.last());
        let last = last.map(|last| last.sequence);
        // Without a last one there was an error, to be told, or nothing.
        if tell.send(batch).is_err() {
            return;
        }
        match last {
            Some(last) => at = last,
            None => return,
        }
    }
}
