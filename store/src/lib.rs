//! What Hythe remembers: the journal and the secrets beside it.
//!
//! Nothing here knows an actor, a network or a web framework. The journal is synchronous at heart
//! (threads, condition variables, one file); tokio appears only where a caller waits for an answer.

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests change things without being a process")
)]

pub mod backup;
pub mod codec;
pub mod durable;
pub mod error;
pub mod export;
mod guard;
pub mod journal;
pub mod replay;
pub mod secrets;
pub mod steps;
mod window;

pub use error::{AppendError, StoreError};
pub use journal::claims::ClaimOwner;
pub use journal::options::JournalOptions;
pub use journal::verify::{VerifyReport, verify};
pub use journal::{Append, Appended, Journal, NoRoom, Payload, Room};
pub use secrets::{Secret, SecretChange};
