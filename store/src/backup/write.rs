//! Writing parts, while the journal goes on.
//!
//! The end is fixed first, in one short transaction together with what lies beside the log; the
//! events up to it are then read in batches, each in a transaction of its own, so that nobody is
//! held up however long the target takes.

use std::io::Write;

use age::Encryptor;
use age::stream::StreamWriter;
use hythe_core::installation::BackupRecipient;
use hythe_core::record::{Recorded, Sequence};
use hythe_core::view::View;

use super::changes::{self, Known};
use super::frame::{self, Begin, End, Frame, Record};
use super::{About, BackupError, Head, failed, key, state_hash};
use crate::codec::decode_recorded;
use crate::error::StoreError;
use crate::journal::Journal;
use crate::journal::record::{GENESIS, Hash};
use crate::journal::snapshot::Snapshot;

/// Events read at once.
const BATCH: usize = 512;
/// Bytes of payloads in one frame, about.
const FRAME_BYTES: usize = 1024 * 1024;

/// A part that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The event before its first one.
    pub after: Sequence,
    /// Its last event.
    pub head: Head,
    /// Events in it.
    pub records: u64,
    /// The hash of the state that it restores to, in hexadecimal digits; of a whole backup only.
    pub state_hash: Option<String>,
    /// The last event that came with a change of secrets.
    pub secrets_changed: Sequence,
}

/// Writes a whole backup of everything as it is now. `view` is the state after some event that
/// is durable; it is folded on to the end of the backup, so that the backup says which state it
/// restores to. `begun` hears of the end before anything is written.
///
/// # Errors
/// The journal cannot be read, or what the output says.
pub fn backup<W: Write>(
    journal: &Journal,
    about: &About,
    recipient: &BackupRecipient,
    view: View,
    out: impl FnOnce(&Head) -> W,
) -> Result<(Part, W), BackupError> {
    let snapshot = journal.snapshot(None)?;
    let end = (snapshot.head, snapshot.hash);
    let mut writer = Writer::begin(about, recipient, (Sequence(0), GENESIS), end, out)?;
    let mut view = Some(view);
    writer.records(journal, Sequence(0), snapshot.head, view.as_mut())?;
    writer.whole(about, &snapshot)?;
    let state = view.as_ref().map(state_hash).transpose()?;
    let (records, out) = writer.end(state.map(|hash| (View::FORMAT, *hash.as_bytes())))?;
    let part = Part {
        after: Sequence(0),
        head: head(end),
        records,
        state_hash: state.map(|hash| hash.to_hex().to_string()),
        secrets_changed: snapshot.secrets_changed,
    };
    Ok((part, out))
}

/// Writes one segment of a mirror: the events after `after`, and what lies beside the log.
/// `known` is what the parts so far hold; without it everything beside the log goes along.
///
/// # Errors
/// As [`backup`].
pub fn segment<W: Write>(
    journal: &Journal,
    about: &About,
    recipient: &BackupRecipient,
    (after, previous): (Sequence, Hash),
    known: Option<(&Known, Sequence)>,
    out: W,
) -> Result<Segment<W>, BackupError> {
    let snapshot = journal.snapshot(known.map(|(_, changed)| changed))?;
    let end = (snapshot.head, snapshot.hash);
    let mut writer = Writer::begin(about, recipient, (after, previous), end, |_| out)?;
    writer.records(journal, after, snapshot.head, None)?;
    let known = match (&snapshot.secrets, known) {
        (Some(secrets), None) => {
            writer.whole(about, &snapshot)?;
            Some(Known::of(secrets))
        }
        (Some(secrets), Some((known, _))) => {
            writer.others(known.changes(secrets).into_iter())?;
            writer.cursors(&snapshot)?;
            Some(Known::of(secrets))
        }
        (None, Some(_)) => {
            writer.cursors(&snapshot)?;
            None
        }
        (None, None) => return Err(StoreError::Invalid("take the secrets".into()).into()),
    };
    let (records, out) = writer.end(None)?;
    let secrets_changed = snapshot.secrets_changed;
    let part = Part { after, head: head(end), records, state_hash: None, secrets_changed };
    Ok(Segment { part, hash: snapshot.hash, known, out })
}

/// A segment that was written.
#[derive(Debug)]
pub struct Segment<W> {
    /// What it is.
    pub part: Part,
    /// The hash of its last event.
    pub hash: Hash,
    /// What is known beside the log now; none where that did not change.
    pub known: Option<Known>,
    /// Where it was written.
    pub out: W,
}

