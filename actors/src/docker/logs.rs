//! A container's output as the engine keeps it: pieces of lines with the time of each.
//!
//! The engine cuts lines into pieces of 16 KiB; a piece that ends a line ends in a newline. Times
//! are in nanoseconds; those of one stream do not go back while the clock does not.
//!
//! An engine that cannot go on reading a log says so between the pieces, and the client of its API
//! may stumble over what it does not know: both are errors here, after which a log is read again
//! from where it stood.

use std::panic::AssertUnwindSafe;

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use bytes::{Buf as _, Bytes};
use futures_util::stream::{Stream, StreamExt as _};
use hythe_core::wire::log::LogStream;

use super::{Engine, EngineError};

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// When it was written: nanoseconds since the Unix epoch.
    pub at: u64,
    /// Where to.
    pub stream: LogStream,
    /// What was written, without the line's end.
    pub text: Bytes,
    /// Whether it ends its line.
    pub ends_line: bool,
}

/// What to read of a container's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Everything from a second (since the Unix epoch) on, and what is still to come until the
    /// container ends. An engine may miss that end (seen on Docker 20.10, where the container
    /// ended while its log was being opened): whoever follows has to notice it otherwise.
    Follow {
        /// The second.
        since: u64,
    },
    /// Everything there is from a second on.
    Rest {
        /// The second.
        since: u64,
    },
    /// The last lines, and no more.
    Last {
        /// How many.
        lines: usize,
    },
}

impl Engine {
    /// Reads the output of a container. A slow reader does not hold up the container.
    ///
    /// # Errors
    /// [`EngineError`] where the engine was never reached; what comes later is in the stream.
    pub async fn logs(
        &self,
        id: &str,
        extent: Extent,
    ) -> Result<impl Stream<Item = Result<Piece, EngineError>> + Send + use<>, EngineError> {
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).timestamps(true);
        let options = match extent {
            Extent::Follow { since } => options.follow(true).since(seconds(since)),
            Extent::Rest { since } => options.since(seconds(since)),
            Extent::Last { lines } => options.tail(&lines.to_string()),
        };
        let engine = self.clone();
        let docker = self.docker().await?;
        let output = AssertUnwindSafe(docker.logs(id, Some(options.build()))).catch_unwind();
        Ok(output.map(move |output| match output {
            Ok(Ok(output)) => match complaint(&output) {
                None => Ok(piece(output)),
                Some(message) => Err(EngineError::Broken { message }),
            },
            Ok(Err(error)) => Err(engine.fault(&error)),
            // Nothing comes after it: the stream is over.
            Err(_panic) => {
                Err(EngineError::Broken { message: "the engine sent what is no log".into() })
            }
        }))
    }
}

/// What the engine says of itself in the middle of a log: a frame of a kind of its own, which the
/// client passes on as it came, head and all. Containers of ours have no terminal, so nothing else
/// comes this way.
fn complaint(output: &LogOutput) -> Option<String> {
    const HEAD: usize = 8;
    const OF_THE_ENGINE: [u8; 4] = [3, 0, 0, 0];
    match output {
        LogOutput::Console { message } if message.starts_with(&OF_THE_ENGINE) => {
            let said = String::from_utf8_lossy(message.get(HEAD..).unwrap_or_default());
            Some(format!("the engine broke the log off: {}", said.trim()))
        }
        LogOutput::Console { .. }
        | LogOutput::StdErr { .. }
        | LogOutput::StdOut { .. }
        | LogOutput::StdIn { .. } => None,
    }
}

fn seconds(since: u64) -> i32 {
    i32::try_from(since).unwrap_or(i32::MAX)
}

fn piece(output: LogOutput) -> Piece {
    let (stream, mut text) = match output {
        LogOutput::StdErr { message } => (LogStream::Stderr, message),
        LogOutput::StdOut { message }
        | LogOutput::StdIn { message }
        | LogOutput::Console { message } => (LogStream::Stdout, message),
    };
    let space = text.iter().take(40).position(|byte| *byte == b' ');
    let stamp = space
        .and_then(|end| std::str::from_utf8(&text[..end]).ok())
        .and_then(parse_time)
        .zip(space);
    let at = stamp.map_or(0, |(at, end)| {
        text.advance(end + 1);
        at
    });
    let ends_line = text.last() == Some(&b'\n');
    if ends_line {
        text.truncate(text.len() - 1);
    }
    Piece { at, stream, text, ends_line }
}

