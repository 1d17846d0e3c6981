//! What an event-sourced state machine is.
//!
//! `decide` says what happens, or why not; `evolve` applies what happened. Both are synchronous
//! and total, and neither reads a clock, mints an id or looks anything up: all of that arrives in
//! the command. State is nothing but the fold of the events.

use std::fmt::Debug;

use crate::claims::ClaimChange;
use crate::priority::Priority;
use crate::record::AggregateKind;

/// An event-sourced state machine.
pub trait Machine: Default + Clone + PartialEq + Debug + Send + Sync + 'static {
    /// Which aggregate this is, in stream names and subjects.
    const KIND: AggregateKind;
    /// What it can be asked to do.
    type Command: Debug + Clone + Send + 'static;
    /// What can have happened to it.
    type Event: Debug + Clone + PartialEq + Send + Sync + 'static;

    /// Says what happens, or why not. An empty list means that it is so already.
    ///
    /// # Errors
    /// A [`Rejection`](crate::rejection::Rejection): a refusal that whoever asked can act upon.
    fn decide(
        &self,
        command: Self::Command,
    ) -> Result<Vec<Self::Event>, crate::rejection::Rejection>;

    /// Applies a fact. A fact that does not fit the state leaves it as it is, so that replaying
    /// any history ends.
    #[must_use]
    fn evolve(self, event: &Self::Event) -> Self;

    /// The unique keys that an event takes or gives back, in the same commit as the event.
    fn claims(&self, event: &Self::Event) -> Vec<ClaimChange>;

    /// Whether a command may use the room that is kept back for when the disk is all but full.
    #[must_use]
    fn priority(command: &Self::Command) -> Priority;

    /// Whether the aggregate has ended, so that its actor may leave at once.
    fn ended(&self) -> bool;
}

/// Folds a history, oldest first.
pub fn replay<'a, M: Machine>(events: impl IntoIterator<Item = &'a M::Event>) -> M {
    events.into_iter().fold(M::default(), M::evolve)
}
