//! WebSockets that pass on the packets of a run, as they are, between whoever began it and its worker.
//!
//! Invariants: only packets that may go that way do; nothing is kept here, both ends keep what they
//! sent until it arrived. How the run ended is put into the journal also where nobody waits for it.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts, Request};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use hythe_actors::runs::{self, Hold, Outward, Passage};
use hythe_core::ids::{AppId, RunId};
use hythe_core::one_off::OneOffEnd;
use hythe_core::wire::run::{Body, MOST_PACKET, Packet};
use tokio::sync::OwnedSemaphorePermit;

use super::ApiState;
use super::problem::{Kind, Problem};

/// The subprotocol of this server.
const PROTOCOL: &str = "hythe.v1";
/// How long both ends may say nothing. Each says something every two seconds.
const SILENT_FOR: Duration = Duration::from_secs(60);
/// How long a worker is waited for to say how a run ended that was left.
const END_WITHIN: Duration = Duration::from_secs(40);

/// A place among the WebSockets that may be open. It is taken before anything begins that needs somebody who
/// listens.
///
/// # Errors
/// Where there is none.
pub(crate) fn seat(state: &ApiState) -> Result<OwnedSemaphorePermit, Problem> {
    state.seat().ok_or_else(|| {
        Problem::new(Kind::Busy, "too many WebSockets are open; close some")
            .retry_after(Duration::from_secs(10))
    })
}

/// Answers with a WebSocket that passes on what goes over `passage`. Of a run that is carried,
/// `records` is what its end is put into the journal for.
pub(crate) async fn relay(
    state: &ApiState,
    (request, seat): (Request, OwnedSemaphorePermit),
    passage: Passage,
    records: Option<(AppId, RunId, Hold)>,
) -> Response {
    let (mut parts, _) = request.into_parts();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, state).await {
        Ok(upgrade) => upgrade,
        Err(refused) => {
            return Problem::new(Kind::UpgradeFailed, refused.body_text()).into_response();
        }
    };
    let state = state.clone();
    upgrade
        .protocols([PROTOCOL])
        .max_message_size(MOST_PACKET)
        .max_frame_size(MOST_PACKET)
        .on_upgrade(move |socket| async move {
            let _seat = seat;
            let open = state.metrics().sockets().clone();
            open.inc();
            carry(&state, socket, passage, records.as_ref()).await;
            open.dec();
        })
}

async fn carry(
    state: &ApiState,
    socket: WebSocket,
    mut passage: Passage,
    records: Option<&(AppId, RunId, Hold)>,
) {
    let (to, from) = socket.split();
    let outward = passage.outward();
    let mut end = None;
    let (code, reason) = tokio::select! {
        said = inward(from, &outward) => said,
        said = back(to, &mut passage, &mut end) => said,
        () = state.stopping().cancelled() => (close_code::AWAY, "the server stops"),
    };
    tracing::debug!(code, reason, "the WebSocket of a run is closed");
    // Whoever has heard the end needs no farewell.
    let leave = Packet { number: 0, received: 0, used: 0, again: false, body: Body::Leave };
    outward.send(leave.encode().into()).await;
    let Some((app, run, _hold)) = records else { return };
    let end = match end {
        Some(end) => Some(end),
        None => tokio::time::timeout(END_WITHIN, last_word(&mut passage)).await.unwrap_or(None),
    };
    // Where its worker says nothing, it is asked later.
    if let Some(end) = end {
        runs::ended(state.control(), *app, *run, end).await;
    }
}

/// Passes on what comes from the client, until it goes.
async fn inward(mut from: SplitStream<WebSocket>, outward: &Outward) -> (u16, &'static str) {
    while let Some(Ok(message)) = from.next().await {
        match message {
            Message::Binary(bytes) => match Packet::decode(&bytes) {
                Ok(packet) if packet.body.is_for_worker() => outward.send(bytes).await,
                Ok(_) | Err(_) => return (close_code::POLICY, "that was no packet for a worker"),
            },
            Message::Text(_) => return (close_code::UNSUPPORTED, "packets are binary messages"),
            Message::Close(_) => break,
            Message::Ping(_) | Message::Pong(_) => {}
        }
    }
    (close_code::NORMAL, "the client went")
}

/// Passes on what comes from the worker.
async fn back(
    mut to: SplitSink<WebSocket, Message>,
    passage: &mut Passage,
    end: &mut Option<OneOffEnd>,
) -> (u16, &'static str) {
    loop {
        let next = tokio::time::timeout(SILENT_FOR, passage.next()).await;
        let Ok(Some((bytes, packet))) = next else {
            let farewell = (close_code::ERROR, "its worker is not heard of any more");
            let close = CloseFrame { code: farewell.0, reason: farewell.1.into() };
            let _gone_already = to.send(Message::Close(Some(close))).await;
            return farewell;
        };
        if let Body::Ended(ended) = packet.body {
            *end = Some(ended.end);
        }
        if to.send(Message::Binary(bytes)).await.is_err() {
            return (close_code::NORMAL, "the client went");
        }
    }
}

async fn last_word(passage: &mut Passage) -> Option<OneOffEnd> {
    loop {
        let (_, packet): (Bytes, Packet) = passage.next().await?;
        if let Body::Ended(ended) = packet.body {
            return Some(ended.end);
        }
    }
}
