//! Making backups: into a place, or into the hands of whoever asks.

use std::io;
use std::time::Instant;

use bytes::Bytes;
use hythe_core::claims::ClaimChange;
use hythe_core::installation::{BackupPlace, BackupRecipient, Failed, InstallationCommand, Made};
use hythe_core::time::Millis;
use hythe_store::backup::{BackupError, Head, Part, backup};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::names;
use super::pipe::{Writer, pipe};
use super::place::{PART_BYTES, Place, PlaceError};
use crate::control::Control;

/// Bytes of one chunk that is handed out.
const CHUNK_BYTES: usize = 64 * 1024;

/// Why a backup could not be made. Every message completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// It could not be written.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// It could not be sent.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A thread of ours failed.
    #[error("make the backup: {0}")]
    Broken(String),
}

/// A backup on its way to whoever asked for it.
#[derive(Debug)]
pub struct HandedOut {
    /// The last event in it.
    pub head: Head,
    /// What it is named.
    pub name: String,
    /// Its bytes. An error, or an end without the last of them, means that it broke off.
    pub chunks: mpsc::Receiver<io::Result<Bytes>>,
}

type Writing = JoinHandle<Result<Part, BackupError>>;

impl Control {
    /// Makes a backup in a place and notes what became of it. One at a time: a second one waits.
    /// `claim` is taken together with the note of one that was made.
    ///
    /// # Errors
    /// Says why it could not be made; that is noted as well.
    pub async fn back_up(
        &self,
        id: Uuid,
        to: &BackupPlace,
        recipient: &BackupRecipient,
        claim: Option<ClaimChange>,
    ) -> Result<Made, MakeError> {
        let result = {
            let _turn = self.backups().0.busy.lock().await;
            self.make(id, to, recipient).await
        };
        match &result {
            Ok(made) => self.note_with(InstallationCommand::NoteMade(made.clone()), claim).await,
            Err(error) => self.note_failed(id, Some(to.clone()), error).await,
        }
        result
    }

    async fn note_failed(&self, id: Uuid, to: Option<BackupPlace>, error: &MakeError) {
        tracing::warn!(%error, "a backup could not be made");
        let failed = Failed { id, to, why: error.to_string(), at: self.clock().now() };
        self.note(InstallationCommand::NoteFailed(failed)).await;
    }

    async fn make(
        &self,
        id: Uuid,
        to: &BackupPlace,
        recipient: &BackupRecipient,
    ) -> Result<Made, MakeError> {
        let begun = Instant::now();
        let place = Place::open(to)?;
        let name = names::name(self.installation(), self.clock().now(), id);
        let (writer, mut chunks) = pipe(PART_BYTES);
        let (_head, writing) = self.write(recipient.clone(), writer);
        let sent = place.put_stream(&name, &mut chunks).await;
        // Where sending failed, this lets the writer find out.
        drop(chunks);
        let written = joined(writing).await;
        let (bytes, part) = match (sent, written) {
            (Ok(bytes), Ok(part)) => (bytes, part),
            (Ok(_), Err(error)) => {
                // What was sent is no backup.
                place.remove(&name).await?;
                return Err(error);
            }
            (Err(error), _) => return Err(error.into()),
        };
        Ok(Made {
            id,
            to: Some(to.clone()),
            name,
            bytes,
            head: part.head.sequence,
            hash: part.head.hash,
            took: Millis(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)),
            at: self.clock().now(),
        })
    }

    /// Begins a backup for whoever takes its chunks. It counts as made once all of them are taken.
    ///
    /// # Errors
    /// It could not even begin.
    pub async fn hand_out_backup(
        &self,
        recipient: BackupRecipient,
    ) -> Result<HandedOut, MakeError> {
        let begun = Instant::now();
        let id = Uuid::now_v7();
        let name = names::name(self.installation(), self.clock().now(), id);
        let (writer, mut chunks) = pipe(CHUNK_BYTES);
        let (head, writing) = self.write(recipient, writer);
        let Ok(head) = head.await else {
            let error = joined(writing).await.err();
            let error = error.unwrap_or_else(|| MakeError::Broken("it ended at once".into()));
            self.note_failed(id, None, &error).await;
            return Err(error);
        };
        let (hand, taken) = mpsc::channel(2);
        let (control, told) = (self.clone(), name.clone());
        tokio::spawn(async move {
            let mut bytes = 0;
            while let Some(Ok(chunk)) = chunks.recv().await {
                bytes += chunk.len() as u64;
                if hand.send(Ok(chunk)).await.is_err() {
                    break;
                }
            }
            drop(chunks);
            match joined(writing).await {
                Ok(part) => {
                    let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                    let made = Made {
                        id,
                        to: None,
                        name: told,
                        bytes,
                        head: part.head.sequence,
                        hash: part.head.hash,
                        took: Millis(took),
                        at: control.clock().now(),
                    };
                    control.note(InstallationCommand::NoteMade(made)).await;
                }
                Err(error) => {
                    control.note_failed(id, None, &error).await;
                    // Whoever still listens must not take the end for a good one.
                    drop(hand.send(Err(io::Error::other(error.to_string()))).await);
                }
            }
        });
        Ok(HandedOut { head, name, chunks: taken })
    }

    /// Writes on a thread of its own; says the end of what will be in it once that is fixed.
    fn write(
        &self,
        recipient: BackupRecipient,
        writer: Writer,
    ) -> (oneshot::Receiver<Head>, Writing) {
        let (tell, told) = oneshot::channel();
        let control = self.clone();
        let writing = tokio::task::spawn_blocking(move || {
            let about = control.about()?;
            // As of a moment ago; the backup folds on to its own end.
            let view = control.read(Clone::clone);
            let begin = |head: &Head| {
                drop(tell.send(head.clone()));
                writer
            };
            let (part, writer) = backup(control.journal(), &about, &recipient, view, begin)?;
            let failed = |source| BackupError::Io { doing: "hand the backup on".into(), source };
            writer.finish().map_err(failed)?;
            Ok(part)
        });
        (told, writing)
    }
}

async fn joined(writing: Writing) -> Result<Part, MakeError> {
    match writing.await {
        Ok(result) => Ok(result?),
        Err(error) => Err(MakeError::Broken(error.to_string())),
    }
}
