//! What goes between a program and whoever sits at its terminal.

use std::collections::BTreeMap;

use hythe_core::ids::RunId;

use super::Verdict;
use crate::trace::Short;
use crate::world::World;

/// What truly happened.
#[derive(Debug, Default)]
pub(crate) struct Terminals {
    /// Pieces that each program wrote.
    wrote: BTreeMap<RunId, u64>,
}

impl Terminals {
    pub(crate) fn has_written(&mut self, run: RunId, pieces: u64) {
        self.wrote.insert(run, pieces);
    }
}

impl World {
    /// Somebody reads a piece of what a program wrote.
    pub(crate) fn judge_piece(&mut self, run: RunId, expected: u64, found: &[u8]) {
        let verdict = invariant_what_is_written_is_read_in_order(run, expected, found);
        self.holds("what_is_written_is_read_in_order", verdict);
    }

    /// Somebody hears that a program has ended, after so many pieces.
    pub(crate) fn judge_last_word(&mut self, run: RunId, read: u64) {
        let wrote = self.truth.terminals.wrote.get(&run).copied().unwrap_or_default();
        let verdict = invariant_the_end_comes_after_everything(run, wrote, read);
        self.holds("the_end_comes_after_everything", verdict);
    }

    /// A program runs whose other end was not heard of for so long.
    pub(crate) fn judge_session(&mut self, run: RunId, unheard: u64, most: u64) {
        let verdict = invariant_who_left_leaves_nothing_running(run, unheard, most);
        self.holds("who_left_leaves_nothing_running", verdict);
    }
}

/// Once, and nothing is left out.
fn invariant_what_is_written_is_read_in_order(run: RunId, expected: u64, found: &[u8]) -> Verdict {
    if found == expected.to_be_bytes() {
        return Ok(());
    }
    Err(format!("{found:?} of {} comes where {expected} was to come", Short(run.uuid())))
}

/// Who hears of the end has read all that was written before.
fn invariant_the_end_comes_after_everything(run: RunId, wrote: u64, read: u64) -> Verdict {
    if wrote == read {
        return Ok(());
    }
    Err(format!("{} wrote {wrote} pieces, and {read} were read", Short(run.uuid())))
}

/// A command that somebody waits for does not go on without them.
fn invariant_who_left_leaves_nothing_running(run: RunId, unheard: u64, most: u64) -> Verdict {
    if unheard <= most {
        return Ok(());
    }
    Err(format!("{} runs, and nobody was heard of for {unheard} ms", Short(run.uuid())))
}
