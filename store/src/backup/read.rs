//! Reading parts: opened, checked frame by frame, and handed on.

use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use age::{DecryptError, Decryptor};
use hythe_core::ids::InstallationId;
use hythe_core::record::Sequence;
use hythe_core::time::Timestamp;
use hythe_core::view::View;

use super::frame::{self, Begin, End, Frame, Record};
use super::restore::{Beside, Chain};
use super::{BackupError, BackupKey, Head, failed, state_hash};
use crate::codec::decode_recorded;
use crate::error::StoreError;

/// What a backup says of itself, all of it checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Which installation it is of.
    pub installation: InstallationId,
    /// The version of Hythe that made it.
    pub version: String,
    /// When it was made.
    pub at: Timestamp,
    /// Its last event.
    pub head: Head,
    /// Secrets in it.
    pub secrets: usize,
    /// The hash of the state that its events make, in hexadecimal digits.
    pub state_hash: String,
    /// Whether that was compared with what the server said of its own state when it made the
    /// backup. It is not for a backup of a version that kept its state in another form, and not
    /// for a mirror.
    pub state_compared: bool,
}

/// Reads one part. `event` gets each event with its sequence, `other` every frame between the
/// events and the end.
pub(super) fn part(
    path: &Path,
    key: &BackupKey,
    begun: &mut dyn FnMut(&Begin) -> Result<(), BackupError>,
    event: &mut dyn FnMut(Sequence, Record) -> Result<(), BackupError>,
    other: &mut dyn FnMut(Frame) -> Result<(), BackupError>,
) -> Result<(Begin, End), BackupError> {
    let file = std::fs::File::open(path).map_err(failed(format!("open {}", path.display())))?;
    let mut input = open(BufReader::with_capacity(1 << 16, file), key)?;
    frame::read_head(&mut input)?;
    let Frame::Begin(begin) = frame::read(&mut input)? else {
        return Err(BackupError::Damaged("it does not begin with its beginning".into()));
    };
    begun(&begin)?;
    let (mut at, mut others) = (begin.after.0, 0);
    loop {
        match frame::read(&mut input)? {
            Frame::Begin(_) => return Err(BackupError::Damaged("it begins twice".into())),
            Frame::Records(records) => {
                for record in records {
                    at += 1;
                    event(Sequence(at), record)?;
                }
            }
            Frame::End(end) => {
                frame::read_nothing(&mut input)?;
                let records = at - begin.after.0;
                if (records, others) != (end.records, end.others) || at != begin.head.0 {
                    return Err(BackupError::Damaged(format!(
                        "it has {records} events and {others} other entries, and its end says {} \
                         and {}",
                        end.records, end.others
                    )));
                }
                return Ok((begin, end));
            }
            entry @ (Frame::Whole
            | Frame::File { .. }
            | Frame::Key { .. }
            | Frame::KeyGone { .. }
            | Frame::Secret { .. }
            | Frame::SecretGone { .. }
            | Frame::Cursor { .. }) => {
                others += 1;
                other(entry)?;
            }
        }
    }
}

fn open<R: Read>(input: BufReader<R>, key: &BackupKey) -> Result<impl Read, BackupError> {
    let identity = key.identity()?;
    let decryptor = Decryptor::new_buffered(input).map_err(unreadable)?;
    decryptor.decrypt(std::iter::once(identity as _)).map_err(unreadable)
}

fn unreadable(error: DecryptError) -> BackupError {
    match error {
        DecryptError::NoMatchingKeys | DecryptError::DecryptionFailed => BackupError::WrongKey,
        DecryptError::Io(error) => unreadable_io(error),
        DecryptError::InvalidHeader => no_age_file(),
        DecryptError::InvalidMac => BackupError::Damaged("its header was changed".into()),
        DecryptError::UnknownFormat => BackupError::NotABackup(
            "its encryption is of a later version of age; use a newer version of hythe".into(),
        ),
        DecryptError::KeyDecryptionFailed | DecryptError::ExcessiveWork { .. } => {
            BackupError::WrongKey
        }
        // Of a later version of the library.
        _ => BackupError::NotABackup(error.to_string()),
    }
}

fn no_age_file() -> BackupError {
    BackupError::NotABackup("it is no age file; is it a backup at all?".into())
}

fn unreadable_io(error: std::io::Error) -> BackupError {
    let kind = error.kind();
    if kind == ErrorKind::UnexpectedEof {
        BackupError::Truncated("it ends inside its header".into())
    } else if matches!(kind, ErrorKind::InvalidData | ErrorKind::InvalidInput) {
        no_age_file()
    } else {
        failed("read the backup")(error)
    }
}

/// Reads a whole backup, or the parts of a mirror in their order, and checks all of it without
/// writing anything.
///
/// # Errors
/// What is wrong with it.
pub fn inspect(parts: &[impl AsRef<Path>], key: &BackupKey) -> Result<Contents, BackupError> {
    let mut reading = Reading::default();
    for path in parts {
        reading.part(path.as_ref(), key, &mut |_| Ok(()))?;
    }
    reading.finish()
}

/// Parts, read one after the other and checked against each other.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) chain: Chain,
    pub(super) beside: Beside,
    view: View,
    last: Option<(Begin, End)>,
}

impl Reading {
    /// Reads the next part; `take` gets what writes each event again.
    pub(super) fn part(
        &mut self,
        path: &Path,
        key: &BackupKey,
        take: &mut dyn FnMut(crate::journal::Append) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let (chain, beside, view) = (&mut self.chain, &mut self.beside, &mut self.view);
        let (installation, head) = (self.last.as_ref().map(|(b, _)| b.installation), chain.head());
        let read = part(
            path,
            key,
            &mut |begin| {
                if installation.is_some_and(|before| before != begin.installation) {
                    let what = "its parts are of different installations".into();
                    return Err(BackupError::Damaged(what));
                }
                if (begin.after, begin.previous) != head {
                    let what = format!(
                        "a part follows event {}, and what comes before it ends with event {} or \
                         has another history",
                        begin.after, head.0
                    );
                    return Err(BackupError::Damaged(what));
                }
                Ok(())
            },
            &mut |sequence, record| {
                let (append, recorded) = chain.next(sequence, record)?;
                view.apply(&decode_recorded(recorded).map_err(StoreError::from)?);
                take(append)
            },
            &mut |entry| beside.take(entry),
        )?;
        if chain.head() != (read.0.head, read.0.hash) {
            let what = "its last event has another hash than it says".into();
            return Err(BackupError::Damaged(what));
        }
        self.last = Some(read);
        Ok(())
    }

    /// All parts are read: what they come to.
    pub(super) fn finish(&self) -> Result<Contents, BackupError> {
        let (begin, end) = self
            .last
            .as_ref()
            .ok_or_else(|| BackupError::NotABackup("there is no part of a backup at all".into()))?;
        self.beside.check(begin)?;
        let hash = state_hash(&self.view)?;
        let compared = match end.state {
            Some((View::FORMAT, said)) if said != *hash.as_bytes() => {
                return Err(BackupError::Damaged(
                    "its events make another state than the server had that made it".into(),
                ));
            }
            Some((View::FORMAT, _)) => true,
            Some(_) | None => false,
        };
        Ok(Contents {
            installation: begin.installation,
            version: begin.version.clone(),
            at: begin.at,
            head: Head { sequence: begin.head, hash: hex::encode(begin.hash) },
            secrets: self.beside.secrets.len(),
            state_hash: hash.to_hex().to_string(),
            state_compared: compared,
        })
    }
}
