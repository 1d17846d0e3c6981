//! What an edge knows of apps that may sleep: when somebody last asked for one, and whether one that sleeps is
//! wanted.
//!
//! Invariants: a request writes one word at the most, and not even that where another one just did; what is under
//! way counts as being asked for; what nobody has asked for is known from when the edge began to know the app, so
//! that one that has just started says nothing of the time before.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use hythe_core::ids::DeploymentId;
use hythe_core::routes::Route;
use hythe_core::time::Millis;

/// Requests within so many milliseconds are one: all cores write to the same word.
const COARSE_MS: u64 = 250;

/// An app that may sleep, for as long as tables say that it may.
#[derive(Debug, Default)]
pub(crate) struct Sleeper {
    /// When somebody asked last, or since when it is known; 0 before the first look.
    asked_ms: AtomicU64,
    /// Whether somebody asked for it while it sleeps.
    wanted: AtomicBool,
}

impl Sleeper {
    /// Somebody asks for it.
    pub(crate) fn asked(&self, now_ms: u64) {
        if now_ms.saturating_sub(self.asked_ms.load(Relaxed)) >= COARSE_MS {
            self.asked_ms.store(now_ms, Relaxed);
        }
    }

    /// Somebody waits for it to wake; says whether that is new.
    pub(crate) fn want(&self) -> bool {
        !self.wanted.swap(true, Relaxed)
    }

    /// For how long nobody has asked for it. `busy` says whether requests are under way.
    fn unasked(&self, now_ms: u64, busy: bool) -> Millis {
        let asked = self.asked_ms.load(Relaxed);
        if busy || asked == 0 {
            self.asked_ms.store(now_ms, Relaxed);
            return Millis(0);
        }
        Millis(now_ms.saturating_sub(asked))
    }
}

/// What the table in force says of such an app.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) sleeper: Arc<Sleeper>,
    /// After how long without a request it may be put to sleep.
    after: Option<Millis>,
    /// Whether it sleeps.
    asleep: bool,
    /// What its requests go to.
    deployments: BTreeSet<DeploymentId>,
}

impl Known {
    /// What a route says, where it is of an app that sleeps or may. `before` is what was known of the app.
    pub(crate) fn of(route: &Route, before: Option<&Self>) -> Option<Self> {
        let after = route.edge.as_ref().and_then(|edge| edge.settings.sleep_after);
        if after.is_none() && !route.asleep {
            return None;
        }
        let sleeper = before.map_or_else(Arc::default, |before| Arc::clone(&before.sleeper));
        if route.asleep && before.is_none_or(|before| !before.asleep) {
            // Whoever wanted it before it fell asleep has been answered.
            sleeper.wanted.store(false, Relaxed);
        }
        let asleep = route.asleep;
        Some(Self { sleeper, after, asleep, deployments: route.deployments().collect() })
    }

    /// Takes in another route of the same app.
    pub(crate) fn and(&mut self, route: &Route) {
        self.deployments.extend(route.deployments());
    }

    /// Whether it sleeps and somebody wants it.
    pub(crate) fn wanted(&self) -> bool {
        self.asleep && self.sleeper.wanted.load(Relaxed)
    }

    /// For how long nobody has asked for it, where that is long enough. `busy` says whether requests to a
    /// deployment are under way.
    pub(crate) fn unasked(
        &self,
        now_ms: u64,
        busy: impl Fn(&DeploymentId) -> bool,
    ) -> Option<Millis> {
        let after = self.after.filter(|_| !self.asleep)?;
        let unasked = self.sleeper.unasked(now_ms, self.deployments.iter().any(busy));
        (unasked >= after).then_some(unasked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_seen_does_not_count_and_what_goes_on_does() {
        let sleeper = Sleeper::default();
        let rows = [
            // Just known.
            (10_000, false, 0),
            (11_000, false, 1_000),
            (12_000, true, 0),
            (13_000, false, 1_000),
        ];
        for (now, busy, unasked) in rows {
            assert_eq!(sleeper.unasked(now, busy), Millis(unasked), "at {now}");
        }
        sleeper.asked(13_000);
        assert_eq!(sleeper.unasked(13_400, false), Millis(400));
        sleeper.asked(13_000 + COARSE_MS - 1);
        assert_eq!(sleeper.unasked(13_400, false), Millis(400), "as good as before");
        sleeper.asked(13_000 + COARSE_MS);
        assert_eq!(sleeper.unasked(13_400, false), Millis(400 - COARSE_MS));
        assert!(sleeper.want() && !sleeper.want(), "told once");
    }
}
