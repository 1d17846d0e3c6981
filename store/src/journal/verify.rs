//! Looking at everything: is the journal what was written, and does all that is derived agree?
//!
//! Found are: a flipped byte in any block, an event that is missing, added or moved, a version
//! out of turn, a claim that the log does not explain, an index row that leads astray, a secret
//! that does not open, is missing or was added, a cursor that is not what was saved; and while no
//! process writes the file, any byte of it that matters. Not found is a log that somebody with the power to write it made up from
//! scratch, hashes and all: for that, keep a hash of the head elsewhere. Works on a running
//! journal, in short transactions, without holding anybody up.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use hythe_core::claims::ClaimChange;
use hythe_core::record::{Recorded, Sequence, StreamId};
use redb::{ReadTransaction, ReadableDatabase, ReadableTable};

use super::block::Block;
use super::claims::{self, ClaimOwner};
use super::group::{HEAD, encode_head};
use super::options::JournalOptions;
use super::reader::{Piece, View};
use super::record::{BROKEN, GENESIS, Hash, carried_hash, decode, peek};
use super::storage::{Directory, Part, Storage};
use super::summary::Summary;
use super::tables::{CLAIMS, META, POSTINGS, SECRET_KEYS, SECRETS};
use super::{Journal, Payload, open, postings, tables};
use crate::error::{StoreError, database};
use crate::guard::{INDEX, LOG, contained, let_go};
use crate::secrets::vault::Vault;

/// Problems that a report names; the rest are counted.
const MOST_PROBLEMS: usize = 100;
/// Records looked at in one transaction.
const BATCH: usize = 4096;
const DOING: &str = "verify the journal";

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: an event, a stream, a claim, the index.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

/// What a look at everything came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// The last event.
    pub head: Sequence,
    /// Its hash, in hexadecimal digits: worth keeping elsewhere.
    pub hash: String,
    /// Events read.
    pub events: u64,
    /// Streams that they belong to.
    pub streams: u64,
    /// Claims held.
    pub claims: u64,
    /// Secrets kept.
    pub secrets: u64,
    /// Up to which event the index file was compared; the rest of the index is in memory.
    pub indexed: Sequence,
    /// What is wrong, the first hundred.
    pub problems: Vec<Problem>,
    /// How many more problems there are.
    pub more: u64,
}

impl VerifyReport {
    /// Whether all is well.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    fn note(&mut self, place: impl Into<String>, what: impl Into<String>) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(Problem { place: place.into(), what: what.into() });
        } else {
            self.more += 1;
        }
    }

    /// Damage is what this looks for; anything else means that it cannot look.
    fn found(&mut self, error: StoreError) -> Result<(), StoreError> {
        if let StoreError::Damaged { place, what } = error {
            self.note(place, what);
            return Ok(());
        }
        Err(error)
    }
}

impl Journal {
    /// Looks at everything, while the journal goes on. Takes about a second per million events.
    ///
    /// # Errors
    /// What keeps it from looking; what it finds is in the report.
    pub fn verify(&self) -> Result<VerifyReport, StoreError> {
        self.verify_telling(&|_| {})
    }

    /// As [`Journal::verify`]; `told` hears how many events were looked at, now and then.
    ///
    /// # Errors
    /// As [`Journal::verify`].
    pub fn verify_telling(&self, told: &dyn Fn(u64)) -> Result<VerifyReport, StoreError> {
        let shared = self.shared();
        let look = || {
            let read = || shared.read_log();
            let mut verifier = Verifier::new(&read);
            verifier.told = Some(told);
            verifier.part(LOG, Verifier::log)?;
            verifier.part(LOG, |verifier| verifier.secrets(shared.vault.as_ref()))?;
            let index = shared.with_index(|index| index.begin_read().map_err(database(DOING)))?;
            verifier.part(INDEX, |verifier| verifier.index(&index))?;
            let health = shared.storage.health(Part::Log);
            if let Some(damage) = health.and_then(|health| health.damage()) {
                verifier.report.note(LOG, damage);
            }
            Ok(verifier.finish())
        };
        shared.watched(look)
    }
}

