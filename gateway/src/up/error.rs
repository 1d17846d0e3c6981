//! What can keep `hythe up` from going up, each with what to do about it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Why something could not be brought up.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// A file or folder.
    #[error("{what} {}: {why}", path.display())]
    File {
        /// What was to be done with it.
        what: &'static str,
        /// Which one.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The data folder holds something else.
    #[error(
        "use {} for Hythe's data: something else lies there. Give an empty or new folder with \
         --data", folder.display()
    )]
    ForeignFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// A file does not hold what it should.
    #[error("read {}: it does not hold {expected}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What should be there.
        expected: &'static str,
    },
    /// Another `hythe up` runs here.
    #[error(
        "go up twice: another `hythe up`{} runs with the data in {}. Stop that one first, or give \
         another folder with --data and other addresses; --replace takes over from it",
        pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default(), folder.display()
    )]
    AlreadyUp {
        /// The data folder.
        folder: PathBuf,
        /// Its process.
        pid: Option<u32>,
        /// The same, beyond doubt.
        holder: Option<super::process::Identity>,
    },
    /// Another `hythe up` was to leave, and does not.
    #[error(
        "take over from `hythe up` (pid {pid}): {why}. It goes on; stop it and start this one again"
    )]
    NotReplaced {
        /// Its process.
        pid: i32,
        /// Why not.
        why: String,
    },
    /// Somebody else listens where we are to listen.
    #[error(
        "listen on {address} ({what}): another program uses port {}. Stop it, or choose another \
         address with {option} ADDRESS:PORT", address.port()
    )]
    PortInUse {
        /// Where.
        address: SocketAddr,
        /// What for.
        what: &'static str,
        /// How to choose another one.
        option: &'static str,
    },
    /// Listening there is not possible.
    #[error(
        "listen on {address} ({what}): {why}. Choose another address with {option} ADDRESS:PORT"
    )]
    CannotListen {
        /// Where.
        address: SocketAddr,
        /// What for.
        what: &'static str,
        /// What the system said.
        why: String,
        /// How to choose another one.
        option: &'static str,
    },
    /// The NATS server cannot be had.
    #[error(transparent)]
    Nats(#[from] super::nats::NatsError),
    /// It is there and cannot be used, or is not there.
    #[error(transparent)]
    Bus(#[from] hythe_actors::bus::BusError),
    /// The owner's token cannot be used.
    #[error(transparent)]
    Token(#[from] crate::api::TokenError),
    /// A process could not be looked after.
    #[error("{what}: {why}")]
    Process {
        /// What was to be done.
        what: String,
        /// What the system said.
        why: String,
    },
    /// No randomness.
    #[error("get random bits from the kernel: {0}")]
    Random(String),
}

impl UpError {
    /// A file or folder, and what was to be done with it.
    #[must_use]
    pub fn file(what: &'static str, path: &Path, error: &io::Error) -> Self {
        Self::File { what, path: path.to_owned(), why: error.to_string() }
    }

    /// A process, and what was to be done with it.
    pub fn process(what: impl Into<String>, error: &impl ToString) -> Self {
        Self::Process { what: what.into(), why: error.to_string() }
    }
}
