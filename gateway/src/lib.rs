//! What Hythe shows: the API, the edge, the command line.

pub mod api;
pub mod cli;
pub mod edge;
mod moment;
pub mod up;
