//! The end of the stream index that is in memory only: which events of which stream lie behind
//! the last one that the index file knows.
//!
//! Two segments: `active` grows with every commit; `frozen` is what the indexer is writing to the
//! file at the moment. A stream's events are, oldest first: in the file, in `frozen`, in `active`.
//! Of the segment that was written last the versions stay: or else each stream at work would have
//! the writer look it up in both files once after every segment, and all others wait for that.

use std::collections::HashMap;
use std::sync::Arc;

use hythe_core::record::StreamId;

use super::record::{GENESIS, Hash};

/// Events of one stream, under consecutive versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    /// Version of the first of them.
    pub(crate) first: u64,
    /// Their sequences.
    pub(crate) sequences: Vec<u64>,
}

impl Run {
    /// The version of the last of them.
    pub(crate) fn last(&self) -> u64 {
        self.first + self.sequences.len() as u64 - 1
    }

    /// The events after a version, as (version, sequence).
    fn after(&self, version: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        (self.first..).zip(self.sequences.iter().copied()).filter(move |&(v, _)| v > version)
    }
}

/// A stretch of the log, by stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) streams: HashMap<StreamId, Run>,
    pub(crate) events: usize,
    /// The last event in it, and its hash.
    pub(crate) upto: (u64, Hash),
}

impl Segment {
    pub(crate) fn after(upto: (u64, Hash)) -> Self {
        Self { streams: HashMap::new(), events: 0, upto }
    }

    pub(crate) fn push(&mut self, stream: StreamId, version: u64, sequence: u64, hash: Hash) {
        let run = self
            .streams
            .entry(stream)
            .or_insert_with(|| Run { first: version, sequences: Vec::new() });
        run.sequences.push(sequence);
        self.events += 1;
        self.upto = (sequence, hash);
    }

    /// The last version of each of its streams.
    pub(crate) fn versions(&self) -> HashMap<StreamId, u64> {
        self.streams.iter().map(|(stream, run)| (*stream, run.last())).collect()
    }
}

/// The whole tail.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) active: Segment,
    pub(crate) frozen: Option<Arc<Segment>>,
    /// The last versions in the segment before those, which is in the file.
    pub(crate) written: HashMap<StreamId, u64>,
}

impl Default for Tail {
    fn default() -> Self {
        Self::of(Segment::after((0, GENESIS)))
    }
}

impl Tail {
    /// Only what is not in the file.
    pub(crate) fn of(active: Segment) -> Self {
        Self { active, frozen: None, written: HashMap::new() }
    }

    fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.frozen.as_deref().into_iter().chain([&self.active])
    }

    /// The last version of a stream, where the tail has any of it or had it lately; 0 where it has none.
    pub(crate) fn version(&self, stream: &StreamId) -> Option<u64> {
        let run = |segment: &Segment| segment.streams.get(stream).map(Run::last);
        run(&self.active)
            .or_else(|| self.frozen.as_deref().and_then(run))
            .or_else(|| self.written.get(stream).copied())
            .or_else(|| self.is_all().then_some(0))
    }

    /// Whether nothing is in the file yet: then what the tail has nothing of has no event.
    fn is_all(&self) -> bool {
        let first = self.frozen.as_deref().unwrap_or(&self.active);
        first.upto.0 == first.events as u64
    }

    /// The stream's events after a version that the tail has, and the first version that it has.
    pub(crate) fn after(&self, stream: &StreamId, version: u64) -> (Option<u64>, Vec<(u64, u64)>) {
        let mut first = None;
        let mut found = Vec::new();
        for run in self.segments().filter_map(|segment| segment.streams.get(stream)) {
            first = first.or(Some(run.first));
            found.extend(run.after(version));
        }
        (first, found)
    }

    /// How many events the tail holds.
    pub(crate) fn events(&self) -> usize {
        self.segments().map(|segment| segment.events).sum()
    }

    /// Hands the active segment to the indexer, unless it has one or there is nothing to hand.
    pub(crate) fn freeze(&mut self) -> Option<Arc<Segment>> {
        if self.frozen.is_some() || self.active.events == 0 {
            return None;
        }
        let next = Segment::after(self.active.upto);
        let frozen = Arc::new(std::mem::replace(&mut self.active, next));
        self.frozen = Some(Arc::clone(&frozen));
        Some(frozen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::fixture::stream;

    #[test]
    fn a_tail_that_has_all_knows_who_has_no_event() {
        let mut tail = Tail::default();
        assert_eq!(tail.version(&stream(1)), Some(0));
        tail.active.push(stream(1), 1, 1, [0; 32]);
        assert_eq!(tail.version(&stream(2)), Some(0));
        let frozen = tail.freeze().unwrap();
        tail.active.push(stream(1), 2, 2, [0; 32]);
        assert_eq!((tail.version(&stream(1)), tail.version(&stream(2))), (Some(2), Some(0)));
        tail.written = frozen.versions();
        tail.frozen = None;
        assert_eq!(tail.version(&stream(2)), None);
    }

    #[test]
    fn versions_stay_known_for_one_segment() {
        let mut tail = Tail::default();
        for sequence in 1..=3 {
            tail.active.push(stream(1), sequence, sequence, [0; 32]);
        }
        tail.active.push(stream(2), 1, 4, [0; 32]);
        let frozen = tail.freeze().unwrap();
        tail.active.push(stream(1), 4, 5, [0; 32]);
        tail.written = frozen.versions();
        tail.frozen = None;
        assert_eq!(tail.version(&stream(1)), Some(4));
        assert_eq!(tail.version(&stream(2)), Some(1));
        assert_eq!(tail.version(&stream(3)), None);
        // What is in the file is read from there.
        assert_eq!(tail.after(&stream(2), 0), (None, Vec::new()));
        assert_eq!(tail.events(), 1);
        tail.written = tail.active.versions();
        assert_eq!(tail.version(&stream(2)), None);
    }
}
