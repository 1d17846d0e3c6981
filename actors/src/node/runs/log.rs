//! What a detached command wrote, read from the beginning to its end.
//!
//! An engine that goes away meanwhile, or breaks the log off, says nothing of how the command fares: it is
//! asked again, and what was read already is left out.

use std::time::Duration;

use futures_util::StreamExt as _;
use hythe_core::wire::log::LogStream;
use hythe_core::wire::run::MOST_PIECE;
use tokio::sync::mpsc;

use super::carry::Pieces;
use crate::docker::attach::Stream;
use crate::docker::labels::Owner;
use crate::docker::logs::{Extent, Piece};
use crate::docker::{Engine, EngineError};
use crate::node::clock;

/// How long nothing may come before it is looked whether the command has ended: an engine may miss that.
const QUIET: Duration = Duration::from_secs(5);
/// How long to wait before the log is asked for again.
const AGAIN_FIRST: Duration = Duration::from_millis(50);
const AGAIN_MOST: Duration = Duration::from_secs(2);
/// How often in a row the log of a command that has ended may give nothing but an error.
const MOST_FAILED: u32 = 5;
/// How far back reading is taken up: the two streams' times may cross each other that much.
const OVERLAP_SECONDS: u64 = 2;
const SECOND: u64 = 1_000_000_000;

/// How far a log was read.
#[derive(Debug, Default)]
struct Place {
    output: Side,
    errors: Side,
}

/// How far one of its streams was read.
#[derive(Debug, Default)]
struct Side {
    /// The time of the last piece that was passed on, and which one of that time it is.
    passed: (u64, u32),
    /// The same of the last piece of this reading, new or not.
    last: (u64, u32),
    /// Whether what comes may have come before.
    again: bool,
}

impl Place {
    /// The second from which on the engine is to be asked. `now` in nanoseconds: asked from a moment that is to
    /// come, it would be silent until then.
    fn since(&self, now: u64) -> u64 {
        let newest = self.output.passed.0.max(self.errors.passed.0).min(now);
        (newest / SECOND).saturating_sub(OVERLAP_SECONDS)
    }

    /// It is read again, from there.
    fn begin(&mut self) {
        for side in [&mut self.output, &mut self.errors] {
            (side.last, side.again) = ((0, 0), side.passed.0 > 0);
        }
    }

    /// Whether a piece is new.
    fn is_new(&mut self, piece: &Piece) -> bool {
        let side = match piece.stream {
            LogStream::Stderr => &mut self.errors,
            LogStream::Stdout | LogStream::Hythe => &mut self.output,
        };
        let nth = if side.last.0 == piece.at { side.last.1.saturating_add(1) } else { 1 };
        side.last = (piece.at, nth);
        if side.again && side.last <= side.passed {
            // From here on nothing is: times may go back where the clock does.
            side.again = side.last != side.passed;
            return false;
        }
        side.again = false;
        side.passed = side.last;
        true
    }
}

/// Reads it, one piece ahead, until the command has ended or nobody wants more.
pub(super) fn log(engine: Engine, owner: Owner, container: String) -> Pieces {
    let (tell, pieces) = mpsc::channel(1);
    tokio::spawn(async move { Reader { engine, owner, container, tell }.read().await });
    pieces
}

struct Reader {
    engine: Engine,
    owner: Owner,
    container: String,
    tell: mpsc::Sender<(Stream, Vec<u8>)>,
}

