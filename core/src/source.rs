//! What an app is made from and how it is to run: settings that people give.

mod form;
mod image;
mod pushed;
mod upload;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits;
use crate::names::{
    BranchName, BuildArg, BuildArgValue, BuildTarget, CommitId, EnvName, RepositoryPath,
    RepositoryUrl, TagName,
};
use crate::rejection::Rejection;
use crate::site::SiteMode;
use crate::time::Millis;

pub use self::image::ImageRef;
pub use self::pushed::Pushed;
pub use self::upload::UploadDigest;

/// What an app is made from. Only these: a commit of an upload, say, cannot be expressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A commit of a git repository.
    Git(GitSource),
    /// Files that somebody sent; the server has them under this digest.
    Upload(UploadDigest),
    /// An image of a registry: nothing is built.
    Image(ImageRef),
    /// A commit that somebody pushed here.
    Pushed(Pushed),
}

/// A git repository, and which commit of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitSource {
    /// The git repository.
    pub repository: RepositoryUrl,
    /// Which commit of it.
    pub reference: Reference,
}

impl From<GitSource> for Source {
    fn from(git: GitSource) -> Self {
        Self::Git(git)
    }
}

impl Source {
    /// The repository, where there is one.
    #[must_use]
    pub const fn git(&self) -> Option<&GitSource> {
        match self {
            Self::Git(git) => Some(git),
            Self::Upload(_) | Self::Image(_) | Self::Pushed(_) => None,
        }
    }

    /// The upload that has its files, where one does.
    #[must_use]
    pub const fn upload(&self) -> Option<&UploadDigest> {
        match self {
            Self::Upload(upload) | Self::Pushed(Pushed { upload, .. }) => Some(upload),
            Self::Git(_) | Self::Image(_) => None,
        }
    }

    /// The same source, fixed to what was made of it once: whatever a branch or tag means since.
    #[must_use]
    pub fn at(&self, version: &CommitId) -> Self {
        match self {
            Self::Git(GitSource { repository, reference: _ }) => Self::Git(GitSource {
                repository: repository.clone(),
                reference: Reference::Commit(version.clone()),
            }),
            Self::Upload(_) | Self::Pushed(_) => self.clone(),
            Self::Image(image) => Self::Image(image.pinned(version)),
        }
    }
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// What of the source is fetched besides the repository's own files.
    pub fetches: Fetches,
    /// Whether files that it leaves to be served as they are go to the edges.
    pub site: SiteMode,
}

/// What of a source is fetched besides the repository's own files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fetches {
    /// Its submodules, and theirs.
    pub submodules: bool,
    /// The files that git LFS keeps elsewhere.
    pub lfs: bool,
}

impl Fetches {
    /// Whether there is nothing of it.
    #[must_use]
    pub fn nothing(&self) -> bool {
        *self == Self::default()
    }
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
            fetches: Fetches::default(),
            site: SiteMode::default(),
        }
    }
}

/// The settings with names, as JSON has them. What came later is left out where nothing is said.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct Named {
    dockerfile: Option<RepositoryPath>,
    context: Option<RepositoryPath>,
    target: Option<BuildTarget>,
    args: BTreeMap<BuildArg, BuildArgValue>,
    secrets: BTreeSet<EnvName>,
    within: Millis,
    no_cache: bool,
    #[serde(skip_serializing_if = "Fetches::nothing")]
    fetches: Fetches,
    #[serde(rename = "static", skip_serializing_if = "SiteMode::is_usual")]
    site: SiteMode,
}

impl Default for Named {
    fn default() -> Self {
        BuildSettings::default().into()
    }
}

impl From<BuildSettings> for Named {
    fn from(settings: BuildSettings) -> Self {
        let BuildSettings {
            dockerfile,
            context,
            target,
            args,
            secrets,
            within,
            no_cache,
            fetches,
            site,
        } = settings;
        Self { dockerfile, context, target, args, secrets, within, no_cache, fetches, site }
    }
}

/// The settings by position, as events have them.
#[derive(Serialize, Deserialize)]
struct Placed {
    dockerfile: Option<RepositoryPath>,
    context: Option<RepositoryPath>,
    target: Option<BuildTarget>,
    args: BTreeMap<BuildArg, BuildArgValue>,
    secrets: BTreeSet<EnvName>,
    within: Millis,
    rest: Rest,
}

/// The last of them. Append-only. The first two are the bytes of the `no_cache: bool` that there was
/// before anything else was fetched: what was written then means the same.
#[derive(Serialize, Deserialize)]
enum Rest {
    Usual,
    NoCache,
    Fetches { no_cache: bool, submodules: bool, lfs: bool },
    Site { no_cache: bool, submodules: bool, lfs: bool, site: SiteMode },
}

