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
mod alone;
mod authority;
mod canaries;
mod certificates;
#[path = "../../../tests/src/dns_server.rs"]
#[allow(dead_code, reason = "shared with the tests of the whole")]
mod dns_server;
mod gates;
mod handover;
mod hostile;
mod limits;
mod malformed;
mod mounts;
mod nats;
#[path = "../../../tests/src/pebble.rs"]
#[allow(dead_code, reason = "shared with the tests of the whole")]
mod pebble;
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
mod upward;
