//! What a journal must hold, said by a plain list: what was asked for, when, and what was answered.
//!
//! [`Model::check`] compares a journal with it: everything acknowledged is there, nothing is that
//! was not asked for, appends are whole and in the order of acceptance without a gap, and all that
//! follows from the events (versions, index, claims, secrets) follows from exactly these.

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::claims::{ClaimChange, ClaimKey};
use hythe_core::record::{Sequence, StreamId, Version};
use uuid::Uuid;

use crate::error::AppendError;
use crate::journal::claims::ClaimOwner;
use crate::journal::record::Stored;
use crate::journal::{Append, Appended, Journal, Payload};
use crate::secrets::SecretChange;

/// A moment: how many steps had been noted.
pub(crate) type Moment = usize;

/// The moment after everything.
pub(crate) const END: Moment = Moment::MAX;

/// Who appends: the appends of one lane are accepted in its order.
pub(crate) type Lane = u32;

#[derive(Clone, Debug)]
struct Asked {
    append: Append,
    at: Moment,
    told: Option<(Moment, Result<Appended, AppendError>)>,
}

impl Asked {
    /// What was promised at a moment.
    fn promised(&self, moment: Moment) -> Option<Appended> {
        match &self.told {
            Some((at, Ok(done))) if *at <= moment => Some(*done),
            Some(_) | None => None,
        }
    }

    /// Whether it was refused, so that nothing of it may be there.
    fn refused(&self) -> bool {
        match &self.told {
            Some((_, Err(AppendError::Storage(why)))) => !why.contains("unknown"),
            Some((_, Err(_))) => true,
            Some((_, Ok(_))) | None => false,
        }
    }
}

/// Something kept under one name, in place of the one before.
#[derive(Clone, Debug)]
struct Kept {
    value: (u64, Vec<u8>),
    begun: Moment,
    durable: Option<Moment>,
}

/// What was asked for, and what came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    lanes: BTreeMap<Lane, Vec<Asked>>,
    cursor: Vec<Kept>,
    checkpoint: Vec<Kept>,
    /// The disk failed: the index file may have been made anew, without its checkpoint.
    checkpoint_may_go: bool,
}

type SecretName = (Uuid, String, u64);

/// The fold of the appends that are there.
#[derive(Default)]
struct Fold {
    streams: BTreeMap<StreamId, Vec<(u64, Payload)>>,
    claims: BTreeMap<String, ClaimOwner>,
    secrets: BTreeMap<SecretName, Vec<u8>>,
    next: BTreeMap<Lane, usize>,
}

/// The text that an event begins with says whose it is.
pub(crate) fn label(lane: Lane, number: usize) -> String {
    format!("{lane}.{number}.")
}