/// Looks at everything in the journal of a data directory that no process writes. Changes nothing
/// there.
///
/// # Errors
/// As [`Journal::open_read_only`]; what it finds is in the report.
pub fn verify(dir: &Path) -> Result<VerifyReport, StoreError> {
    let storage = Directory::open_read_only(&dir.join("journal"))?;
    let report = verify_on(&storage);
    storage.release();
    report
}

pub(crate) fn verify_on(storage: &dyn Storage) -> Result<VerifyReport, StoreError> {
    let cache = JournalOptions::default().cache_bytes;
    let mut log = match contained(LOG, || open::file(storage, None, cache)) {
        Ok(log) => log,
        Err(error) => {
            let mut report = VerifyReport::default();
            report.found(error)?;
            return Ok(report);
        }
    };
    let mut report = {
        let read = || log.begin_read().map_err(database(DOING));
        let mut verifier = Verifier::new(&read);
        verifier.part(LOG, Verifier::log)?;
        verifier.part(LOG, |verifier| verifier.secrets(None))?;
        // Without an index, or with one that does not open, a start builds it: no problem of the
        // journal's.
        let index = contained(INDEX, || {
            let index = tables::open_index(storage, cache)?;
            Ok(postings::position(&index)?.map(|_| index))
        });
        if let Ok(Some(mut index)) = index {
            verifier.part(INDEX, |verifier| {
                verifier.index(&index.begin_read().map_err(database(DOING))?)
            })?;
            verifier.part(INDEX, |_| tables::check_pages(&mut index))?;
            let_go(INDEX, index);
        }
        verifier.finish()
    };
    match contained(LOG, || tables::check_pages(&mut log)) {
        Ok(()) => {}
        Err(StoreError::Io { .. }) if !report.is_sound() => {}
        Err(error) => report.found(error)?,
    }
    let_go(LOG, log);
    Ok(report)
}

struct Verifier<'a> {
    read: &'a dyn Fn() -> Result<ReadTransaction, StoreError>,
    report: VerifyReport,
    at: u64,
    hash: Hash,
    /// The block looked at last, and the hash before it.
    last_block: (u64, Hash),
    /// Whether a damaged block was looked at last, of which nobody knows how many events it held.
    unsure: bool,
    versions: HashMap<StreamId, u64>,
    claims: BTreeMap<String, ClaimOwner>,
    /// Whom to tell how far it is.
    told: Option<&'a dyn Fn(u64)>,
}

impl<'a> Verifier<'a> {
    fn new(read: &'a dyn Fn() -> Result<ReadTransaction, StoreError>) -> Self {
        Self {
            read,
            report: VerifyReport::default(),
            at: 0,
            hash: GENESIS,
            last_block: (0, GENESIS),
            unsure: false,
            versions: HashMap::new(),
            claims: BTreeMap::new(),
            told: None,
        }
    }

    /// One part of the look; damage there does not keep the others from being looked at.
    fn part(
        &mut self,
        place: &str,
        look: impl FnOnce(&mut Self) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        match contained(place, || look(self)) {
            Ok(()) => Ok(()),
            // After a page that does not fit its check sum the database gives out nothing more.
            Err(StoreError::Io { .. }) if !self.report.is_sound() => Ok(()),
            Err(error) => self.report.found(error),
        }
    }

    fn log(&mut self) -> Result<(), StoreError> {
        loop {
            let txn = (self.read)()?;
            let whole = self.records(&txn)?;
            if let Some(told) = self.told {
                told(self.report.events);
            }
            if whole {
                // The tables as of the same moment as the end of the log.
                self.head(&txn)?;
                return self.claims(&txn);
            }
        }
    }

    /// Looks at a batch of events; true when there are no more.
    fn records(&mut self, txn: &ReadTransaction) -> Result<bool, StoreError> {
        let mut left = BATCH;
        View::new(txn)?.pieces(self.at + 1, |piece| {
            let before = self.report.events;
            match piece {
                Piece::Record(at, value) => self.record(at, value)?,
                Piece::Block(first, value) => self.block(first, value)?,
            }
            left = left.saturating_sub(usize::try_from(self.report.events - before).unwrap_or(0));
            Ok(left > 0)
        })?;
        Ok(left > 0)
    }

