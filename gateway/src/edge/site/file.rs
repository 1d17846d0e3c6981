//! A file on its way from the disk to a client: one piece at a time, read on a thread that may wait.

use std::fs::File;
use std::future::Future as _;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::task::JoinHandle;

/// Bytes that are read, and held, at once.
const PIECE: u64 = 128 * 1024;

/// What is left to be sent of a file.
#[derive(Debug)]
pub(crate) struct FileBody {
    file: Arc<File>,
    from: u64,
    left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    /// So many bytes from there on.
    pub(super) fn new(file: File, from: u64, left: u64) -> Self {
        Self { file: Arc::new(file), from, left, reading: None }
    }

    /// How many bytes are still to come.
    pub(crate) const fn left(&self) -> u64 {
        self.left
    }

    /// The next piece; none at the end.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let size = self.left.min(PIECE);
        let reading = self.reading.get_or_insert_with(|| {
            let (file, from) = (Arc::clone(&self.file), self.from);
            tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; usize::try_from(size).unwrap_or_default()];
                file.read_exact_at(&mut piece, from).map(|()| Bytes::from(piece))
            })
        });
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let read = read.map_err(io::Error::other).flatten();
        match &read {
            Ok(piece) => {
                self.from += piece.len() as u64;
                self.left -= piece.len() as u64;
            }
            Err(_) => self.left = 0,
        }
        Poll::Ready(Some(read))
    }
}
