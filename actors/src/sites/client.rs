//! Asks the server about the files of sites.
//!
//! A question that nobody answers is asked again, for as long as whoever asks wants to wait.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, HeaderMap, Message, Request, RequestErrorKind};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use hythe_core::ids::DeploymentId;
use hythe_core::site::FileHash;
use hythe_core::wire::FORMAT;
use hythe_core::wire::site::{
    AGAIN, FAILED, KnownFile, MISSING, MOST_PIECE, QUESTION, SiteAsked, SiteObject, SiteQuestion,
    TOTAL,
};
use hythe_core::wire::subjects;
use tokio::time::sleep;

/// How long the server may take over one answer: to write a list it looks for all that is in it.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// From one question that was not answered to the next.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Pieces of one file that are on their way at once.
const AT_ONCE: usize = 4;

/// How often one object is begun again where the server says that it has lost what came of it.
const MOST_AGAIN: u32 = 3;

/// Why something could not be brought or fetched. Every message is a sentence for people.
#[derive(Debug, thiserror::Error)]
pub enum SiteAskError {
    /// The server refused, in words.
    #[error("{0}")]
    Server(String),
    /// The server has not what came before, or something else, in words: it is to be sent again.
    #[error("{0}")]
    Again(String),
    /// The server does not have it.
    #[error("the server does not have it")]
    Missing,
    /// It is another one than was asked for.
    #[error("what the server gave has another digest than was asked for")]
    Damaged,
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] io::Error),
}

/// Asks the server.
#[derive(Clone, Debug)]
pub struct SiteClient(Client);

