//! Publishing: JSON, awaited up to JetStream's ack, tried again a few times.

use std::time::Duration;

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use hythe_core::wire::edge::{ROUTES_KEY, RouteTableMessage};
use hythe_store::steps::Step;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::connection::{ANSWER_WITHIN, Bus};
use super::error::BusError;
use super::packed;

/// What JetStream says when a stream that discards new messages has no room.
const FULL: u64 = 10077;

/// A message that is one of many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Where it goes.
    pub subject: String,
    /// What it says.
    pub payload: Bytes,
    /// The server drops another message of this id for two minutes.
    pub id: String,
}

/// A message that JetStream has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// Whether one of the same id had been taken a short while before, and this one was dropped.
    pub duplicate: bool,
}

impl Bus {
    /// Publishes a message and waits until JetStream has it. Gives up after four tries, in at most
    /// half a minute; at once while NATS is not connected.
    ///
    /// `step`: what has been done once JetStream has it.
    ///
    /// `id`: where given, the server drops another message of this id for two minutes.
    ///
    /// # Errors
    /// Says why JetStream does not have it; it may have it all the same after
    /// [`BusError::TimedOut`].
    pub async fn publish<T: Serialize + Sync>(
        &self,
        step: Step,
        subject: &str,
        message: &T,
        id: Option<&str>,
    ) -> Result<Published, BusError> {
        let payload = encode(subject, message)?;
        self.publish_bytes(step, subject, payload, id).await
    }

    /// As [`Bus::publish`], of something already encoded.
    ///
    /// # Errors
    /// As [`Bus::publish`].
    pub async fn publish_bytes(
        &self,
        step: Step,
        subject: &str,
        payload: Bytes,
        id: Option<&str>,
    ) -> Result<Published, BusError> {
        // The same id for every try, so that a try whose ack was lost is not taken twice.
        let id = id.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
        let attempt = || self.publish_once(subject, &payload, &id);
        let published = attempt
            .retry(
                ExponentialBuilder::default()
                    .with_min_delay(Duration::from_millis(50))
                    .with_max_delay(Duration::from_secs(2))
                    .with_max_times(3)
                    .with_jitter(),
            )
            .when(|error| match error {
                BusError::TimedOut { .. } | BusError::Refused { .. } => true,
                BusError::Credentials { .. }
                | BusError::Unreachable { .. }
                | BusError::Unauthorized { .. }
                | BusError::TooOld { .. }
                | BusError::NoJetStream { .. }
                | BusError::Streams { .. }
                | BusError::NotConnected { .. }
                | BusError::Full { .. }
                | BusError::TooLarge { .. }
                | BusError::Format { .. } => false,
            })
            .await?;
        step.passed();
        Ok(published)
    }

    /// Publishes messages of one stream, all on their way at once, and waits until JetStream has
    /// them; once each, without another try. How many of them it has, from the first one on: each
    /// but the first names the one before it, and JetStream refuses it where that is missing, so
    /// what it has is in this order.
    ///
    /// `step`: what has been done for each message that JetStream has.
    pub async fn publish_in_order(&self, step: Step, messages: &[Outgoing]) -> usize {
        let mut acks = Vec::with_capacity(messages.len());
        let mut before: Option<&Outgoing> = None;
        for message in messages.iter().filter(|_| self.is_ready()) {
            let Outgoing { subject, payload, id } = message;
            let mut outgoing = PublishMessage::build().payload(payload.clone()).message_id(id);
            if let Some(before) = before {
                outgoing = outgoing.expected_last_message_id(&before.id);
            }
            before = Some(message);
            #[expect(clippy::disallowed_methods, reason = "the caller names the step")]
            let send = self.jetstream().send_publish(subject.clone(), outgoing);
            match tokio::time::timeout(ANSWER_WITHIN, send).await {
                Ok(Ok(ack)) => acks.push(ack),
                Ok(Err(_)) | Err(_) => break,
            }
        }
        let mut there = 0;
        for ack in acks {
            match tokio::time::timeout(ANSWER_WITHIN, ack.into_future()).await {
                Ok(Ok(_)) => {
                    step.passed();
                    there += 1;
                }
                Ok(Err(_)) | Err(_) => break,
            }
        }
        there
    }

