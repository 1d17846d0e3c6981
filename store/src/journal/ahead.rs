//! A file whose blocks are there before they are needed.
//!
//! The database makes its file longer by a hole, and fills that page by page. Then each commit has
//! the file system find blocks for new pages and note that they are used now, and each sync waits
//! for that note besides the pages. So the first write into a stretch of a hole fills all of it
//! with zeros: the commits after it write over blocks that are there already.
//!
//! **What must hold.** Only what was a hole since this file was opened is filled, and before
//! anything else is written there: nothing is ever written over. Filling is a help and no more:
//! where it fails, or where there is little room, the file grows as it would by itself.

use std::fmt;
use std::io;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

/// How much is filled at once: some 15 commits of 64 events, and little beside a small journal.
const STRETCH: usize = 256 * 1024;
static ZEROS: [u8; STRETCH] = [0; STRETCH];

/// Whether there is so much room that some of it may be taken early.
pub(crate) type Roomy = Box<dyn Fn() -> bool + Send + Sync>;

#[derive(Debug)]
struct State {
    /// From here on there is nothing but what was written since the file was opened.
    hole: u64,
    /// By number of the stretch: whether it was written to since there is a hole.
    begun: Vec<bool>,
}

/// A file that is filled ahead.
pub(crate) struct Ahead {
    file: Box<dyn StorageBackend>,
    state: Mutex<State>,
    roomy: Roomy,
}

impl fmt::Debug for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ahead").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Ahead {
    pub(crate) fn over(file: Box<dyn StorageBackend>, roomy: Roomy) -> io::Result<Self> {
        let state = Mutex::new(State { hole: file.len()?, begun: Vec::new() });
        Ok(Self { file, state, roomy })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills the stretches that a write is the first one in. Holds others up meanwhile, so that no
    /// write overtakes the zeros.
    fn fill(&self, offset: u64, len: usize) {
        let stretch = STRETCH as u64;
        let end = offset.saturating_add(len as u64);
        let mut state = self.state();
        if end <= state.hole {
            return;
        }
        for number in offset / stretch..end.div_ceil(stretch) {
            let Ok(at) = usize::try_from(number) else { return };
            if state.begun.len() <= at {
                state.begun.resize(at + 1, false);
            }
            if !std::mem::replace(&mut state.begun[at], true) && (self.roomy)() {
                let from = (number * stretch).max(state.hole);
                let upto = ((number + 1) * stretch).min(self.file.len().unwrap_or(0));
                let zeros = usize::try_from(upto.saturating_sub(from)).unwrap_or(0).min(STRETCH);
                if zeros > 0 {
                    // What matters is whether the write itself succeeds.
                    let _ = self.file.write(from, &ZEROS[..zeros]);
                }
            }
        }
    }
}

impl StorageBackend for Ahead {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        self.file.set_len(len)?;
        // What was cut off is a hole should the file grow again. The stretch that it was cut in
        // counts as begun if it did: something may have been written before the cut.
        state.hole = state.hole.min(len);
        let kept = usize::try_from(len.div_ceil(STRETCH as u64)).unwrap_or(usize::MAX);
        state.begun.truncate(kept);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.fill(offset, data.len());
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use super::*;
    use proptest::prelude::*;
    use redb::backends::{FileBackend, InMemoryBackend};

    const PAGE: usize = 4096;

    /// Says which writes came, of how many bytes.
    #[derive(Debug)]
    struct Told(InMemoryBackend, Arc<Mutex<Vec<(u64, usize)>>>);

    impl StorageBackend for Told {
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, out)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.0.set_len(len)
        }

        fn sync_data(&self) -> io::Result<()> {
            self.0.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.1.lock().unwrap().push((offset, data.len()));
            self.0.write(offset, data)
        }
    }

    /// Where was written, and how much.
    type Writes = Arc<Mutex<Vec<(u64, usize)>>>;

    fn told(roomy: bool) -> (Ahead, Writes) {
        let writes = Arc::<Mutex<Vec<_>>>::default();
        let file = Told(InMemoryBackend::new(), Arc::clone(&writes));
        file.set_len(PAGE as u64).unwrap();
        (Ahead::over(Box::new(file), Box::new(move || roomy)).unwrap(), writes)
    }

    #[test]
    fn the_first_write_into_a_hole_fills_its_stretch() {
        let (ahead, writes) = told(true);
        let (page, stretch) = (PAGE as u64, STRETCH as u64);
        ahead.set_len(2 * stretch + page).unwrap();
        let data = [7; PAGE];
        // What was there before, the hole's first stretch, the same again, and its cut-off last.
        for at in [0, 3 * page, page, 2 * stretch] {
            ahead.write(at, &data).unwrap();
        }
        let expected = vec![
            (0, PAGE),
            (page, STRETCH - PAGE),
            (3 * page, PAGE),
            (page, PAGE),
            (2 * stretch, PAGE),
            (2 * stretch, PAGE),
        ];
        assert_eq!(*writes.lock().unwrap(), expected);
    }

    #[test]
    fn nothing_is_filled_where_there_is_little_room() {
        let (ahead, writes) = told(false);
        ahead.set_len(STRETCH as u64).unwrap();
        ahead.write(PAGE as u64, &[7; PAGE]).unwrap();
        assert_eq!(*writes.lock().unwrap(), vec![(PAGE as u64, PAGE)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Fails: something was written over by zeros.
        #[test]
        fn what_is_written_stays(
            pages in 0usize..100,
            steps in proptest::collection::vec((0usize..400, 1usize..4, any::<u8>(), any::<bool>()), 1..40),
        ) {
            let mut model = vec![0xa5; pages * PAGE];
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&model).unwrap();
            let file = FileBackend::new(file).unwrap();
            let ahead = Ahead::over(Box::new(file), Box::new(|| true)).unwrap();
            for (page, count, byte, cut) in steps {
                let (at, len) = (page * PAGE, count * PAGE);
                if cut {
                    ahead.set_len(at as u64).unwrap();
                    model.resize(at, 0);
                } else {
                    ahead.write(at as u64, &vec![byte; len]).unwrap();
                    if model.len() < at + len {
                        model.resize(at + len, 0);
                    }
                    model[at..at + len].fill(byte);
                }
                prop_assert_eq!(ahead.len().unwrap(), model.len() as u64);
            }
            let mut seen = vec![1; model.len()];
            ahead.read(0, &mut seen).unwrap();
            prop_assert!(seen == model);
        }
    }
}
