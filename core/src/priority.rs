//! What may still be written when the disk is all but full.
//!
//! Some room is kept back for what frees some, and for bringing to an end what is under way. What
//! begins something new has to wait until there is room again.

/// Whether a command may use the room that is kept back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Begins or changes something: refused while the disk is all but full.
    #[default]
    Ordinary,
    /// Frees something, or follows from what is under way: written as long as it can be.
    Urgent,
}
