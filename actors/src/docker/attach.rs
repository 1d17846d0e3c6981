//! The input and output of a container, as they are.
//!
//! Over a connection of its own: whoever does not read here holds the program up, which is what is
//! wanted of a command that somebody watches, and of nothing else (logs are read in another way).
//! With a terminal the engine sends the bytes as they are, without one in frames that name the
//! stream; bollard's reader takes the first bytes of a terminal for a frame where they are small.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::StatusCode;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, ReadHalf, WriteHalf};
use tokio::net::UnixStream;

use super::{Engine, EngineError};

/// Bytes of an error that are read.
const MOST_ERROR_BYTES: usize = 16 * 1024;
/// What comes before each frame.
const FRAME_HEAD: usize = 8;
/// The stream of a frame that is the error output.
const ERROR_OUTPUT: u8 = 2;

/// Where a program's input is written to. Shutting it down ends the input.
pub(crate) type Input = WriteHalf<TokioIo<Upgraded>>;

/// What a program writes.
#[derive(Debug)]
pub(crate) struct Output {
    from: ReadHalf<TokioIo<Upgraded>>,
    terminal: bool,
    /// Of the frame that is being read: whether it is error output, and how much is left of it.
    frame: (bool, usize),
}

/// Which stream a piece belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// The output, or the terminal.
    Output,
    /// The error output.
    ErrorOutput,
}

impl Output {
    /// The next piece, at most so long; none at the end.
    pub(crate) async fn next(&mut self, most: usize) -> std::io::Result<Option<(Stream, Vec<u8>)>> {
        if self.terminal {
            let piece = self.piece(most).await?;
            return Ok((!piece.is_empty()).then_some((Stream::Output, piece)));
        }
        while self.frame.1 == 0 {
            let mut head = [0; FRAME_HEAD];
            if self.from.read(&mut head[..1]).await? == 0 {
                return Ok(None);
            }
            self.from.read_exact(&mut head[1..]).await?;
            let [stream, _, _, _, length @ ..] = head;
            let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            self.frame = (stream == ERROR_OUTPUT, length);
        }
        let (error, left) = self.frame;
        let piece = self.piece(most.min(left)).await?;
        if piece.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.frame.1 = left - piece.len();
        Ok(Some((if error { Stream::ErrorOutput } else { Stream::Output }, piece)))
    }

    async fn piece(&mut self, most: usize) -> std::io::Result<Vec<u8>> {
        let mut piece = vec![0; most];
        let read = self.from.read(&mut piece).await?;
        piece.truncate(read);
        Ok(piece)
    }
}

impl Engine {
    /// Attaches to a container, by id, before it is started: nothing that it writes is missed.
    pub(crate) async fn attach(
        &self,
        id: &str,
        terminal: bool,
    ) -> Result<(Input, Output), EngineError> {
        // In the engine's own version of its API, as bollard's requests turn out to be.
        let path = format!("/containers/{id}/attach?stream=1&stdin=1&stdout=1&stderr=1&logs=0");
        let request = hyper::Request::post(path)
            .header(HOST, "engine")
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "tcp")
            .body(Full::new(Bytes::new()))
            .map_err(|error| EngineError::Broken { message: error.to_string() })?;
        let unreachable =
            |error: std::io::Error| self.fault(&bollard::errors::Error::IOError { err: error });
        let broken = |error: hyper::Error| EngineError::Broken { message: error.to_string() };
        let socket = UnixStream::connect(self.socket()).await.map_err(unreachable)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(socket)).await.map_err(broken)?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "the connection to a container's input and output broke");
            }
        });
        let answer = sender.send_request(request).await.map_err(broken)?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), MOST_ERROR_BYTES).collect().await;
            let text = body.map(|body| body.to_bytes()).unwrap_or_default();
            let message = String::from_utf8_lossy(&text).trim().to_owned();
            return Err(EngineError::Refused { status, message });
        }
        let upgraded = hyper::upgrade::on(answer).await.map_err(broken)?;
        let (from, to) = tokio::io::split(TokioIo::new(upgraded));
        Ok((to, Output { from, terminal, frame: (false, 0) }))
    }
}
