//! What can go wrong with an engine, in words that say what to do.
//!
//! Invariant: whether a fault is the engine's (it will be tried again) or the request's (it will
//! not change by itself) can be told from the variant.

use std::io;

use bollard::errors::Error as Raw;

/// Why the engine did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The address is none that Hythe can use.
    #[error("use the engine address {host:?}: only unix:// sockets are supported")]
    Address {
        /// What was given.
        host: String,
    },
    /// There is no answer: not installed, not running, no permission, or gone half-way.
    #[error("reach the container engine at {host}: {reason}")]
    Unreachable {
        /// The socket.
        host: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The engine took too long.
    #[error("get an answer from the container engine in time: {what}")]
    Timeout {
        /// What was asked.
        what: String,
    },
    /// What was asked for is not there.
    #[error("find it: {message}")]
    NotFound {
        /// The engine's words.
        message: String,
    },
    /// The name is taken, or the thing is in another state than it would have to be.
    #[error("do it now: {message}")]
    Conflict {
        /// The engine's words.
        message: String,
    },
    /// The name is taken by something that is not ours; it is left alone.
    #[error("use the name {name}: {owner}; rename or remove it")]
    Foreign {
        /// The name.
        name: String,
        /// Whose it is, as far as can be told.
        owner: String,
    },
    /// What the engine sent broke off, or makes no sense. Asking again may help.
    #[error("read what the engine sends: {message}")]
    Broken {
        /// What is wrong with it.
        message: String,
    },
    /// The engine refused.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The engine's words.
        message: String,
    },
}

impl EngineError {
    /// Whether the engine itself is the trouble, so that the same request may succeed later.
    #[must_use]
    pub const fn engine_down(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Broken { .. } => true,
            Self::Address { .. }
            | Self::NotFound { .. }
            | Self::Conflict { .. }
            | Self::Foreign { .. }
            | Self::Refused { .. } => false,
        }
    }

    /// Whether what was asked for is not there.
    #[must_use]
    pub const fn not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether a container cannot be started for want of its network.
    #[must_use]
    pub fn network_gone(&self) -> bool {
        match self {
            Self::NotFound { message } => message.to_ascii_lowercase().contains("network"),
            Self::Address { .. }
            | Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Conflict { .. }
            | Self::Foreign { .. }
            | Self::Broken { .. }
            | Self::Refused { .. } => false,
        }
    }

    /// Puts bollard's error into words.
    #[must_use]
    pub fn from_raw(host: &str, error: &Raw) -> Self {
        if let Raw::DockerResponseServerError { status_code, message } = error {
            let message = message.trim().to_owned();
            return match status_code {
                404 => Self::NotFound { message },
                409 => Self::Conflict { message },
                status => Self::Refused { status: *status, message },
            };
        }
        if matches!(error, Raw::RequestTimeoutError) {
            return Self::Timeout { what: format!("nothing came from {host}") };
        }
        let reason = match (error, io_kind(error)) {
            (Raw::SocketNotFoundError(_), _) | (_, Some(io::ErrorKind::NotFound)) => missing(),
            (_, Some(io::ErrorKind::ConnectionRefused)) => {
                "nothing listens on it; start the engine (systemctl start docker)".to_owned()
            }
            (_, Some(io::ErrorKind::PermissionDenied)) => {
                "permission denied; run Hythe as root or as a member of the group docker".to_owned()
            }
            (error, _) => format!("{}; is it being restarted?", chain(error)),
        };
        Self::Unreachable { host: host.to_owned(), reason }
    }
}

fn missing() -> String {
    "there is no such socket; install Docker (apt-get install docker.io) or start it (systemctl \
     start docker), or set DOCKER_HOST to where it listens"
        .to_owned()
}

/// The operating system's error behind an error, however deep.
fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        next = error.source();
    }
    None
}

/// An error with its causes, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
