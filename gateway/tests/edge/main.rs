//! The edge from outside: real sockets, real apps behind it, a real nats-server, and where processes end or
//! are replaced, real processes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    clippy::disallowed_methods,
    reason = "one test binary, helpers included"
)]

mod access;
mod authority;
mod canaries;
mod certificates;
mod gates;
mod handover;
mod hostile;
mod limits;
mod malformed;
mod mounts;
mod nats;
#[path = "../../../tests/src/ports.rs"]
mod ports;
mod protocols;
mod proxy;
mod sites;
mod sleep;
mod streams;
mod support;
mod survival;
mod tls;
