//! What holds of the sources and formats as such; no engine and no network needed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails on whatever it did not expect"
)]

mod golden;
mod links;
mod shapes;
mod walls;
