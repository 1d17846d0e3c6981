//! Consuming: a durable pull consumer that is made again whenever NATS has lost it.
//!
//! At least once, in the stream's order, one message at a time: a message is acknowledged after
//! the handler said that what it means is durable. Whoever handles drops repeated ones by their
//! ids.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::jetstream::consumer::{self, AckPolicy, DeliverPolicy, PullConsumer};
use async_nats::jetstream::stream::{ConsumerError, ConsumerErrorKind};
use async_nats::jetstream::{AckKind, ErrorCode};
use bytes::Bytes;
use futures_util::StreamExt;
use hythe_core::time::Timestamp;
use hythe_store::steps::Step;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::connection::Bus;
use super::error::BusError;
use super::publish::decode;

/// How long a handler may take before NATS gives the message out again.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// How long one request for messages stays open.
const PULL_FOR: Duration = Duration::from_secs(20);
/// A consumer that nobody asks for this long is forgotten, where it is not durable.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(120);
/// Subjects whose newest message is remembered, so that an older one does not come after it.
const MOST_SUBJECTS: usize = 16_384;
/// First and longest wait before a consumer is made again.
const AGAIN_FIRST: Duration = Duration::from_millis(50);
const AGAIN_MOST: Duration = Duration::from_secs(5);

/// Which messages to consume, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerSpec {
    /// The stream.
    pub stream: String,
    /// The name under which NATS remembers how far it got. Several processes may share one: each
    /// message then goes to one of them.
    pub durable: String,
    /// Which subjects.
    pub filter: String,
    /// How many messages are fetched ahead, at least 1. With 1, a message that others could take
    /// never waits behind one that is being handled here.
    pub ahead: usize,
    /// What has been done once a message will not come again.
    pub settled: Step,
}

/// A message.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its subject.
    pub subject: String,
    /// What is in it.
    pub payload: Bytes,
    /// Its sequence in the stream.
    pub sequence: u64,
    /// How often it was given out, this time included.
    pub delivered: i64,
    /// When NATS took it, by the clock of its machine.
    pub published: Timestamp,
    /// Whether it lay there already when this consumer began to listen.
    pub backlog: bool,
}

impl Delivery {
    /// Reads it as JSON.
    ///
    /// # Errors
    /// [`BusError::Format`] says what does not fit.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, BusError> {
        decode(&format!("a message on {}", self.subject), &self.payload)
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What it means is durable: it is not needed any more.
    Done,
    /// Not now: give it out again after this long.
    Again(Duration),
    /// It will never make sense: nobody is to get it again.
    Refuse,
}

impl Bus {
    /// Gives every message to `handler`, one after the other, until `stop` is cancelled. Waits
    /// out every break and wipe of NATS.
    pub async fn consume<F, Fut>(&self, spec: ConsumerSpec, stop: CancellationToken, mut handler: F)
    where
        F: FnMut(Delivery) -> Fut + Send,
        Fut: Future<Output = Verdict> + Send,
    {
        let work = async {
            let mut wait = AGAIN_FIRST;
            loop {
                let epoch = self.ready().await;
                match self.consume_while_it_lasts(&spec, epoch, &mut handler).await {
                    Ok(()) => wait = AGAIN_FIRST,
                    Err(error) => {
                        tracing::debug!(%error, durable = spec.durable, "consuming again soon");
                        tokio::time::sleep(wait).await;
                        wait = (wait * 2).min(AGAIN_MOST);
                    }
                }
            }
        };
        stop.run_until_cancelled(work).await;
    }

    /// As [`Bus::consume`], but of each subject only the newest message that is there, and then
    /// whatever comes: for observations, where only the newest counts. One that is given out again after
    /// a newer one of its subject came is passed over. NATS remembers nothing.
    pub async fn consume_newest<F, Fut>(
        &self,
        stream: &str,
        filter: &str,
        settled: Step,
        stop: CancellationToken,
        handler: F,
    ) where
        F: FnMut(Delivery) -> Fut + Send,
        Fut: Future<Output = Verdict> + Send,
    {
        let spec = ConsumerSpec {
            stream: stream.into(),
            durable: String::new(),
            filter: filter.into(),
            ahead: 64,
            settled,
        };
        self.consume(spec, stop, handler).await;
    }

    /// Ends well when the epoch has changed.
    async fn consume_while_it_lasts<F, Fut>(
        &self,
        spec: &ConsumerSpec,
        epoch: u64,
        handler: &mut F,
    ) -> Result<(), BusError>
    where
        F: FnMut(Delivery) -> Fut + Send,
        Fut: Future<Output = Verdict> + Send,
    {
        let what = || format!("consume {}", spec.stream);
        let consumer = self.durable(spec).await?;
        let backlog = self.last_sequence(spec).await?;
        // A consumer that is made anew begins with the newest of each subject, and a stream that is made
        // anew counts from 1 again: what came before says nothing about either.
        let mut newest = spec.durable.is_empty().then(Newest::default);
        let mut state = self.state();
        loop {
            // Without a heartbeat: after one, a batch of async-nats 0.51 does not wake for what
            // comes next, and lets it lie until the request is over.
            let mut batch = consumer
                .batch()
                .max_messages(spec.ahead.max(1))
                .expires(PULL_FOR)
                .messages()
                .await
                .map_err(|error| BusError::refused(what(), error))?;
            loop {
                let changed = state.wait_for(|state| state.epoch() != Some(epoch));
                let message = tokio::select! {
                    _ = changed => return Ok(()),
                    message = batch.next() => message,
                };
                let Some(message) = message else { break };
                let message = message.map_err(|error| {
                    // The consumer may be gone with its stream.
                    BusError::refused(what(), error)
                })?;
                handle(message, backlog, spec.settled, &mut newest, handler).await;
            }
        }
    }