impl Reader {
    async fn read(self) {
        let (mut place, mut wait, mut failed) = (Place::default(), AGAIN_FIRST, 0_u32);
        while !self.tell.is_closed() {
            match self.has_ended().await {
                Ok(Some(ended)) => match self.pass_on(&mut place, ended).await {
                    Ok(_) if ended => return,
                    Ok(came) | Err((came, _)) if came => (wait, failed) = (AGAIN_FIRST, 0),
                    Ok(_) => {}
                    Err((_, error)) => {
                        tracing::debug!(%error, "what a command wrote is read again soon");
                        failed = failed.saturating_add(u32::from(ended));
                        if failed >= MOST_FAILED {
                            return;
                        }
                    }
                },
                // Its container is gone, and what it wrote with it.
                Ok(None) => return,
                Err(error) => {
                    tracing::debug!(%error, "a command's container is looked at again soon");
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(AGAIN_MOST);
        }
    }

    /// Whether the command has ended; none where its container is gone.
    async fn has_ended(&self) -> Result<Option<bool>, EngineError> {
        let found = self.engine.one_off(&self.owner, &self.container).await?;
        Ok(found.map(|one| one.ended.is_some()))
    }

    /// Reads on once, to the end of what the engine gives. Says whether anything new came.
    async fn pass_on(&self, place: &mut Place, ended: bool) -> Result<bool, (bool, EngineError)> {
        let since = place.since(clock::nanoseconds());
        let extent = if ended { Extent::Rest { since } } else { Extent::Follow { since } };
        let opened = self.engine.logs(&self.container, extent).await;
        let mut pieces = Box::pin(opened.map_err(|error| (false, error))?);
        place.begin();
        let mut came = false;
        loop {
            let piece = match tokio::time::timeout(QUIET, pieces.next()).await {
                Ok(Some(piece)) => piece.map_err(|error| (came, error))?,
                Ok(None) => return Ok(came),
                Err(_quiet) if self.tell.is_closed() => return Ok(came),
                Err(_quiet) if ended => continue,
                Err(_quiet) => match self.has_ended().await {
                    Ok(Some(false)) => continue,
                    Ok(Some(true) | None) => return Ok(came),
                    Err(error) => return Err((came, error)),
                },
            };
            if !place.is_new(&piece) {
                continue;
            }
            came = true;
            for part in raw(&piece) {
                if self.tell.send(part).await.is_err() {
                    return Ok(came);
                }
            }
        }
    }
}

/// A piece as it was written, in parts that a packet has room for.
fn raw(piece: &Piece) -> Vec<(Stream, Vec<u8>)> {
    let stream = match piece.stream {
        LogStream::Stderr => Stream::ErrorOutput,
        LogStream::Stdout | LogStream::Hythe => Stream::Output,
    };
    let mut bytes = piece.text.to_vec();
    if piece.ends_line {
        bytes.push(b'\n');
    }
    bytes.chunks(MOST_PIECE).map(|part| (stream, part.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use hythe_core::ids::{AppId, InstallationId, RunId, WorkerId};
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use uuid::Uuid;

    use super::*;
    use crate::docker::labels;

    fn owner() -> Owner {
        let installation = InstallationId::new(Uuid::from_u128(1));
        Owner { installation, worker: WorkerId::new(Uuid::from_u128(2)) }
    }

    /// What the command wrote: two lines of one time, and the beginning of a line.
    const WRITTEN: [(u8, &str); 4] = [
        (1, "2024-12-31T23:59:58.000000001Z a\n"),
        (1, "2024-12-31T23:59:58.000000002Z b\n"),
        (1, "2024-12-31T23:59:58.000000002Z b\n"),
        (2, "2024-12-31T23:59:59.000000001Z c"),
    ];

    fn frames(written: &[(u8, &str)]) -> Vec<u8> {
        let frame = |(kind, text): &(u8, &str)| {
            let length = u32::try_from(text.len()).unwrap().to_be_bytes();
            [[*kind, 0, 0, 0].as_slice(), &length, text.as_bytes()].concat()
        };
        written.iter().flat_map(frame).collect()
    }

    /// An engine that breaks the log off twice, after two pieces and after three, while the command runs.
    fn engine() -> (tempfile::TempDir, Engine, Arc<AtomicUsize>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engine.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let engine = Engine::new(path.to_str()).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let times = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = socket.read_u8().await else { break };
                    head.push(byte);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let (body, missing) = if head.contains("/logs") {
                    match times.fetch_add(1, Ordering::SeqCst) {
                        0 => (frames(&WRITTEN[..2]), 9),
                        1 => (frames(&WRITTEN[..3]), 9),
                        _ => (frames(&WRITTEN), 0),
                    }
                } else if head.contains("/containers/") {
                    let mut labels = owner().labels();
                    let (run, app) = (RunId::new(Uuid::nil()), AppId::new(Uuid::nil()));
                    labels.insert(labels::RUN.to_owned(), run.to_string());
                    labels.insert(labels::APP.to_owned(), app.to_string());
                    let runs = times.load(Ordering::SeqCst) < 2;
                    let status = if runs { "running" } else { "exited" };
                    let state = json!({"Status": status});
                    let found = json!({"Id": "one", "State": state, "Config": {"Labels": labels}});
                    (found.to_string().into_bytes(), 0)
                } else {
                    (br#"{"Version":"20.10.0"}"#.to_vec(), 0)
                };
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                     content-length: {}\r\nconnection: close\r\n\r\n",
                    body.len() + missing
                );
                // The client may have seen enough.
                drop(socket.write_all(&[answer.as_bytes(), &body].concat()).await);
            }
        });
        (dir, engine, asked)
    }

    #[tokio::test]
    async fn a_log_that_the_engine_breaks_off_goes_on_where_it_stood() {
        let (_dir, engine, asked) = engine();
        let mut pieces = log(engine, owner(), "one".to_owned());
        let mut read = Vec::new();
        while let Some((stream, bytes)) = pieces.recv().await {
            read.push((stream == Stream::ErrorOutput, String::from_utf8(bytes).unwrap()));
        }
        let expected = [(false, "a\n"), (false, "b\n"), (false, "b\n"), (true, "c")];
        assert_eq!(read, expected.map(|(errors, text)| (errors, text.to_owned())));
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn a_clock_that_goes_back_while_a_log_is_read_hides_nothing() {
        let piece = |at| Piece {
            at,
            stream: LogStream::Stdout,
            text: Bytes::from_static(b"x"),
            ends_line: true,
        };
        let mut place = Place::default();
        place.begin();
        assert!(place.is_new(&piece(9)) && place.is_new(&piece(5)) && place.is_new(&piece(6)));
        place.begin();
        assert!(!place.is_new(&piece(5)) && !place.is_new(&piece(6)));
        assert!(place.is_new(&piece(2)) && place.is_new(&piece(6)));
        assert_eq!(Place::default().since(7 * SECOND), 0);
        place.output.passed = (60 * SECOND, 1);
        assert_eq!((place.since(90 * SECOND), place.since(50 * SECOND)), (58, 48));
    }
}
