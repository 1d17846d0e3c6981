//! What goes into one commit: appends checked one after the other against what the ones before
//! them have done, and written into one transaction.
//!
//! An append is either written whole or refused without a trace, whatever the others do. Nothing
//! outside the transaction changes here; that happens once it is on the disk.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use hythe_core::claims::ClaimChange;
use hythe_core::record::{Sequence, StreamId, Version};
use redb::{ReadableTable, Table, WriteTransaction};

use super::block::Growing;
use super::claims::{self, ClaimOwner};
use super::limits::{MOST_APPEND_BYTES, MOST_EVENTS, MOST_PAYLOAD_BYTES};
use super::queue::Job;
use super::record::{self, Hash};
use super::shared::Shared;
use super::summary::Summary;
use super::tables::{BLOCKS, CLAIMS, META, SECRETS_CHANGED};
use super::{Append, Appended};
use crate::error::{AppendError, StoreError, database};

const DOING: &str = "write the journal";
pub(crate) const HEAD: &str = "head";
/// Of the database's pages; a block takes about one.
const PAGE: usize = 4096;

/// An event that the transaction holds.
pub(crate) struct Written {
    pub(crate) stream: StreamId,
    pub(crate) version: u64,
    pub(crate) sequence: u64,
    pub(crate) hash: Hash,
}

/// What the transaction holds, and what each append is to be told once it is committed.
pub(crate) struct Staged {
    pub(crate) answers: Vec<Result<Appended, AppendError>>,
    pub(crate) written: Vec<Written>,
    /// The last block as it is then.
    pub(crate) end: Growing,
}

struct Stage<'a> {
    shared: &'a Shared,
    txn: &'a WriteTransaction,
    blocks: Table<'a, u64, &'static [u8]>,
    claims: Option<Table<'a, &'static str, &'static [u8]>>,
    versions: HashMap<StreamId, u64>,
    secrets_changed: bool,
    /// The sums of what lies beside the log, once something of it has changed.
    summary: Option<Summary>,
    buffer: &'a mut Vec<u8>,
    /// The blocks to be written, by their first record.
    laid: Vec<(u64, Vec<u8>)>,
    staged: Staged,
}

/// Writes what can be written of the jobs into the transaction. An error means that the
/// transaction is of no use any more.
pub(crate) fn stage(
    shared: &Shared,
    txn: &WriteTransaction,
    buffer: &mut Vec<u8>,
    end: &Growing,
    jobs: &[Job],
) -> Result<Staged, StoreError> {
    let mut stage = Stage {
        shared,
        txn,
        blocks: txn.open_table(BLOCKS).map_err(database(DOING))?,
        claims: None,
        versions: HashMap::new(),
        secrets_changed: false,
        summary: None,
        buffer,
        laid: Vec::new(),
        staged: Staged {
            answers: Vec::with_capacity(jobs.len()),
            written: Vec::new(),
            end: end.clone(),
        },
    };
    for job in jobs {
        let answer = stage.append(&job.append)?;
        stage.staged.answers.push(answer);
    }
    if !stage.staged.written.is_empty() {
        stage.lay_block();
        stage.write_blocks()?;
    }
    let (secrets_changed, summary) = (stage.secrets_changed, stage.summary);
    let staged = stage.staged;
    if !staged.written.is_empty() {
        let mut meta = txn.open_table(META).map_err(database(DOING))?;
        let value = encode_head(staged.end.head());
        meta.insert(HEAD, value.as_slice()).map_err(database(DOING))?;
        if let Some(mut summary) = summary {
            if secrets_changed {
                let at = staged.end.head().0.to_be_bytes();
                let before = meta.insert(SECRETS_CHANGED, at.as_slice());
                if let Some(before) = before.map_err(database(DOING))? {
                    summary.secrets_changed(before.value());
                }
                summary.secrets_changed(&at);
            }
            summary.note(&mut meta)?;
        }
    }
    Ok(staged)
}

pub(crate) fn encode_head((sequence, hash): (u64, Hash)) -> Vec<u8> {
    [sequence.to_be_bytes().as_slice(), &hash].concat()
}

/// What an append is too much of, if anything.
pub(crate) fn check_size(append: &Append) -> Result<usize, AppendError> {
    let too_large = |what| Err(AppendError::TooLarge { what });
    if append.events.is_empty() {
        return Err(AppendError::Invalid { what: "there is no event in it".into() });
    }
    if append.events.len() > MOST_EVENTS {
        return too_large(format!("{} events, at most {MOST_EVENTS}", append.events.len()));
    }
    claims::check(&append.claims)?;
    let mut bytes = 0;
    for event in &append.events {
        let len = event.bytes.len();
        if len > MOST_PAYLOAD_BYTES {
            return too_large(format!("an event of {len} bytes, at most {MOST_PAYLOAD_BYTES}"));
        }
        bytes += len + 128;
    }
    bytes += append.claims.iter().map(|change| claims::key(change).0.len() + 64).sum::<usize>();
    bytes += append.secrets.iter().map(crate::secrets::vault::size).sum::<usize>();
    if bytes > MOST_APPEND_BYTES {
        return too_large(format!("{bytes} bytes, at most {MOST_APPEND_BYTES}"));
    }
    Ok(bytes)
}

