//! Looking back: what was so at some event of the journal, what changed between two, who made it
//! so and why. Pure: whoever asks hands the events in.
//!
//! **What "at a time" means.** The journal's order is what counts, and clocks now and then go
//! back. What was so at a time is the state after the newest event before the first one that
//! bears a later time. So the answer for a time stays the same for ever once the journal has gone
//! past it, whatever clocks do afterwards; what was written while a clock ran ahead is found by
//! its sequence, or under the times that the clock showed.

mod chronicle;
mod diff;
mod facts;
mod piece;
mod tell;
#[cfg(test)]
pub(crate) mod testing;
mod why;

pub use chronicle::{Chronicle, Life, Lives, NotThen, Point, Window, newest_by};
pub use diff::{Change, Step, Walk, blame, compare};
pub use facts::{Facts, of_app, of_deployment};
pub use piece::{piece, projects, wanted, wanted_in_brief};
pub use tell::tell;
pub use why::{Beginning, beginning, cause, implied};
