//! The journal as JSON lines, handed out while the server goes on.
//!
//! A thread reads and a task sends; a few chunks wait in between, however large the journal is and
//! however slowly somebody reads. One that breaks off ends with an error, never as a whole one does.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use hythe_store::{Journal, StoreError, export};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::problem::{Kind, Problem};

/// Bytes of one chunk, and how many wait.
const CHUNK_BYTES: usize = 64 * 1024;
const WAITING: usize = 2;
/// How many there are at once.
const MOST_AT_ONCE: usize = 4;
/// How long somebody may take to read a chunk.
const READ_WITHIN: Duration = Duration::from_secs(60);

/// The exports that go on.
#[derive(Debug)]
pub(crate) struct Exports(Arc<Semaphore>);

impl Default for Exports {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_AT_ONCE)))
    }
}

/// What goes from the thread to the task.
#[derive(Debug)]
enum Piece {
    Chunk(Bytes),
    /// It was all: without this, the end is none.
    End,
    Broken(StoreError),
}

impl Exports {
    /// Begins one.
    pub(crate) async fn begin(
        &self,
        journal: Journal,
        stopping: CancellationToken,
    ) -> Result<Body, Problem> {
        let turn = Arc::clone(&self.0).try_acquire_owned().map_err(|_all_taken| {
            Problem::new(Kind::Busy, "the journal is exported several times already; try again")
                .retry_after(Duration::from_secs(5))
        })?;
        let (to, mut from) = mpsc::channel(WAITING);
        let handle = Handle::current();
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let mut writer = Writer { chunk: Vec::with_capacity(CHUNK_BYTES), to, handle };
            let last = match export::export(&journal, &mut writer) {
                Ok(_moved) => Piece::End,
                Err(error) => Piece::Broken(error),
            };
            // Where nobody reads any more, nobody needs to hear of the end.
            writer.hand_over(last).ok();
        });
        // A journal that cannot even be begun to be read is a problem, and no body.
        let first = match from.recv().await {
            Some(Piece::Chunk(chunk)) => chunk,
            Some(Piece::Broken(error)) => return Err(unreadable(&error)),
            Some(Piece::End) | None => return Err(unreadable(&StoreError::Closed)),
        };
        let rest = stream::unfold(Some((from, stopping)), |going| async move {
            let (mut from, stopping) = going?;
            let broke = |why: &str| Some((Err(io::Error::other(why.to_owned())), None));
            match stopping.run_until_cancelled(from.recv()).await {
                Some(Some(Piece::Chunk(chunk))) => Some((Ok(chunk), Some((from, stopping)))),
                Some(Some(Piece::End)) => None,
                Some(Some(Piece::Broken(error))) => {
                    tracing::error!(%error, "an export of the journal broke off");
                    broke("the journal cannot be read to its end")
                }
                Some(None) => broke("it broke off"),
                None => broke("the server stops"),
            }
        });
        let first = stream::once(async { Ok(first) });
        Ok(Body::from_stream(first.chain(rest).boxed()))
    }
}

fn unreadable(error: &StoreError) -> Problem {
    tracing::error!(%error, "the journal cannot be exported");
    Problem::new(Kind::Unavailable, "the journal cannot be read; see the server's log")
}

/// The end that the thread writes to.
struct Writer {
    chunk: Vec<u8>,
    to: mpsc::Sender<Piece>,
    handle: Handle,
}

impl Writer {
    fn hand_over(&self, piece: Piece) -> io::Result<()> {
        let sent = tokio::time::timeout(READ_WITHIN, self.to.send(piece));
        let gone = || io::Error::new(ErrorKind::BrokenPipe, "nobody reads it any more");
        match self.handle.block_on(sent) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(gone()),
        }
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK_BYTES - self.chunk.len());
        self.chunk.extend(bytes.iter().take(taken));
        if self.chunk.len() == CHUNK_BYTES {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES));
        self.hand_over(Piece::Chunk(chunk.into()))
    }
}
