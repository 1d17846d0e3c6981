//! The whole path with real parts: the `hythe` binary, nats-server, the engine, git over HTTP.
//!
//! Each test has an installation of its own, on data and ports of its own; its end sees that
//! nothing is left on the engine or among the processes, and that the journal is whole.

#![expect(clippy::unwrap_used, reason = "a test fails on whatever it did not expect")]

mod browser;
mod canaries;
mod compose;
mod crashes;
mod crons;
mod deploys;
mod domains;
mod engine;
mod failures;
mod full_disk;
mod github;
mod health;
mod hostile;
mod housekeeping;
mod https;
mod matrix;
mod moving;
mod past;
mod post_deploys;
mod presets;
mod previews;
mod processes;
mod pulls;
mod pushes;
mod registries;
mod releases;
mod restored;
mod runs;
mod scene;
mod sites;
mod sleep;
mod sources;
mod traefik;
mod traffic;
mod uploads;
mod versions;
