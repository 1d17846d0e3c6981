//! What the journal promises, seen from outside. `fixture` is for all tests of the crate.

pub(crate) mod fixture;

mod behaviour;
mod crash;
mod damage;
mod faulty;
mod formats;
mod room;
mod secrets;
