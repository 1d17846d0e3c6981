//! The build supervisor against a real engine, git server and nats-server.

#[expect(unreachable_pub, reason = "shared with the tests crate, which uses all of it")]
#[path = "../../../../tests/src/git_server.rs"]
mod git_server;
#[expect(unreachable_pub, reason = "shared with the tests crate, which uses all of it")]
#[path = "../../../../tests/src/registry.rs"]
mod registry;
#[expect(dead_code, unreachable_pub, reason = "shared with the tests crate, which uses all of it")]
#[path = "../../../../tests/src/repository.rs"]
mod repository;
#[path = "../../../../tests/src/served.rs"]
mod served;
#[expect(unreachable_pub, reason = "shared with the tests crate, which uses all of it")]
#[path = "../../../../tests/src/ssh_server.rs"]
mod ssh_server;

mod access;
mod ending;
mod faults;
mod guard;
mod images;
mod presets;
mod registries;
mod secrets;
mod settings;
mod world;
