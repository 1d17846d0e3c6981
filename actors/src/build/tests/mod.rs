//! The build supervisor against a real engine, git server and nats-server.

#[expect(unreachable_pub, reason = "shared with the tests crate, which uses all of it")]
#[path = "../../../../tests/src/git_server.rs"]
mod git_server;
#[expect(dead_code, unreachable_pub, reason = "shared with the tests crate, which uses all of it")]
#[path = "../../../../tests/src/repository.rs"]
mod repository;

mod ending;
mod faults;
mod images;
mod world;
