//! What was seen, shared: reports write it, the reconciler and the API read it.

use std::sync::{Arc, PoisonError, RwLock};

use hythe_core::observed::Observed;
use hythe_core::time::Timestamp;
use tokio::sync::watch;

/// What was seen. Clones share it.
#[derive(Clone, Debug)]
pub struct Observatory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    observed: RwLock<Observed>,
    changes: watch::Sender<u64>,
}

impl Observatory {
    /// Nothing seen yet.
    #[must_use]
    pub fn starting_at(started_at: Timestamp) -> Self {
        let observed = RwLock::new(Observed::starting_at(started_at));
        Self(Arc::new(Inner { observed, changes: watch::Sender::new(0) }))
    }

    /// Looks at what was seen. Not to be held on to: writers wait meanwhile.
    pub fn read<T>(&self, look: impl FnOnce(&Observed) -> T) -> T {
        look(&self.0.observed.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes something that others should hear of.
    pub fn note<T>(&self, note: impl FnOnce(&mut Observed) -> T) -> T {
        let noted = self.note_quietly(note);
        self.0.changes.send_modify(|count| *count += 1);
        noted
    }

    /// Notes something that changes nothing for anybody, such as a heartbeat.
    pub fn note_quietly<T>(&self, note: impl FnOnce(&mut Observed) -> T) -> T {
        note(&mut self.0.observed.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says when something was noted.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }
}
