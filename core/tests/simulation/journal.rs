//! The journal as the core may rely on it: appends at an expected version with claims, durable in
//! groups; what was not committed goes with the process.

use std::collections::BTreeMap;

use hythe_core::claims::{ClaimChange, ClaimKey};
use hythe_core::event::Event;
use hythe_core::record::{Meta, Recorded, Sequence, StreamId, Version};
use hythe_core::view::View;

/// Events for one stream.
#[derive(Clone, Debug)]
pub(crate) struct Append {
    pub(crate) stream: StreamId,
    pub(crate) expected: Version,
    pub(crate) events: Vec<Event>,
    pub(crate) meta: Meta,
    pub(crate) claims: Vec<ClaimChange>,
    pub(crate) ticket: u64,
}

/// Why an append did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    WrongVersion,
    ClaimTaken,
    Storage,
}

/// How an append ended: the last sequence of it.
pub(crate) type Outcome = Result<Sequence, Refused>;

/// The journal.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// What is durable.
    pub(crate) log: Vec<Recorded<Event>>,
    streams: BTreeMap<StreamId, Vec<usize>>,
    /// The fold of all that is durable.
    folded: View,
    /// Who holds which key.
    pub(crate) claims: BTreeMap<ClaimKey, StreamId>,
    /// What waits for the writer.
    pub(crate) pending: Vec<Append>,
    /// Whether the writer was woken.
    pub(crate) woken: bool,
    /// The reactor's cursor as the disk has it, and as it was saved last.
    pub(crate) cursor: (Sequence, Sequence),
    /// Up to where providers were told, as the disk has it.
    pub(crate) told: Sequence,
    /// A checkpoint of the projection.
    pub(crate) checkpoint: Option<Vec<u8>>,
}

impl Journal {
    pub(crate) fn head(&self) -> Sequence {
        self.log.last().map_or(Sequence(0), |last| last.sequence)
    }

    /// The events of one stream, oldest first.
    pub(crate) fn stream(&self, stream: StreamId) -> impl Iterator<Item = &Recorded<Event>> {
        self.streams.get(&stream).into_iter().flatten().map(|at| &self.log[*at])
    }

    /// What comes after `after`, at most `most` of it.
    pub(crate) fn page(&self, after: Sequence, most: usize) -> &[Recorded<Event>] {
        let from = self.log.partition_point(|recorded| recorded.sequence <= after);
        &self.log[from..self.log.len().min(from + most)]
    }

    /// Makes one append durable, or says why not.
    pub(crate) fn commit(&mut self, append: &Append) -> Outcome {
        let version = self.streams.get(&append.stream).map_or(0, Vec::len) as u64;
        if append.expected != Version(version) {
            return Err(Refused::WrongVersion);
        }
        if !append.claims.is_empty() {
            self.claims = self.claimed(append)?;
        }
        for (event, version) in append.events.iter().zip(version + 1..) {
            let sequence = Sequence(self.head().0 + 1);
            // What is read back is what the bytes say.
            let bytes = postcard::to_allocvec(event).unwrap();
            let event = postcard::from_bytes(&bytes).unwrap();
            let version = Version(version);
            let (stream, meta) = (append.stream, append.meta.clone());
            self.streams.entry(stream).or_default().push(self.log.len());
            let recorded = Recorded { sequence, stream, version, meta, event };
            self.folded.apply(&recorded);
            self.log.push(recorded);
        }
        Ok(self.head())
    }

    /// Who holds which key once an append is durable.
    fn claimed(&self, append: &Append) -> Result<BTreeMap<ClaimKey, StreamId>, Refused> {
        let mut claims = self.claims.clone();
        for change in &append.claims {
            match change {
                ClaimChange::Take { key, note: _ } => {
                    if claims.insert(key.clone(), append.stream).is_some() {
                        return Err(Refused::ClaimTaken);
                    }
                }
                ClaimChange::Release { key } => {
                    if claims.get(key) == Some(&append.stream) {
                        claims.remove(key);
                    }
                }
            }
        }
        Ok(claims)
    }

    /// The process dies: what waited is gone.
    pub(crate) fn crash(&mut self) {
        self.pending.clear();
        self.woken = false;
        self.cursor.1 = self.cursor.0;
    }

    /// Keeps a checkpoint of the projection.
    pub(crate) fn keep(&mut self, view: &View) {
        self.checkpoint = Some(postcard::to_allocvec(view).unwrap());
    }

    /// The projection as a start finds it: from the checkpoint where there is one.
    pub(crate) fn view(&self) -> View {
        let kept = self.checkpoint.as_ref().map(|bytes| postcard::from_bytes(bytes).unwrap());
        let mut view: View = kept.unwrap_or_default();
        for recorded in self.page(view.head, usize::MAX - self.log.len()) {
            view.apply(recorded);
        }
        view
    }

    /// The projection, folded from the very first event on, in order, and never through a checkpoint. It
    /// goes on with each event, for it is asked for at every look.
    pub(crate) const fn fold(&self) -> &View {
        &self.folded
    }

    /// For a planted fault: the last event was never written.
    pub(crate) fn lose_the_last(&mut self) {
        if let Some(last) = self.log.pop()
            && let Some(stream) = self.streams.get_mut(&last.stream)
        {
            stream.pop();
        }
        self.folded = View::default();
        for recorded in &self.log {
            self.folded.apply(recorded);
        }
    }
}
