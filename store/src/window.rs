//! What is on its way at once when many appends are given one after the other: no more than a
//! journal's queue takes, or one of them would be refused in the middle.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use crate::error::AppendError;
use crate::journal::{Append, Appended, Journal};

/// Appends on their way at once.
const MOST: usize = 1024;
/// Bytes of them; a queue takes four times as much.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// What an append takes besides payloads and claims, at the most.
const EACH: usize = 256;
/// The longest that one append waits for a journal that is busy: its index is written more slowly than its log.
const MOST_WAIT: Duration = Duration::from_secs(5 * 60);

/// What tells how an append went.
pub(crate) type Told = Receiver<Result<Appended, AppendError>>;

/// Hands an append to a journal, and waits while that is too busy to take it: those that follow must not come
/// before it. Blocks.
///
/// # Errors
/// The journal was busy for five minutes. What it says of an append that it took comes later.
pub(crate) fn submit(journal: &Journal, append: &Append) -> Result<Told, AppendError> {
    submit_with(journal, append, std::thread::sleep)
}

fn submit_with(
    journal: &Journal,
    append: &Append,
    mut pause: impl FnMut(Duration),
) -> Result<Told, AppendError> {
    let mut waited = Duration::ZERO;
    loop {
        let (tell, told) = sync_channel(1);
        let again = tell.clone();
        journal.submit(append.clone(), Box::new(move |answer| drop(tell.send(answer))));
        // What it does not even queue it answers at once.
        match told.try_recv() {
            Ok(Err(AppendError::Busy { retry_after })) if waited < MOST_WAIT => {
                pause(retry_after);
                waited += retry_after;
            }
            Ok(Err(busy @ AppendError::Busy { .. })) => return Err(busy),
            Ok(answer) => {
                // There is room for it: it was taken out just now.
                drop(again.send(answer));
                return Ok(told);
            }
            Err(_not_yet) => return Ok(told),
        }
    }
}

/// What is waited for, oldest first.
pub(crate) struct Window<T> {
    waiting: VecDeque<(usize, T)>,
    bytes: usize,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), bytes: 0 }
    }
}

/// About how many bytes an append takes in the queue.
pub(crate) fn size(append: &Append) -> usize {
    let payloads: usize = append.events.iter().map(|event| event.bytes.len()).sum();
    payloads + append.claims.len() * 1024 + EACH
}

impl<T> Window<T> {
    /// Notes one of so many bytes.
    pub(crate) fn add(&mut self, bytes: usize, one: T) {
        self.waiting.push_back((bytes, one));
        self.bytes += bytes;
    }

    /// The one to wait for before another may follow, if any.
    pub(crate) fn full(&mut self) -> Option<T> {
        let full = self.waiting.len() >= MOST || self.bytes > MOST_BYTES;
        if full { self.oldest() } else { None }
    }

    /// The oldest one.
    pub(crate) fn oldest(&mut self) -> Option<T> {
        let (bytes, one) = self.waiting.pop_front()?;
        self.bytes -= bytes;
        Some(one)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::journal::JournalOptions;
    use crate::journal::tests::fixture::append;

    #[test]
    fn a_busy_journal_is_waited_for_but_not_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path(), JournalOptions::default()).unwrap();
        let behind = &journal.shared().index_behind;
        behind.store(true, Ordering::Relaxed);
        let mut pauses = 0;
        let told = submit_with(&journal, &append(1, 0, &["one"]), |_| {
            pauses += 1;
            behind.store(pauses < 3, Ordering::Relaxed);
        });
        let appended = told.unwrap().recv().unwrap().unwrap();
        assert_eq!((appended.last, pauses), (journal.head(), 3));

        behind.store(true, Ordering::Relaxed);
        let mut waited = Duration::ZERO;
        let busy = submit_with(&journal, &append(1, 1, &["two"]), |pause| waited += pause);
        assert!(matches!(busy, Err(AppendError::Busy { .. })), "{busy:?}");
        assert!(waited >= MOST_WAIT && waited < MOST_WAIT + MOST_WAIT, "{waited:?}");
        behind.store(false, Ordering::Relaxed);

        // What it says of one that makes no sense is handed on.
        let told = submit_with(&journal, &append(1, 1, &[]), |_| panic!("it is not busy"));
        assert!(matches!(told.unwrap().recv().unwrap(), Err(AppendError::Invalid { .. })));
    }

    #[test]
    fn it_is_full_by_number_or_by_bytes_and_gives_the_oldest_first() {
        let mut window = Window::default();
        for number in 0..MOST - 1 {
            window.add(1, number);
            assert_eq!(window.full(), None);
        }
        window.add(1, MOST - 1);
        assert_eq!((window.full(), window.full()), (Some(0), None));
        window.add(MOST_BYTES, MOST);
        let mut at = 1;
        while let Some(oldest) = window.full() {
            assert_eq!(oldest, at);
            at += 1;
        }
        assert_eq!(at, MOST, "all that is before the large one");
        assert_eq!((window.oldest(), window.oldest(), window.bytes), (Some(MOST), None, 0));
    }
}
