//! Following a stream over a WebSocket: it goes on after a break where it left off.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};

use url::Url;

use super::client::{AWAY_WITHIN, Client};
use super::failure::{Failure, Outcome};

/// How long a connection may take to come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Between two tries.
const TRY_AGAIN: Duration = Duration::from_millis(500);
/// Silence after which the other side is asked for a sign of life.
const PING_AFTER: Duration = Duration::from_secs(20);
/// The largest message.
const MOST_MESSAGE: usize = 4 * 1024 * 1024;

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What a reader makes of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// More.
    More,
    /// That was all it wanted.
    Enough,
}

/// Something that can be resumed.
pub(super) trait Stream {
    /// One message.
    type Item: DeserializeOwned;
    /// Which parameters to ask with now: those of the beginning, or a cursor.
    fn query(&self) -> Vec<(&'static str, String)>;
    /// Takes an item, and remembers where to resume after it.
    fn take(&mut self, item: Self::Item) -> Next;
    /// Nobody reads any more.
    fn abandoned(&self) -> bool;
    /// The connection broke off and is made anew.
    fn broke_off(&mut self);
}

/// Follows a stream until its end, or until its reader has enough.
///
/// # Errors
/// The server says no, or stays away for too long.
pub(super) async fn follow<S: Stream>(client: &Client, path: &[&str], stream: &mut S) -> Outcome {
    let mut reached = false;
    let mut away_since = Instant::now();
    loop {
        match connect(client, path, stream).await {
            Ok(socket) => {
                reached = true;
                match read(socket, stream).await {
                    Read::Finished => return Ok(()),
                    Read::Unreadable(why) | Read::Trouble(why, false) => {
                        return Err(Failure::failed(why));
                    }
                    // It came further than before: worth another try from there.
                    Read::Trouble(_, true) => {}
                    Read::BrokeOff => {
                        away_since = Instant::now();
                        stream.broke_off();
                    }
                }
            }
            Err(Refusal::Final(failure)) => return Err(*failure),
            Err(Refusal::Passing(why)) => {
                if !reached || away_since.elapsed() >= AWAY_WITHIN {
                    return Err(client.away(&why));
                }
            }
        }
        sleep(TRY_AGAIN).await;
    }
}

/// Why a connection does not come about.
pub(super) enum Refusal {
    Final(Box<Failure>),
    Passing(String),
}

impl Refusal {
    /// For whoever does not try again.
    pub(super) fn failure(self, client: &Client) -> Failure {
        match self {
            Self::Final(failure) => *failure,
            Self::Passing(why) => client.away(&why),
        }
    }
}

async fn connect<S: Stream>(client: &Client, path: &[&str], stream: &S) -> Result<Socket, Refusal> {
    let url = client.address(path, &stream.query());
    open(client, url.map_err(|failure| Refusal::Final(Box::new(failure)))?, MOST_MESSAGE).await
}

/// Opens a WebSocket for messages of at most so many bytes.
pub(super) async fn open(client: &Client, mut url: Url, most: usize) -> Result<Socket, Refusal> {
    let last = |failure: Failure| Refusal::Final(Box::new(failure));
    let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
    url.set_scheme(scheme).map_err(|()| last(Failure::usage("the URL is no server's")))?;
    let mut request =
        url.as_str().into_client_request().map_err(|e| last(Failure::failed(e.to_string())))?;
    if let Some(token) = client.token() {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| last(Failure::usage("the token has characters that no token has")))?;
        value.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    let config = WebSocketConfig::default().max_message_size(Some(most));
    let trust = Some(Connector::Rustls(client.tls()));
    let connecting =
        tokio_tungstenite::connect_async_tls_with_config(request, Some(config), true, trust);
    match timeout(CONNECT_WITHIN, connecting).await {
        Err(_) => Err(Refusal::Passing("it does not answer".into())),
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(Error::Http(answer))) => {
            let status = answer.status();
            let body = answer.body().as_deref().unwrap_or_default();
            if matches!(
                status,
                StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
            ) {
                return Err(Refusal::Passing(format!("it answers {status}")));
            }
            let status = reqwest::StatusCode::from_u16(status.as_u16())
                .map_err(|_| Refusal::Passing("it answers with a strange status".into()))?;
            Err(last(client.socket_refused(status, body)))
        }
        Ok(Err(error)) => Err(Refusal::Passing(error.to_string())),
    }
}

enum Read {
    Finished,
    BrokeOff,
    /// The server has something to say about it. Whether anything came before.
    Trouble(String, bool),
    Unreadable(String),
}

async fn read<S: Stream>(mut socket: Socket, stream: &mut S) -> Read {
    let mut asked = false;
    let mut came = false;
    loop {
        let message = match timeout(PING_AFTER, socket.next()).await {
            Err(_) if asked => return Read::BrokeOff,
            Err(_) => {
                asked = true;
                if socket.send(Message::Ping(Vec::new().into())).await.is_err() {
                    return Read::BrokeOff;
                }
                continue;
            }
            Ok(None | Some(Err(_))) => return Read::BrokeOff,
            Ok(Some(Ok(message))) => message,
        };
        asked = false;
        match message {
            Message::Text(text) => match serde_json::from_str(&text) {
                Ok(item) => {
                    came = true;
                    if stream.take(item) == Next::Enough {
                        socket.close(None).await.ok();
                        return Read::Finished;
                    }
                }
                Err(error) => {
                    return Read::Unreadable(format!(
                        "the server sent something that this version cannot read ({error}); use a \
                         `hythe` of the server's version"
                    ));
                }
            },
            Message::Close(Some(frame)) if frame.code == CloseCode::Normal => {
                return Read::Finished;
            }
            Message::Close(Some(frame)) if frame.code == CloseCode::Error => {
                return Read::Trouble(frame.reason.to_string(), came);
            }
            Message::Close(_) => return Read::BrokeOff,
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
        if stream.abandoned() {
            return Read::Finished;
        }
    }
}
