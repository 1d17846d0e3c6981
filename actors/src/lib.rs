//! What Hythe does: aggregates, the reactor, the reconciler, the parts of an agent, and the bus
//! between them.

pub mod aggregate;
pub mod build;
pub mod bus;
pub mod clock;
pub mod docker;
pub mod git;
pub mod health;
pub mod supervise;
#[cfg(test)]
mod testing;
