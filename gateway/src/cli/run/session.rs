//! Carries stdin to a program, and what it writes to stdout and stderr, over packets.
//!
//! Invariants: no more is held here than a window in each direction; what is written is told only when
//! the operating system has it, so a reader of this process that stalls stops the program.

use std::io::{Read as _, Write as _, stderr, stdin, stdout};
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use hythe_core::link::Link;
use hythe_core::time::Millis;
use hythe_core::wire::run::{Body, MOST_PACKET, MOST_PIECE, Packet, Signal, TerminalSize};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;

use super::terminal;
use crate::cli::client::Client;
use crate::cli::failure::{Exit, Failure, Outcome};
use crate::cli::socket::{self, Socket};

/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The exit code where the way to the program broke off.
const LOST: u8 = 125;
/// The exit code of a program whose reader went away: as if SIGPIPE had ended it.
const NOBODY_READS: u8 = 141;

/// What is at this end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// Whether stdin is passed on.
    pub(super) input: bool,
    /// Whether the program has a terminal.
    pub(super) terminal: bool,
}

/// How it ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: u8,
    pub(super) message: Option<String>,
}

/// Opens the way.
///
/// # Errors
/// The server was not reached, or said no.
pub(super) async fn connect(client: &Client, path: &[&str]) -> Outcome<Socket> {
    let url = client.address(path, &[])?;
    socket::open(client, url, MOST_PACKET).await.map_err(|refusal| refusal.failure(client))
}

/// Something for one of this process's outputs.
enum Piece {
    Output(Vec<u8>),
    ErrorOutput(Vec<u8>),
}

struct Session {
    to: SplitSink<Socket, Message>,
    link: Link,
    began: Instant,
}

