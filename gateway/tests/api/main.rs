//! The API as its users see it: over a real socket, on a real journal.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is not as it should be"
)]

mod access;
mod changes;
mod crons;
mod deleted;
mod document;
mod events;
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
