//! What Hythe decides: pure functions over plain data.
//!
//! Nothing in this crate reads a clock, mints an id, does I/O or waits; time and ids arrive in
//! commands. It imports no other crate of the workspace. `clippy.toml` beside it keeps it so.

pub mod app;
pub mod argv;
pub mod canary;
pub mod certificate;
pub mod claims;
pub mod compose;
pub mod container;
pub mod cron;
pub mod declared;
pub mod deployment;
pub mod detect;
pub mod dockerfile;
pub mod domain;
pub mod edge;
pub mod event;
mod fault;
pub mod github;
mod giving_way;
pub mod health;
pub mod hook;
pub mod ids;
pub mod import;
pub mod inside;
pub mod installation;
pub mod limits;
pub mod link;
pub mod machine;
pub mod mount;
pub mod names;
pub mod near;
pub mod network;
pub mod observed;
pub mod one_off;
pub mod past;
pub mod place;
pub mod plan;
pub mod poller;
pub mod preview;
pub mod priority;
pub mod process;
pub mod project;
pub mod push;
pub mod reach;
pub mod react;
pub mod reconcile;
pub mod record;
pub mod rejection;
pub mod repository;
pub mod routes;
pub mod run;
pub mod site;
pub mod source;
pub mod submodules;
pub mod sweep;
pub mod task;
#[cfg(test)]
mod testing;
pub mod time;
pub mod turns;
pub mod versions;
pub mod view;
pub mod waiting;
pub mod wire;
pub mod worker;
