//! Backups, restorations and the mirror with real processes: what is acknowledged before a machine
//! is lost comes back.

#![expect(clippy::unwrap_used, reason = "a test fails on whatever it did not expect")]

mod files;
mod lost;
mod places;
mod server;