    /// Something begins with the event `first`: are there all before it, once?
    fn gap(&mut self, first: u64) {
        let next = self.at + 1;
        if first > next && !self.unsure {
            let what = format!("events {next} to {} are missing", first - 1);
            self.report.note(format!("event {next}"), what);
        } else if first < next && !self.unsure {
            let what = format!("events {first} to {} are there twice", self.at);
            self.report.note(format!("event {first}"), what);
        }
        self.unsure = false;
        self.at = first - 1;
    }

    fn record(&mut self, at: u64, value: &[u8]) -> Result<(), StoreError> {
        self.gap(at);
        match decode(at, value, &self.hash) {
            Ok(stored) => self.event(&stored.event, &stored.claims),
            Err(error) => {
                self.report.found(error)?;
                // What it says still counts for what follows, or one bad byte would raise a
                // problem for every later event of its stream.
                if let Ok((stream, version)) = peek(at, value) {
                    self.versions.insert(stream, version);
                }
            }
        }
        self.report.events += 1;
        self.at = at;
        self.hash = carried_hash(at, value).unwrap_or(GENESIS);
        Ok(())
    }

    fn block(&mut self, first: u64, value: &[u8]) -> Result<(), StoreError> {
        let seen = self.at;
        if self.last_block.0 != first {
            self.gap(first);
            self.last_block = (first, self.hash);
        }
        // Otherwise it has grown since it was looked at.
        let previous = self.last_block.1;
        let block = match Block::open(first, value, &previous) {
            Ok(block) => block,
            Err(error) => {
                self.report.found(error)?;
                self.damaged(first, value);
                return Ok(());
            }
        };
        let (mut hash, mut buffer) = (previous, Vec::new());
        for packed in block.records() {
            let packed = match packed {
                Ok(packed) => packed,
                Err(error) => {
                    self.report.found(error)?;
                    self.unsure = true;
                    break;
                }
            };
            hash = packed.chain(&mut buffer, &hash)?;
            if packed.sequence > seen {
                let (event, claims) = packed.unpacked();
                self.at = event.sequence.0;
                self.report.events += 1;
                self.event(&event, &claims);
            }
        }
        if hash != block.end {
            self.report.note(format!("event {}", self.at), BROKEN);
        }
        self.hash = block.end;
        Ok(())
    }

    /// What a damaged block says still counts for what follows, as far as it says anything.
    fn damaged(&mut self, first: u64, value: &[u8]) {
        self.unsure = true;
        self.at = self.at.max(first);
        let Ok(block) = Block::unchecked(first, value) else { return };
        for packed in block.records().map_while(Result::ok) {
            self.at = self.at.max(packed.sequence);
            self.report.events += 1;
            self.versions.insert(packed.stream, packed.version);
        }
        self.hash = block.end;
    }

    fn event(&mut self, event: &Recorded<Payload>, claims: &[ClaimChange]) {
        let version = self.versions.entry(event.stream).or_insert(0);
        if event.version.0 != *version + 1 {
            let what = format!(
                "version {} of {} follows version {version}",
                event.version.0, event.stream
            );
            self.report.note(format!("event {}", event.sequence), what);
        }
        *version = event.version.0;
        for change in claims {
            let key = &claims::key(change).0;
            let held = self.claims.remove(key);
            match claims::apply(change, held, event.stream, event.sequence) {
                Ok(None) => {}
                Ok(Some(owner)) => {
                    self.claims.insert(key.clone(), owner);
                }
                Err(owner) => {
                    let what = format!("it takes claim \"{key}\", which {} holds", owner.stream);
                    self.report.note(format!("event {}", event.sequence), what);
                    self.claims.insert(key.clone(), owner);
                }
            }
        }
    }

    fn head(&mut self, txn: &ReadTransaction) -> Result<(), StoreError> {
        let meta = txn.open_table(META).map_err(database(DOING))?;
        let noted = meta.get(HEAD).map_err(database(DOING))?;
        if noted.is_none_or(|noted| noted.value() != encode_head((self.at, self.hash))) {
            let what = "the log ends here, but not by the note of its end: events are missing or \
                        added";
            self.report.note(format!("event {}", self.at), what);
        }
        Ok(())
    }

