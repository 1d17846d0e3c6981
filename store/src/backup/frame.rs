//! What a part consists of, and how it becomes bytes.
//!
//! `magic | format | (length | frame)…`, little-endian, each frame in postcard; the enums only
//! ever grow at their ends. The first frame is `Begin` and the last is `End`. The frames after a
//! `Whole` say all that lies beside the log; without one, they say what changed since the part
//! before.

use std::io::{ErrorKind, Read, Write};

use hythe_core::claims::ClaimChange;
use hythe_core::ids::InstallationId;
use hythe_core::record::{Meta, Sequence, StreamId, Version};
use hythe_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{BackupError, FORMAT, failed};
use crate::journal::record::{Hash, Stored};

pub(super) const MAGIC: &[u8; 16] = b"hythe backup\n\0\0\0";
/// Bytes of one frame.
const MOST_FRAME_BYTES: usize = 16 * 1024 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Frame {
    Begin(Begin),
    Records(Vec<Record>),
    Whole,
    File { name: String, bytes: Vec<u8> },
    Key { scope: Uuid, wrapped: Vec<u8> },
    KeyGone { scope: Uuid },
    Secret { scope: Uuid, name: String, version: u64, sealed: Vec<u8> },
    SecretGone { scope: Uuid, name: String, version: u64 },
    Cursor { name: String, at: Sequence },
    End(End),
}

/// What a part says of itself before anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begin {
    pub(super) installation: InstallationId,
    pub(super) version: String,
    pub(super) at: Timestamp,
    /// The event before the first one of the part; 0 for none.
    pub(super) after: Sequence,
    /// Its hash.
    pub(super) previous: Hash,
    /// The last event, and what lies beside the log is as of it.
    pub(super) head: Sequence,
    pub(super) hash: Hash,
}

/// What a part says of itself after everything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) records: u64,
    pub(super) others: u64,
    /// Format and hash of the state that the events make, in a whole backup.
    pub(super) state: Option<(u32, Hash)>,
}

/// One event, as it must come out again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) stream: StreamId,
    pub(super) version: Version,
    pub(super) meta: Meta,
    pub(super) schema: u16,
    pub(super) payload: Vec<u8>,
    pub(super) claims: Vec<ClaimChange>,
    pub(super) hash: Hash,
}

impl From<Stored> for Record {
    fn from(stored: Stored) -> Self {
        let Stored { event, claims, hash } = stored;
        Self {
            stream: event.stream,
            version: event.version,
            meta: event.meta,
            schema: event.event.schema,
            payload: event.event.bytes,
            claims,
            hash,
        }
    }
}

pub(super) fn write_head(out: &mut impl Write) -> Result<(), BackupError> {
    out.write_all(MAGIC)
        .and_then(|()| out.write_all(&FORMAT.to_le_bytes()))
        .map_err(failed("write the backup"))
}

pub(super) fn write(out: &mut impl Write, frame: &Frame) -> Result<(), BackupError> {
    let bytes = postcard::to_stdvec(frame)
        .map(Zeroizing::new)
        .map_err(|error| failed("write the backup")(std::io::Error::other(error.to_string())))?;
    let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= MOST_FRAME_BYTES);
    let length = length
        .ok_or_else(|| failed("write the backup")(std::io::Error::other("a frame is too large")))?;
    out.write_all(&length.to_le_bytes())
        .and_then(|()| out.write_all(&bytes))
        .map_err(failed("write the backup"))
}

pub(super) fn read_head(input: &mut impl Read) -> Result<(), BackupError> {
    let mut head = [0; MAGIC.len() + 4];
    input.read_exact(&mut head).map_err(|error| ended(error, "before its head"))?;
    let (magic, format) = head.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(BackupError::NotABackup("what is encrypted there is none of Hythe's".into()));
    }
    let format = format.try_into().map_or(0, u32::from_le_bytes);
    match format {
        FORMAT => Ok(()),
        0 => Err(BackupError::Damaged("there is no format 0".into())),
        found => Err(BackupError::Newer { found, known: FORMAT }),
    }
}

pub(super) fn read(input: &mut impl Read) -> Result<Frame, BackupError> {
    let mut length = [0; 4];
    input.read_exact(&mut length).map_err(|error| ended(error, "between two frames"))?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > MOST_FRAME_BYTES {
        return Err(BackupError::Damaged(format!("a frame of {length} bytes")));
    }
    let mut bytes = Zeroizing::new(vec![0; length]);
    input.read_exact(&mut bytes).map_err(|error| ended(error, "inside a frame"))?;
    match postcard::take_from_bytes(&bytes) {
        Ok((frame, [])) => Ok(frame),
        Ok((_, rest)) => {
            Err(BackupError::Damaged(format!("{} bytes are left over in a frame", rest.len())))
        }
        Err(error) => Err(BackupError::Damaged(format!("a frame does not decode: {error}"))),
    }
}

/// After `End` nothing may come.
pub(super) fn read_nothing(input: &mut impl Read) -> Result<(), BackupError> {
    match input.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(BackupError::Damaged("there is more after its end".into())),
        Err(error) => Err(ended(error, "at its end")),
    }
}

/// What a failed read of an age stream means: it authenticates every chunk, and knows its last.
pub(super) fn ended(error: std::io::Error, place: &str) -> BackupError {
    let kind = error.kind();
    if kind == ErrorKind::UnexpectedEof {
        BackupError::Truncated(format!("it ends {place}"))
    } else if kind == ErrorKind::InvalidData {
        BackupError::Damaged(format!("a chunk does not open, {place}"))
    } else {
        failed("read the backup")(error)
    }
}