impl Serialize for BuildSettings {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        let settings = self.clone();
        if into.is_human_readable() {
            return Named::from(settings).serialize(into);
        }
        let Self { dockerfile, context, target, args, secrets, within, no_cache, fetches, site } =
            settings;
        let rest = match (fetches, no_cache) {
            (Fetches { submodules, lfs }, no_cache) if !site.is_usual() => {
                Rest::Site { no_cache, submodules, lfs, site }
            }
            (Fetches { submodules: false, lfs: false }, false) => Rest::Usual,
            (Fetches { submodules: false, lfs: false }, true) => Rest::NoCache,
            (Fetches { submodules, lfs }, no_cache) => Rest::Fetches { no_cache, submodules, lfs },
        };
        Placed { dockerfile, context, target, args, secrets, within, rest }.serialize(into)
    }
}

impl<'de> Deserialize<'de> for BuildSettings {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            let Named {
                dockerfile,
                context,
                target,
                args,
                secrets,
                within,
                no_cache,
                fetches,
                site,
            } = Named::deserialize(from)?;
            return Ok(Self {
                dockerfile,
                context,
                target,
                args,
                secrets,
                within,
                no_cache,
                fetches,
                site,
            });
        }
        let Placed { dockerfile, context, target, args, secrets, within, rest } =
            Placed::deserialize(from)?;
        let usual = SiteMode::default();
        let (no_cache, fetches, site) = match rest {
            Rest::Usual => (false, Fetches::default(), usual),
            Rest::NoCache => (true, Fetches::default(), usual),
            Rest::Fetches { no_cache, submodules, lfs } => {
                (no_cache, Fetches { submodules, lfs }, usual)
            }
            Rest::Site { no_cache, submodules, lfs, site } => {
                (no_cache, Fetches { submodules, lfs }, site)
            }
        };
        Ok(Self { dockerfile, context, target, args, secrets, within, no_cache, fetches, site })
    }
}

impl BuildSettings {
    /// Whether they are within their bounds.
    ///
    /// # Errors
    /// A [`Rejection`] names the setting and its bounds.
    pub fn check(&self) -> Result<(), Rejection> {
        let Self {
            dockerfile: _,
            context: _,
            target: _,
            args,
            secrets,
            within,
            no_cache: _,
            fetches: _,
            site: _,
        } = self;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(no_cache: bool, submodules: bool, lfs: bool) -> BuildSettings {
        BuildSettings {
            dockerfile: Some(RepositoryPath::new("Dockerfile").unwrap()),
            secrets: BTreeSet::from([EnvName::new("TOKEN").unwrap()]),
            no_cache,
            fetches: Fetches { submodules, lfs },
            ..BuildSettings::default()
        }
    }

    #[test]
    fn what_was_written_before_anything_else_was_fetched_is_still_written_so_and_read() {
        for no_cache in [false, true] {
            let now = settings(no_cache, false, false);
            let BuildSettings { dockerfile, context, target, args, secrets, within, .. } =
                now.clone();
            let before = (dockerfile, context, target, args, secrets, within, no_cache);
            let before = postcard::to_allocvec(&before).unwrap();
            assert_eq!(postcard::to_allocvec(&now).unwrap(), before);
            assert_eq!(postcard::from_bytes::<BuildSettings>(&before).unwrap(), now);
            let json = serde_json::to_value(&now).unwrap();
            assert!(json.get("fetches").is_none(), "{json}");
            assert_eq!(serde_json::from_value::<BuildSettings>(json).unwrap(), now);
        }
        assert_eq!(serde_json::from_str::<BuildSettings>("{}").unwrap(), BuildSettings::default());
    }

    #[test]
    fn what_is_fetched_and_how_it_is_served_comes_back() {
        let modes = [SiteMode::Auto, SiteMode::On, SiteMode::Off];
        for (n, site) in (0..8).flat_map(|n| modes.map(|site| (n, site))) {
            let now = BuildSettings { site, ..settings(n & 1 != 0, n & 2 != 0, n & 4 != 0) };
            let bytes = postcard::to_allocvec(&now).unwrap();
            assert_eq!(postcard::from_bytes::<BuildSettings>(&bytes).unwrap(), now);
            let json = serde_json::to_string(&now).unwrap();
            assert_eq!(serde_json::from_str::<BuildSettings>(&json).unwrap(), now);
        }
    }
}
