//! WebSockets that only tell: events and lines of log, as they come.
//!
//! A reader that is too slow is let go, never waited for; a dead one is noticed by pings.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts, Request};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _};
use serde::Serialize;

use super::ApiState;
use super::problem::{Kind, Problem};

/// From one ping to the next.
const PING_EVERY: Duration = Duration::from_secs(20);
/// A reader that takes longer for one message is too slow.
const SEND_WITHIN: Duration = Duration::from_secs(20);
/// A reader not heard of for this long (it answers pings) is gone.
const SILENT_FOR: Duration = Duration::from_secs(60);
/// Bytes of a message from a reader, which has nothing to say.
const MOST_INCOMING: usize = 4 * 1024;
/// The subprotocol of this server.
const PROTOCOL: &str = "hythe.v1";

/// Whether a request asks for a WebSocket.
pub(crate) fn wanted(request: &Request) -> bool {
    request
        .headers()
        .get(header::UPGRADE)
        .is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Answers with a WebSocket that tells everything of `items`, and closes when they end.
pub(crate) async fn tell<T, S>(state: &ApiState, request: Request, items: S) -> Response
where
    T: Serialize + Send + 'static,
    S: Stream<Item = Result<T, Problem>> + Send + 'static,
{
    let Some(seat) = state.seat() else {
        return Problem::new(Kind::Busy, "too many WebSockets are open; close some")
            .retry_after(Duration::from_secs(10))
            .into_response();
    };
    let (mut parts, _) = request.into_parts();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, state).await {
        Ok(upgrade) => upgrade,
        Err(refused) => {
            return Problem::new(Kind::UpgradeFailed, refused.body_text()).into_response();
        }
    };
    let stopping = state.stopping().clone();
    let open = state.metrics().sockets().clone();
    upgrade
        .protocols([PROTOCOL])
        .max_message_size(MOST_INCOMING)
        .max_frame_size(MOST_INCOMING)
        .on_upgrade(move |mut socket| async move {
            let _seat = seat;
            open.inc();
            let end = tokio::select! {
                end = pump(&mut socket, items) => end,
                () = stopping.cancelled() => Some((close_code::AWAY, "the server stops".into())),
            };
            open.dec();
            if let Some((code, reason)) = end {
                let close = Message::Close(Some(CloseFrame { code, reason }));
                // Whoever is gone needs no farewell.
                let _sent = tokio::time::timeout(Duration::from_secs(1), socket.send(close)).await;
            }
        })
}

/// Tells until one side ends. `None` where the other side is gone.
async fn pump<T, S>(socket: &mut WebSocket, items: S) -> Option<(u16, Utf8Bytes)>
where
    T: Serialize,
    S: Stream<Item = Result<T, Problem>>,
{
    let mut items = std::pin::pin!(items);
    let mut ping = tokio::time::interval(PING_EVERY);
    ping.reset();
    let mut heard = tokio::time::Instant::now();
    loop {
        let message = tokio::select! {
            item = items.next() => match item {
                None => return Some((close_code::NORMAL, "that was all".into())),
                Some(Ok(item)) => match serde_json::to_string(&item) {
                    Ok(text) => Message::Text(text.into()),
                    Err(_) => return Some((close_code::ERROR, "an item does not encode".into())),
                },
                Some(Err(problem)) => {
                    return Some((close_code::ERROR, reason(&problem.detail)));
                }
            },
            incoming = socket.recv() => match incoming {
                None | Some(Err(_) | Ok(Message::Close(_))) => return None,
                Some(Ok(
                    Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Pong(_),
                )) => {
                    heard = tokio::time::Instant::now();
                    continue;
                }
            },
            _ = ping.tick() => {
                if heard.elapsed() > SILENT_FOR {
                    return None;
                }
                Message::Ping(bytes::Bytes::new())
            }
        };
        match tokio::time::timeout(SEND_WITHIN, socket.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return None,
            Err(_) => return Some((close_code::POLICY, "too slow; resume from the cursor".into())),
        }
    }
}

/// The reason of a close frame has at most 123 bytes.
fn reason(detail: &str) -> Utf8Bytes {
    let mut text = String::new();
    for c in detail.chars() {
        if text.len() + c.len_utf8() > 120 {
            break;
        }
        text.push(c);
    }
    text.into()
}
