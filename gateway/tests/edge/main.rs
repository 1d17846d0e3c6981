//! The edge from outside: real sockets, real apps behind it, a real nats-server.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    clippy::disallowed_methods,
    reason = "one test binary, helpers included"
)]

mod gates;
mod hostile;
mod limits;
mod nats;
#[path = "../../../tests/src/ports.rs"]
mod ports;
mod protocols;
mod proxy;
mod streams;
mod support;
