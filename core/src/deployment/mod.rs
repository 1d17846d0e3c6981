//! A deployment: one attempt to bring one version of an app live.
//!
//! `Requested → Queued → Building → Built → Starting → Healthy → Switching → Draining → Live`,
//! with `Releasing` after `Built` where a command runs first, ending as superseded, failed or
//! cancelled. Each stage says which one effect is outstanding and
//! until when. Commands that follow from reports or reactions are idempotent: late and repeated
//! ones mean nothing.

mod built;
mod command;
mod decide;
mod event;
mod evolve;
mod post_deploy;
mod releasing;
mod scaling;
mod spec;
mod stage;
#[cfg(test)]
#[expect(clippy::wildcard_enum_match_arm, reason = "a test fails on whatever it did not expect")]
mod tests;

use serde::{Deserialize, Serialize};

use crate::ids::WorkerId;
use crate::limits;
use crate::run::HookSettings;
use crate::site::BuiltSite;
use crate::source::Resources;
use crate::task::Hook;
use crate::time::{Millis, Timestamp};

pub use self::built::BuiltImage;
pub use self::command::DeploymentCommand;
pub use self::event::DeploymentEvent;
pub use self::post_deploy::PostDeploy;
pub use self::spec::{DeploymentSpec, Origin};
pub use self::stage::{Outcome, Stage, StageName};

/// Where one replica runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The replica: 0, 1, …; those of processes beside web and tasks have numbers of their own.
    pub index: u16,
    /// The worker.
    pub worker: WorkerId,
}

/// Why something failed, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What went wrong and, where known, what to do.
    pub message: String,
    /// The last lines of log before it, oldest first.
    pub log: Vec<String>,
}

/// How a build ended.
pub type BuildOutcome = Result<BuiltImage, Fault>;

/// A deployment's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deployment {
    /// Nothing has happened yet.
    #[default]
    Absent,
    /// It was requested.
    Present(Box<Attempt>),
}

/// A deployment that was requested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// What it runs with.
    pub spec: DeploymentSpec,
    /// Where it stands.
    pub stage: Stage,
    /// What its build gave.
    pub built: Option<BuiltImage>,
    /// Where its replicas run.
    pub placements: Vec<Placement>,
    /// How many replicas it is to have now. Those of processes beside web stand in its spec, as they
    /// were scaled.
    pub replicas: u16,
    /// Replicas that are too many: they still run, and get no new requests.
    pub leaving: Vec<Placement>,
    /// When requests to those are cut off.
    pub leave_until: Option<Timestamp>,
    /// Whether it is built anew because the image that it was to take over was gone.
    pub rebuilt: bool,
    /// Whether its release command has run.
    pub released: bool,
    /// How its post-deploy command stands, where it has one.
    pub post_deploy: PostDeploy,
}

impl Attempt {
    /// Whether its image is an earlier deployment's, so that it can be built where that is gone.
    #[must_use]
    pub const fn takes_over(&self) -> bool {
        match self.spec.origin {
            Origin::Deployment { .. } | Origin::Restart { .. } => !self.rebuilt,
            Origin::Build => false,
        }
    }

    /// The static site that it is, where it is one: then nothing of it runs.
    #[must_use]
    pub fn site(&self) -> Option<&BuiltSite> {
        self.built.as_ref()?.site.as_deref()
    }

    /// The numbers of all that it is to run now: of web, and of the processes beside it.
    pub fn wanted(&self) -> impl Iterator<Item = u16> + '_ {
        let web = if self.site().is_some() { 0 } else { self.replicas };
        (0..web).chain(self.spec.run.process_indices())
    }

    /// The most that its replicas may take until they are healthy, from when they have a place. What writes
    /// to a volume begins when the version before is gone: that may take all the time it has to finish
    /// its requests, and to stop.
    #[must_use]
    pub fn start_most(&self) -> Millis {
        let before = if self.spec.run.container.is_exclusive() {
            limits::GIVE_WAY_WITHIN.0.saturating_add(limits::STOP_WITHIN_MOST.0)
        } else {
            0
        };
        let own = self.spec.health.start_within().0.saturating_add(limits::START_GRACE.0);
        Millis(own.saturating_add(before))
    }

    /// The most that edges may take to confirm a switch to it. One confirms a site once it has fetched it,
    /// which takes as long as it is large.
    #[must_use]
    pub fn switch_most(&self) -> Millis {
        let bytes = self.site().map_or(0, |site| site.bytes);
        let fetching = bytes.saturating_mul(1_000) / limits::SITE_BYTES_A_SECOND;
        let fetching = fetching.min(limits::SITE_SWITCH_MORE_MOST.0);
        Millis(limits::SWITCH_WITHIN.0.saturating_add(fetching))
    }

    /// What one with this number may use.
    #[must_use]
    pub fn resources(&self, index: u16) -> Resources {
        self.spec.run.resources(index, &self.spec.resources)
    }

    /// What runs before its replicas start, where that has not run yet.
    #[must_use]
    pub fn to_release(&self) -> Option<&HookSettings> {
        self.hook(Hook::Release).filter(|_| !self.released)
    }

    /// What runs at this place of it. A restart is the version that there is: nothing runs again.
    #[must_use]
    pub fn hook(&self, hook: Hook) -> Option<&HookSettings> {
        match self.spec.origin {
            Origin::Restart { .. } => None,
            Origin::Build | Origin::Deployment { .. } => self.spec.run.hook(hook),
        }
    }
}

impl Deployment {
    /// The attempt, once requested.
    #[must_use]
    pub fn attempt(&self) -> Option<&Attempt> {
        match self {
            Self::Absent => None,
            Self::Present(attempt) => Some(attempt),
        }
    }
}
