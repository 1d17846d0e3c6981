//! What a made-up version of an app does when it is built and run.

use fastrand::Rng;

/// How its build ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    Works,
    Fails,
    /// It goes on until its time is over.
    Hangs,
}

/// How its replicas do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    Healthy,
    NeverHealthy,
    ExitsAtOnce,
    /// Healthy first, then it exits.
    ExitsLater,
    /// Healthy first, then it fails its checks for a while.
    AilsLater,
    /// The engine refuses to make it.
    CannotBeMade,
}

/// How its release command does, where its app has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    Works,
    Fails,
    /// It goes on until its time is over.
    Hangs,
}

/// What one version does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Behaviour {
    pub(crate) build: Build,
    pub(crate) run: Run,
    pub(crate) release: Release,
}

impl Behaviour {
    pub(crate) const GOOD: Self =
        Self { build: Build::Works, run: Run::Healthy, release: Release::Works };

    /// Mostly good.
    pub(crate) fn any(random: &mut Rng) -> Self {
        let build = match random.u32(..20) {
            0 | 1 => Build::Fails,
            2 => Build::Hangs,
            _ => Build::Works,
        };
        let run = match random.u32(..20) {
            0 => Run::NeverHealthy,
            1 => Run::ExitsAtOnce,
            2 => Run::ExitsLater,
            3 => Run::AilsLater,
            4 => Run::CannotBeMade,
            _ => Run::Healthy,
        };
        let release = match random.u32(..8) {
            0 => Release::Fails,
            1 => Release::Hangs,
            _ => Release::Works,
        };
        Self { build, run, release }
    }
}