fn owner_of(stored: &Stored) -> Option<(Lane, usize)> {
    let text = std::str::from_utf8(&stored.event.event.bytes).ok()?;
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

impl Model {
    /// The number that the lane's next append will have.
    pub(crate) fn next(&self, lane: Lane) -> usize {
        self.lanes.get(&lane).map_or(0, Vec::len)
    }

    /// Notes that an append is asked for. Its events begin with [`label`].
    pub(crate) fn ask(&mut self, lane: Lane, append: Append, at: Moment) {
        self.lanes.entry(lane).or_default().push(Asked { append, at, told: None });
    }

    pub(crate) fn tell(
        &mut self,
        (lane, number): (Lane, usize),
        at: Moment,
        answer: Result<Appended, AppendError>,
    ) {
        self.lanes.get_mut(&lane).unwrap()[number].told = Some((at, answer));
    }

    pub(crate) fn cursor_set(&mut self, value: u64, begun: Moment) {
        self.cursor.push(Kept { value: (value, Vec::new()), begun, durable: None });
    }

    pub(crate) fn cursor_durable(&mut self, at: Moment) {
        self.cursor.last_mut().unwrap().durable = Some(at);
    }

    pub(crate) fn checkpoint_begun(&mut self, at: u64, bytes: &[u8], begun: Moment) {
        self.checkpoint.push(Kept { value: (at, bytes.to_vec()), begun, durable: None });
    }

    pub(crate) fn checkpoint_may_go(&mut self) {
        self.checkpoint_may_go = true;
    }

    pub(crate) fn checkpoint_durable(&mut self, at: Moment) {
        self.checkpoint.last_mut().unwrap().durable = Some(at);
    }

    /// What was known at a moment, as what is known from the start.
    pub(crate) fn as_of(&self, moment: Moment) -> Self {
        let before = |kept: &Vec<Kept>| {
            let known = kept.iter().filter(|kept| kept.begun <= moment);
            let known = known.map(|kept| Kept {
                value: kept.value.clone(),
                begun: 0,
                durable: kept.durable.filter(|at| *at <= moment).map(|_| 0),
            });
            known.collect()
        };
        let lane = |asked: &Vec<Asked>| {
            let known = asked.iter().filter(|asked| asked.at <= moment);
            let told = |asked: &Asked| match &asked.told {
                Some((at, answer)) if *at <= moment => Some((0, answer.clone())),
                Some(_) | None => None,
            };
            known.map(|a| Asked { append: a.append.clone(), at: 0, told: told(a) }).collect()
        };
        Self {
            lanes: self.lanes.iter().map(|(number, asked)| (*number, lane(asked))).collect(),
            cursor: before(&self.cursor),
            checkpoint: before(&self.checkpoint),
            checkpoint_may_go: self.checkpoint_may_go,
        }
    }

    /// What a journal shows was seen by somebody: from this moment on it must stay.
    pub(crate) fn shown(&mut self, journal: &Journal, at: Moment) -> Result<(), String> {
        let mut versions: BTreeMap<StreamId, u64> = BTreeMap::new();
        let mut seen: BTreeMap<(Lane, usize), Appended> = BTreeMap::new();
        for stored in all_stored(journal)? {
            let sequence = stored.event.sequence;
            let owner = owner_of(&stored).ok_or_else(|| format!("event {sequence} is odd"))?;
            let version = versions.entry(stored.event.stream).or_default();
            *version += 1;
            let (last, version) = (sequence, Version(*version));
            let done = seen.entry(owner).or_insert(Appended { first: sequence, last, version });
            (done.last, done.version) = (last, version);
        }
        for (owner, done) in seen {
            self.tell(owner, at, Ok(done));
        }
        Ok(())
    }

    /// What was asked for and is not there after a crash never will be.
    pub(crate) fn forget_the_rest(&mut self) {
        for asked in self.lanes.values_mut() {
            let there = asked.iter().take_while(|asked| asked.told.is_some()).count();
            asked.truncate(there);
        }
    }

    /// How many appends were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        let asked = self.lanes.values().flatten();
        asked.filter(|asked| asked.promised(END).is_some()).count()
    }

    /// Compares a journal with what was asked up to a moment, the last thing that is known.
    pub(crate) fn check(&self, journal: &Journal, moment: Moment) -> Result<(), String> {
        let events = all_stored(journal)?;
        let fold = self.fold(&events, moment)?;
        for (lane, asked) in &self.lanes {
            for (number, asked) in asked.iter().enumerate() {
                let there = |done: Appended| usize::try_from(done.last.0).unwrap() <= events.len();
                if asked.promised(moment).is_some_and(|done| !there(done)) {
                    return Err(format!("append {lane}.{number} was acknowledged and is gone"));
                }
            }
        }
        if journal.head().0 != events.len() as u64 {
            return Err(format!("the head is {}, of {} events", journal.head(), events.len()));
        }
        fold.compare(journal, self)?;
        kept(&self.cursor, moment, &{
            let at = journal.load_cursor(CURSOR);
            (at.0 > 0).then_some((at.0, Vec::new()))
        })
        .map_err(|why| format!("cursor: {why}"))?;
        let checkpoint = journal.load_checkpoint(CHECKPOINT, 1).map(|(at, bytes)| (at.0, bytes));
        if checkpoint.is_some() || !self.checkpoint_may_go {
            kept(&self.checkpoint, moment, &checkpoint)
                .map_err(|why| format!("checkpoint: {why}"))?;
        }
        let report = journal.verify().map_err(|error| format!("verify: {error}"))?;
        match report.is_sound() {
            true => Ok(()),
            false => Err(format!("verify: {report:?}")),
        }
    }

    fn fold(&self, events: &[Stored], moment: Moment) -> Result<Fold, String> {
        let mut fold = Fold::default();
        let mut at = 0;
        while let Some(first) = events.get(at) {
            let place = || format!("event {}", at + 1);
            let (lane, number) = owner_of(first).ok_or_else(|| format!("{} is odd", place()))?;
            let asked = self.lanes.get(&lane).and_then(|lane| lane.get(number));
            let asked = asked.ok_or_else(|| format!("{}: nobody asked for it", place()))?;
            let name = format!("{}, append {lane}.{number}", place());
            if asked.at > moment || asked.refused() {
                return Err(format!(
                    "{name}: it was refused, or asked for later: {:?}",
                    asked.told
                ));
            }
            let next = fold.next.insert(lane, number + 1).unwrap_or(0);
            if number < next {
                return Err(format!("{name}: append {next} of the lane comes before it"));
            }
            if let Some((_, Ok(done))) = &asked.told
                && done.first.0 != at as u64 + 1
            {
                return Err(format!("{name}: it was acknowledged as event {}", done.first));
            }
            let whole = events.get(at..at + asked.append.events.len());
            let whole = whole.ok_or_else(|| format!("{name}: it is there in part only"))?;
            fold.add(&asked.append, whole).map_err(|why| format!("{name}: {why}"))?;
            at += whole.len();
        }
        Ok(fold)
    }
}

