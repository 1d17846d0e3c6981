//! Looking at the whole journal while the server goes on: one look at a time, on a thread of its
//! own that gives way to everything else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hythe_store::Journal;

use super::dto::{Verification, VerificationState};

/// How nice the thread is to others: as `nice -n 10`.
const NICE: i32 = 10;

/// The look that goes on, or the last one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verifications(Arc<Mutex<Option<Look>>>);

#[derive(Debug)]
struct Look {
    checked: Arc<AtomicU64>,
    said: Verification,
}

impl Verifications {
    fn lock(&self) -> MutexGuard<'_, Option<Look>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the last one stands, if there ever was one.
    pub(crate) fn last(&self) -> Option<Verification> {
        self.lock().as_ref().map(Look::now)
    }

    /// Begins one, unless one goes on.
    pub(crate) fn begin(&self, journal: Journal) -> std::io::Result<Verification> {
        let mut look = self.lock();
        if let Some(look) = &*look
            && look.said.state == VerificationState::Running
        {
            return Ok(look.now());
        }
        let checked = Arc::new(AtomicU64::new(0));
        let said = Verification {
            state: VerificationState::Running,
            checked: 0,
            head: journal.head().0,
            report: None,
            error: None,
        };
        let (this, counter) = (self.clone(), Arc::clone(&checked));
        std::thread::Builder::new()
            .name("journal-verify".into())
            .spawn(move || this.run(&journal, &counter))?;
        *look = Some(Look { checked, said: said.clone() });
        Ok(said)
    }

    fn run(&self, journal: &Journal, counter: &AtomicU64) {
        // On Linux this is of the thread, not of the process. Without it, it is only less polite.
        let thread = Some(rustix::thread::gettid());
        rustix::process::setpriority_process(thread, NICE).ok();
        let told = |events| counter.store(events, Ordering::Relaxed);
        let looked = catch_unwind(AssertUnwindSafe(|| journal.verify_telling(&told)));
        let looked = looked.unwrap_or(Err(hythe_store::StoreError::Closed));
        let mut look = self.lock();
        let Some(look) = &mut *look else { return };
        match looked {
            Ok(report) => {
                if !report.is_sound() {
                    tracing::error!(
                        problems = ?report.problems,
                        "the journal on the disk is not as it was written; restore a backup"
                    );
                }
                look.checked.store(report.events, Ordering::Relaxed);
                look.said.state = VerificationState::Done;
                look.said.report = Some(report.into());
            }
            Err(error) => {
                tracing::warn!(%error, "the journal was not looked at");
                look.said.state = VerificationState::Failed;
                look.said.error = Some(error.to_string());
            }
        }
    }
}

impl Look {
    fn now(&self) -> Verification {
        Verification { checked: self.checked.load(Ordering::Relaxed), ..self.said.clone() }
    }
}
