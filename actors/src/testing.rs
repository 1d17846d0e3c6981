//! For the tests of this crate: a disk that can be held up and can fail, and made-up values.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use hythe_core::app::{AppCommand, AppSettings, SettingsChange};
use hythe_core::ids::{AppId, CorrelationId};
use hythe_core::names::{AppName, RepositoryUrl};
use hythe_core::record::{Actor, Meta};
use hythe_core::source::{GitSource, Reference, Source};
use hythe_core::time::Timestamp;
use hythe_store::journal::storage::{Part, Storage};
use hythe_store::secrets::key::MasterKey;
use hythe_store::{Journal, JournalOptions};
use redb::StorageBackend;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::aggregate::Extras;

#[derive(Debug, Default)]
struct File {
    now: Vec<u8>,
    on_disk: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    log: File,
    index: File,
    apart: File,
    held: bool,
    waiting: bool,
    failing: bool,
    syncs: u64,
}

/// A disk in memory. Only the log's file is ever held up or fails.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<(Mutex<State>, Condvar)>);

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap()
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.0.1.notify_all();
    }

    /// From now on nothing becomes durable, and whoever waits for it waits.
    pub(crate) fn hold(&self) {
        self.set(|state| state.held = true);
    }

    /// Waits until a commit is held up: what is submitted from now on goes into the next one.
    pub(crate) async fn holds_something(&self) {
        let this = self.clone();
        let wait = tokio::task::spawn_blocking(move || {
            drop(this.0.1.wait_while(this.state(), |state| !state.waiting).unwrap());
        });
        wait.await.unwrap();
    }

    pub(crate) fn release(&self) {
        self.set(|state| state.held = false);
    }

    /// From now on every fsync fails, and loses what was written since the last good one.
    pub(crate) fn fail(&self, failing: bool) {
        self.set(|state| state.failing = failing);
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    pub(crate) fn journal(&self) -> Journal {
        let key = MasterKey::from_bytes(Zeroizing::new([7; 32]));
        Journal::open_on(Arc::new(self.clone()), key, JournalOptions::default()).unwrap()
    }
}

impl State {
    fn file(&mut self, of: Of) -> &mut File {
        match of {
            Of::Part(Part::Log) => &mut self.log,
            Of::Part(Part::Index) => &mut self.index,
            Of::Apart => &mut self.apart,
        }
    }
}

/// Which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Part(Part),
    /// One that is laid out beside the others.
    Apart,
}

impl Storage for Disk {
    fn open(&self, part: Part) -> io::Result<Box<dyn StorageBackend>> {
        let mut state = self.state();
        let file = state.file(Of::Part(part));
        file.now.clone_from(&file.on_disk);
        Ok(Box::new(Handle { disk: self.clone(), of: Of::Part(part) }))
    }

    fn has(&self, part: Part) -> io::Result<bool> {
        Ok(!self.state().file(Of::Part(part)).on_disk.is_empty())
    }

    fn begin(&self, _part: Part) -> io::Result<Box<dyn StorageBackend>> {
        self.state().apart = File::default();
        Ok(Box::new(Handle { disk: self.clone(), of: Of::Apart }))
    }

    fn keep(&self, part: Part) -> io::Result<()> {
        let mut state = self.state();
        let mut kept = std::mem::take(&mut state.apart);
        kept.now.clone_from(&kept.on_disk);
        *state.file(Of::Part(part)) = kept;
        Ok(())
    }

    fn discard(&self, part: Part) -> io::Result<()> {
        *self.state().file(Of::Part(part)) = File::default();
        Ok(())
    }

    fn release(&self) {}
}

#[derive(Debug)]
struct Handle {
    disk: Disk,
    of: Of,
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().file(self.of).now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let from = usize::try_from(offset).unwrap();
        let found = state.file(self.of).now.get(from..from + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.state().file(self.of).now.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        if self.of == Of::Part(Part::Log) {
            state.waiting = true;
            self.disk.0.1.notify_all();
            state = self.disk.0.1.wait_while(state, |state| state.held).unwrap();
            state.waiting = false;
            state.syncs += 1;
            if state.failing {
                return Err(io::Error::other("the disk is broken"));
            }
        }
        let file = state.file(self.of);
        file.on_disk.clone_from(&file.now);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let from = usize::try_from(offset).unwrap();
        let file = &mut state.file(self.of).now;
        file[from..from + data.len()].copy_from_slice(data);
        Ok(())
    }
}

pub(crate) fn extras() -> Extras {
    Extras::from(Meta {
        at: Timestamp(1_000),
        actor: Actor::Owner,
        correlation: CorrelationId::new(Uuid::now_v7()),
        causation: None,
    })
}

pub(crate) fn create(id: Uuid, name: &str) -> AppCommand {
    let source = Source::Git(GitSource {
        repository: RepositoryUrl::new("https://git.example/shop.git").unwrap(),
        reference: Reference::DefaultBranch,
    });
    AppCommand::Create {
        id: AppId::new(id),
        name: AppName::new(name).unwrap(),
        settings: Box::new(AppSettings { source: Some(source), ..AppSettings::default() }),
    }
}

pub(crate) fn port(port: u16) -> AppCommand {
    AppCommand::Configure(Box::new(SettingsChange {
        port: Some(Some(port)),
        ..SettingsChange::default()
    }))
}
