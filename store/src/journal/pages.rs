//! Check sums of a file's pages, so that the database never works with a page that is not what it
//! wrote.
//!
//! The database keeps such sums itself, but looks at them only after a crash, at everything. Here
//! they lie in a file beside, written when the database closes, and every page is compared when it
//! is read: a flipped byte is an error that says where, before it leads a look-up astray, frees a
//! page that is in use, or makes the database panic in the middle of a commit.
//!
//! The sums are a help and no truth: they count only beside the very commits that they were written
//! with, and the part of that which the database never changes has to be the same. Lost, damaged or stale (after a crash, after another program wrote the file), they are as
//! good as none, and what the database and the journal check by themselves has to do.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

/// What one sum is over. The database's pages are multiples of it.
const PAGE: usize = 4096;
const MAGIC: &[u8; 8] = b"hythsum1";
/// `magic | length of the file | its header`, sums, hash of all that.
const HEAD: usize = 8 + 8 + HEADER;
const TAIL: usize = 32;
/// The database's header: what kind of file it is and how it is divided, and two commits.
const HEADER: usize = 320;
const COMMITS: usize = 64;
/// In the header: how long the file is, in units of its own.
const LENGTH: std::ops::Range<usize> = 24..32;
/// In the database's header: whether it was closed.
const GOD_BYTE: usize = 9;
const RECOVERY_REQUIRED: u8 = 2;
/// A page that nobody has seen yet.
const UNKNOWN: u64 = 0;

thread_local! {
    static UNCHECKED: Cell<u32> = const { Cell::new(0) };
}

/// Does something that checks all it reads by itself, such as reading blocks of events: it can say
/// better what is damaged. A page that does not fit is handed to it all the same, and noted.
pub(crate) fn unchecked<T>(work: impl FnOnce() -> T) -> T {
    struct Inside;
    impl Drop for Inside {
        fn drop(&mut self) {
            UNCHECKED.set(UNCHECKED.get() - 1);
        }
    }
    UNCHECKED.set(UNCHECKED.get() + 1);
    let _inside = Inside;
    work()
}

/// What is known of a file's pages.
#[derive(Debug, Default)]
pub struct Health {
    known: bool,
    damage: Mutex<Option<String>>,
}

impl Health {
    /// Whether every page that is read is compared with what was written. Where not, such as after
    /// a crash, whoever has no other check has to look at all of the file.
    pub(crate) const fn is_known(&self) -> bool {
        self.known
    }

