//! Words and file descriptors over a socket between two processes.
//!
//! Invariants: nothing longer than [`MOST_BYTES`] is read; descriptors come in the order in which they
//! were sent, all of them or an error, and no program that is started later inherits them.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::UnixStream;

use super::Word;

/// The longest word: an offer of some thousand sockets.
const MOST_BYTES: usize = 256 * 1024;
/// Descriptors with one message. The kernel takes 253 (SCM_MAX_FD).
const BATCH: usize = 64;
/// The byte that goes along, since descriptors alone do not travel.
const MARK: u8 = b'+';

/// Says a word: four bytes of length, and JSON.
pub(super) async fn tell(to: &mut (impl AsyncWrite + Unpin), word: &Word) -> io::Result<()> {
    let text = serde_json::to_vec(word)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    to.write_all(&[&length.to_be_bytes(), &text[..]].concat()).await
}

/// Waits for a word. The end of the connection is an error.
pub(super) async fn hear(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Word> {
    let length = usize::try_from(from.read_u32().await?).map_err(io::Error::other)?;
    if length > MOST_BYTES {
        let why = format!("the other edge says {length} bytes; {MOST_BYTES} are read at the most");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let mut text = vec![0; length];
    from.read_exact(&mut text).await?;
    Ok(serde_json::from_slice(&text)?)
}

/// Sends descriptors; both processes have them then.
pub(super) async fn send(stream: &UnixStream, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    for batch in descriptors.chunks(BATCH) {
        let send = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !control.push(SendAncillaryMessage::ScmRights(batch)) {
                return Err(io::Error::other("no room for the descriptors of one message"));
            }
            sendmsg(stream, &[IoSlice::new(&[MARK])], &mut control, SendFlags::NOSIGNAL)?;
            Ok(())
        };
        stream.async_io(Interest::WRITABLE, send).await?;
    }
    Ok(())
}

/// Receives so many descriptors.
pub(super) async fn receive(stream: &UnixStream, count: usize) -> io::Result<Vec<OwnedFd>> {
    let broken = |why| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut received = Vec::with_capacity(count);
    while received.len() < count {
        let some = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut mark = [0];
            let mut into = [IoSliceMut::new(&mut mark)];
            let message = recvmsg(stream, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)?;
            let mut descriptors = Vec::<OwnedFd>::new();
            for part in control.drain() {
                if let RecvAncillaryMessage::ScmRights(some) = part {
                    descriptors.extend(some);
                }
            }
            Ok((message.bytes, message.flags, descriptors))
        };
        let (bytes, flags, descriptors) = stream.async_io(Interest::READABLE, some).await?;
        if bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if flags.contains(ReturnFlags::CTRUNC) {
            return Err(broken("not all of the sockets arrived: are there too many open files?"));
        }
        if descriptors.is_empty() {
            return Err(broken("the other edge sent no sockets where it should"));
        }
        received.extend(descriptors);
    }
    if received.len() > count {
        return Err(broken("the other edge sent more sockets than it offered"));
    }
    Ok(received)
}
