//! Fetching from a real git server, with mirrors, from repositories that mean no good, and from ones
//! that change.

mod lfs;
mod mirrors;
mod submodules;
mod world;
