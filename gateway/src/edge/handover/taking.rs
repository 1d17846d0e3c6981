//! The side of the edge that comes: it takes what the one that runs has.

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::path::Path;

use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::giving::short;
use super::{FORMAT, Inherited, NAME, Offer, Taken, WITHIN, Word, same_user, unexpected, wire};

/// The edge that runs and has offered its place.
#[derive(Debug)]
pub(crate) struct Offering {
    stream: UnixStream,
    /// The table to begin with, or a newer one.
    pub(crate) revision: u64,
}

/// What was offered.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) offering: Offering,
    pub(crate) lock: File,
    pub(crate) inherited: Inherited,
}

/// Asks the edge that runs in this directory for its place; none where nobody answers.
///
/// # Errors
/// Somebody answers, and does not offer what can be used. It goes on then.
pub(crate) async fn take(directory: &Path) -> io::Result<Option<Found>> {
    let (_held, short) = short(directory)?;
    let stream = match UnixStream::connect(short.join(NAME)).await {
        Ok(stream) => stream,
        // One that has ended leaves its socket behind.
        Err(error)
            if [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused]
                .contains(&error.kind()) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let taken = tokio::time::timeout(WITHIN, take_from(stream)).await;
    taken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map(Some)
}

async fn take_from(mut stream: UnixStream) -> io::Result<Found> {
    same_user(&stream)?;
    let Offer { format, edge, revision, sockets } = match wire::hear(&mut stream).await? {
        Word::Offer(offer) => offer,
        word @ (Word::Ready | Word::Yours | Word::Reported | Word::Stop) => {
            return Err(unexpected(&word));
        }
    };
    if format != FORMAT {
        let why = format!(
            "it hands over in format {format}, and this one knows {FORMAT}; stop it before this one starts"
        );
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    }
    let mut descriptors = wire::receive(&stream, sockets.len() + 1).await?.into_iter();
    let lock = descriptors.next().map(File::from);
    let lock = lock.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    let mut inherited = Vec::with_capacity(sockets.len());
    for (offered, descriptor) in sockets.into_iter().zip(descriptors) {
        let listens = rustix::net::sockopt::socket_acceptconn(&descriptor)?;
        let socket = TcpListener::from(descriptor);
        if !listens || socket.local_addr()? != offered.address {
            let why = format!("what it gave is not what listens on {}", offered.address);
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        inherited.push(Taken { kind: offered.kind, address: offered.address, socket });
    }
    tracing::info!(%edge, revision, sockets = inherited.len(), "taking over from the edge that runs");
    let offering = Offering { stream, revision };
    Ok(Found { offering, lock, inherited: Inherited(inherited) })
}

impl Offering {
    /// Says that everything is made ready, and waits until it is this one's.
    ///
    /// # Errors
    /// It is not: the other one goes on.
    pub(crate) async fn settle(mut self) -> io::Result<Predecessor> {
        let settled = async {
            wire::tell(&mut self.stream, &Word::Ready).await?;
            wire::hear(&mut self.stream).await
        };
        let timed_out = |_| io::Error::from(io::ErrorKind::TimedOut);
        match tokio::time::timeout(WITHIN, settled).await.map_err(timed_out)?? {
            Word::Yours => {}
            word @ (Word::Offer(_) | Word::Ready | Word::Reported | Word::Stop) => {
                return Err(unexpected(&word));
            }
        }
        let (hears, tells) = self.stream.into_split();
        let (reported, gone) = (CancellationToken::new(), CancellationToken::new());
        let listening = tokio::spawn(listen(hears, reported.clone(), gone.clone()));
        let listening = AbortOnDropHandle::new(listening);
        Ok(Predecessor { tells, reported, gone, _listening: listening })
    }
}

async fn listen(mut hears: OwnedReadHalf, reported: CancellationToken, gone: CancellationToken) {
    while let Ok(word) = wire::hear(&mut hears).await {
        match word {
            Word::Reported => reported.cancel(),
            Word::Offer(_) | Word::Ready | Word::Yours | Word::Stop => {
                tracing::debug!(error = %unexpected(&word), "passed over");
            }
        }
    }
    reported.cancel();
    gone.cancel();
}

/// The edge whose place was taken, while it finishes what it has.
#[derive(Debug)]
pub(crate) struct Predecessor {
    tells: OwnedWriteHalf,
    /// It has reported what it still has, or has nothing any more.
    pub(crate) reported: CancellationToken,
    /// It has ended.
    pub(crate) gone: CancellationToken,
    _listening: AbortOnDropHandle<()>,
}

impl Predecessor {
    /// Has it stop, and waits for that: it does so within bounds of its own.
    pub(crate) async fn stop(mut self) {
        // Where it cannot be told, it has ended.
        if wire::tell(&mut self.tells, &Word::Stop).await.is_ok() {
            self.gone.cancelled().await;
        }
    }
}