    async fn last_sequence(&self, spec: &ConsumerSpec) -> Result<u64, BusError> {
        let stream = self.jetstream().get_stream(spec.stream.as_str()).await;
        let stream = stream.map_err(|error| BusError::refused("look at a stream", error))?;
        Ok(stream.cached_info().state.last_sequence)
    }

    async fn durable(&self, spec: &ConsumerSpec) -> Result<PullConsumer, BusError> {
        let mut config = consumer::pull::Config {
            durable_name: Some(spec.durable.clone()),
            filter_subject: spec.filter.clone(),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_deliver: -1,
            max_ack_pending: 1024,
            ..consumer::pull::Config::default()
        };
        if spec.durable.is_empty() {
            // Not remembered: it begins anew with whatever is newest.
            config.durable_name = None;
            config.deliver_policy = DeliverPolicy::LastPerSubject;
            config.inactive_threshold = FORGOTTEN_AFTER;
        }
        #[expect(clippy::disallowed_methods, reason = "with its step")]
        let made = self.jetstream().create_consumer_on_stream(config, spec.stream.as_str());
        Step::ConsumerMade.take(made).await.map_err(|error| {
            if stream_is_gone(&error) {
                self.missed_a_stream();
            }
            BusError::refused(format!("make the consumer {}", spec.durable), error)
        })
    }
}

/// Whether a consumer cannot be made for want of its stream.
pub(super) fn stream_is_gone(error: &ConsumerError) -> bool {
    match error.kind() {
        ConsumerErrorKind::JetStream(error) => error.error_code() == ErrorCode::STREAM_NOT_FOUND,
        ConsumerErrorKind::TimedOut
        | ConsumerErrorKind::Request
        | ConsumerErrorKind::InvalidConsumerType
        | ConsumerErrorKind::InvalidName
        | ConsumerErrorKind::Other => false,
    }
}

/// Says what becomes of a message.
///
/// # Errors
/// The connection's.
pub(crate) async fn acknowledge(
    message: &async_nats::jetstream::Message,
    answer: AckKind,
    settled: Step,
) -> Result<(), async_nats::Error> {
    let ends = match answer {
        AckKind::Ack | AckKind::Term | AckKind::Next => true,
        AckKind::Nak(_) | AckKind::Progress => false,
    };
    #[expect(clippy::disallowed_methods, reason = "with its step")]
    message.ack_with(answer).await?;
    if ends {
        settled.passed();
    }
    Ok(())
}

/// The newest message of each subject that was given out.
#[derive(Debug, Default)]
struct Newest(BTreeMap<String, u64>);

impl Newest {
    /// Whether no newer one of its subject came before.
    fn is(&mut self, subject: &str, sequence: u64) -> bool {
        if let Some(newest) = self.0.get_mut(subject) {
            *newest = sequence.max(*newest);
            return *newest == sequence;
        }
        // Beyond so many nobody's is remembered, and all count.
        if self.0.len() < MOST_SUBJECTS {
            self.0.insert(subject.to_owned(), sequence);
        }
        true
    }
}

async fn handle<F, Fut>(
    message: async_nats::jetstream::Message,
    backlog: u64,
    settled: Step,
    newest: &mut Option<Newest>,
    handler: &mut F,
) where
    F: FnMut(Delivery) -> Fut + Send,
    Fut: Future<Output = Verdict> + Send,
{
    let Ok(info) = message.info() else {
        tracing::warn!(subject = %message.subject, "a message has no place in its stream");
        return;
    };
    let millis = info.published.unix_timestamp_nanos() / 1_000_000;
    let delivery = Delivery {
        subject: message.subject.to_string(),
        payload: message.payload.clone(),
        sequence: info.stream_sequence,
        delivered: info.delivered,
        published: Timestamp(u64::try_from(millis).unwrap_or_default()),
        backlog: info.stream_sequence <= backlog,
    };
    let overtaken =
        newest.as_mut().is_some_and(|newest| !newest.is(&delivery.subject, delivery.sequence));
    let verdict = if overtaken { Verdict::Done } else { handler(delivery).await };
    let answer = match verdict {
        Verdict::Done => AckKind::Ack,
        Verdict::Again(after) => AckKind::Nak(Some(after)),
        Verdict::Refuse => AckKind::Term,
    };
    // An answer that is lost only means that the message comes again.
    if let Err(error) = acknowledge(&message, answer, settled).await {
        tracing::debug!(%error, "an acknowledgement did not reach NATS");
    }
}
