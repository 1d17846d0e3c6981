//! From a thread that writes to a task that sends: a few chunks wait in between, no more.

use std::io::{self, Write};

use bytes::Bytes;
use tokio::sync::mpsc;

/// Chunks that wait.
const WAITING: usize = 2;

/// The writing end, for a thread that may block.
#[derive(Debug)]
pub(super) struct Writer {
    chunk: Vec<u8>,
    size: usize,
    to: mpsc::Sender<io::Result<Bytes>>,
}

/// A pipe that carries chunks of `size` bytes; only the last one is smaller.
pub(super) fn pipe(size: usize) -> (Writer, mpsc::Receiver<io::Result<Bytes>>) {
    let (to, from) = mpsc::channel(WAITING);
    (Writer { chunk: Vec::with_capacity(size), size, to }, from)
}

impl Writer {
    fn send(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(self.size));
        let sent = self.to.blocking_send(Ok(chunk.into()));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody takes it any more"))
    }

    /// What is left goes out too.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.chunk.is_empty() { Ok(()) } else { self.send() }
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.size - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        if self.chunk.len() == self.size {
            self.send()?;
        }
        Ok(taken)
    }

    /// Chunks keep their size: what is left goes out with [`Writer::finish`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
