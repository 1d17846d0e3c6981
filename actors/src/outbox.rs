//! What happened since somebody was told last: the next events of the journal, for whoever tells others of
//! them from a cursor; and what was told in vain, to be told again.

use std::collections::BTreeMap;
use std::time::Duration;

use hythe_core::event::Event;
use hythe_core::record::{Recorded, Sequence};
use hythe_store::codec::decode_recorded;
use tokio::time::Instant;

use crate::control::Control;

/// Events read at once.
const PAGE: usize = 256;
/// What was not taken is told again after this, and then after twice as long each time, up to the longest.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// The longest that is waited where somebody says when to be told again.
const MOST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
/// How often it is told again, before that waits for the next change: for more than a day.
const MOST_AGAIN: u32 = 30;
/// How much of that is remembered.
const MOST_UNTAKEN: usize = 4_096;

/// Shows `see` the next events after `from`, up to `seen` at the most; says the last of those.
///
/// # Errors
/// Where the journal cannot be read.
pub(crate) fn next(
    control: &Control,
    from: Sequence,
    seen: Sequence,
    mut see: impl FnMut(&Recorded<Event>),
) -> Result<Sequence, String> {
    let page = control.journal().read(from, PAGE).map_err(|error| error.to_string())?;
    let mut until = from;
    for stored in page {
        if stored.sequence > seen {
            break;
        }
        until = stored.sequence;
        see(&decode_recorded(stored).map_err(|error| error.to_string())?);
    }
    Ok(until)
}

/// It was not taken, and may be another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Later {
    /// How long whoever was told wants to hear nothing, where that was said.
    pub(crate) wait: Option<Duration>,
}

/// What was not taken, or may not have been.
#[derive(Debug)]
pub(crate) struct Again<K>(BTreeMap<K, Untaken>);

#[derive(Clone, Copy, Debug)]
struct Untaken {
    /// How often it was told.
    times: u32,
    /// When it is told again.
    at: Instant,
}

impl<K> Default for Again<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Copy> Again<K> {
    /// All of this is due.
    pub(crate) fn at_once(missing: impl IntoIterator<Item = K>) -> Self {
        let untaken = Untaken { times: 0, at: Instant::now() };
        Self(missing.into_iter().take(MOST_UNTAKEN).map(|key| (key, untaken)).collect())
    }

    /// Takes out what is due, with how often it was told.
    pub(crate) fn ripe(&mut self) -> BTreeMap<K, u32> {
        let now = Instant::now();
        let ripe = self.0.iter().filter(|(_, untaken)| untaken.at <= now);
        let ripe: BTreeMap<K, u32> = ripe.map(|(key, untaken)| (*key, untaken.times)).collect();
        self.0.retain(|key, _| !ripe.contains_key(key));
        ripe
    }

    /// Takes one out, due or not; says how often it was told, where it was there.
    pub(crate) fn take(&mut self, key: K) -> Option<u32> {
        self.0.remove(&key).map(|untaken| untaken.times)
    }

    /// Has it told again that was told in vain once more, after it was so often before.
    pub(crate) fn put(&mut self, key: K, before: u32, Later { wait }: Later) {
        if before < MOST_AGAIN && self.0.len() < MOST_UNTAKEN {
            let asked = wait.unwrap_or_default().min(MOST_WAIT);
            let at = Instant::now() + pause(before).max(asked);
            self.0.insert(key, Untaken { times: before + 1, at });
        }
    }

    /// Forgets what there is no more.
    pub(crate) fn retain(&mut self, keep: impl Fn(K) -> bool) {
        self.0.retain(|key, _| keep(*key));
    }

    /// When the next is due; none where nothing waits.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.values().map(|untaken| untaken.at).min()
    }
}

/// How long to wait after it was told in vain so many times, and once more.
fn pause(before: u32) -> Duration {
    AGAIN_AFTER.saturating_mul(2_u32.saturating_pow(before)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_taken_is_told_again_for_more_than_a_day_and_ever_more_seldom() {
        let waits: Vec<Duration> = (0..MOST_AGAIN).map(pause).collect();
        assert_eq!((waits[0], waits[1]), (AGAIN_AFTER, AGAIN_AFTER * 2));
        assert!(waits.is_sorted() && waits.last() == Some(&LONGEST));
        assert!(waits.iter().sum::<Duration>() > Duration::from_secs(24 * 60 * 60));
        assert_eq!(pause(u32::MAX), LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_due_once_and_no_more_once_it_was_told_often_enough() {
        let later = Later { wait: None };
        let mut again = Again::at_once([1_u8]);
        assert_eq!(again.ripe(), BTreeMap::from([(1, 0)]));
        assert_eq!((again.ripe(), again.next()), (BTreeMap::new(), None));
        again.put(1, 0, later);
        again.put(2, MOST_AGAIN, later);
        assert!(again.ripe().is_empty(), "not before its time");
        tokio::time::advance(AGAIN_AFTER).await;
        assert_eq!(again.ripe(), BTreeMap::from([(1, 1)]));
        again.put(3, 4, later);
        assert_eq!((again.take(3), again.take(3)), (Some(5), None));
        again.put(4, 0, later);
        again.retain(|key| key != 4);
        assert_eq!(again.next(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_says_when_to_be_told_again_is_not_told_before() {
        for (said, waits) in [
            (Duration::from_secs(5), AGAIN_AFTER),
            (Duration::from_secs(1_800), Duration::from_secs(1_800)),
            (Duration::MAX, MOST_WAIT),
        ] {
            let mut again = Again::default();
            again.put(1_u8, 0, Later { wait: Some(said) });
            assert_eq!(again.next(), Some(Instant::now() + waits), "{said:?}");
        }
    }
}
