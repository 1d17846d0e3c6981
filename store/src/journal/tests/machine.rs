//! A machine in memory, with the two files of a journal: it notes every step on its way to the
//! disk, can fail any single operation, and can lose power at any.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use super::crashes::Walk;
use super::disk::{Disk, FileId, Step};
use super::random::Random;
use crate::journal::pages::{Health, Keep, Pages};
use crate::journal::storage::{Part, Storage};

/// What happens at the chosen operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails, and the next one works again.
    Once(io::ErrorKind),
    /// It fails, and everything else too, until [`Machine::heal`].
    Broken,
    /// It fails, and everything that wants room, until [`Machine::heal`].
    Full,
    /// Nothing works any more until [`Machine::restart`].
    Power,
}

impl Fault {
    fn fails(self, wants_room: bool) -> bool {
        match self {
            Self::Once(_) | Self::Broken | Self::Power => true,
            Self::Full => wants_room,
        }
    }

    fn error(self) -> io::Error {
        match self {
            Self::Once(kind) => kind.into(),
            Self::Broken => io::Error::from_raw_os_error(nix::libc::EIO),
            Self::Full => io::ErrorKind::StorageFull.into(),
            Self::Power => io::Error::other("the power is off"),
        }
    }
}

#[derive(Debug)]
struct State {
    /// What was durable when the notes began.
    start: Disk,
    /// What reads see.
    seen: Disk,
    steps: Vec<Step>,
    apart: Option<FileId>,
    operations: u64,
    fault: Option<(u64, Fault)>,
    /// The fault has come and stays.
    failing: Option<Fault>,
    /// Syncs say that they are done and do nothing.
    lies: bool,
    random: Random,
    /// What is known of the files' pages.
    health: Vec<(Part, Arc<Health>)>,
}

impl State {
    /// Counts an operation, and says whether it is to fail.
    fn operate(&mut self, wants_room: bool) -> io::Result<()> {
        self.operations += 1;
        if let Some((at, fault)) = self.fault
            && self.operations >= at
            && self.failing.is_none()
            && fault.fails(wants_room)
        {
            self.fault = None;
            match fault {
                Fault::Once(_) => return Err(fault.error()),
                Fault::Broken | Fault::Full | Fault::Power => self.failing = Some(fault),
            }
        }
        match self.failing {
            Some(fault) if fault.fails(wants_room) => Err(fault.error()),
            Some(_) | None => Ok(()),
        }
    }

    fn note(&mut self, step: Step) {
        self.seen.apply(&step);
        self.steps.push(step);
    }

    /// A change that may fail; one that fails may have got somewhere all the same.
    fn change(&mut self, step: Step) -> io::Result<()> {
        let allowed = self.operate(true);
        if allowed.is_ok() || (self.failing != Some(Fault::Power) && self.random.chance(2)) {
            self.note(step);
        }
        allowed
    }

    fn walk(&self) -> Walk<'_> {
        let mut walk = Walk::new(self.start.clone(), &self.steps);
        while walk.advance() {}
        walk
    }

    fn sync(&mut self, file: FileId) -> io::Result<()> {
        match self.operate(true) {
            Ok(()) if self.lies => {}
            Ok(()) => self.note(Step::Sync { file }),
            Err(error) => {
                if self.failing != Some(Fault::Power) {
                    // Any part of what waited is lost and counts as written, as Linux has it.
                    let mut random = self.random.clone();
                    let mut image = self.walk().any(&mut random).image(file);
                    self.random = random;
                    image.settle();
                    self.note(Step::Failed { file, image });
                }
                return Err(error);
            }
        }
        Ok(())
    }
}

/// See above. Clones are the same machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine(Arc<Mutex<State>>);

impl Machine {
    /// With an empty disk.
    pub(crate) fn new(seed: u64) -> Self {
        Self::from(Disk::default(), seed)
    }

