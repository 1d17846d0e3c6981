//! The build supervisor against a real engine, git server and nats-server.

#[expect(dead_code, unreachable_pub, reason = "shared with the tests crate, which uses all of it")]
#[path = "../../../../tests/src/git_server.rs"]
pub(crate) mod git_server;
#[expect(unreachable_pub, reason = "shared with the tests crate, which uses all of it")]
#[path = "../../../../tests/src/registry.rs"]
mod registry;
#[expect(dead_code, unreachable_pub, reason = "shared with the tests crate, which uses all of it")]
#[path = "../../../../tests/src/repository.rs"]
pub(crate) mod repository;
#[path = "../../../../tests/src/served.rs"]
mod served;
#[expect(unreachable_pub, reason = "shared with the tests crate, which uses all of it")]
#[path = "../../../../tests/src/ssh_server.rs"]
pub(crate) mod ssh_server;

mod access;
mod ending;
mod faults;
mod guard;
mod images;
mod mirrors;
mod presets;
mod pulls;
mod registries;
pub(crate) mod secrets;
mod settings;
mod uploads;
mod world;

pub(crate) use world::command_for;
