//! A file that is read and never written: changes stay in memory.
//!
//! Opening a database after a crash repairs it, which writes. Looking at a journal must not change
//! it, so the repair goes into blocks kept here and is forgotten afterwards. Holds as much memory
//! as was written, which is little unless the index has to be built.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

const BLOCK: usize = 4096;

/// A file and the blocks that were changed over it.
#[derive(Debug)]
pub(crate) struct Overlay {
    file: Option<File>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    len: u64,
    /// How much of the file still shows through; shrinks when the length does.
    visible: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Overlay {
    pub(crate) fn over(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        let state = State { len, visible: len, blocks: BTreeMap::new() };
        Ok(Self { file: Some(file), state: Mutex::new(state) })
    }

    /// Over nothing: an empty file in memory.
    pub(crate) fn empty() -> Self {
        let state = State { len: 0, visible: 0, blocks: BTreeMap::new() };
        Self { file: None, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn below(&self, visible: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        out.fill(0);
        let Some(file) = &self.file else { return Ok(()) };
        let left = usize::try_from(visible.saturating_sub(offset)).unwrap_or(usize::MAX);
        let shown = out.len().min(left);
        file.read_exact_at(&mut out[..shown], offset)
    }
}

/// Cuts a range into pieces that lie in one block each: block number, offset in it, range in the
/// caller's buffer.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = offset + done as u64;
        let within = usize::try_from(at % BLOCK as u64).unwrap_or(0);
        let take = (BLOCK - within).min(len - done);
        let piece = (at / BLOCK as u64, within, done..done + take);
        done += take;
        Some(piece)
    })
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > state.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (block, within, range) in pieces(offset, out.len()) {
            let out = &mut out[range];
            match state.blocks.get(&block) {
                Some(bytes) => out.copy_from_slice(&bytes[within..within + out.len()]),
                None => {
                    self.below(state.visible, block * BLOCK as u64 + within as u64, out)?;
                }
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        if len < state.len {
            state.visible = state.visible.min(len);
            let first = len.div_ceil(BLOCK as u64);
            state.blocks.split_off(&first);
            let within = usize::try_from(len % BLOCK as u64).unwrap_or(0);
            if let Some(bytes) = state.blocks.get_mut(&(len / BLOCK as u64)) {
                bytes[within..].fill(0);
            }
        }
        state.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        for (block, within, range) in pieces(offset, data.len()) {
            if !state.blocks.contains_key(&block) {
                let mut bytes = vec![0; BLOCK];
                self.below(state.visible, block * BLOCK as u64, &mut bytes)?;
                state.blocks.insert(block, bytes);
            }
            if let Some(bytes) = state.blocks.get_mut(&block) {
                bytes[within..within + range.len()].copy_from_slice(&data[range]);
            }
        }
        state.len = state.len.max(offset + data.len() as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    use crate::journal::tests::fixture::noise;

    proptest! {
        #[test]
        fn behaves_like_a_vector_and_leaves_the_file_alone(
            (len, seed) in (0usize..10_000, any::<u64>()),
            steps in proptest::collection::vec((0u64..12_000, 0usize..6_000, any::<u8>(), any::<bool>()), 1..20),
        ) {
            let base = noise(len, seed);
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&base).unwrap();
            let overlay = Overlay::over(file.try_clone().unwrap()).unwrap();
            let mut model = base.clone();
            for (offset, len, byte, cut) in steps {
                if cut {
                    overlay.set_len(offset).unwrap();
                    model.resize(usize::try_from(offset).unwrap(), 0);
                } else {
                    overlay.write(offset, &vec![byte; len]).unwrap();
                    let at = usize::try_from(offset).unwrap();
                    if model.len() < at + len {
                        model.resize(at + len, 0);
                    }
                    model[at..at + len].fill(byte);
                }
                prop_assert_eq!(overlay.len().unwrap(), model.len() as u64);
                let mut seen = vec![1; model.len()];
                overlay.read(0, &mut seen).unwrap();
                prop_assert_eq!(&seen, &model);
            }
            let mut after = vec![0; base.len()];
            file.read_exact_at(&mut after, 0).unwrap();
            prop_assert_eq!(after, base);
        }
    }
}
