//! Messages between the roles. Plain data, each with a format number; their NATS side lies in the
//! actors crate. A receiver refuses a format that it does not know, and says so in its log.

pub mod edge;