pub(crate) const CURSOR: &str = "reader";
pub(crate) const CHECKPOINT: &str = "view";

/// Every record, checked for being numbered without a gap.
fn all_stored(journal: &Journal) -> Result<Vec<Stored>, String> {
    let mut all: Vec<Stored> = Vec::new();
    loop {
        let from = Sequence(all.len() as u64);
        let part = journal.read_stored(from, 1000).map_err(|error| error.to_string())?;
        if part.is_empty() {
            return Ok(all);
        }
        for stored in part {
            if stored.event.sequence.0 != all.len() as u64 + 1 {
                return Err(format!("event {} follows {}", stored.event.sequence, all.len()));
            }
            all.push(stored);
        }
    }
}

/// The last durable value, or one that was being kept later.
fn kept(all: &[Kept], moment: Moment, found: &Option<(u64, Vec<u8>)>) -> Result<(), String> {
    let durable = |kept: &Kept| kept.durable.is_some_and(|at| at <= moment);
    let first = all.iter().rposition(durable);
    let allowed = &all[first.unwrap_or(0)..];
    let fits = match found {
        None => first.is_none(),
        Some(value) => allowed.iter().any(|kept| kept.value == *value && kept.begun <= moment),
    };
    fits.then_some(()).ok_or_else(|| format!("found {found:?}, allowed from {first:?} of {all:?}"))
}

impl Fold {
    fn add(&mut self, append: &Append, events: &[Stored]) -> Result<(), String> {
        let mut claims: &[ClaimChange] = &append.claims;
        for (asked, there) in append.events.iter().zip(events) {
            let stream = self.streams.entry(append.stream).or_default();
            let version = Version(stream.len() as u64 + 1);
            let event = &there.event;
            if (&event.event, event.stream, event.version) != (asked, append.stream, version)
                || event.meta != append.meta
                || there.claims != claims
            {
                return Err(format!("it holds {there:?} where {asked:?} was asked for"));
            }
            stream.push((event.sequence.0, asked.clone()));
            claims = &[];
        }
        let sequence = events[0].event.sequence;
        for change in &append.claims {
            self.claim(change, append.stream, sequence)?;
        }
        for change in &append.secrets {
            self.secret(change);
        }
        Ok(())
    }