    fn claims(&mut self, txn: &ReadTransaction) -> Result<(), StoreError> {
        let table = txn.open_table(CLAIMS).map_err(database(DOING))?;
        let mut expected = std::mem::take(&mut self.claims);
        for row in table.iter().map_err(database(DOING))? {
            let (key, value) = row.map_err(database(DOING))?;
            self.report.claims += 1;
            let key = key.value();
            let place = format!("claim \"{key}\"");
            match (ClaimOwner::decode(key, value.value()), expected.remove(key)) {
                (Ok(owner), Some(folded)) if owner == folded => {}
                (Ok(_), Some(_)) => self.report.note(place, "the log says another holder"),
                (Ok(_), None) => self.report.note(place, "nobody holds it by the log"),
                (Err(error), _) => self.report.found(error)?,
            }
        }
        for (key, owner) in expected {
            let what = format!("{} holds it by the log, but it is missing", owner.stream);
            self.report.note(format!("claim \"{key}\""), what);
        }
        Ok(())
    }

    fn secrets(&mut self, vault: Option<&Vault>) -> Result<(), StoreError> {
        let txn = (self.read)()?;
        if let Err(error) = contained(LOG, || Summary::check(&txn)) {
            self.report.found(error)?;
        }
        let secrets = txn.open_table(SECRETS).map_err(database(DOING))?;
        let keys = txn.open_table(SECRET_KEYS).map_err(database(DOING))?;
        for row in secrets.iter().map_err(database(DOING))? {
            let (key, _) = row.map_err(database(DOING))?;
            let (scope, name, version) = key.value();
            self.report.secrets += 1;
            let Some(vault) = vault else { continue };
            let scope = uuid::Uuid::from_bytes(scope);
            if let Err(error) = vault.read(&keys, &secrets, (scope, name, version)) {
                self.report.note(format!("secret {name} version {version}"), error.to_string());
            }
        }
        Ok(())
    }

    fn index(&mut self, txn: &ReadTransaction) -> Result<(), StoreError> {
        let upto = match postings::position_in(txn) {
            Ok(at) => at.map_or(0, |(at, _)| at),
            Err(error) => return self.report.found(error),
        };
        self.report.indexed = Sequence(upto);
        let table = txn.open_table(POSTINGS).map_err(database(DOING))?;
        if upto > self.at {
            let what = format!("it knows event {upto} and the log ends with {}", self.at);
            self.report.note(INDEX, what);
        }
        let mut before: Option<(StreamId, u64)> = None;
        let (mut entries, mut log) = (0, View::new(&(self.read)()?)?);
        for row in table.iter().map_err(database(DOING))? {
            let (key, row) = row.map_err(database(DOING))?;
            let key = key.value();
            let decoded = postings::unkey(&key).and_then(|(stream, first)| {
                Ok((stream, first, postings::decode(&key, row.value())?))
            });
            let (stream, first, sequences) = match decoded {
                Ok(decoded) => decoded,
                Err(error) => {
                    self.report.found(error)?;
                    continue;
                }
            };
            let after = match before {
                Some((same, version)) if same == stream => version,
                Some(_) | None => 0,
            };
            if first != after + 1 {
                let what = format!("version {first} of {stream} follows version {after}");
                self.report.note(INDEX, what);
            }
            for (version, sequence) in (first..).zip(&sequences) {
                self.entry(&log, stream, version, *sequence)?;
                entries += 1;
                if entries % BATCH as u64 == 0 {
                    log = View::new(&(self.read)()?)?;
                }
            }
            before = Some((stream, first + sequences.len() as u64 - 1));
        }
        if entries != upto {
            self.report.note(INDEX, format!("it has {entries} of the first {upto} events"));
        }
        Ok(())
    }

    fn entry(
        &mut self,
        log: &View,
        stream: StreamId,
        version: u64,
        sequence: u64,
    ) -> Result<(), StoreError> {
        let there = log.peek(sequence).ok();
        if there != Some((stream, version)) {
            let what = format!("it takes event {sequence} for version {version} of {stream}");
            self.report.note(INDEX, what);
        }
        Ok(())
    }

    fn finish(mut self) -> VerifyReport {
        self.report.head = Sequence(self.at);
        self.report.hash = hex::encode(self.hash);
        self.report.streams = self.versions.len() as u64;
        self.report
    }
}
