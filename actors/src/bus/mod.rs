//! The NATS bus: what carries commands, reports, logs, events and route tables between the roles.
//!
//! **What must hold.** NATS is never the truth. Its store may be wiped at any moment: streams and
//! consumers are made again on every connection and whenever one is missed, and readers of logs
//! are shown a gap. Whoever publishes waits for JetStream's ack; whoever consumes acknowledges only
//! after the handler said that its work is durable. Every wait has an end, every queue a bound.
//!
//! Nothing here knows an aggregate. Names of streams and subjects are in
//! [`hythe_core::wire::subjects`].

mod ask;
mod connection;
mod consume;
mod cursor;
mod error;
mod lines;
mod logs;
mod packed;
mod publish;
mod settings;
mod shares;
mod streams;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use connection::{Bus, BusState, connect, connect_in_background};
pub(crate) use consume::acknowledge;
pub use consume::{ConsumerSpec, Delivery, Verdict};
pub use cursor::{BadCursor, LogCursor};
pub use error::BusError;
pub use lines::LogItem;
pub use logs::{LogStream, LogsFrom};
pub use packed::unpack;
pub(crate) use publish::encode;
pub use publish::{Outgoing, Published};
pub use settings::NatsSettings;
pub use shares::keep_shares;
pub use streams::{BESIDE_LOGS, LogBudget};
