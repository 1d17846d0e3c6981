//! Fetches an upload from the server, piece by piece over NATS, and checks that it is the one.
//!
//! Some pieces are on their way at once and no more are in memory. Whoever dies meanwhile, server, NATS
//! or this builder: what was asked for is asked for again, and a build that begins anew fetches anew.
//! While the server does not answer it is waited for, as long as the build may take.

use std::path::Path;
use std::time::Duration;

use async_nats::{Client, Request, RequestErrorKind};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use hythe_core::ids::InstallationId;
use hythe_core::limits;
use hythe_core::source::UploadDigest;
use hythe_core::wire::FORMAT;
use hythe_core::wire::subjects;
use hythe_core::wire::upload::{FAILED, MISSING, MOST_PIECE, TOTAL, UploadQuestion};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::time::sleep;

use super::log::BuildLog;
use crate::uploads::hex;

/// Pieces on their way at once.
const AT_ONCE: usize = 4;
/// How long the server may take over one piece.
const PIECE_WITHIN: Duration = Duration::from_secs(10);
/// From one question that was not answered to the next.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How often an upload that arrived with another digest is fetched again.
const TRIES: u32 = 2;

/// Why an upload cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The server does not have it.
    #[error(
        "the server does not have the upload {0} any more; send the folder again (hythe deploy APP \
         DIR), or push again"
    )]
    Missing(UploadDigest),
    /// The server says something else than was agreed on.
    #[error("the server gave no upload: {0}")]
    Server(String),
    /// It is another one than was asked for.
    #[error(
        "the upload {0} arrived damaged, {TRIES} times; look after the disks of server and worker"
    )]
    Damaged(UploadDigest),
    /// It cannot be written down.
    #[error("the builder has no room for the upload: {0}")]
    Folder(#[from] std::io::Error),
}

/// Where an upload is fetched from, and who is told of it.
#[derive(Clone, Copy)]
pub(super) struct Fetch<'a> {
    pub(super) client: &'a Client,
    pub(super) installation: InstallationId,
    pub(super) upload: &'a UploadDigest,
    pub(super) log: &'a BuildLog,
}

impl Fetch<'_> {
    /// Writes the upload into a file; answers how many bytes it has.
    pub(super) async fn into(self, place: &Path) -> Result<u64, FetchError> {
        for _ in 0..TRIES {
            let (total, found) = self.once(place).await?;
            if found == self.upload.as_str() {
                return Ok(total);
            }
            self.log.say("the upload arrived damaged; it is fetched again").await;
        }
        Err(FetchError::Damaged(self.upload.clone()))
    }

    /// The bytes that came, and their digest.
    async fn once(self, place: &Path) -> Result<(u64, String), FetchError> {
        let size = u64::from(self.size());
        let (first, total) = self.piece(0, size).await?;
        let most = limits::MOST_UPLOAD_BYTES;
        if total > most {
            let why = format!("it would have {total} bytes, and one has at most {most}");
            return Err(FetchError::Server(why));
        }
        let mut file = File::create(place).await?;
        let mut hash = Sha256::new();
        hash.update(&first);
        file.write_all(&first).await?;
        let rest = (1..total.div_ceil(size)).map(|at| async move {
            let from = at * size;
            let (bytes, _) = self.piece(from, size.min(total - from)).await?;
            Ok::<_, FetchError>(bytes)
        });
        let mut rest = stream::iter(rest).buffered(AT_ONCE);
        while let Some(bytes) = rest.try_next().await? {
            hash.update(&bytes);
            file.write_all(&bytes).await?;
        }
        file.flush().await?;
        Ok((total, format!("sha256:{}", hex(&hash.finalize()))))
    }

    /// How much is asked for at once: a server of NATS may have been told to take less.
    fn size(&self) -> u32 {
        let takes = u32::try_from(self.client.max_payload() / 2).unwrap_or(u32::MAX);
        MOST_PIECE.min(takes).max(1024)
    }

    /// One piece, and the bytes of the whole; asked for until it comes.
    async fn piece(self, from: u64, size: u64) -> Result<(Bytes, u64), FetchError> {
        let question = UploadQuestion {
            format: FORMAT,
            installation: self.installation,
            upload: self.upload.clone(),
            from,
            most: u32::try_from(size).unwrap_or(MOST_PIECE),
        };
        let payload =
            serde_json::to_vec(&question).map_err(|e| FetchError::Server(e.to_string()))?;
        let payload = Bytes::from(payload);
        let subject = subjects::uploads(self.installation);
        let mut told = false;
        loop {
            let request = Request::new().payload(payload.clone()).timeout(Some(PIECE_WITHIN));
            let error = match self.client.send_request(subject.clone(), request).await {
                Ok(answer) => match understand(&answer, from, size)? {
                    Some(piece) => return Ok(piece),
                    None => return Err(FetchError::Missing(self.upload.clone())),
                },
                Err(error) => error,
            };
            match error.kind() {
                RequestErrorKind::TimedOut
                | RequestErrorKind::NoResponders
                | RequestErrorKind::Other => {}
                RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                    return Err(FetchError::Server(error.to_string()));
                }
            }
            // Said once, by whoever asks for the first of those that are on their way.
            if !told && from.is_multiple_of(size.max(1) * AT_ONCE as u64) {
                self.log.say(format!("the server does not answer ({error}); waiting for it")).await;
            }
            told = true;
            sleep(AGAIN_AFTER).await;
        }
    }
}

/// The piece in an answer; none where there is no such upload.
fn understand(
    answer: &async_nats::Message,
    from: u64,
    size: u64,
) -> Result<Option<(Bytes, u64)>, FetchError> {
    let strange = |why: &str| FetchError::Server(why.to_owned());
    let Some(headers) = &answer.headers else { return Err(strange("it answers strangely")) };
    if headers.get(MISSING).is_some() {
        return Ok(None);
    }
    if let Some(why) = headers.get(FAILED) {
        return Err(strange(why.as_str()));
    }
    let total = headers.get(TOTAL).and_then(|total| total.as_str().parse::<u64>().ok());
    let total = total.ok_or_else(|| strange("it does not say how large it is"))?;
    let expected = size.min(total.saturating_sub(from));
    if answer.payload.len() as u64 != expected {
        return Err(strange("a piece has another length than was asked for"));
    }
    Ok(Some((answer.payload.clone(), total)))
}
