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

/// What its repository says itself of what runs; an app's settings go before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Says {
    /// A process that no app's settings name, in so many replicas.
    pub(crate) mailer: Option<u16>,
    /// One that some apps' settings name, too.
    pub(crate) worker: Option<u16>,
    /// A release command.
    pub(crate) release: bool,
}

impl Says {
    pub(crate) const NOTHING: Self = Self { mailer: None, worker: None, release: false };

    fn any(random: &mut Rng) -> Self {
        let mut some = || (random.u32(..2) == 0).then(|| random.u16(0..=2));
        let (mailer, worker) = (some(), some());
        Self { mailer, worker, release: random.u32(..3) == 0 }
    }
}

/// What one version does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Behaviour {
    pub(crate) build: Build,
    pub(crate) run: Run,
    pub(crate) release: Once,
    pub(crate) post_deploy: Once,
    pub(crate) says: Says,
}

impl Behaviour {
    pub(crate) const GOOD: Self = Self {
        build: Build::Works,
        run: Run::Healthy,
        release: Once::Works,
        post_deploy: Once::Works,
        says: Says::NOTHING,
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
        Self { build, run, release, post_deploy, says: Says::NOTHING }
    }

    /// The same, whose repository may say something itself.
    pub(crate) fn with_any_says(self, random: &mut Rng) -> Self {
        if random.u32(..2) == 0 {
            return self;
        }
        let says = Says::any(random);
        // A repository says nothing of the time of its release command, and the usual one is long.
        let hangs = says.release && self.release == Once::Hangs;
        let release = if hangs { Once::Fails } else { self.release };
        Self { says, release, ..self }
    }
}