    async fn publish_once(
        &self,
        subject: &str,
        payload: &Bytes,
        id: &str,
    ) -> Result<Published, BusError> {
        if !self.is_ready() {
            return Err(BusError::NotConnected { what: subject.into() });
        }
        let message = PublishMessage::build().payload(payload.clone()).message_id(id);
        let send = async {
            #[expect(clippy::disallowed_methods, reason = "the caller names the step")]
            let ack = self.jetstream().send_publish(subject.to_owned(), message).await?;
            ack.await
        };
        match tokio::time::timeout(ANSWER_WITHIN, send).await {
            Ok(Ok(ack)) => Ok(Published { sequence: ack.sequence, duplicate: ack.duplicate }),
            Ok(Err(error)) => Err(self.not_published(subject, payload.len(), &error)),
            Err(_) => Err(timed_out(subject)),
        }
    }

    fn not_published(&self, subject: &str, bytes: usize, error: &PublishError) -> BusError {
        let what = format!("publish to {subject}");
        match error.kind() {
            PublishErrorKind::StreamNotFound => {
                self.missed_a_stream();
                BusError::refused(what, "its stream is gone; it is made again")
            }
            PublishErrorKind::TimedOut => timed_out(subject),
            PublishErrorKind::MaxPayloadExceeded => BusError::TooLarge {
                what: subject.into(),
                bytes,
                most: self.client().max_payload(),
            },
            PublishErrorKind::Other if is_full(error) => BusError::Full { what: subject.into() },
            PublishErrorKind::BrokenPipe
            | PublishErrorKind::MaxAckPending
            | PublishErrorKind::WrongLastMessageId
            | PublishErrorKind::WrongLastSequence
            | PublishErrorKind::Other => BusError::refused(what, error),
        }
    }

    /// Puts a route table into the bucket.
    ///
    /// # Errors
    /// Where the bucket did not take it.
    pub async fn put_routes(&self, message: &RouteTableMessage) -> Result<(), BusError> {
        let what = "publish the route table";
        if !self.is_ready() {
            return Err(BusError::NotConnected { what: "the route table".into() });
        }
        let most = self.client().max_payload();
        let payload = packed::pack(encode(what, message)?, most)
            .map_err(|error| BusError::Format { what: what.into(), why: error.to_string() })?;
        let bytes = payload.len();
        if bytes > most {
            return Err(BusError::TooLarge { what: "the route table".into(), bytes, most });
        }
        let put = async {
            let bucket = self.routes_bucket().await?;
            #[expect(clippy::disallowed_methods, reason = "with its step")]
            let put = bucket.put(ROUTES_KEY, payload).await;
            put.map_err(|error| BusError::refused(what, error))
        };
        let put = tokio::time::timeout(ANSWER_WITHIN * 2, Step::RoutesPut.take(put)).await;
        let put = put.unwrap_or_else(|_| {
            Err(BusError::TimedOut { what: what.into(), waited: ANSWER_WITHIN * 2 })
        });
        if put.is_err() {
            self.missed_a_stream();
        }
        put.map(drop)
    }

    /// The route table in the bucket, if there is one.
    ///
    /// # Errors
    /// Where the bucket cannot be read, or holds what is no table.
    pub async fn routes(&self) -> Result<Option<RouteTableMessage>, BusError> {
        let what = "read the route table";
        if !self.is_ready() {
            return Err(BusError::NotConnected { what: what.into() });
        }
        let get = async {
            let bucket = self.routes_bucket().await?;
            bucket.get(ROUTES_KEY).await.map_err(|error| BusError::refused(what, error))
        };
        let found = tokio::time::timeout(ANSWER_WITHIN * 2, get).await.unwrap_or_else(|_| {
            Err(BusError::TimedOut { what: what.into(), waited: ANSWER_WITHIN * 2 })
        })?;
        let Some(bytes) = found else { return Ok(None) };
        let json = packed::unpack(&bytes)
            .map_err(|error| BusError::Format { what: what.into(), why: error.to_string() })?;
        decode(what, &json).map(Some)
    }
}

fn timed_out(subject: &str) -> BusError {
    BusError::TimedOut { what: format!("publish to {subject}"), waited: ANSWER_WITHIN }
}

fn is_full(error: &PublishError) -> bool {
    let source = std::error::Error::source(error);
    let source = source.and_then(|s| s.downcast_ref::<async_nats::jetstream::Error>());
    source.is_some_and(|error| error.error_code().0 == FULL)
}

pub(crate) fn encode<T: Serialize>(what: &str, message: &T) -> Result<Bytes, BusError> {
    serde_json::to_vec(message).map(Bytes::from).map_err(|error| BusError::Format {
        what: format!("encode {what}"),
        why: error.to_string(),
    })
}

pub(super) fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, BusError> {
    serde_json::from_slice(bytes).map_err(|error| BusError::Format {
        what: format!("decode {what}"),
        why: error.to_string(),
    })
}
