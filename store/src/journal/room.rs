//! Room on the journal's file system: what to do when it gets scarce.
//!
//! **What must hold.** What begins something new is refused while there is little room, so that
//! what frees some can still be written; reads never need any. Some room is held back in a file,
//! where nobody else on that file system can take it, and given up when an urgent append needs it.
//! Once there is room enough, all goes on by itself; somewhat more is asked for than what was too
//! little, so that it does not come and go.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::options::JournalOptions;
use super::shared::Shared;
use super::storage::Storage;

/// Between two looks at how much room there is.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Between two looks while there is too little.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// After it turned out that the room which seems to be there cannot be had.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// On a small file system no more than this part of it is kept back, twice over.
const MOST_OF_TOTAL: u64 = 16;
/// What a commit takes besides what is appended: pages are written anew, never changed.
const COMMIT_BYTES: u64 = 128 * 1024;

/// The room on a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What this process may still take.
    pub free: u64,
    /// All there is.
    pub total: u64,
}

/// Too little room for an append that can wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// A directory on the file system that is meant.
    pub place: PathBuf,
    /// How many bytes are free.
    pub free: u64,
    /// How many have to be, for appends to be taken again.
    pub needed: u64,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the file system of {} is full: {} are free and {} are needed",
            self.place.display(),
            Bytes(self.free),
            Bytes(self.needed)
        )
    }
}

struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u32); 3] = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
        match UNITS.iter().find(|(_, shift)| self.0 >> shift > 0) {
            None => write!(f, "{} bytes", self.0),
            Some((unit, shift)) => {
                let whole = self.0 >> shift;
                let tenth = ((self.0 - (whole << shift)) * 10) >> shift;
                write!(f, "{whole}.{tenth} {unit}")
            }
        }
    }
}

/// How it stands with the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// A directory on the file system that is meant.
    pub place: PathBuf,
    /// How many bytes are free; none where that cannot be known.
    pub free: Option<u64>,
    /// How many have to be, for appends to be taken again.
    pub needed: u64,
    /// Whether what can wait is refused.
    pub scarce: bool,
}

/// The marks on one file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Marks {
    /// Less than this is too little.
    low: u64,
    /// This is enough again, what is held back aside.
    enough: u64,
    /// What is held back.
    held: u64,
}

impl Marks {
    fn of(options: &JournalOptions, total: u64) -> Self {
        let most = total / MOST_OF_TOTAL;
        let low = options.low_room_bytes.min(most);
        Self { low, enough: low + low / 2, held: options.held_room_bytes.min(most) }
    }

    /// What is to be done: a table.
    const fn step(self, scarce: bool, free: u64, holding: bool) -> Step {
        let missing = if holding { 0 } else { self.held };
        match (scarce, free < self.low, free >= self.enough + missing) {
            (false, true, _) => Step::Stop,
            (true, _, true) => Step::GoOn,
            (false, false, true) if !holding => Step::Hold,
            (false, false, _) | (true, _, false) => Step::Stay,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Stay,
    /// Refuse what can wait.
    Stop,
    /// See whether the room is really there, and take everything again.
    GoOn,
    /// Hold back what was given up.
    Hold,
}

/// What everybody may know of it.
#[derive(Debug, Default)]
pub(crate) struct Known {
    scarce: AtomicBool,
    free: AtomicU64,
    needed: AtomicU64,
}

impl Known {
    pub(crate) fn is_scarce(&self) -> bool {
        self.scarce.load(Ordering::Relaxed)
    }

    fn note(&self, space: Space, marks: Marks) {
        self.free.store(space.free, Ordering::Relaxed);
        self.needed.store(marks.enough, Ordering::Relaxed);
    }

    /// What to tell whoever is refused.
    pub(crate) fn refusal(&self, storage: &dyn Storage) -> NoRoom {
        NoRoom {
            place: storage.place(),
            free: self.free.load(Ordering::Relaxed),
            needed: self.needed.load(Ordering::Relaxed),
        }
    }
}

impl Shared {
    /// How it stands with the room, looked at now.
    pub(crate) fn room_now(&self) -> Room {
        let space = self.storage.space().ok().flatten();
        let marks = space.map(|space| Marks::of(&self.options, space.total)).unwrap_or_default();
        let short = space.is_some_and(|space| space.free < marks.low);
        Room {
            place: self.storage.place(),
            free: space.map(|space| space.free),
            needed: marks.enough,
            scarce: short || self.room.is_scarce(),
        }
    }
}

/// The writer's part: it alone looks, holds back and gives up.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    looked: Option<Instant>,
    /// Whether what is to be held back is.
    holding: bool,
    not_before: Option<Instant>,
}

impl Gauge {
    /// Looks, unless it did a moment ago.
    pub(crate) fn look(&mut self, shared: &Shared) {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return;
        }
        let first = self.looked.replace(Instant::now()).is_none();
        let Ok(Some(space)) = shared.storage.space() else { return };
        let marks = Marks::of(&shared.options, space.total);
        if first {
            // What an earlier process held back is still there, and needs no more room.
            self.holding = shared.storage.hold(marks.held).is_ok();
        }
        shared.room.note(space, marks);
        match marks.step(shared.room.is_scarce(), space.free, self.holding) {
            Step::Stay => {}
            Step::Stop => stop(shared),
            Step::Hold => self.holding = shared.storage.hold(marks.held).is_ok(),
            Step::GoOn => self.go_on(shared, marks),
        }
    }

