//! The newest events, kept as they were written: whoever follows the log needs neither the file nor
//! the chain of hashes to be worked out again for what this process has just committed.
//!
//! Holds nothing that is not durable, and no gap: what is missing in between is read from the file.

use std::collections::VecDeque;

use hythe_core::record::Recorded;

use super::Payload;

/// Events kept.
const MOST_EVENTS: usize = 1024;
/// Bytes that they may take.
const MOST_BYTES: usize = 512 * 1024;
/// What an event takes besides its payload, about.
const EACH: usize = 192;

/// The newest events, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    events: VecDeque<Recorded<Payload>>,
    bytes: usize,
}

impl Recent {
    /// Adds the event that was committed last.
    pub(crate) fn push(&mut self, event: Recorded<Payload>) {
        if self.events.back().is_some_and(|last| last.sequence.0 + 1 != event.sequence.0) {
            *self = Self::default();
        }
        self.bytes += event.event.bytes.len() + EACH;
        self.events.push_back(event);
        while self.events.len() > MOST_EVENTS || self.bytes > MOST_BYTES {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.event.bytes.len() + EACH;
        }
    }

    /// The events after `from` up to `upto`, at most `most`; `None` where the next one is not here.
    pub(crate) fn after(
        &self,
        from: u64,
        upto: u64,
        most: usize,
    ) -> Option<Vec<Recorded<Payload>>> {
        let first = self.events.front()?.sequence.0;
        let skip = usize::try_from(from.checked_add(1)?.checked_sub(first)?).ok()?;
        if skip >= self.events.len() {
            return None;
        }
        let found = self.events.range(skip..).take(most);
        Some(found.take_while(|event| event.sequence.0 <= upto).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use hythe_core::record::{Sequence, Version};

    use super::*;
    use crate::journal::tests::fixture::{meta, stream};

    fn event(sequence: u64, len: usize) -> Recorded<Payload> {
        Recorded {
            sequence: Sequence(sequence),
            stream: stream(1),
            version: Version(sequence),
            meta: meta(),
            event: Payload { schema: 1, bytes: vec![7; len] },
        }
    }

    fn sequences(recent: &Recent, from: u64, upto: u64, most: usize) -> Option<Vec<u64>> {
        let found = recent.after(from, upto, most)?;
        Some(found.into_iter().map(|event| event.sequence.0).collect())
    }

    #[test]
    fn it_has_what_was_added_last_without_a_gap() {
        let mut recent = Recent::default();
        assert_eq!(sequences(&recent, 0, 9, 9), None);
        (4..=8).for_each(|sequence| recent.push(event(sequence, 1)));
        for (from, upto, most, expected) in [
            (2, 8, 9, None),
            (3, 8, 9, Some(vec![4, 5, 6, 7, 8])),
            (5, 7, 9, Some(vec![6, 7])),
            (5, 8, 1, Some(vec![6])),
            // Another may be in the file.
            (8, 9, 9, None),
            (u64::MAX, u64::MAX, 9, None),
        ] {
            assert_eq!(sequences(&recent, from, upto, most), expected, "{from}..={upto}");
        }
        recent.push(event(10, 1));
        assert_eq!(sequences(&recent, 7, 10, 9), None);
        assert_eq!(sequences(&recent, 9, 10, 9), Some(vec![10]));
    }

    #[test]
    fn it_is_bounded_in_events_and_bytes() {
        let mut recent = Recent::default();
        (1..=2000).for_each(|sequence| recent.push(event(sequence, 1)));
        assert_eq!(recent.events.len(), MOST_EVENTS);
        assert_eq!(recent.bytes, MOST_EVENTS * (1 + EACH));
        (2001..=2010).for_each(|sequence| recent.push(event(sequence, MOST_BYTES / 4)));
        assert_eq!(recent.events.len(), 3);
        recent.push(event(2011, MOST_BYTES + 1));
        assert_eq!((recent.events.len(), recent.bytes), (0, 0));
    }
}
