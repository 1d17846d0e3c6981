//! Disks that fail and machines that lose power, in memory.
//!
//! What was written and not synced is, after a crash, there or not, write by write, in any order,
//! and one may be there in part (whole sectors). An operation can fail once, as a full or broken
//! disk does, or be the one at which the power goes. A failed sync loses any of what it should
//! have synced and never tells again, as Linux does.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use crate::journal::storage::{Part, Storage};

const SECTOR: usize = 512;

/// What happens at the chosen operation on the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails, and the next one works again.
    Error(io::ErrorKind),
    /// Nothing works any more until [`Faulty::restart`].
    Power,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Len(usize),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => {
                let end = offset + data.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*offset..end].copy_from_slice(data);
            }
            Self::Len(len) => to.resize(*len, 0),
        }
    }
}

#[derive(Debug, Default)]
struct Disk {
    durable: Vec<u8>,
    /// What reads see.
    seen: Vec<u8>,
    unsynced: Vec<Change>,
}

impl Disk {
    /// Keeps any of the unsynced changes, as a seed will have it.
    fn settle(&mut self, random: &mut Random) {
        let mut changes = std::mem::take(&mut self.unsynced);
        // Writes of one sector never pass each other on a disk; others do as they like.
        if random.below(2) == 0 {
            let cut = random.below(changes.len() as u64 + 1);
            changes.truncate(usize::try_from(cut).unwrap());
        } else {
            changes.retain(|_| random.below(2) == 0);
        }
        if random.below(3) == 0 && !changes.is_empty() {
            let at = usize::try_from(random.below(changes.len() as u64)).unwrap();
            if let Change::Write(_, data) = &mut changes[at] {
                let sectors = data.len().div_ceil(SECTOR) as u64;
                let kept = usize::try_from(random.below(sectors + 1)).unwrap() * SECTOR;
                data.truncate(kept);
            }
        }
        for change in &changes {
            change.apply(&mut self.durable);
        }
        self.seen.clone_from(&self.durable);
    }
}

#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound.max(1)
    }
}

#[derive(Debug)]
struct World {
    log: Disk,
    index: Disk,
    /// Whether the log is in its place.
    kept: bool,
    /// Operations on the log so far.
    operations: u64,
    fault: Option<(u64, Fault)>,
    down: bool,
    random: Random,
}

impl World {
    fn disk(&mut self, part: Part) -> &mut Disk {
        match part {
            Part::Log => &mut self.log,
            Part::Index => &mut self.index,
        }
    }

    /// Counts an operation, and says whether it is to fail.
    fn operate(&mut self, part: Part) -> io::Result<()> {
        if self.down {
            return Err(io::Error::other("the power is off"));
        }
        if part == Part::Log {
            self.operations += 1;
            match self.fault {
                Some((at, fault)) if at == self.operations => match fault {
                    Fault::Error(kind) => return Err(kind.into()),
                    Fault::Power => {
                        self.down = true;
                        return Err(io::Error::other("the power went"));
                    }
                },
                Some(_) | None => {}
            }
        }
        Ok(())
    }
}

/// Both disks of a journal.
#[derive(Clone, Debug)]
pub(crate) struct Faulty(Arc<Mutex<World>>);

impl Faulty {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(World {
            log: Disk::default(),
            index: Disk::default(),
            kept: false,
            operations: 0,
            fault: None,
            down: false,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
        })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// Has a fault happen at an operation on the log, counted from now.
    pub(crate) fn fail_at(&self, operation: u64, fault: Fault) {
        let mut world = self.world();
        world.fault = Some((world.operations + operation, fault));
    }

    /// Nothing fails any more.
    pub(crate) fn calm(&self) {
        self.world().fault = None;
    }

    /// Operations on the log so far.
    pub(crate) fn operations(&self) -> u64 {
        self.world().operations
    }

    /// Whether the fault has happened.
    pub(crate) fn has_failed(&self) -> bool {
        let world = self.world();
        world.fault.is_some_and(|(at, _)| world.operations >= at)
    }

    /// The power goes, if it is not gone, and comes back.
    pub(crate) fn restart(&self) {
        let mut world = self.world();
        let World { log, index, random, .. } = &mut *world;
        log.settle(random);
        index.settle(random);
        world.down = false;
        world.fault = None;
    }
}

impl Storage for Faulty {
    fn open(&self, part: Part) -> io::Result<Box<dyn StorageBackend>> {
        self.world().operate(part)?;
        Ok(Box::new(File { world: Arc::clone(&self.0), part }))
    }

    fn has(&self, part: Part) -> io::Result<bool> {
        Ok(part == Part::Index || self.world().kept)
    }

    fn begin(&self, part: Part) -> io::Result<Box<dyn StorageBackend>> {
        let mut world = self.world();
        world.operate(part)?;
        *world.disk(part) = Disk::default();
        Ok(Box::new(File { world: Arc::clone(&self.0), part }))
    }

    fn keep(&self, part: Part) -> io::Result<()> {
        let mut world = self.world();
        world.operate(part)?;
        world.kept = true;
        Ok(())
    }

    fn discard(&self, part: Part) -> io::Result<()> {
        let mut world = self.world();
        world.operate(part)?;
        *world.disk(part) = Disk::default();
        Ok(())
    }

    fn release(&self) {}
}

#[derive(Debug)]
struct File {
    world: Arc<Mutex<World>>,
    part: Part,
}

impl File {
    fn change(&self, change: Change) -> io::Result<()> {
        let mut world = self.world.lock().unwrap();
        let allowed = world.operate(self.part);
        if world.down && allowed.is_err() && world.fault.is_none() {
            return allowed;
        }
        let disk = world.disk(self.part);
        // A write that fails may have got somewhere.
        change.apply(&mut disk.seen);
        disk.unsynced.push(change);
        allowed
    }
}

impl StorageBackend for File {
    fn len(&self) -> io::Result<u64> {
        let mut world = self.world.lock().unwrap();
        world.operate(self.part)?;
        Ok(world.disk(self.part).seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut world = self.world.lock().unwrap();
        world.operate(self.part)?;
        let from = usize::try_from(offset).unwrap();
        let found = world.disk(self.part).seen.get(from..from + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::Len(usize::try_from(len).unwrap()))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut world = self.world.lock().unwrap();
        let allowed = world.operate(self.part);
        let World { log, index, random, down, .. } = &mut *world;
        let disk = match self.part {
            Part::Log => log,
            Part::Index => index,
        };
        match &allowed {
            Ok(()) => {
                for change in std::mem::take(&mut disk.unsynced) {
                    change.apply(&mut disk.durable);
                }
            }
            Err(_) if !*down => disk.settle(random),
            Err(_) => {}
        }
        allowed
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Change::Write(usize::try_from(offset).unwrap(), data.to_vec()))
    }
}
