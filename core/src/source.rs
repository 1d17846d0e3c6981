//! What an app is made from and how it is to run: settings that people give.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::names::{
    BranchName, BuildArg, BuildArgValue, BuildTarget, CommitId, EnvName, RepositoryPath,
    RepositoryUrl, TagName,
};
use crate::rejection::Rejection;
use crate::time::Millis;

/// Where the source lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The git repository.
    pub repository: RepositoryUrl,
    /// Which commit of it.
    pub reference: Reference,
}

/// Which commit of a repository. In events by position: append-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reference {
    /// The newest commit of whatever branch the repository names as its own.
    DefaultBranch,
    /// The newest commit of a branch (or tag).
    Branch(BranchName),
    /// Exactly this commit.
    Commit(CommitId),
    /// What a tag of this name leads to, whatever branches are called.
    Tag(TagName),
}

/// How the source becomes an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildSettings {
    /// The Dockerfile; found by itself where none is given.
    pub dockerfile: Option<RepositoryPath>,
    /// The folder of the repository whose files the build sees; all of it where none is given.
    pub context: Option<RepositoryPath>,
    /// The stage of the Dockerfile that becomes the image; its last one where none is given.
    pub target: Option<BuildTarget>,
    /// Build arguments. They are in the image's history for everyone to read: nothing secret.
    pub args: BTreeMap<BuildArg, BuildArgValue>,
    /// The app's environment variables that its build may read, by mounting them as secrets.
    pub secrets: BTreeSet<EnvName>,
    /// How long one build may take once a builder works on it.
    pub within: Millis,
    /// Nothing that earlier builds left is used again.
    pub no_cache: bool,
}

impl Default for BuildSettings {
    fn default() -> Self {
        Self {
            dockerfile: None,
            context: None,
            target: None,
            args: BTreeMap::new(),
            secrets: BTreeSet::new(),
            within: limits::BUILD_WITHIN,
            no_cache: false,
        }
    }
}

impl BuildSettings {
    /// Whether they are within their bounds.
    ///
    /// # Errors
    /// A [`Rejection`] names the setting and its bounds.
    pub fn check(&self) -> Result<(), Rejection> {
        let Self { dockerfile: _, context: _, target: _, args, secrets, within, no_cache: _ } =
            self;
        if args.len() > limits::MOST_BUILD_ARGS {
            let most = limits::MOST_BUILD_ARGS;
            return Err(Rejection::invalid("build_args", format!("are at most {most}")));
        }
        if secrets.len() > limits::MOST_ENV {
            let most = limits::MOST_ENV;
            return Err(Rejection::invalid("build_secrets", format!("are at most {most}")));
        }
        if let Some(name) = secrets.iter().find(|name| args.keys().any(|arg| arg.is(name))) {
            return Err(Rejection::invalid(
                "build_secrets",
                format!(
                    "{name} is a build argument, too: an argument can be read in the image's \
                     history, so name it in one of the two"
                ),
            ));
        }
        let (least, most) = (limits::BUILD_WITHIN_LEAST, limits::BUILD_WITHIN_MOST);
        if *within < least || *within > most {
            let why = format!("is {least} to {most}; got {within}");
            return Err(Rejection::invalid("build_within", why));
        }
        Ok(())
    }
}

/// The most that one replica may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Bytes of memory; swap is not added to it.
    pub memory_bytes: u64,
    /// Thousandths of a CPU.
    pub cpu_millis: u32,
    /// Processes and threads.
    pub processes: u32,
}

impl Default for Resources {
    fn default() -> Self {
        Self { memory_bytes: 512 * 1024 * 1024, cpu_millis: 1_000, processes: 512 }
    }
}

impl Resources {
    /// The least memory that an engine gives a container: 6 MiB.
    pub const LEAST_MEMORY_BYTES: u64 = 6 * 1024 * 1024;
    /// The least of a CPU that makes sense: one hundredth.
    pub const LEAST_CPU_MILLIS: u32 = 10;
}
