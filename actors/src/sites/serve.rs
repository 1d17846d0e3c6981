//! Answers builders and edges about the files of sites.

use std::sync::Arc;

use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use futures_util::StreamExt as _;
use hythe_core::site::FileHash;
use hythe_core::wire::FORMAT;
use hythe_core::wire::site::{
    AGAIN, FAILED, MISSING, MOST_KNOWN, MOST_PIECE, QUESTION, SiteAsked, SiteQuestion, TOTAL,
};
use hythe_core::wire::subjects;
use tokio_util::sync::CancellationToken;

use super::Sites;
use super::store::SiteStoreError;
use crate::bus::Bus;

/// Questions that are answered at once: as many pieces are in memory.
const AT_ONCE: usize = 64;

/// Answers until `stop`.
///
/// # Errors
/// Where the subject cannot be listened to: then it is tried again.
pub(crate) async fn serve(
    bus: Bus,
    sites: Arc<Sites>,
    stop: CancellationToken,
) -> Result<(), String> {
    if stop.run_until_cancelled(bus.ready()).await.is_none() {
        return Ok(());
    }
    let client = bus.client().clone();
    let asked =
        client.subscribe(subjects::SITES.to_owned()).await.map_err(|error| error.to_string())?;
    let answering = asked.for_each_concurrent(AT_ONCE, |question| {
        let (client, sites) = (client.clone(), Arc::clone(&sites));
        async move {
            let Some(reply) = question.reply.clone() else { return };
            let (headers, bytes) = answer(&sites, question).await;
            #[expect(clippy::disallowed_methods, reason = "an answer is no durable step")]
            let sent = client.publish_with_headers(reply, headers, bytes).await;
            if let Err(error) = sent {
                tracing::warn!(%error, "an answer about a site could not be sent");
            }
        }
    });
    match stop.run_until_cancelled(answering).await {
        Some(()) => Err("the subscription ended".into()),
        None => Ok(()),
    }
}

async fn answer(sites: &Sites, message: Message) -> (HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    let question = message.headers.as_ref().and_then(|headers| headers.get(QUESTION));
    let asked = match question.map(|asked| serde_json::from_str::<SiteQuestion>(asked.as_str())) {
        Some(Ok(question)) if question.format == FORMAT => question.asked,
        Some(Ok(_) | Err(_)) | None => {
            headers.insert(FAILED, "the server knows no such question; run one version everywhere");
            return (headers, Bytes::new());
        }
    };
    match done(sites, asked, message.payload).await {
        Ok(Some((bytes, total))) => {
            headers.insert(TOTAL, total.to_string());
            return (headers, bytes);
        }
        Ok(None) => headers.insert(MISSING, "1"),
        Err(error) => {
            tracing::warn!(%error, "a question about a site could not be answered");
            headers.insert(FAILED, one_line(&error.to_string()));
            if error.is_sent_again() {
                headers.insert(AGAIN, "1");
            }
        }
    }
    (headers, Bytes::new())
}

async fn done(
    sites: &Sites,
    asked: SiteAsked,
    payload: Bytes,
) -> Result<Option<(Bytes, u64)>, SiteStoreError> {
    let other = |error: serde_json::Error| SiteStoreError::Other(error.to_string());
    match asked {
        SiteAsked::Known => {
            let hashes: Vec<FileHash> = serde_json::from_slice(&payload).map_err(other)?;
            if hashes.len() > MOST_KNOWN {
                return Err(SiteStoreError::Other(format!("more than {MOST_KNOWN} files")));
            }
            let known = serde_json::to_vec(&sites.known(&hashes).await?).map_err(other)?;
            let total = known.len() as u64;
            Ok(Some((known.into(), total)))
        }
        SiteAsked::Put { object, by, from, total } => {
            sites.room(payload.len() as u64)?;
            sites.take(&object, by, (from, total), payload).await?;
            Ok(Some((Bytes::new(), total)))
        }
        SiteAsked::Get { object, from, most } => {
            sites.piece(&object, from, most.min(MOST_PIECE)).await
        }
    }
}

/// A header holds no line ends.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}
