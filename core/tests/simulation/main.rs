//! The whole core in one thread: every machine, the reactions, the reconciler, the worker's plan,
//! placement, routes and the projection, by a seeded clock, in a world where everything breaks.
//!
//! What the roles around the core do (aggregates, reactor, reconciler, agent, builder, edge, NATS)
//! is modelled here as far as it matters to the core: what survives a crash and what does not, what
//! is sent again, refused, deduplicated. A seed decides everything; the same one gives the same
//! trace. Safety is asked after every step, whatever breaks; liveness once nothing breaks any more.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test ends where something is not as it should be, and says what happened"
)]

mod aggregate;
mod around;
mod behaviour;
mod builder;
mod control;
mod edge;
mod engine;
mod faults;
mod invariants;
mod inventory;
mod jobs;
mod journal;
mod made;
mod network;
mod node;
mod plant;
mod provider;
mod pushes;
mod runs;
mod scenarios;
mod schedule;
mod seeds;
mod terminal;
mod trace;
mod user;
mod worker;
mod world;
