//! The indexer: the thread that moves the stream index's tail from memory into its file.
//!
//! It works beside the writer on another file, so that appends never wait for it. Whatever goes
//! wrong with the file, the log can build it again.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redb::{Database, ReadableDatabase};

use super::reader::View;
use super::record::{GENESIS, Hash};
use super::shared::Shared;
use super::storage::{Part, Storage};
use super::tail::Segment;
use super::{postings, tables};
use crate::error::{StoreError, database};
use crate::guard::{INDEX, LOG, contained, let_go};

/// Between two attempts after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// How far it stands back where the processor is short: appends wait for nothing that it does, and it
/// would take a core for a while after each segment.
const NICE: i32 = 10;

/// Runs until the bell's `closing` is set and the tail is in the file, if that can be done.
pub(crate) fn run(shared: &Shared) {
    // On Linux this is of the thread, not of the process. Without it, it is only less polite.
    rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE).ok();
    loop {
        let closing = {
            let closing = shared.bell.closing.lock().unwrap_or_else(PoisonError::into_inner);
            // What room there is left is not for what can be made again.
            let idle = |closing: &mut bool| {
                let nothing = shared.tail().frozen.is_none() || shared.room.is_scarce();
                !*closing && nothing && !is_asked(shared)
            };
            // The bell is rung without its lock, by a writer that must not wait: look by
            // yourself now and then.
            let (closing, _) = shared
                .bell
                .rung
                .wait_timeout_while(closing, RETRY, idle)
                .unwrap_or_else(PoisonError::into_inner);
            *closing
        };
        if closing {
            shared.tail_mut().freeze();
        }
        let damaged = shared.index_damaged.swap(false, Ordering::Relaxed);
        if (shared.index_suspect.swap(false, Ordering::Relaxed) || damaged)
            && let Err(error) = contained(INDEX, || reopen(shared, damaged))
        {
            shared.index_suspect.store(true, Ordering::Relaxed);
            shared.index_damaged.store(damaged, Ordering::Relaxed);
            tracing::warn!(%error, "the stream index cannot be opened again yet");
            if !closing {
                std::thread::sleep(RETRY);
            }
        }
        let frozen = shared.tail().frozen.clone();
        let Some(segment) = frozen.filter(|_| closing || !shared.room.is_scarce()) else {
            if closing {
                return;
            }
            continue;
        };
        match shared.with_index(|index| postings::add(index, &segment)) {
            Ok(()) => done(shared, &segment),
            Err(error) => {
                tracing::warn!(%error, "the stream index was not written; opening it again");
                if let Err(error) = contained(INDEX, || mend(shared, &segment)) {
                    tracing::warn!(%error, "the stream index cannot be used yet");
                    if closing {
                        return;
                    }
                    std::thread::sleep(RETRY);
                }
            }
        }
    }
}

/// Whether somebody found the index not to be what it should.
fn is_asked(shared: &Shared) -> bool {
    shared.index_suspect.load(Ordering::Relaxed) || shared.index_damaged.load(Ordering::Relaxed)
}

/// The frozen segment is in the file.
fn done(shared: &Shared, segment: &Segment) {
    let versions = segment.versions();
    let mut tail = shared.tail_mut();
    let written = tail.frozen.take();
    let before = std::mem::replace(&mut tail.written, versions);
    shared.index_behind.store(false, Ordering::Relaxed);
    if tail.active.events >= shared.options.index_every {
        tail.freeze();
    }
    drop(tail);
    // Of many streams: whoever reads or appends does not wait until their memory is given back.
    drop((written, before));
}

/// Opens the index anew after a failure, and tries the segment once more.
fn mend(shared: &Shared, segment: &Segment) -> Result<(), StoreError> {
    reopen(shared, false)?;
    let at = shared.with_index(postings::position)?.map_or(0, |(at, _)| at);
    if at < segment.upto.0 {
        shared.with_index(|index| postings::add(index, segment))?;
    }
    done(shared, segment);
    Ok(())
}

/// Opens the index anew, built again where it is not what it should be: complete up to where the
/// tail begins, or one segment further. `damaged` says that it is not, whatever it looks like.
fn reopen(shared: &Shared, damaged: bool) -> Result<(), StoreError> {
    shared.set_index(None);
    let (cache, every) = (shared.options.cache_bytes, shared.options.index_every);
    let (before, after) = {
        let tail = shared.tail();
        let segment = tail.frozen.as_deref().unwrap_or(&tail.active);
        let before = segment.upto.0 - segment.events as u64;
        (before, tail.frozen.as_deref().map_or(before, |frozen| frozen.upto.0))
    };
    let log = shared.view()?;
    let kept = match damaged {
        true => None,
        false => {
            let (index, (at, _)) = open(&*shared.storage, cache, &log)?;
            (at == before || at == after).then_some(index)
        }
    };
    let index = match kept {
        Some(index) => index,
        None => {
            let index = fresh(&*shared.storage, cache)?;
            let last = extend(&index, &log, (0, GENESIS), before, every)?;
            if last.events > 0 {
                postings::add(&index, &last)?;
            }
            index
        }
    };
    shared.set_index(Some(index));
    Ok(())
}