    /// A page that does not fit and was handed out to be looked at: the database may have it in
    /// its memory, and must not build on it.
    pub(crate) fn damage(&self) -> Option<String> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Never [`UNKNOWN`].
fn sum(page: &[u8]) -> u64 {
    1 << 32 | u64::from(crc32c::crc32c(page))
}

/// Where the sums go.
pub(crate) type Keep = Box<dyn Fn(&[u8]) -> io::Result<()> + Send + Sync>;

#[derive(Debug)]
struct State {
    /// By number of the page. The first one, which the database checks itself, has none.
    sums: Vec<u64>,
    /// Every change went well, so that the sums are those of the file.
    sound: bool,
}

/// A file whose pages are checked.
pub(crate) struct Pages {
    file: Box<dyn StorageBackend>,
    state: Mutex<State>,
    health: Arc<Health>,
    keep: Option<Keep>,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Pages {
    /// A file with the sums that were kept of it, if any; and whether they are of this file as it
    /// is. New ones are kept when it is closed. Fails with "invalid data" where the file's header
    /// is damaged.
    pub(crate) fn over(
        file: Box<dyn StorageBackend>,
        kept: Option<&[u8]>,
        keep: Option<Keep>,
    ) -> io::Result<(Self, Arc<Health>)> {
        let sums = match kept {
            Some(kept) => decode(&*file, kept)?,
            None => None,
        };
        let health = Arc::new(Health { known: sums.is_some(), ..Health::default() });
        let state = Mutex::new(State { sums: sums.unwrap_or_default(), sound: true });
        Ok((Self { file, state, health: Arc::clone(&health), keep }, health))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The whole pages in a range, but for the first page of the file: number and range in it.
    fn whole(offset: u64, len: usize) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
        let page = PAGE as u64;
        let first = offset.div_ceil(page).max(1);
        let end = offset.saturating_add(len as u64) / page;
        (first..end).filter_map(move |number| {
            let start = usize::try_from(number * page - offset).ok()?;
            Some((usize::try_from(number).ok()?, start..start + PAGE))
        })
    }

    /// Forgets the pages that a change touches, until it is known what they are.
    fn forget(&self, offset: u64, len: usize) {
        let page = PAGE as u64;
        let (first, end) = (offset / page, offset.saturating_add(len as u64).div_ceil(page));
        let mut state = self.state();
        for number in first..end {
            let sum = usize::try_from(number).ok().and_then(|at| state.sums.get_mut(at));
            if let Some(sum) = sum {
                *sum = UNKNOWN;
            }
        }
    }

    fn note(&self, offset: u64, data: &[u8]) {
        let sums: Vec<_> =
            Self::whole(offset, data.len()).map(|(at, range)| (at, sum(&data[range]))).collect();
        let mut state = self.state();
        for (at, sum) in sums {
            if state.sums.len() <= at {
                state.sums.resize(at + 1, UNKNOWN);
            }
            state.sums[at] = sum;
        }
    }

    /// Passes the outcome of a change on.
    fn changed(&self, result: io::Result<()>) -> io::Result<()> {
        if result.is_err() {
            self.state().sound = false;
        }
        result
    }

    /// What there is to keep: nothing unless the database closed the file in order.
    fn encode(&self) -> io::Result<Option<Vec<u8>>> {
        let state = self.state();
        let len = self.file.len()?;
        let Some(header) = header(&*self.file, len)? else { return Ok(None) };
        if !state.sound || header[GOD_BYTE] & RECOVERY_REQUIRED != 0 {
            return Ok(None);
        }
        let pages = usize::try_from(len / PAGE as u64).map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(HEAD + pages * 8 + TAIL);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&header);
        for at in 0..pages {
            let sum = state.sums.get(at).copied().unwrap_or(UNKNOWN);
            bytes.extend_from_slice(&sum.to_le_bytes());
        }
        let hash = blake3::hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        Ok(Some(bytes))
    }
}

fn header(file: &dyn StorageBackend, len: u64) -> io::Result<Option<[u8; HEADER]>> {
    if len < HEADER as u64 {
        return Ok(None);
    }
    let mut header = [0; HEADER];
    file.read(0, &mut header)?;
    Ok(Some(header))
}

/// The sums, where they are whole and of this file as it is.
fn decode(file: &dyn StorageBackend, kept: &[u8]) -> io::Result<Option<Vec<u64>>> {
    let len = file.len()?;
    let whole = kept.split_last_chunk::<TAIL>();
    let whole = whole.filter(|(kept, hash)| blake3::hash(kept).as_bytes() == *hash);
    let rest = whole.and_then(|(kept, _)| kept.strip_prefix(MAGIC.as_slice()));
    let rest = rest.and_then(|rest| rest.split_first_chunk::<8>());
    let rest = rest.and_then(|(len, rest)| Some((len, rest.split_first_chunk::<HEADER>()?)));
    let Some((noted_len, (noted, sums))) = rest else { return Ok(None) };
    let Some(mut header) = header(file, len)? else { return Ok(None) };
    // It was opened since, and nothing was committed: all that the commits refer to is as it was.
    let opened = noted[GOD_BYTE] ^ header[GOD_BYTE] == RECOVERY_REQUIRED;
    let grown = len >= u64::from_le_bytes(*noted_len);
    if opened && grown {
        header[GOD_BYTE] = noted[GOD_BYTE];
        header[LENGTH].copy_from_slice(&noted[LENGTH]);
    } else if len.to_le_bytes() != *noted_len {
        return Ok(None);
    }
    if noted[GOD_BYTE] != header[GOD_BYTE] || noted[COMMITS..] != header[COMMITS..] {
        return Ok(None);
    }
    if *noted != header {
        let what = "its header says of the same commits that it is divided in another way";
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    let (sums, _) = sums.as_chunks::<8>();
    Ok(Some(sums.iter().map(|sum| u64::from_le_bytes(*sum)).collect()))
}

impl StorageBackend for Pages {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)?;
        for (at, range) in Self::whole(offset, out.len()) {
            let found = sum(&out[range.clone()]);
            let mut state = self.state();
            if state.sums.len() <= at {
                state.sums.resize(at + 1, UNKNOWN);
            }
            if state.sums[at] == UNKNOWN {
                state.sums[at] = found;
            } else if state.sums[at] != found {
                let place = offset + range.start as u64;
                let what = format!("the page at byte {place} does not fit its check sum");
                if UNCHECKED.get() == 0 {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                }
                tracing::error!(what, "a file of the journal is damaged");
                let mut damage = self.health.damage.lock().unwrap_or_else(PoisonError::into_inner);
                damage.get_or_insert(what);
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let before = self.file.len()?;
        let kept = usize::try_from(len.min(before) / PAGE as u64).map_err(io::Error::other)?;
        self.state().sums.truncate(kept);
        self.changed(self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.changed(self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.forget(offset, data.len());
        self.changed(self.file.write(offset, data))?;
        self.note(offset, data);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        if let Some(keep) = &self.keep {
            let kept = self.encode().and_then(|sums| sums.map_or(Ok(()), |sums| keep(&sums)));
            if let Err(error) = kept {
                tracing::warn!(%error, "the check sums of a file's pages were not kept");
            }
        }
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
