//! One edge takes the place of another, and no connection is refused or cut meanwhile.
//!
//! The two speak over a socket in the edge's directory ([`giving`] is the side of the one that runs,
//! [`taking`] that of the one that comes). What passes on: the sockets that are listened on, with whoever
//! waits in their queues; the lock of the directory, and with that the edge's id and its table.
//!
//! ```text
//! the one that runs                      the one that comes
//!   takes no table meanwhile
//!   offer, lock and sockets  ─────────▶   everything is made ready; nothing is accepted
//!                            ◀─────────   ready
//!   yours                    ─────────▶   accepts, follows tables
//!   lets go of the lock; accepts no
//!   more; reports under an id of its own
//!   reported                 ─────────▶   reports under the id that it took over
//!   ends with its last connection
//! ```
//!
//! Invariants:
//! - Until `yours`, whatever goes wrong on the other side (or takes too long) changes nothing: the one
//!   that runs goes on. From `yours` on, it accepts nothing and writes nothing to the directory.
//! - Only processes of the same user are spoken with.
//! - No moment at which a request to a deployment that is out of the table could be overlooked: between
//!   offer and `yours` no table comes into force, the one that comes begins with the same one, and it
//!   reports under the id only when the other has reported under its own what is still under way.

mod giving;
mod taking;
mod wire;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hythe_core::ids::EdgeId;
use serde::{Deserialize, Serialize};

use super::listen::Kind;

pub(crate) use giving::{Door, Holdings, Successor};
pub(crate) use taking::{Found, Offering, Predecessor, take};

/// The version of what is said here. Another one is refused by the side that comes.
const FORMAT: u16 = 1;
/// From the offer to `yours`: for reading a table from the disk and starting some threads.
const WITHIN: Duration = Duration::from_secs(10);
/// The socket's name, and the one that it has before it may be found.
const NAME: &str = "edge.sock";
const DRAFT: &str = "edge.sock.new";

/// Where an edge that runs is found by the next one.
#[must_use]
pub fn door(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

/// Whether an edge answers there. It only sees that somebody looked in.
#[must_use]
pub fn answers_at(door: &Path) -> bool {
    let Some(directory) = door.parent() else { return false };
    let connected = giving::short(directory)
        .and_then(|(_held, short)| std::os::unix::net::UnixStream::connect(short.join(NAME)));
    connected.is_ok()
}

/// What the two tell each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    /// What there is to take; lock and sockets follow, in this order.
    Offer(Offer),
    /// Everything is made ready.
    Ready,
    /// The other side may begin.
    Yours,
    /// What is still under way was reported under an id of its own.
    Reported,
    /// The other side is told to stop, so both do.
    Stop,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Offer {
    format: u16,
    edge: EdgeId,
    /// Of the table in force.
    revision: u64,
    sockets: Vec<Offered>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Offered {
    kind: Kind,
    address: SocketAddr,
}

/// A socket that is listened on.
#[derive(Debug)]
pub(crate) struct Taken {
    kind: Kind,
    address: SocketAddr,
    socket: TcpListener,
}

/// Sockets that were taken over and are not used yet.
#[derive(Debug, Default)]
pub(crate) struct Inherited(Vec<Taken>);

impl Inherited {
    /// Those of a kind and address. What nobody asks for is closed with this.
    pub(crate) fn take(&mut self, kind: Kind, address: SocketAddr) -> Vec<TcpListener> {
        let wanted = |taken: &mut Taken| taken.kind == kind && taken.address == address;
        self.0.extract_if(.., wanted).map(|taken| taken.socket).collect()
    }
}

fn unexpected(word: &Word) -> io::Error {
    let what = match word {
        Word::Offer(_) => "an offer",
        Word::Ready => "ready",
        Word::Yours => "yours",
        Word::Reported => "reported",
        Word::Stop => "stop",
    };
    io::Error::new(io::ErrorKind::InvalidData, format!("the other edge said {what} out of turn"))
}

/// Refuses whoever is not of this process' own user.
fn same_user(stream: &tokio::net::UnixStream) -> io::Result<()> {
    let (theirs, ours) = (stream.peer_cred()?.uid(), rustix::process::geteuid().as_raw());
    if theirs == ours {
        return Ok(());
    }
    let why = format!("the other process is of user {theirs}, this one of user {ours}");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

#[cfg(test)]
mod tests;
