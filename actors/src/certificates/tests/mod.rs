//! Certificates from a real pebble with its failures on, by way of a real nats-server, with an edge that
//! reads the bucket as edges do.

mod ari;
mod edge;
mod issuing;
mod renewing;
mod troubles;
mod world;

#[allow(unreachable_pub, dead_code, reason = "shared with the tests crate")]
#[path = "../../../../tests/src/dns_server.rs"]
pub(crate) mod dns_server;
#[allow(unreachable_pub, dead_code, reason = "shared with the tests crate")]
#[path = "../../../../tests/src/pebble.rs"]
mod pebble;
