//! Messages between the roles: plain data, as JSON, each with a format number.
//!
//! Their NATS side lies in the actors crate. A receiver refuses a format that it does not know
//! and says so in its log.

pub mod access;
pub mod build;
pub mod certificate;
pub mod edge;
pub mod log;
pub mod run;
pub mod site;
pub mod storage;
pub mod subjects;
pub mod upload;
pub mod worker;

/// The format of every message so far.
pub const FORMAT: u16 = 1;
