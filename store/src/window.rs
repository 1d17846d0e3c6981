//! What is on its way at once when many appends are given one after the other: no more than a
//! journal's queue takes, or one of them would be refused in the middle.

use std::collections::VecDeque;

use crate::journal::Append;

/// Appends on their way at once.
const MOST: usize = 1024;
/// Bytes of them; a queue takes four times as much.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// What an append takes besides payloads and claims, at the most.
const EACH: usize = 256;

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
    use super::*;

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
