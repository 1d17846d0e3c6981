//! What a made-up version of an app does when it is built and run.

use fastrand::Rng;
use hythe_core::task::Hook;

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

/// How a command that runs once does, where its app has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Once {
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
    pub(crate) release: Once,
    pub(crate) post_deploy: Once,
}

impl Behaviour {
    pub(crate) const GOOD: Self = Self {
        build: Build::Works,
        run: Run::Healthy,
        release: Once::Works,
        post_deploy: Once::Works,
    };

    /// How the task of this number does.
    pub(crate) fn task(&self, index: u16) -> Once {
        match Hook::of(index) {
            Some(Hook::Release) => self.release,
            Some(Hook::PostDeploy) => self.post_deploy,
            None => panic!("there is no task {index}"),
        }
    }

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
        let mut once = || match random.u32(..8) {
            0 => Once::Fails,
            1 => Once::Hangs,
            _ => Once::Works,
        };
        let (release, post_deploy) = (once(), once());
        Self { build, run, release, post_deploy }
    }
}
