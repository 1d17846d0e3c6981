//! What Hythe does.

pub mod docker;
