//! The journal as JSON lines, out and in again.
//!
//! The first line names the format and where the journal ends; every other line is one event with
//! everything the record holds, its hash included. An import writes the same records or none: it
//! works beside the target and moves there at the end. Secrets are not part of it; they never are
//! in an event.

use std::io::{BufRead, Write};
use std::path::Path;

use hythe_core::claims::{ClaimChange, ClaimKey};
use hythe_core::priority::Priority;
use hythe_core::record::{Meta, Sequence, StreamId, Version};
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::error::{AppendError, StoreError, io};
use crate::journal::record::{Event, GENESIS, Hash, Stored, chain};
use crate::journal::{Append, Journal, JournalOptions, Payload};
use crate::window::{self, Window};

const FORMAT: u32 = 1;
const BATCH: usize = 1024;
/// Where an import works.
const BESIDE: &str = "import.part";
/// Bytes of one line; the largest event is below it.
const MOST_LINE_BYTES: u64 = 4 * 1024 * 1024;

/// What was exported or imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The last event.
    pub head: Sequence,
    /// Its hash, in hexadecimal digits.
    pub hash: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct First {
    hythe_journal: u32,
    head: Sequence,
    hash: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    sequence: Sequence,
    stream: StreamId,
    version: Version,
    meta: Meta,
    schema: u16,
    /// The event; absent where this version of Hythe does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<serde_json::Value>,
    /// The bytes, where they do not follow from the event: JSON cannot say everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    claims: Vec<Claim>,
    hash: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Claim {
    Take { key: ClaimKey, note: String },
    Release { key: ClaimKey },
}

/// Writes the whole journal, as far as it is when this begins.
///
/// # Errors
/// [`StoreError::Damaged`] at the first record that is not what was written, or what the system
/// says of the output.
pub fn export(journal: &Journal, mut out: impl Write) -> Result<Moved, StoreError> {
    let head = journal.head();
    let hash = match head {
        Sequence(0) => GENESIS,
        Sequence(last) => {
            let stored = journal.read_stored(Sequence(last - 1), 1)?;
            stored.first().map_or(GENESIS, |stored| stored.hash)
        }
    };
    let moved = Moved { head, hash: hex::encode(hash) };
    let first = First { hythe_journal: FORMAT, head, hash: moved.hash.clone() };
    write_line(&mut out, &first)?;
    let mut at = Sequence(0);
    while at < head {
        let left = usize::try_from(head.0 - at.0).unwrap_or(usize::MAX);
        for stored in journal.read_stored(at, left.min(BATCH))? {
            at = stored.event.sequence;
            write_line(&mut out, &line(stored)?)?;
        }
    }
    out.flush().map_err(io("write the export"))?;
    Ok(moved)
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> Result<(), StoreError> {
    serde_json::to_writer(&mut *out, line)
        .map_err(std::io::Error::from)
        .and_then(|()| out.write_all(b"\n"))
        .map_err(io("write the export"))
}

fn line(stored: Stored) -> Result<Line, StoreError> {
    let Stored { event: recorded, claims, hash } = stored;
    let kind = recorded.stream.kind;
    let event = codec::decode(kind, &recorded.event)
        .ok()
        .and_then(|event| serde_json::to_value(event).ok());
    let schema = recorded.event.schema;
    let again = event.as_ref().and_then(|event| from_json(schema, event));
    let follows = again.as_ref() == Some(&recorded.event);
    Ok(Line {
        sequence: recorded.sequence,
        stream: recorded.stream,
        version: recorded.version,
        meta: recorded.meta,
        schema,
        payload: (!follows).then(|| hex::encode(&recorded.event.bytes)),
        event,
        claims: claims.into_iter().map(Claim::from).collect(),
        hash: hex::encode(hash),
    })
}

/// The bytes that an event in JSON comes to. An export of an earlier version has the JSON of then.
fn from_json(schema: u16, value: &serde_json::Value) -> Option<Payload> {
    let today = || serde_json::from_value(value.clone()).ok().and_then(|e| codec::encode(&e).ok());
    let first = || codec::first_from_json(value).filter(|_| schema == 1);
    first().or_else(today)
}

impl From<ClaimChange> for Claim {
    fn from(change: ClaimChange) -> Self {
        match change {
            ClaimChange::Take { key, note } => Self::Take { key, note: hex::encode(note) },
            ClaimChange::Release { key } => Self::Release { key },
        }
    }
}

impl Claim {
    fn change(self) -> Result<ClaimChange, String> {
        match self {
            Self::Take { key, note } => match hex::decode(note) {
                Ok(note) => Ok(ClaimChange::Take { key, note }),
                Err(error) => Err(format!("a claim's note is not hexadecimal: {error}")),
            },
            Self::Release { key } => Ok(ClaimChange::Release { key }),
        }
    }
}

/// Whether an import was killed while it moved its files here: the key is in its place, its journal is not.
fn is_half_moved(dir: &Path) -> bool {
    let beside = dir.join(BESIDE);
    beside.join("journal").exists()
        && !beside.join("master.key").exists()
        && !dir.join("journal").exists()
        && dir.join("master.key").exists()
}

/// Refuses such a folder: a server that began there would be a new one, with nothing in it.
pub(crate) fn came_to_its_end(dir: &Path) -> Result<(), StoreError> {
    match is_half_moved(dir) {
        true => Err(StoreError::Invalid(format!(
            "open the journal in {}: an import did not come to its end there; give it again",
            dir.display()
        ))),
        false => Ok(()),
    }
}

/// Makes a journal from an export, in a data directory that has none. It gets a master key of its
/// own. Where anything is off, nothing is left behind.
///
/// # Errors
/// [`StoreError::Invalid`] naming the line that is off, or that there is a journal already; what
/// the system says.
pub fn import(dir: &Path, input: impl BufRead) -> Result<Moved, StoreError> {
    let beside = dir.join(BESIDE);
    let doing = || format!("import into {}", dir.display());
    // That key opens nothing: it was made for the journal that is still beside.
    if is_half_moved(dir) {
        #[expect(clippy::disallowed_methods, reason = "no process serves from it yet")]
        std::fs::rename(dir.join("master.key"), beside.join("master.key")).map_err(io(doing()))?;
    }
    for there in ["journal", "master.key"] {
        if dir.join(there).exists() {
            return Err(StoreError::Invalid(format!(
                "import into {}: there is a {there} already; choose an empty directory",
                dir.display()
            )));
        }
    }
    if beside.exists() {
        std::fs::remove_dir_all(&beside).map_err(io(doing()))?;
    }
    std::fs::create_dir_all(&beside).map_err(io(doing()))?;
    let moved = import_beside(&beside, input).and_then(|moved| {
        // The key first: a journal without its key would be refused for ever.
        for what in ["master.key", "journal"] {
            #[expect(clippy::disallowed_methods, reason = "no process serves from it yet")]
            std::fs::rename(beside.join(what), dir.join(what)).map_err(io(doing()))?;
        }
        std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(io(doing()))?;
        Ok(moved)
    });
    let tidied = std::fs::remove_dir_all(&beside).map_err(io(doing()));
    moved.and_then(|moved| tidied.map(|()| moved))
}

fn off(number: u64, why: impl std::fmt::Display) -> StoreError {
    StoreError::Invalid(format!("import: line {number}: {why}"))
}

fn import_beside(dir: &Path, mut input: impl BufRead) -> Result<Moved, StoreError> {
    let mut number = 0;
    let first = next_line(&mut input, &mut number)?
        .ok_or_else(|| off(1, "the file is empty; it is no export of a journal"))?;
    let first: First = serde_json::from_str(&first)
        .map_err(|error| off(1, format!("it is no export of a journal: {error}")))?;
    if first.hythe_journal != FORMAT {
        let (found, known) = (first.hythe_journal, FORMAT);
        return Err(StoreError::Newer { found, known });
    }
    let journal = Journal::open(dir, JournalOptions::default())?;
    let mut head = (0, GENESIS);
    let mut waiting = Window::default();
    while let Some(text) = next_line(&mut input, &mut number)? {
        let line: Line = serde_json::from_str(&text).map_err(|error| off(number, error))?;
        let append;
        (append, head) = read_line(line, head).map_err(|why| off(number, why))?;
        let told = window::submit(&journal, &append).map_err(|error| off(number, error))?;
        waiting.add(window::size(&append), (number, told));
        while let Some((number, told)) = waiting.full() {
            settle(number, told.recv().unwrap_or(Err(AppendError::Closed)))?;
        }
    }
    while let Some((number, told)) = waiting.oldest() {
        settle(number, told.recv().unwrap_or(Err(AppendError::Closed)))?;
    }
    let moved = Moved { head: Sequence(head.0), hash: hex::encode(head.1) };
    if (moved.head, &moved.hash) != (first.head, &first.hash) {
        let why = format!(
            "the file ends with event {}, and its first line says {} ({})",
            moved.head, first.head, first.hash
        );
        return Err(off(number, why));
    }
    journal.close();
    Ok(moved)
}

fn settle<T>(number: u64, answer: Result<T, AppendError>) -> Result<(), StoreError> {
    answer.map(drop).map_err(|error| off(number, error))
}

fn next_line(input: &mut impl BufRead, number: &mut u64) -> Result<Option<String>, StoreError> {
    use std::io::Read;
    *number += 1;
    let mut line = String::new();
    let mut bounded = input.by_ref().take(MOST_LINE_BYTES);
    let read = bounded.read_line(&mut line).map_err(io(format!("read line {number}")))?;
    if read as u64 == MOST_LINE_BYTES {
        return Err(off(*number, format!("it is longer than {MOST_LINE_BYTES} bytes")));
    }
    Ok((read > 0).then_some(line))
}

/// The append that writes the same record again, and the head after it.
fn read_line(line: Line, (before, previous): (u64, Hash)) -> Result<(Append, (u64, Hash)), String> {
    if line.sequence.0 != before + 1 {
        return Err(format!("event {} follows event {before}", line.sequence));
    }
    let payload = match (&line.payload, &line.event) {
        (Some(bytes), _) => Payload {
            schema: line.schema,
            bytes: hex::decode(bytes).map_err(|error| format!("the payload: {error}"))?,
        },
        (None, Some(event)) => from_json(line.schema, event)
            .ok_or("the event is none that this version of hythe knows")?,
        (None, None) => return Err("there is neither event nor payload".into()),
    };
    if let (Some(_), Some(event)) = (&line.payload, &line.event) {
        let decoded = codec::decode(line.stream.kind, &payload).map_err(|e| e.to_string())?;
        let said = serde_json::to_value(decoded).ok().as_ref() == Some(event);
        if !said && from_json(line.schema, event).as_ref() != Some(&payload) {
            return Err("event and payload say different things".into());
        }
    }
    let claims: Vec<_> =
        line.claims.into_iter().map(Claim::change).collect::<Result<_, String>>()?;
    let event = Event {
        sequence: line.sequence.0,
        stream: line.stream,
        version: line.version.0,
        meta: &line.meta,
        schema: payload.schema,
        payload: &payload.bytes,
    };
    let hash = chain(&mut Vec::new(), &previous, &event, &claims).map_err(|e| e.to_string())?;
    if hex::encode(hash) != line.hash || line.schema != payload.schema {
        return Err("the hash does not follow from the line and the one before it".into());
    }
    let meta = line.meta;
    let expected = Version(line.version.0.saturating_sub(1));
    let (stream, events) = (line.stream, vec![payload]);
    // What is imported is not to stop half-way.
    let priority = Priority::Urgent;
    let append = Append { stream, expected, events, meta, claims, secrets: Vec::new(), priority };
    Ok((append, (line.sequence.0, hash)))
}

#[cfg(test)]
mod tests;
