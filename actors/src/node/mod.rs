//! The agent: runs on each worker what it was told to run, and says what it sees.
//!
//! - Orders say how things should be. They are in the ledger before they are acknowledged; what is
//!   to be done follows from them and from what is seen, again and again (`hythe_core::plan`). A
//!   crash at any point loses nothing, and doing a step twice is doing it once.
//! - The agent and the control plane talk through NATS only. Containers go on running when either,
//!   or NATS, or the agent itself is gone; an agent that starts adopts what it finds.
//! - Only containers and networks that bear this worker's label are touched.

mod act;
mod actor;
mod agent;
mod away;
mod builds;
mod clock;
mod environment;
mod follow;
pub(crate) mod guard;
mod health;
mod identity;
mod images;
mod known;
mod ledger;
mod look;
mod orders;
mod position;
mod published;
mod replica;
mod report;
mod runs;
mod state;
mod steps;
mod storage;
#[cfg(test)]
mod tests;
mod watch;
mod watchers;

pub use agent::{AgentConfig, AgentError, run};
pub use environment::{EnvironmentError, Keys};
pub(crate) use identity::capacity;
pub use ledger::LedgerError;