impl Session {
    fn now(&self) -> Millis {
        Millis(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    async fn put(&mut self, packet: &Packet) -> Result<(), Failure> {
        let sent = self.to.send(Message::Binary(packet.encode().into())).await;
        sent.map_err(|error| lost(&error.to_string()))
    }

    async fn send(&mut self, body: Body) -> Result<(), Failure> {
        let now = self.now();
        let packet = self.link.send(body, now);
        self.put(&packet).await
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        let now = self.now();
        for packet in self.link.due(now) {
            self.put(&packet).await?;
        }
        Ok(())
    }

    /// Goes before the end: the program is ended at once, and not only when it is noticed.
    async fn leave(&mut self) {
        let now = self.now();
        let packet = self.link.leave(now);
        let _gone_already = self.put(&packet).await;
        let _gone_already = self.to.close().await;
    }
}

fn lost(why: &str) -> Failure {
    Failure { exit: Exit::Program(LOST), ..Failure::failed(format!("lost the way to it: {why}")) }
        .hint("it is ended, unless it ended before; hythe events says how")
}

/// Carries until the program has ended.
///
/// # Errors
/// The way broke off.
pub(super) async fn carry(socket: Socket, ends: Ends) -> Outcome<Ended> {
    let (to, mut from) = socket.split();
    let mut session = Session { to, link: Link::new(Millis(0)), began: Instant::now() };
    let of = |kind: SignalKind| signal(kind).map_err(|error| Failure::of(&error));
    let (mut interrupts, mut hangups) = (of(SignalKind::interrupt())?, of(SignalKind::hangup())?);
    let (mut terminates, mut quits) = (of(SignalKind::terminate())?, of(SignalKind::quit())?);
    let mut resizes = of(SignalKind::window_change())?;
    let mut input = if ends.input { Some(reader()) } else { None };
    let (pieces, mut written) = writer();
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut under_way, mut resized, mut asked) = (0_usize, false, 0_u32);
    let mut ended = None;
    loop {
        let mut passed = None;
        tokio::select! {
            heard = next(&mut from, &mut session) => match heard? {
                Some(Body::Output(bytes)) => {
                    under_way += 1;
                    let _writer_is_there = pieces.send(Piece::Output(bytes));
                }
                Some(Body::ErrorOutput(bytes)) => {
                    under_way += 1;
                    let _writer_is_there = pieces.send(Piece::ErrorOutput(bytes));
                }
                Some(Body::Ended(end)) => {
                    session.link.used_one();
                    ended = Some(Ended { code: end.code, message: end.message });
                }
                Some(_) | None => {}
            },
            piece = from_input(&mut input), if session.link.has_room() => match piece {
                Some(bytes) => session.send(Body::Input(bytes)).await?,
                None => {
                    input = None;
                    session.send(Body::InputEnd).await?;
                }
            },
            Some(well) = written.recv() => {
                under_way -= 1;
                session.link.used_one();
                if !well {
                    session.leave().await;
                    return Ok(Ended { code: NOBODY_READS, message: None });
                }
            }
            _ = interrupts.recv() => passed = Some(Signal::Interrupt),
            _ = terminates.recv() => passed = Some(Signal::Terminate),
            _ = quits.recv() => passed = Some(Signal::Quit),
            // Whoever sat here went away.
            _ = hangups.recv() => {
                session.leave().await;
                return Ok(Ended { code: 128 + Signal::Hangup.number(), message: None });
            }
            _ = resizes.recv() => resized = ends.terminal,
            _ = tick.tick() => {}
        }
        if let Some(passed) = passed {
            asked += 1;
            // Who asks again does not want to wait for what the program makes of it.
            if asked > 1 || !ends.input {
                session.leave().await;
                return Ok(Ended { code: 128 + passed.number(), message: None });
            }
            if session.link.has_margin() {
                session.send(Body::Signal(passed)).await?;
            }
        }
        if resized && session.link.has_margin() {
            resized = false;
            if let Some(size) = terminal::size() {
                let size = TerminalSize { columns: size.columns, rows: size.rows };
                session.send(Body::Resize(size)).await?;
            }
        }
        if let Some(ended) = ended.take_if(|_| under_way == 0) {
            session.link.tell();
            session.flush().await?;
            session.leave().await;
            return Ok(ended);
        }
        session.flush().await?;
        if session.link.is_silent(session.now()) {
            return Err(lost("its worker is not heard of any more"));
        }
    }
}

/// The next body from the program, where a message brought one.
async fn next(
    from: &mut SplitStream<Socket>,
    session: &mut Session,
) -> Result<Option<Body>, Failure> {
    let bytes = match from.next().await {
        Some(Ok(Message::Binary(bytes))) => bytes,
        Some(Ok(Message::Close(Some(frame)))) => return Err(lost(&frame.reason)),
        Some(Ok(Message::Close(None))) | None => {
            return Err(lost("the server closed the connection"));
        }
        Some(Err(error)) => return Err(lost(&error.to_string())),
        Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
            return Ok(None);
        }
    };
    let packet = Packet::decode(&bytes).map_err(|error| {
        let why = format!("{error}; use a `hythe` of the server's version");
        lost(&why)
    })?;
    let now = session.now();
    Ok(session.link.hear(packet, now))
}

async fn from_input(input: &mut Option<mpsc::Receiver<Vec<u8>>>) -> Option<Vec<u8>> {
    match input {
        Some(input) => input.recv().await,
        None => std::future::pending().await,
    }
}

/// Reads stdin on a thread of its own, one piece ahead: reads cannot be called off.
fn reader() -> mpsc::Receiver<Vec<u8>> {
    let (tell, pieces) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut piece = vec![0; MOST_PIECE];
        loop {
            match stdin().lock().read(&mut piece) {
                Ok(0) => return,
                Ok(read) => {
                    if tell.blocking_send(piece[..read].to_vec()).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    });
    pieces
}

/// Writes to stdout and stderr on a thread of its own, and says of each piece whether that went well.
fn writer() -> (std::sync::mpsc::Sender<Piece>, mpsc::UnboundedReceiver<bool>) {
    let (pieces, wanted) = std::sync::mpsc::channel();
    let (tell, written) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for piece in wanted {
            let well = match piece {
                Piece::Output(bytes) => {
                    let mut out = stdout().lock();
                    out.write_all(&bytes).and_then(|()| out.flush())
                }
                Piece::ErrorOutput(bytes) => stderr().lock().write_all(&bytes),
            };
            if tell.send(well.is_ok()).is_err() {
                return;
            }
        }
    });
    (pieces, written)
}