    fn claim(
        &mut self,
        change: &ClaimChange,
        stream: StreamId,
        sequence: Sequence,
    ) -> Result<(), String> {
        match change {
            ClaimChange::Take { key, note } => {
                let owner = ClaimOwner { stream, sequence, note: note.clone() };
                if let Some(before) = self.claims.insert(key.0.clone(), owner) {
                    return Err(format!("it takes {}, which {before:?} holds", key.0));
                }
            }
            ClaimChange::Release { key } => {
                if self.claims.get(&key.0).is_some_and(|owner| owner.stream == stream) {
                    self.claims.remove(&key.0);
                }
            }
        }
        Ok(())
    }

    fn secret(&mut self, change: &SecretChange) {
        match change {
            SecretChange::Put { scope, name, version, value } => {
                let at = (*scope, name.clone(), *version);
                self.secrets.insert(at, value.expose().to_vec());
            }
            SecretChange::Delete { scope, name } => {
                self.secrets.retain(|at, _| (&at.0, &at.1) != (scope, name));
            }
            SecretChange::DeleteScope { scope } => self.secrets.retain(|at, _| at.0 != *scope),
        }
    }

    fn compare(&self, journal: &Journal, model: &Model) -> Result<(), String> {
        let (mut streams, mut keys, mut names) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for append in model.lanes.values().flatten().map(|asked| &asked.append) {
            streams.insert(append.stream);
            keys.extend(
                append.claims.iter().map(|change| super::super::claims::key(change).clone()),
            );
            names.extend(append.secrets.iter().filter_map(|change| match change {
                SecretChange::Put { scope, name, version, .. } => {
                    Some((*scope, name.clone(), *version))
                }
                SecretChange::Delete { .. } | SecretChange::DeleteScope { .. } => None,
            }));
        }
        for stream in streams {
            self.stream(journal, stream)?;
        }
        for ClaimKey(key) in keys {
            let found = journal.claim(&ClaimKey(key.clone())).map_err(|e| e.to_string())?;
            if found.as_ref() != self.claims.get(&key) {
                return Err(format!("claim {key}: {found:?}, not {:?}", self.claims.get(&key)));
            }
        }
        for (scope, name, version) in names {
            let found = match journal.secret(scope, &name, version) {
                // It is only looked at, without the key.
                Err(crate::StoreError::Closed) => continue,
                found => found.map_err(|error| error.to_string())?,
            };
            let expected = self.secrets.get(&(scope, name.clone(), version));
            if found.as_ref().map(crate::secrets::Secret::expose) != expected.map(Vec::as_slice) {
                return Err(format!("secret {name} version {version} is not what was kept"));
            }
        }
        Ok(())
    }

    /// What the index says of a stream.
    fn stream(&self, journal: &Journal, stream: StreamId) -> Result<(), String> {
        let none = Vec::new();
        let expected = self.streams.get(&stream).unwrap_or(&none);
        let version = journal.stream_version(stream).map_err(|error| error.to_string())?;
        if version.0 != expected.len() as u64 {
            return Err(format!("{stream} is at {version:?} of {} events", expected.len()));
        }
        let mut found = Vec::new();
        while found.len() < expected.len() {
            let after = Version(found.len() as u64);
            let part = journal.read_stream(stream, after, 1000).map_err(|e| e.to_string())?;
            if part.is_empty() {
                break;
            }
            found.extend(part.into_iter().map(|event| (event.sequence.0, event.event)));
        }
        match found == *expected {
            true => Ok(()),
            false => Err(format!("{stream} reads {found:?}, not {expected:?}")),
        }
    }
}