impl<'a> Stage<'a> {
    fn append(&mut self, append: &'a Append) -> Result<Result<Appended, AppendError>, StoreError> {
        let actual = match self.versions.get(&append.stream) {
            Some(version) => *version,
            None => match self.shared.version_of(&append.stream) {
                Ok(version) => version,
                Err(error) => return Ok(Err(AppendError::Storage(error.to_string()))),
            },
        };
        if append.expected != Version(actual) {
            let (expected, actual) = (append.expected, Version(actual));
            return Ok(Err(AppendError::WrongVersion { expected, actual }));
        }
        let first = self.staged.end.head().0 + 1;
        let claims = match self.claims_after(append, Sequence(first))? {
            Ok(claims) => claims,
            Err(error) => return Ok(Err(error)),
        };
        if !append.secrets.is_empty() {
            let Some(vault) = &self.shared.vault else {
                return Ok(Err(AppendError::Closed));
            };
            if let Some(error) = vault.refusal(self.txn, &append.secrets)? {
                return Ok(Err(error));
            }
            let mut summary = self.summary()?;
            vault.apply(self.txn, &append.secrets, &mut summary)?;
            self.summary = Some(summary);
            self.secrets_changed = true;
        }
        self.write_claims(claims)?;
        let version = self.write_events(append, actual)?;
        self.versions.insert(append.stream, version);
        let last = Sequence(self.staged.end.head().0);
        Ok(Ok(Appended { first: Sequence(first), last, version: Version(version) }))
    }

    fn write_events(&mut self, append: &Append, mut version: u64) -> Result<u64, StoreError> {
        let mut claims: &[ClaimChange] = &append.claims;
        for payload in &append.events {
            let sequence = self.staged.end.head().0 + 1;
            version += 1;
            let stream = append.stream;
            let event = record::Event {
                sequence,
                stream,
                version,
                meta: &append.meta,
                schema: payload.schema,
                payload: &payload.bytes,
            };
            let hash = self.push(&event, claims)?;
            claims = &[];
            self.staged.written.push(Written { stream, version, sequence, hash });
        }
        Ok(version)
    }

    /// Adds an event to the last block, or begins another.
    fn push(
        &mut self,
        event: &record::Event<'_>,
        claims: &[ClaimChange],
    ) -> Result<Hash, StoreError> {
        loop {
            if let Some(hash) = self.staged.end.push(self.buffer, event, claims)? {
                return Ok(hash);
            }
            self.lay_block();
            let (_, hash) = self.staged.end.head();
            self.staged.end = Growing::new(event.sequence, hash);
        }
    }

    /// Puts the last block, as far as it is, with those to be written.
    fn lay_block(&mut self) {
        let mut value = Vec::with_capacity(PAGE);
        self.staged.end.value(&mut value);
        self.laid.push((self.staged.end.first(), value));
    }

    /// Writes the blocks. The first one may be in the log already, as far as it was. The others come
    /// after all that is there, and go in together: one by one, the database would build each page
    /// twice.
    fn write_blocks(&mut self) -> Result<(), StoreError> {
        let Some(((first, value), others)) = self.laid.split_first() else { return Ok(()) };
        self.blocks.insert(*first, value.as_slice()).map_err(database(DOING))?;
        if others.is_empty() {
            return Ok(());
        }
        let end = self.blocks.upper_bound_mut(Bound::<u64>::Unbounded);
        let mut end = end.map_err(database(DOING))?;
        for (first, value) in others {
            end.insert_before(*first, value.as_slice()).map_err(database(DOING))?;
        }
        end.close().map_err(database(DOING))
    }

    /// Whom the append's keys would belong to afterwards, or why it cannot have them.
    fn claims_after(
        &mut self,
        append: &'a Append,
        sequence: Sequence,
    ) -> Result<Result<BTreeMap<&'a str, Option<ClaimOwner>>, AppendError>, StoreError> {
        let mut after = BTreeMap::new();
        for change in &append.claims {
            let key = claims::key(change);
            let held = match after.remove(key.0.as_str()) {
                Some(held) => held,
                None => self.holder(&key.0)?,
            };
            match claims::apply(change, held, append.stream, sequence) {
                Ok(holder) => after.insert(key.0.as_str(), holder),
                Err(owner) => {
                    return Ok(Err(AppendError::ClaimTaken { key: key.clone(), owner }));
                }
            };
        }
        Ok(Ok(after))
    }

    fn holder(&mut self, key: &str) -> Result<Option<ClaimOwner>, StoreError> {
        let value = self.claims()?.get(key).map_err(database(DOING))?;
        value.map(|value| ClaimOwner::decode(key, value.value())).transpose()
    }

    fn write_claims(
        &mut self,
        claims: BTreeMap<&str, Option<ClaimOwner>>,
    ) -> Result<(), StoreError> {
        if claims.is_empty() {
            return Ok(());
        }
        let mut summary = self.summary()?;
        for (key, owner) in claims {
            let table = self.claims()?;
            let value = owner.map(|owner| owner.encode());
            let before = match &value {
                Some(value) => table.insert(key, value.as_slice()),
                None => table.remove(key),
            };
            if let Some(before) = before.map_err(database(DOING))? {
                summary.claim(key, before.value());
            }
            if let Some(value) = &value {
                summary.claim(key, value);
            }
        }
        self.summary = Some(summary);
        Ok(())
    }

    /// The sums as this commit has left them so far.
    fn summary(&self) -> Result<Summary, StoreError> {
        match self.summary {
            Some(summary) => Ok(summary),
            None => Summary::noted(&self.txn.open_table(META).map_err(database(DOING))?),
        }
    }

    fn claims(&mut self) -> Result<&mut Table<'a, &'static str, &'static [u8]>, StoreError> {
        if self.claims.is_none() {
            self.claims = Some(self.txn.open_table(CLAIMS).map_err(database(DOING))?);
        }
        self.claims.as_mut().ok_or(StoreError::Closed)
    }
}