impl SiteClient {
    /// Over this connection.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self(client)
    }

    /// Which of these files the server has, in their order.
    ///
    /// # Errors
    /// [`SiteAskError`].
    pub async fn known(&self, hashes: &[FileHash]) -> Result<Vec<KnownFile>, SiteAskError> {
        let strange = |error: serde_json::Error| SiteAskError::Server(error.to_string());
        let payload = serde_json::to_vec(hashes).map_err(strange)?;
        let (answer, _) = self.ask(&SiteAsked::Known, payload.into()).await?;
        let known: Vec<KnownFile> = serde_json::from_slice(&answer).map_err(strange)?;
        if known.len() == hashes.len() {
            Ok(known)
        } else {
            Err(SiteAskError::Server("the server said something else than was asked".into()))
        }
    }

    /// Brings bytes.
    ///
    /// # Errors
    /// [`SiteAskError`].
    pub async fn put(
        &self,
        object: &SiteObject,
        by: DeploymentId,
        bytes: Bytes,
    ) -> Result<(), SiteAskError> {
        let mut begun = 0;
        loop {
            match self.put_once(object, by, bytes.clone()).await {
                Err(SiteAskError::Again(why)) if begun < MOST_AGAIN => {
                    begun += 1;
                    begins_again(&why).await;
                }
                ended => return ended,
            }
        }
    }

    async fn put_once(
        &self,
        object: &SiteObject,
        by: DeploymentId,
        bytes: Bytes,
    ) -> Result<(), SiteAskError> {
        let total = bytes.len() as u64;
        let mut rest = bytes;
        let mut from = 0;
        loop {
            let piece = rest.split_to(rest.len().min(self.piece()));
            let size = piece.len() as u64;
            let asked = SiteAsked::Put { object: object.clone(), by, from, total };
            self.ask(&asked, piece).await?;
            from += size;
            if from >= total {
                return Ok(());
            }
        }
    }

    /// The same, out of a file.
    ///
    /// # Errors
    /// [`SiteAskError`].
    pub async fn put_file(
        &self,
        object: &SiteObject,
        by: DeploymentId,
        file: Arc<File>,
        total: u64,
    ) -> Result<(), SiteAskError> {
        let mut begun = 0;
        loop {
            match self.put_file_once(object, by, &file, total).await {
                Err(SiteAskError::Again(why)) if begun < MOST_AGAIN => {
                    begun += 1;
                    begins_again(&why).await;
                }
                ended => return ended,
            }
        }
    }

    async fn put_file_once(
        &self,
        object: &SiteObject,
        by: DeploymentId,
        file: &Arc<File>,
        total: u64,
    ) -> Result<(), SiteAskError> {
        let most = self.piece() as u64;
        let mut from = 0;
        loop {
            let size = usize::try_from(most.min(total - from)).unwrap_or_default();
            let file = Arc::clone(file);
            let read = move || {
                let mut piece = vec![0; size];
                file.read_exact_at(&mut piece, from).map(|()| piece)
            };
            let piece = tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??;
            let asked = SiteAsked::Put { object: object.clone(), by, from, total };
            self.ask(&asked, piece.into()).await?;
            from += size as u64;
            if from >= total {
                return Ok(());
            }
        }
    }

    /// Fetches the whole of something that has at most so many bytes.
    ///
    /// # Errors
    /// [`SiteAskError`]; where it has more, too.
    pub async fn get(&self, object: &SiteObject, most: usize) -> Result<Bytes, SiteAskError> {
        let mut whole = Vec::new();
        loop {
            let from = whole.len() as u64;
            let (piece, total) = self.got(object, from).await?;
            if total > most as u64 || (piece.is_empty() && from < total) {
                return Err(SiteAskError::Server(format!("the server's has {total} bytes")));
            }
            whole.extend_from_slice(&piece);
            if whole.len() as u64 >= total {
                return Ok(whole.into());
            }
        }
    }

    /// Writes a file that has so many bytes into another one, and looks whether it is the right one.
    ///
    /// # Errors
    /// [`SiteAskError`]; what was written then is of no use.
    pub async fn get_file(
        &self,
        hash: &FileHash,
        bytes: u64,
        into: Arc<File>,
    ) -> Result<(), SiteAskError> {
        let object = SiteObject::File(hash.clone());
        let size = self.piece() as u64;
        let pieces = (0..bytes.div_ceil(size).max(1)).map(|at| self.got(&object, at * size));
        let mut pieces = stream::iter(pieces).buffered(AT_ONCE);
        let (mut hasher, mut from) = (blake3::Hasher::new(), 0_u64);
        while let Some((piece, total)) = pieces.try_next().await? {
            if total != bytes || piece.len() as u64 != size.min(bytes - from) {
                return Err(SiteAskError::Damaged);
            }
            hasher.update(&piece);
            let (into, at) = (Arc::clone(&into), from);
            from += piece.len() as u64;
            let write = move || into.write_all_at(&piece, at);
            tokio::task::spawn_blocking(write).await.map_err(io::Error::other)??;
        }
        if hasher.finalize().to_hex().as_str() == hash.as_str() {
            Ok(())
        } else {
            Err(SiteAskError::Damaged)
        }
    }

    async fn got(&self, object: &SiteObject, from: u64) -> Result<(Bytes, u64), SiteAskError> {
        let most = u32::try_from(self.piece()).unwrap_or(MOST_PIECE);
        self.ask(&SiteAsked::Get { object: object.clone(), from, most }, Bytes::new()).await
    }

    /// How much is sent at once: a server of NATS may have been told to take less.
    fn piece(&self) -> usize {
        let most = usize::try_from(MOST_PIECE).unwrap_or(usize::MAX);
        most.min(self.0.max_payload() / 2).max(1_024)
    }

    async fn ask(&self, asked: &SiteAsked, payload: Bytes) -> Result<(Bytes, u64), SiteAskError> {
        let question = SiteQuestion { format: FORMAT, asked: asked.clone() };
        let question = serde_json::to_string(&question);
        let question = question.map_err(|error| SiteAskError::Server(error.to_string()))?;
        loop {
            let mut headers = HeaderMap::new();
            headers.insert(QUESTION, question.as_str());
            let request = Request::new()
                .headers(headers)
                .payload(payload.clone())
                .timeout(Some(ANSWER_WITHIN));
            match self.0.send_request(subjects::SITES.to_owned(), request).await {
                Ok(answer) => return understood(answer),
                Err(error) => match error.kind() {
                    RequestErrorKind::TimedOut
                    | RequestErrorKind::NoResponders
                    | RequestErrorKind::Other => sleep(AGAIN_AFTER).await,
                    RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                        return Err(SiteAskError::Server(format!(
                            "NATS refused a question: {error}"
                        )));
                    }
                },
            }
        }
    }
}

async fn begins_again(why: &str) {
    tracing::info!(why, "a file of a site is sent again from its beginning");
    sleep(AGAIN_AFTER).await;
}

fn understood(answer: Message) -> Result<(Bytes, u64), SiteAskError> {
    let headers = answer.headers.unwrap_or_default();
    if let Some(why) = headers.get(FAILED) {
        let why = why.to_string();
        let again = headers.get(AGAIN).is_some();
        return Err(if again { SiteAskError::Again(why) } else { SiteAskError::Server(why) });
    }
    if headers.get(MISSING).is_some() {
        return Err(SiteAskError::Missing);
    }
    let total = headers.get(TOTAL).and_then(|total| total.as_str().parse().ok());
    let strange = || SiteAskError::Server("the server does not say how large it is".into());
    Ok((answer.payload, total.ok_or_else(strange)?))
}
