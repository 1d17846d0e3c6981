//! Gives builders the bytes of uploads, piece by piece.

use std::sync::Arc;

use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use futures_util::StreamExt as _;
use hythe_core::ids::InstallationId;
use hythe_core::wire::FORMAT;
use hythe_core::wire::subjects;
use hythe_core::wire::upload::{FAILED, MISSING, MOST_PIECE, TOTAL, UploadQuestion};
use tokio_util::sync::CancellationToken;

use super::Uploads;
use crate::bus::Bus;

/// Questions that are answered at once: as many pieces are in memory.
const AT_ONCE: usize = 8;

/// Answers until `stop`.
///
/// # Errors
/// Where the subject cannot be listened to: then it is tried again.
pub(crate) async fn serve(
    bus: Bus,
    installation: InstallationId,
    uploads: Arc<Uploads>,
    stop: CancellationToken,
) -> Result<(), String> {
    if stop.run_until_cancelled(bus.ready()).await.is_none() {
        return Ok(());
    }
    let client = bus.client().clone();
    let subject = subjects::uploads(installation);
    let asked = client.subscribe(subject).await.map_err(|error| error.to_string())?;
    let answering = asked.for_each_concurrent(AT_ONCE, |question| {
        let (client, uploads) = (client.clone(), Arc::clone(&uploads));
        async move {
            let Some(reply) = question.reply.clone() else { return };
            let (headers, bytes) = answer(uploads, installation, question).await;
            #[expect(clippy::disallowed_methods, reason = "an answer is no durable step")]
            let sent = client.publish_with_headers(reply, headers, bytes).await;
            if let Err(error) = sent {
                tracing::warn!(%error, "a piece of an upload could not be sent");
            }
        }
    });
    match stop.run_until_cancelled(answering).await {
        Some(()) => Err("the subscription ended".into()),
        None => Ok(()),
    }
}

async fn answer(
    uploads: Arc<Uploads>,
    installation: InstallationId,
    question: Message,
) -> (HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    let asked = match serde_json::from_slice::<UploadQuestion>(&question.payload) {
        Ok(asked) if asked.format == FORMAT && asked.installation == installation => asked,
        Ok(_) | Err(_) => {
            headers.insert(FAILED, "the server knows no such question; run one version everywhere");
            return (headers, Bytes::new());
        }
    };
    let most = usize::try_from(asked.most.min(MOST_PIECE)).unwrap_or_default();
    let read = tokio::task::spawn_blocking(move || read(&uploads, &asked, most)).await;
    match read {
        Ok(Ok(Some((bytes, total)))) => {
            headers.insert(TOTAL, total.to_string());
            return (headers, bytes.into());
        }
        Ok(Ok(None)) => headers.insert(MISSING, "1"),
        Ok(Err(error)) => headers.insert(FAILED, one_line(&error.to_string())),
        Err(error) => headers.insert(FAILED, one_line(&error.to_string())),
    }
    (headers, Bytes::new())
}

fn read(
    uploads: &Uploads,
    asked: &UploadQuestion,
    most: usize,
) -> std::io::Result<Option<(Vec<u8>, u64)>> {
    uploads.piece(&asked.upload, asked.from, most)
}

/// A header holds no line ends.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