/// Nanoseconds since the Unix epoch of an RFC 3339 time; none for what is no such time, and for
/// times before the epoch (the engine writes year 1 for "never").
#[must_use]
pub fn parse_time(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let separated = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')]
        .iter()
        .all(|(at, byte)| bytes.get(*at) == Some(byte));
    if !separated {
        return None;
    }
    let days = days_since_epoch(number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let mut seconds =
        days * 86_400 + number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
    let rest = text.get(19..)?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
        None => ("", rest),
    };
    let nanoseconds: u64 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    if zone != "Z" {
        let sign = if zone.starts_with('-') { 1 } else { -1 };
        let start = text.len() - zone.len() + 1;
        seconds += sign * (number(start, start + 2)? * 3_600 + number(start + 3, start + 5)? * 60);
    }
    u64::try_from(seconds).ok()?.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
const fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    // Years are counted from March, so that the leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_nanosecond() {
        let rows: &[(&str, Option<u64>)] = &[
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:34:56.5Z", Some(951_827_696_500_000_000)),
            ("2024-12-31T23:59:59.123456789Z", Some(1_735_689_599_123_456_789)),
            ("2024-12-31T23:59:59.000000001+01:00", Some(1_735_685_999_000_000_001)),
            ("2024-12-31T23:59:59-00:30", Some(1_735_691_399_000_000_000)),
            ("0001-01-01T00:00:00Z", None),
            ("2024-12-31", None),
            ("2024-12-31 23:59:59Z", None),
            ("", None),
            ("2024-1é-31T23:59:59Z", None),
        ];
        for (text, expected) in rows {
            assert_eq!(parse_time(text), *expected, "{text}");
        }
    }

    /// An engine that knows one container, with this output.
    async fn engine_with(output: &'static [u8]) -> (tempfile::TempDir, Engine) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engine.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let engine = Engine::new(path.to_str()).unwrap();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = socket.read_u8().await else { break };
                    asked.push(byte);
                }
                let about_logs = String::from_utf8_lossy(&asked).contains("/logs");
                let body = if about_logs { output } else { br#"{"Version":"20.10.0"}"# };
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                     content-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                // The client may have seen enough.
                drop(socket.write_all(&[head.as_bytes(), body].concat()).await);
            }
        });
        (dir, engine)
    }

    #[tokio::test]
    async fn a_log_that_the_engine_breaks_off_ends_in_an_error() {
        let frame = |kind: u8, text: &str| {
            let len = u32::try_from(text.len()).unwrap().to_be_bytes();
            [[kind, 0, 0, 0].as_slice(), &len, text.as_bytes()].concat()
        };
        let line = frame(1, "2024-12-31T23:59:59.000000002Z fine\n");
        let output = [line, frame(3, "log file is damaged\n")].concat().leak();
        let (_dir, engine) = engine_with(output).await;
        let pieces = engine.logs("one", Extent::Rest { since: 0 }).await.unwrap();
        let pieces: Vec<_> = pieces.take(2).collect().await;
        assert_eq!(pieces[0].as_ref().unwrap().text, "fine");
        let error = pieces[1].as_ref().unwrap_err().to_string();
        assert!(error.contains("broke the log off: log file is damaged"), "{error}");
    }

    #[test]
    fn a_piece_has_its_time_and_knows_whether_it_ends_a_line() {
        let at = 1_735_689_599_000_000_002;
        let rows: &[(&'static [u8], Piece)] = &[
            (
                b"2024-12-31T23:59:59.000000002Z hello \n",
                Piece {
                    at,
                    stream: LogStream::Stdout,
                    text: Bytes::from("hello "),
                    ends_line: true,
                },
            ),
            (
                b"2024-12-31T23:59:59.000000002Z part",
                Piece {
                    at,
                    stream: LogStream::Stdout,
                    text: Bytes::from("part"),
                    ends_line: false,
                },
            ),
            (
                b"no time\n",
                Piece {
                    at: 0,
                    stream: LogStream::Stdout,
                    text: Bytes::from("no time"),
                    ends_line: true,
                },
            ),
        ];
        for (raw, expected) in rows {
            let output = LogOutput::StdOut { message: Bytes::from_static(raw) };
            assert_eq!(piece(output), *expected);
        }
    }
}
