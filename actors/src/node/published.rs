//! What JetStream has of a replica's log already.

use async_nats::jetstream::stream::LastRawMessageErrorKind;
use hythe_core::wire::log::{LogFrame, LogLine, LogStream};
use hythe_core::wire::subjects;
use std::time::Duration;

use crate::bus::{Bus, BusError};

/// How long JetStream may take to answer.
const WITHIN: Duration = Duration::from_secs(5);
/// How far the times of a container's two streams may cross each other, in nanoseconds.
const CROSSING: u64 = 1_000_000_000;

/// The end of what was published of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Newest {
    /// The number of the last line.
    pub(crate) last: u64,
    /// The last line that the container wrote itself, in that frame.
    line: Option<LogLine>,
}

impl Newest {
    fn of(frame: LogFrame) -> Option<Self> {
        let count = u64::try_from(frame.lines.len()).unwrap_or(u64::MAX);
        let last = frame.first.saturating_add(count).saturating_sub(1);
        let own = |line: &LogLine| line.stream != LogStream::Hythe;
        let line = frame.lines.into_iter().rfind(own);
        (last > 0).then_some(Self { last, line })
    }

    /// Whether a line was published, asked of each line in turn from one that was on. To be asked
    /// no more after the first no.
    pub(crate) fn includes(&mut self, line: &LogLine) -> bool {
        let Some(newest) = &self.line else { return false };
        let includes = if newest.stream == line.stream {
            line.at <= newest.at
        } else {
            line.at <= newest.at.saturating_add(CROSSING)
        };
        if line == newest {
            // Whatever follows is new.
            self.line = None;
        }
        includes
    }
}

/// The end of what was published under a subject.
///
/// # Errors
/// Where JetStream does not answer.
pub(crate) async fn newest(bus: &Bus, subject: &str) -> Result<Option<Newest>, BusError> {
    let what = || format!("look up the newest frame of {subject}");
    let ask = async {
        let stream = bus
            .jetstream()
            .get_stream_no_info(subjects::LOGS)
            .await
            .map_err(|error| BusError::Refused { what: what(), why: error.to_string() })?;
        match stream.get_last_raw_message_by_subject(subject).await {
            Ok(message) => Ok(serde_json::from_slice(&message.payload).ok().and_then(Newest::of)),
            Err(error) => match error.kind() {
                LastRawMessageErrorKind::NoMessageFound => Ok(None),
                LastRawMessageErrorKind::InvalidSubject
                | LastRawMessageErrorKind::JetStream(_)
                | LastRawMessageErrorKind::Other => {
                    Err(BusError::Refused { what: what(), why: error.to_string() })
                }
            },
        }
    };
    tokio::time::timeout(WITHIN, ask)
        .await
        .unwrap_or_else(|_| Err(BusError::TimedOut { what: what(), waited: WITHIN }))
}

#[cfg(test)]
mod tests {
    use hythe_core::ids::{AppId, DeploymentId};
    use hythe_core::wire::log::LogSource;
    use uuid::Uuid;

    use super::*;

    fn line(at: u64, stream: LogStream, text: &str) -> LogLine {
        LogLine { at, stream, text: text.into() }
    }

    fn newest(first: u64, lines: Vec<LogLine>) -> Option<Newest> {
        let source = LogSource::Replica {
            app: AppId::new(Uuid::nil()),
            deployment: DeploymentId::new(Uuid::nil()),
            index: 0,
        };
        Newest::of(LogFrame { format: 1, source, first, lines, ended: false })
    }

    #[test]
    fn lines_up_to_the_newest_were_published() {
        use LogStream::{Hythe, Stderr, Stdout};
        let frame = vec![line(5, Stdout, "a"), line(7, Stdout, "b"), line(9, Hythe, "x")];
        let mut newest = newest(10, frame).unwrap();
        assert_eq!(newest.last, 12);
        assert!(newest.includes(&line(5, Stdout, "a")));
        assert!(newest.includes(&line(8, Stderr, "e")), "it lay before the newest");
        assert!(newest.includes(&line(7, Stdout, "b")));
        assert!(!newest.includes(&line(7, Stdout, "b")), "the same again is another line");
        assert!(!newest.includes(&line(6, Stderr, "f")));
    }

    #[test]
    fn a_line_after_the_newest_ends_it_even_where_that_is_gone() {
        use LogStream::{Hythe, Stdout};
        let mut newest = newest(1, vec![line(5, Stdout, "a")]).unwrap();
        assert!(!newest.includes(&line(6, Stdout, "b")));
        let only_ours = vec![line(5, Hythe, "x")];
        assert!(!self::newest(1, only_ours).unwrap().includes(&line(1, Stdout, "a")));
        assert_eq!(self::newest(1, Vec::new()), None);
    }
}
