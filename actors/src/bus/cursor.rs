//! Where a reader of logs stands. Opaque to whoever carries it.
//!
//! It names the stream's making besides the position in it, so that a cursor into a stream that
//! was wiped is noticed: the reader shows a gap and goes on in the new stream from its beginning.

use std::fmt;
use std::str::FromStr;

/// A position in the log stream: after one line of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogCursor {
    /// When the stream was made, in nanoseconds since the Unix epoch.
    pub(super) created: u64,
    /// The frame's sequence in the stream.
    pub(super) frame: u64,
    /// How many lines of the frame were read.
    pub(super) lines: u32,
}

/// A text that is no cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no log cursor: use one that came with a line, or none to read from the beginning")]
pub struct BadCursor;

impl fmt::Display for LogCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}-{:x}", self.created, self.frame, self.lines)
    }
}

impl FromStr for LogCursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('-');
        let mut next = || u64::from_str_radix(parts.next()?, 16).ok();
        let (created, frame, lines) = (next(), next(), next());
        match (created, frame, lines.and_then(|lines| u32::try_from(lines).ok()), parts.next()) {
            (Some(created), Some(frame), Some(lines), None) => Ok(Self { created, frame, lines }),
            (_, _, _, _) => Err(BadCursor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        let cursor = LogCursor { created: u64::MAX, frame: 17, lines: 63 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "1", "1-2", "1-2-3-4", "x-1-1", "1-2-100000000", "-1-2-3", "1--2"] {
            assert_eq!(bad.parse::<LogCursor>(), Err(BadCursor), "{bad}");
        }
    }
}
