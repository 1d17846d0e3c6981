//! What can be set about a journal.

use std::time::Duration;

/// Bounds and sizes. The default suits a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalOptions {
    /// Appends that may wait; one more is answered with "busy".
    pub queue_appends: usize,
    /// Bytes that may wait in appends; beyond it the answer is "busy".
    pub queue_bytes: usize,
    /// Bytes of cache for the log, and as many for the index.
    pub cache_bytes: usize,
    /// How many events the stream index keeps in memory before they go to its file.
    pub index_every: usize,
    /// How many events the stream index may have in memory while its file cannot be written;
    /// beyond it appends are answered with "busy".
    pub tail_events: usize,
    /// How long a saved cursor may stay in memory only.
    pub cursor_within: Duration,
    /// After so long without an append, the log's file is left so that a start after a crash need
    /// not walk through it. The next append undoes that.
    pub rest_after: Duration,
    /// Appends that can wait are refused while less than this is free on the journal's file
    /// system, in bytes; on a small one, less than a sixteenth of it.
    pub low_room_bytes: u64,
    /// Bytes held back there for what frees room; on a small one, at most a sixteenth of it.
    pub held_room_bytes: u64,
    /// Whether every commit takes two fsyncs instead of one; the decision record on the journal
    /// says why not.
    pub two_phase: bool,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            queue_appends: 16 * 1024,
            queue_bytes: 32 * 1024 * 1024,
            cache_bytes: 16 * 1024 * 1024,
            index_every: 64 * 1024,
            tail_events: 1024 * 1024,
            cursor_within: Duration::from_secs(1),
            rest_after: Duration::from_millis(50),
            low_room_bytes: 32 * 1024 * 1024,
            held_room_bytes: 16 * 1024 * 1024,
            two_phase: false,
        }
    }
}
