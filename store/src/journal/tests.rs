//! What the journal promises, seen from outside. `fixture` is for all tests of the crate.

pub(crate) mod fixture;

mod behaviour;
mod bytes;
mod campaign;
mod crash;
mod crashes;
mod damage;
mod disk;
mod faults;
mod formats;
mod image;
mod kill;
mod living;
mod machine;
mod model;
mod planted;
mod random;
mod room;
mod secrets;
mod workload;
