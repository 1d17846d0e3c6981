//! The `hythe` binary from outside: its command line, and `hythe up` with real processes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is not as it should be"
)]

mod cli;
mod common;
mod moving;
#[expect(unreachable_pub, reason = "shared with the tests crate")]
#[path = "../../../tests/src/ports.rs"]
mod ports;
mod replay;
mod up;
