//! What Hythe does: aggregates, the reactor, the reconciler, the parts of an agent, and the bus
//! between them.

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests change things without being a process")
)]

pub mod aggregate;
pub mod backup;
pub mod build;
pub mod bus;
pub mod certificates;
pub mod clock;
mod commands;
pub mod control;
pub mod crons;
pub mod docker;
pub mod domains;
pub mod git;
pub mod github;
pub mod health;
pub mod housekeeping;
mod ledger_file;
pub mod listing;
mod mask;
pub mod node;
pub mod observatory;
mod outbox;
pub mod past;
pub mod previews;
pub mod projection;
mod provider;
pub mod publisher;
mod pulls;
pub mod pushes;
mod reactor;
pub mod reconciler;
pub mod reports;
pub mod runs;
pub mod sealing;
pub mod server;
pub mod sites;
pub mod statuses;
pub mod supervise;
#[cfg(test)]
mod testing;
pub mod uploads;
pub mod views;