/// Writes events alone: what a mirror's small segments are merged into.
///
/// # Errors
/// As [`backup`].
pub fn records_only<W: Write>(
    journal: &Journal,
    about: &About,
    recipient: &BackupRecipient,
    after: (Sequence, Hash),
    upto: (Sequence, Hash),
    out: W,
) -> Result<W, BackupError> {
    let mut writer = Writer::begin(about, recipient, after, upto, |_| out)?;
    writer.records(journal, after.0, upto.0, None)?;
    writer.end(None).map(|(_, out)| out)
}

fn head((sequence, hash): (Sequence, Hash)) -> Head {
    Head { sequence, hash: hex::encode(hash) }
}

struct Writer<W: Write> {
    out: StreamWriter<W>,
    records: u64,
    others: u64,
}

impl<W: Write> Writer<W> {
    fn begin(
        about: &About,
        recipient: &BackupRecipient,
        (after, previous): (Sequence, Hash),
        (end, hash): (Sequence, Hash),
        out: impl FnOnce(&Head) -> W,
    ) -> Result<Self, BackupError> {
        let recipient = key::recipient(recipient)?;
        let encryptor = Encryptor::with_recipients(std::iter::once(&recipient as _))
            .map_err(|error| failed("encrypt the backup")(std::io::Error::other(error)))?;
        let out = out(&head((end, hash)));
        let mut out = encryptor.wrap_output(out).map_err(failed("write the backup"))?;
        frame::write_head(&mut out)?;
        let begin = Begin {
            installation: about.installation,
            version: about.version.clone(),
            at: about.at,
            after,
            previous,
            head: end,
            hash,
        };
        frame::write(&mut out, &Frame::Begin(begin))?;
        Ok(Self { out, records: 0, others: 0 })
    }

    fn records(
        &mut self,
        journal: &Journal,
        after: Sequence,
        upto: Sequence,
        mut view: Option<&mut View>,
    ) -> Result<(), BackupError> {
        let mut at = after;
        let (mut frame, mut bytes) = (Vec::new(), 0);
        while at < upto {
            let page = journal.read_stored_to(at, upto, BATCH)?;
            if page.is_empty() {
                let what = "the record is missing".to_owned();
                return Err(
                    StoreError::Damaged { place: format!("event {}", at.0 + 1), what }.into()
                );
            }
            for stored in page {
                at = stored.event.sequence;
                if let Some(view) = view.as_deref_mut().filter(|view| view.head < at) {
                    let recorded =
                        Recorded { event: stored.event.event.clone(), ..stored.event.clone() };
                    view.apply(&decode_recorded(recorded).map_err(StoreError::from)?);
                }
                bytes += stored.event.event.bytes.len() + 256;
                frame.push(Record::from(stored));
                if bytes >= FRAME_BYTES {
                    self.flush(&mut frame)?;
                    bytes = 0;
                }
            }
        }
        self.flush(&mut frame)
    }

    fn flush(&mut self, records: &mut Vec<Record>) -> Result<(), BackupError> {
        if records.is_empty() {
            return Ok(());
        }
        self.records += records.len() as u64;
        frame::write(&mut self.out, &Frame::Records(std::mem::take(records)))
    }

    fn others(&mut self, frames: impl Iterator<Item = Frame>) -> Result<(), BackupError> {
        for one in frames {
            self.others += 1;
            frame::write(&mut self.out, &one)?;
        }
        Ok(())
    }

    /// All that lies beside the log.
    fn whole(&mut self, about: &About, snapshot: &Snapshot) -> Result<(), BackupError> {
        let files = about
            .files
            .iter()
            .map(|file| Frame::File { name: file.name.clone(), bytes: file.bytes.to_vec() });
        self.others(std::iter::once(Frame::Whole).chain(files))?;
        if let Some(secrets) = &snapshot.secrets {
            self.others(changes::all(secrets))?;
        }
        self.cursors(snapshot)
    }

    fn cursors(&mut self, snapshot: &Snapshot) -> Result<(), BackupError> {
        let cursors = snapshot.cursors.iter();
        self.others(cursors.map(|(name, at)| Frame::Cursor { name: name.clone(), at: *at }))
    }

    fn end(mut self, state: Option<(u32, Hash)>) -> Result<(u64, W), BackupError> {
        let end = End { records: self.records, others: self.others, state };
        frame::write(&mut self.out, &Frame::End(end))?;
        let mut out = self.out.finish().map_err(failed("write the backup"))?;
        out.flush().map_err(failed("write the backup"))?;
        Ok((self.records, out))
    }
}
