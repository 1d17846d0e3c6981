//! Tasks: commands that run once, each in a container of its own made from a deployment's image.
//!
//! To a worker a task is a replica with a number of its own, from [`FIRST`] on: its container has a
//! name that derives from it, so that asking twice runs it once, and whatever is known of replicas
//! (limits, log, how it ended) is known of it. It is never started again, checked or sent traffic.

use serde::{Deserialize, Serialize};

use crate::limits;

/// The least number of a task; those of replicas lie below.
pub const FIRST: u16 = 0x8000;

// Replicas and tasks share their numbers.
const _: () = assert!(limits::MOST_REPLICAS < FIRST);

/// At which place of a deployment a command runs. Append-only: events hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// Before its replicas start: it fails with it.
    Release,
    /// After it went live: it stays live, however that ends.
    PostDeploy,
}

impl Hook {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Release, Self::PostDeploy];

    /// The number of its container among the replicas of the deployment.
    #[must_use]
    pub const fn index(self) -> u16 {
        match self {
            Self::Release => u16::MAX,
            Self::PostDeploy => u16::MAX - 1,
        }
    }

    /// The one that has this number.
    #[must_use]
    pub fn of(index: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| hook.index() == index)
    }

    /// Its name, in names of containers and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::PostDeploy => "post-deploy",
        }
    }

    /// The setting of what runs.
    #[must_use]
    pub const fn command_field(self) -> &'static str {
        match self {
            Self::Release => "release_command",
            Self::PostDeploy => "post_deploy_command",
        }
    }

    /// The setting of how long it may take.
    #[must_use]
    pub const fn within_field(self) -> &'static str {
        match self {
            Self::Release => "release_within",
            Self::PostDeploy => "post_deploy_within",
        }
    }
}

/// Whether a number among replicas is a task's.
#[must_use]
pub const fn is_task(index: u16) -> bool {
    index >= FIRST
}

/// What names a replica or a task within its deployment: a number, or what the task is.
#[must_use]
pub fn name(index: u16) -> String {
    Hook::of(index).map_or_else(|| index.to_string(), |hook| hook.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_have_numbers_and_names_that_no_replica_has() {
        for hook in Hook::ALL {
            assert!(is_task(hook.index()), "{hook:?}");
            assert_eq!(Hook::of(hook.index()), Some(hook));
            assert_eq!(name(hook.index()), hook.as_str());
        }
        assert_eq!(Hook::of(limits::MOST_REPLICAS), None);
        assert_eq!(name(3), "3");
    }
}
