//! The API as its users see it: over a real socket, on a real journal.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is not as it should be"
)]

mod access;
mod canaries;
mod certificates;
mod changes;
mod commands;
mod compose;
mod crons;
mod deleted;
#[path = "../../../tests/src/dns_server.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the tests of the whole")]
mod dns_server;
mod document;
mod domains;
mod edge;
mod events;
mod github;
mod hooks;
mod hostile;
mod journal;
mod listing;
mod logs;
mod once;
mod past;
mod previews;
mod problems;
mod projects;
mod pulls;
mod pushes;
mod registries;
mod runs;
mod sources;
mod statuses;
mod storm;
mod support;
mod tls;
mod traefik;
mod uploads;
mod versions;
