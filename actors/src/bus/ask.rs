//! Questions and answers: past JetStream, for what can be asked again at any time.

use std::time::Duration;

use async_nats::{Request, RequestErrorKind};
use futures_util::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::connection::Bus;
use super::error::BusError;
use super::publish::{decode, encode};

impl Bus {
    /// Asks whoever answers on a subject.
    ///
    /// # Errors
    /// Where nobody does, or not in time, or the answer makes no sense.
    pub async fn ask<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        subject: &str,
        question: &Q,
        within: Duration,
    ) -> Result<A, BusError> {
        let payload = encode(subject, question)?;
        let request = Request::new().payload(payload).timeout(Some(within));
        let answer = self.client().send_request(subject.to_owned(), request).await;
        let answer = answer.map_err(|error| match error.kind() {
            RequestErrorKind::TimedOut => {
                BusError::TimedOut { what: format!("ask {subject}"), waited: within }
            }
            RequestErrorKind::NoResponders
            | RequestErrorKind::InvalidSubject
            | RequestErrorKind::MaxPayloadExceeded
            | RequestErrorKind::Other => {
                BusError::NotConnected { what: format!("a question to {subject}") }
            }
        })?;
        decode(subject, &answer.payload)
    }

    /// Answers questions on a subject, one after the other, until `stop`. One that makes no sense
    /// is not answered.
    ///
    /// # Errors
    /// Where the subject cannot be listened to.
    pub async fn answer<Q: DeserializeOwned, A: Serialize + Sync, F: Future<Output = A>>(
        &self,
        subject: &str,
        stop: &CancellationToken,
        answer: impl Fn(Q) -> F,
    ) -> Result<(), BusError> {
        let fault = |why: String| BusError::Streams { name: subject.to_owned(), why };
        let subscribed = self.client().subscribe(subject.to_owned()).await;
        let mut questions = subscribed.map_err(|error| fault(error.to_string()))?;
        while let Some(Some(question)) = stop.run_until_cancelled(questions.next()).await {
            let Some(reply) = question.reply else { continue };
            let asked = match decode(subject, &question.payload) {
                Ok(asked) => asked,
                Err(error) => {
                    tracing::warn!(subject, %error, "a question could not be understood");
                    continue;
                }
            };
            let said = encode(subject, &answer(asked).await)?;
            #[expect(clippy::disallowed_methods, reason = "an answer is no durable step")]
            let sent = self.client().publish(reply, said).await;
            if let Err(error) = sent {
                tracing::warn!(subject, %error, "an answer could not be sent");
            }
        }
        Ok(())
    }
}
