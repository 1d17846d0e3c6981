//! What Hythe does: aggregates, the reactor, the reconciler, the parts of an agent, and the bus
//! between them.

pub mod build;
pub mod bus;
pub mod docker;
pub mod git;
