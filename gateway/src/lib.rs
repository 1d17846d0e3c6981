//! What Hythe shows: the API, the edge, the command line.

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests change things without being a process")
)]

pub mod api;
pub mod cli;
pub mod edge;
mod hooks;
mod moment;
mod tls;
pub mod up;
