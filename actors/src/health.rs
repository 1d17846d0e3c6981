//! What is wrong at the moment, by part: what `/readyz` shows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What is wrong at the moment. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Health {
    /// Says that a part fails.
    pub fn fails(&self, part: &'static str, why: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(part, why.into());
    }

    /// Says that a part works.
    pub fn works(&self, part: &'static str) {
        let mut problems = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !problems.is_empty() {
            problems.remove(part);
        }
    }

    /// What fails, as `part: why`.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let problems = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        problems.iter().map(|(part, why)| format!("{part}: {why}")).collect()
    }
}
