//! Lines of log on their way from workers to readers.

use serde::{Deserialize, Serialize};

use crate::ids::{AppId, DeploymentId, EdgeId};

/// The most lines of one frame.
pub const FRAME_LINES: usize = 64;
/// A frame with so many bytes of text is full. As JSON a byte can become six, and a NATS message has a
/// megabyte where nobody says otherwise.
pub const FRAME_BYTES: usize = 128 * 1024;

/// Lines of one source, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFrame {
    /// Format of this message; 1.
    pub format: u16,
    /// Whose lines.
    pub source: LogSource,
    /// The number of the first line: a source's lines count from 1, without gaps; where a reader
    /// sees one, lines were lost and it says so.
    pub first: u64,
    /// The lines, at most [`FRAME_LINES`].
    pub lines: Vec<LogLine>,
    /// Whether the source says no more.
    pub ended: bool,
}

/// Where lines come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogSource {
    /// A build.
    Build {
        /// For which deployment.
        deployment: DeploymentId,
        /// Which giving out of it: another one starts counting anew.
        generation: u32,
    },
    /// A replica.
    Replica {
        /// Its app.
        app: AppId,
        /// Its deployment.
        deployment: DeploymentId,
        /// Its number.
        index: u16,
    },
    /// What an edge tells of an app's requests; each line is an [`AccessLine`](super::access::AccessLine).
    Access {
        /// The app.
        app: AppId,
        /// The edge.
        edge: EdgeId,
    },
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Nanoseconds since the Unix epoch.
    pub at: u64,
    /// Where it was written to.
    pub stream: LogStream,
    /// The text, without its line end, at most [`crate::limits::MOST_LINE_BYTES`].
    pub text: String,
}

/// Where a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// What Hythe itself says about it.
    Hythe,
}