    pub(crate) fn from(disk: Disk, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            start: disk.clone(),
            seen: disk,
            steps: Vec::new(),
            apart: None,
            operations: 0,
            fault: None,
            failing: None,
            lies: false,
            random: Random::new(seed),
            health: Vec::new(),
        })))
    }

    /// After so many steps, with those not synced still on their way.
    pub(crate) fn resumed(start: Disk, steps: &[Step]) -> Self {
        let machine = Self::from(start, 1);
        steps.iter().for_each(|step| machine.state().note(step.clone()));
        machine
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// From now on nothing is durable that is said to be.
    pub(crate) fn lie(&self) {
        self.state().lies = true;
    }

    /// Forgets the steps so far: what is seen now is durable.
    pub(crate) fn begin_notes(&self) {
        let mut state = self.state();
        state.seen.settle();
        state.start = state.seen.clone();
        state.steps.clear();
    }

    /// What the notes began with, and the steps since.
    pub(crate) fn notes(&self) -> (Disk, Vec<Step>) {
        let state = self.state();
        (state.start.clone(), state.steps.clone())
    }

    /// How many steps were noted.
    pub(crate) fn position(&self) -> usize {
        self.state().steps.len()
    }

    pub(crate) fn disk(&self) -> Disk {
        self.state().seen.clone()
    }

    /// Has a fault happen at an operation, counted from now.
    pub(crate) fn fail_at(&self, operation: u64, fault: Fault) {
        let mut state = self.state();
        state.fault = Some((state.operations + operation, fault));
    }

    /// Nothing fails any more.
    pub(crate) fn heal(&self) {
        let mut state = self.state();
        (state.fault, state.failing) = (None, None);
    }

    /// Operations so far, reads included.
    pub(crate) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Whether the fault is still to come.
    pub(crate) fn awaits_fault(&self) -> bool {
        self.state().fault.is_some()
    }

    /// Whether something fails and goes on failing.
    pub(crate) fn is_failing(&self) -> bool {
        self.state().failing.is_some()
    }

    /// The power goes at once.
    pub(crate) fn stop(&self) {
        self.state().failing = Some(Fault::Power);
    }

    /// The power comes back; of what was not synced any part is there.
    pub(crate) fn restart(&self) -> Self {
        let state = self.state();
        let mut random = state.random.clone();
        let disk = state.walk().any(&mut random);
        let seed = random.below(usize::MAX);
        Self::from(disk, u64::try_from(seed).unwrap())
    }
}

impl Storage for Machine {
    fn open(&self, part: Part) -> io::Result<Box<dyn StorageBackend>> {
        let mut state = self.state();
        state.operate(false)?;
        let file = match (state.seen.named(part), part) {
            (Some(file), _) => file,
            (None, Part::Log) => return Err(io::ErrorKind::NotFound.into()),
            (None, Part::Index) => {
                let file = state.seen.add();
                state.change(Step::Name { part, file: Some(file) })?;
                state.operate(true)?;
                state.note(Step::SyncNames);
                file
            }
        };
        let kept = state.seen.sums(part);
        drop(state);
        let machine = self.clone();
        let keep: Keep = Box::new(move |sums| {
            let mut state = machine.state();
            if state.failing.is_none() {
                state.seen.keep_sums(part, sums);
            }
            Ok(())
        });
        let file = Box::new(File { machine: self.clone(), file });
        let (pages, health) = Pages::over(file, kept.as_deref(), Some(keep))?;
        let mut state = self.state();
        state.health.retain(|(of, _)| *of != part);
        state.health.push((part, health));
        Ok(Box::new(pages))
    }

    fn health(&self, part: Part) -> Option<Arc<Health>> {
        let state = self.state();
        state.health.iter().find(|(of, _)| *of == part).map(|(_, health)| Arc::clone(health))
    }

    fn has(&self, part: Part) -> io::Result<bool> {
        let mut state = self.state();
        state.operate(false)?;
        Ok(state.seen.named(part).is_some())
    }

    fn begin(&self, _part: Part) -> io::Result<Box<dyn StorageBackend>> {
        let mut state = self.state();
        state.operate(true)?;
        let file = state.seen.add();
        state.apart = Some(file);
        Ok(Box::new(File { machine: self.clone(), file }))
    }

    fn keep(&self, part: Part) -> io::Result<()> {
        let mut state = self.state();
        let file = state.apart.take().ok_or(io::ErrorKind::NotFound)?;
        state.sync(file)?;
        state.change(Step::Name { part, file: Some(file) })?;
        state.operate(true)?;
        state.note(Step::SyncNames);
        Ok(())
    }

    fn discard(&self, part: Part) -> io::Result<()> {
        self.state().change(Step::Name { part, file: None })
    }

    fn release(&self) {}
}

#[derive(Debug)]
struct File {
    machine: Machine,
    file: FileId,
}

impl StorageBackend for File {
    fn len(&self) -> io::Result<u64> {
        let mut state = self.machine.state();
        state.operate(false)?;
        Ok(state.seen.file(self.file).len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.machine.state();
        state.operate(false)?;
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        state.seen.file(self.file).read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.machine.state().change(Step::Len { file: self.file, len })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.machine.state().sync(self.file)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        self.machine.state().change(Step::Write { file: self.file, offset, data: data.into() })
    }
}