    fn go_on(&mut self, shared: &Shared, marks: Marks) {
        if self.not_before.is_some_and(|at| at > Instant::now()) {
            return;
        }
        // A quota does not show in what a file system says of itself: take the room, give it back.
        let there = shared.storage.hold(marks.held + marks.low);
        let holds = shared.storage.hold(marks.held);
        if let Err(error) = there.and(holds) {
            tracing::debug!(%error, "the room that seems to be there cannot be had");
            self.not_before = Some(Instant::now() + PROBE_EVERY);
            return;
        }
        self.holding = true;
        shared.room.scarce.store(false, Ordering::Relaxed);
        tracing::info!(place = %shared.storage.place().display(), "there is room again");
    }

    /// Sees to it that an urgent append of so many bytes finds room, as far as that can be.
    pub(crate) fn make_way(&mut self, shared: &Shared, bytes: u64) {
        let free = shared.storage.space().ok().flatten().map(|space| space.free);
        if free.is_some_and(|free| free < COMMIT_BYTES + 2 * bytes) {
            self.give_up(shared);
        }
    }

    /// A write failed because there was no room. Says whether some was given up for it, so that
    /// trying again makes sense.
    pub(crate) fn ran_out(&mut self, shared: &Shared) -> bool {
        // Where nobody can say how much there is, every append finds out by itself.
        let Ok(Some(space)) = shared.storage.space() else { return false };
        shared.room.note(space, Marks::of(&shared.options, space.total));
        self.not_before = Some(Instant::now() + PROBE_EVERY);
        if !shared.room.is_scarce() {
            stop(shared);
        }
        self.give_up(shared)
    }

    fn give_up(&mut self, shared: &Shared) -> bool {
        let given = self.holding && shared.storage.hold(0).is_ok();
        self.holding &= !given;
        if given {
            tracing::info!("gave up the room that was held back, for what frees more");
        }
        given
    }
}

/// Told once: not with every append that is refused.
fn stop(shared: &Shared) {
    shared.room.scarce.store(true, Ordering::Relaxed);
    tracing::warn!(
        "{}; only what frees room or is under way is written until there is more: remove old \
         images, logs or backups",
        shared.room.refusal(&*shared.storage)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_small_on_small_file_systems() {
        let options = JournalOptions::default();
        let small = Marks::of(&options, 8 << 20);
        assert_eq!((small.low, small.held), (512 << 10, 512 << 10));
        let large = Marks::of(&options, 1 << 40);
        assert_eq!((large.low, large.held), (options.low_room_bytes, options.held_room_bytes));
    }

    #[test]
    fn it_stops_below_one_mark_and_goes_on_from_a_higher_one() {
        let marks = Marks { low: 100, enough: 150, held: 50 };
        let rows = [
            // scarce, free, holding
            (false, 99, true, Step::Stop),
            (false, 99, false, Step::Stop),
            (false, 100, true, Step::Stay),
            (false, 1000, true, Step::Stay),
            (false, 149, false, Step::Stay),
            (false, 200, false, Step::Hold),
            (true, 0, true, Step::Stay),
            (true, 149, true, Step::Stay),
            (true, 150, true, Step::GoOn),
            (true, 150, false, Step::Stay),
            (true, 200, false, Step::GoOn),
        ];
        for (scarce, free, holding, step) in rows {
            assert_eq!(marks.step(scarce, free, holding), step, "{scarce} {free} {holding}");
        }
    }

    #[test]
    fn sizes_are_said_as_people_say_them() {
        for (bytes, text) in
            [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB")]
        {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }
}
