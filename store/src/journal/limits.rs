//! The journal's bounds. Whatever goes beyond one is refused with a message, never cut.

/// Events of one append.
pub const MOST_EVENTS: usize = 256;
/// Bytes of one event's payload.
pub const MOST_PAYLOAD_BYTES: usize = 256 * 1024;
/// Bytes of one append, payloads, claims and secrets together.
pub const MOST_APPEND_BYTES: usize = 1024 * 1024;
/// Claim changes of one append.
pub const MOST_CLAIMS: usize = 256;
/// Bytes of a claim's key.
pub const MOST_KEY_BYTES: usize = 512;
/// Bytes of a claim's note.
pub const MOST_NOTE_BYTES: usize = 1024;
/// Secret changes of one append.
pub const MOST_SECRETS: usize = 1024;
/// Bytes of a secret's name.
pub const MOST_SECRET_NAME_BYTES: usize = 256;
/// Bytes of a secret's value.
pub const MOST_SECRET_BYTES: usize = 64 * 1024;
/// Events of one commit. What waits beyond it goes into the next.
pub const MOST_GROUP_EVENTS: usize = 4096;
/// Bytes of one commit.
pub const MOST_GROUP_BYTES: usize = 8 * 1024 * 1024;
/// Bytes that one read returns; it ends early and is to be repeated from where it ended.
pub const MOST_READ_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of a checkpoint.
pub const MOST_CHECKPOINT_BYTES: usize = 512 * 1024 * 1024;
/// Bytes of the name of a checkpoint or a cursor.
pub const MOST_NAME_BYTES: usize = 128;
/// Cursors of one journal.
pub const MOST_CURSORS: usize = 256;