/// Opens the index file and says up to where it is complete, checked against the log. A file that
/// is damaged, cannot be read or is of another log is thrown away for an empty one.
pub(crate) fn open(
    storage: &dyn Storage,
    cache_bytes: usize,
    log: &View,
) -> Result<(Database, (u64, Hash)), StoreError> {
    let found = contained(INDEX, || {
        let mut index = tables::open_index(storage, cache_bytes)?;
        // A row that is gone would make a stream look shorter than it is.
        let whole = storage.health(Part::Index).is_some_and(|health| health.is_known());
        if !whole {
            tables::check_pages(&mut index)?;
        }
        let at = match postings::position(&index)? {
            Some(at) if whole => at,
            Some(at) => {
                postings::check(&index)?;
                at
            }
            None => {
                postings::create(&index)?;
                (0, GENESIS)
            }
        };
        Ok((index, at))
    });
    // It is only written once the log is on the disk. Whoever served what is missing now must not
    // be contradicted by what would take its place.
    if let Ok((_, (at, _))) = &found
        && let head = log.growing()?.head().0
        && *at > head
    {
        let what = format!(
            "it ends with event {head} and the stream index knows event {at}: events are missing \
             at its end. If an older file was put there on purpose, remove index.redb beside it"
        );
        return Err(StoreError::damaged(LOG, what));
    }
    match found {
        Ok((index, (0, _))) => Ok((index, (0, GENESIS))),
        Ok((index, at)) if log.hash_at(at.0)? == Some(at.1) => Ok((index, at)),
        Ok((index, at)) => {
            drop(index);
            tracing::warn!(at = at.0, "the stream index is not of this log; building it again");
            Ok((fresh(storage, cache_bytes)?, (0, GENESIS)))
        }
        // Nothing is wrong with the file, and a new one would want even more room.
        Err(error @ StoreError::NoRoom { .. }) => Err(error),
        Err(error) => {
            tracing::warn!(%error, "the stream index cannot be opened; building it again");
            Ok((fresh(storage, cache_bytes)?, (0, GENESIS)))
        }
    }
}

/// An empty index in place of what was there.
pub(crate) fn fresh(storage: &dyn Storage, cache_bytes: usize) -> Result<Database, StoreError> {
    storage.discard(Part::Index).map_err(crate::error::io("throw the stream index away"))?;
    let index = tables::open_index(storage, cache_bytes)?;
    postings::create(&index)?;
    Ok(index)
}

/// Indexes the log from where the index ends up to `upto`; gives back the last stretch, which is
/// too short to be written already.
pub(crate) fn extend(
    index: &Database,
    log: &View,
    from: (u64, Hash),
    upto: u64,
    every: usize,
) -> Result<Segment, StoreError> {
    let mut segment = Segment::after(from);
    while segment.upto.0 < upto {
        log.walk_stored(segment.upto.0, upto, |stored, _| {
            let event = &stored.event;
            segment.push(event.stream, event.version.0, event.sequence.0, stored.hash);
            segment.events < every
        })?;
        if segment.events >= every {
            postings::add(index, &segment)?;
            segment = Segment::after(segment.upto);
        }
    }
    Ok(segment)
}

/// Opens the index and brings it up to `head`; gives back what stays in memory.
pub(crate) fn prepare(
    storage: &dyn Storage,
    cache_bytes: usize,
    every: usize,
    log: &Database,
    head: u64,
) -> Result<(Database, Segment), StoreError> {
    let log = View::new(&log.begin_read().map_err(database("read the journal"))?)?;
    let (index, at) = open(storage, cache_bytes, &log)?;
    match contained(INDEX, || extend(&index, &log, at, head, every)) {
        Ok(segment) => Ok((index, segment)),
        Err(StoreError::Damaged { place, what }) if at.0 > 0 => {
            // Either the log is damaged, then this fails again and says so, or the index is.
            tracing::warn!(place, what, "the stream index does not fit; building it again");
            let_go(INDEX, index);
            let index = fresh(storage, cache_bytes)?;
            let segment = extend(&index, &log, (0, GENESIS), head, every)?;
            Ok((index, segment))
        }
        Err(error) => Err(error),
    }
}
