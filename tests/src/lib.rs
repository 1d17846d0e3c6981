//! What the tests of the whole share: an installation of its own for each test, git repositories
//! served over HTTP, and small apps to deploy.
//!
//! Everything here is real: the `hythe` binary, nats-server, the engine, git. A test that lacks
//! one of them fails and says what is missing.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail the test that uses them"
)]

pub mod dns_server;
pub mod engine;
pub mod failpoints;
pub mod git_server;
pub mod http;
pub mod installation;
pub mod object_store;
pub mod pebble;
pub mod ports;
pub mod registry;
pub mod repository;
mod served;
pub mod small_disk;
pub mod ssh_server;
pub mod terminal;
