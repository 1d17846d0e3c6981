//! The side of the edge that runs: it gives what it has to the next one.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hythe_core::ids::EdgeId;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::super::disk::Disk;
use super::super::listen::Listening;
use super::super::table::Live;
use super::{DRAFT, FORMAT, Offer, Offered, WITHIN, Word, door, same_user, unexpected, wire};

/// Wait after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(200);

/// Where the next edge comes to.
#[derive(Debug)]
pub(crate) struct Door {
    pub(super) listener: UnixListener,
    directory: PathBuf,
}

/// What is given.
#[derive(Debug)]
pub(crate) struct Holdings {
    pub(crate) edge: EdgeId,
    pub(crate) listening: Vec<Listening>,
}

impl Door {
    /// Makes one that nobody finds yet. Only its owner may open it.
    pub(crate) fn draft(directory: &Path) -> io::Result<Self> {
        // A path to a socket has 107 bytes at the most (`sun_path`), however deep the directory lies.
        let (_held, short) = short(directory)?;
        let path = short.join(DRAFT);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Self { listener, directory: directory.to_owned() })
    }

    /// From now on the next edge finds it, in the place of whichever was there.
    #[expect(
        clippy::disallowed_methods,
        reason = "nothing durable: it leads to this process, and to nobody after it"
    )]
    pub(crate) fn open(&self) -> io::Result<()> {
        fs::rename(self.directory.join(DRAFT), door(&self.directory))
    }

    /// Waits for the next edge, and gives it everything. Whoever fails in between changes nothing.
    pub(crate) async fn give(&self, holdings: &Holdings, disk: &Disk, live: &Live) -> Successor {
        loop {
            let given = match self.listener.accept().await {
                Ok((stream, _)) => {
                    let given = tokio::time::timeout(WITHIN, give_to(stream, holdings, disk, live));
                    given.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                }
                Err(error) => {
                    tokio::time::sleep(PAUSE).await;
                    Err(error)
                }
            };
            match given {
                Ok(successor) => return successor,
                // Whoever only looks whether somebody is here leaves at once, and one that fails says why itself.
                Err(error) if left(&error) => {
                    tracing::info!("another process came and did not take over; going on");
                }
                Err(error) => tracing::warn!(%error, "another edge did not take over; going on"),
            }
        }
    }
}

/// Whether the other side hung up.
fn left(error: &io::Error) -> bool {
    [io::ErrorKind::UnexpectedEof, io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset]
        .contains(&error.kind())
}

async fn give_to(
    mut stream: UnixStream,
    holdings: &Holdings,
    disk: &Disk,
    live: &Live,
) -> io::Result<Successor> {
    same_user(&stream)?;
    // No table comes into force until it is decided whose they are.
    let mut turn = disk.turn().await;
    let lock = turn.as_ref().ok_or_else(|| io::Error::other("this edge has nothing to give"))?;
    let sockets = holdings.listening.iter().flat_map(|listening| {
        let Listening { kind, address, sockets } = listening;
        sockets.iter().map(|socket| (Offered { kind: *kind, address: *address }, socket.as_fd()))
    });
    let (sockets, mut descriptors): (Vec<_>, Vec<_>) = sockets.unzip();
    descriptors.insert(0, lock.as_fd());
    let (edge, revision) = (holdings.edge, live.revision());
    let offer = Offer { format: FORMAT, edge, revision, sockets };
    wire::tell(&mut stream, &Word::Offer(offer)).await?;
    wire::send(&stream, &descriptors).await?;
    match wire::hear(&mut stream).await? {
        Word::Ready => {}
        word @ (Word::Offer(_) | Word::Yours | Word::Reported | Word::Stop) => {
            return Err(unexpected(&word));
        }
    }
    wire::tell(&mut stream, &Word::Yours).await?;
    // Otherwise nobody could start where the one that took over dies before this one has ended.
    *turn = None;
    let (hears, tells) = stream.into_split();
    Ok(Successor { hears, tells })
}

/// The edge that took over.
#[derive(Debug)]
pub(crate) struct Successor {
    hears: OwnedReadHalf,
    tells: OwnedWriteHalf,
}

impl Successor {
    /// Waits until it is told to stop; if it ends otherwise, that is no reason to. Tells it meanwhile that
    /// what is still under way here was `reported`, as soon as that is so.
    ///
    /// For as long as this lives, it knows that this process does.
    pub(crate) async fn stops(&mut self, reported: &CancellationToken) {
        let Self { hears, tells } = self;
        let telling = async {
            reported.cancelled().await;
            if let Err(error) = wire::tell(tells, &Word::Reported).await {
                tracing::debug!(%error, "the edge that took over is gone");
            }
            std::future::pending::<()>().await;
        };
        let hearing = async {
            loop {
                match wire::hear(hears).await {
                    Ok(Word::Stop) => return,
                    Ok(word @ (Word::Offer(_) | Word::Ready | Word::Yours | Word::Reported)) => {
                        tracing::debug!(error = %unexpected(&word), "passed over");
                    }
                    Err(_) => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            () = telling => {}
            () = hearing => {}
        }
    }
}

/// A short path to a directory, good for as long as the file lives.
pub(super) fn short(directory: &Path) -> io::Result<(File, PathBuf)> {
    use std::os::fd::AsRawFd;
    let held = File::open(directory)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()));
    Ok((held, path))
}
