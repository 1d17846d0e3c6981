//! What can go wrong on the bus. Every message completes the sentence "failed to …".

use std::path::PathBuf;
use std::time::Duration;

/// The oldest nats-server that will do: major and minor.
pub(super) const OLDEST: (u64, u64) = (2, 10);

/// Why the bus could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// The file with the credentials cannot be used.
    #[error("read the NATS credentials in {}: {why}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// Nothing answers there.
    #[error("reach NATS at {url}: {why}; see whether nats-server runs there")]
    Unreachable {
        /// Where, without credentials.
        url: String,
        /// What was seen.
        why: String,
    },
    /// It does not let us in.
    #[error("log in to NATS at {url}: it refused user and password; check the credentials file")]
    Unauthorized {
        /// Where, without credentials.
        url: String,
    },
    /// The server is too old.
    #[error(
        "use the nats-server at {url}: it has version {found} and {}.{} is the least; install a \
         newer one from https://github.com/nats-io/nats-server/releases (`make up` brings \
         one), or point nats.url to another server", OLDEST.0, OLDEST.1
    )]
    TooOld {
        /// Where, without credentials.
        url: String,
        /// Its version.
        found: String,
    },
    /// The server has no JetStream.
    #[error(
        "use the nats-server at {url}: JetStream is not enabled; start it with --jetstream (or \
         `jetstream {{}}` in its configuration), and allow this account to use it"
    )]
    NoJetStream {
        /// Where, without credentials.
        url: String,
    },
    /// A stream or bucket cannot be made as it must be.
    #[error("set up {name} in NATS: {why}")]
    Streams {
        /// Which one.
        name: String,
        /// What the server said.
        why: String,
    },
    /// There is no connection at the moment.
    #[error("send {what}: NATS is not connected; it is sent again once it is")]
    NotConnected {
        /// What was to be done.
        what: String,
    },
    /// The stream takes no more.
    #[error("send {what}: its stream is full")]
    Full {
        /// What was to be sent.
        what: String,
    },
    /// Larger than the server takes.
    #[error("send {what}: {bytes} bytes, and the server takes at most {most}")]
    TooLarge {
        /// What was to be sent.
        what: String,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        most: usize,
    },
    /// No answer came in time.
    #[error("{what}: NATS did not answer within {waited:?}")]
    TimedOut {
        /// What was to be done.
        what: String,
        /// For how long.
        waited: Duration,
    },
    /// A message does not encode or decode.
    #[error("{what}: {why}")]
    Format {
        /// Which message.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The server said something else.
    #[error("{what}: {why}")]
    Refused {
        /// What was to be done.
        what: String,
        /// What it said.
        why: String,
    },
}

impl BusError {
    /// Whether the same thing may succeed later without anybody changing anything.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::NotConnected { .. }
            | Self::Full { .. }
            | Self::TimedOut { .. }
            | Self::Streams { .. }
            | Self::Refused { .. } => true,
            Self::Credentials { .. }
            | Self::Unauthorized { .. }
            | Self::TooOld { .. }
            | Self::NoJetStream { .. }
            | Self::TooLarge { .. }
            | Self::Format { .. } => false,
        }
    }

    pub(super) fn refused(what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self::Refused { what: what.into(), why: why.to_string() }
    }
}
