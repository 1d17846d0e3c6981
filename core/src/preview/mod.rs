//! Previews: an app of its own for each open pull request.
//!
//! The app that has them decides which there are to be, and its events say so; what is there is
//! compared with that and made so ([`plan`]). A preview is an app like others, with what is copied from
//! the app that it is of. Nothing secret of that one gets to a preview of commits from another
//! repository: whoever opens a pull request there chooses what runs.

pub mod judge;
pub mod plan;
pub mod told;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::app::{ActiveApp, AppSettings};
use crate::hook::PullRequest;
use crate::ids::AppId;
use crate::limits;
use crate::names::{AppName, EnvName};
use crate::rejection::Rejection;
use crate::source::Fetches;
use crate::time::{Millis, Timestamp};

/// What becomes of pull requests from other repositories. Append-only: postcard stores a variant's
/// position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forks {
    /// They get no preview.
    #[default]
    Never,
    /// They get one, which is given no variable and no key.
    Allowed,
}

/// Which of the app's variables its previews get. Append-only: postcard stores a variant's position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnvChoice {
    /// None: what an app uses in production is not for what nobody has looked at.
    #[default]
    Nothing,
    /// All of them.
    All,
    /// These, where the app has them.
    Only(BTreeSet<EnvName>),
}

/// How an app's previews are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewSettings {
    /// Whether pull requests get previews.
    pub on: bool,
    /// How many there are at once.
    pub most: u16,
    /// What becomes of pull requests from other repositories.
    pub forks: Forks,
    /// Whether those that say that they are not ready get one.
    pub drafts: bool,
    /// Which of the app's variables they get.
    pub env: EnvChoice,
    /// Variables that only previews have, with the version of each value. They go before the app's own.
    pub set: BTreeMap<EnvName, u64>,
    /// How long one is kept without a push; as long as its pull request is open where nothing is said.
    pub keep: Option<Millis>,
}

impl Default for PreviewSettings {
    fn default() -> Self {
        Self {
            on: false,
            most: limits::PREVIEWS,
            forks: Forks::Never,
            drafts: false,
            env: EnvChoice::Nothing,
            set: BTreeMap::new(),
            keep: None,
        }
    }
}

impl PreviewSettings {
    /// The name under which the value of a variable of previews lies among the app's secrets: no
    /// variable of the app itself can have it.
    #[must_use]
    pub fn secret(name: &EnvName) -> String {
        format!("preview/{name}")
    }

    /// Whether they are within their bounds.
    ///
    /// # Errors
    /// A [`Rejection`] names the setting and its bounds.
    pub fn check(&self) -> Result<(), Rejection> {
        let Self { on: _, most, forks: _, drafts: _, env, set, keep } = self;
        let bound = limits::MOST_PREVIEWS;
        if !(1..=bound).contains(most) {
            return Err(Rejection::invalid("most", format!("is 1 to {bound}; got {most}")));
        }
        let named = match env {
            EnvChoice::Nothing | EnvChoice::All => 0,
            EnvChoice::Only(names) => names.len(),
        };
        for (field, count) in [("env", named), ("set", set.len())] {
            if count > limits::MOST_ENV {
                let why = format!("names at most {} variables", limits::MOST_ENV);
                return Err(Rejection::invalid(field, why));
            }
        }
        let (least, longest) = (limits::PREVIEW_KEPT_LEAST, limits::PREVIEW_KEPT_MOST);
        if keep.is_some_and(|keep| keep < least || keep > longest) {
            return Err(Rejection::invalid("keep", "is an hour to 365 days"));
        }
        Ok(())
    }
}

/// Why there is no preview any more. Append-only: postcard stores a variant's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PreviewEnd {
    /// The pull request was closed.
    Closed,
    /// It was merged.
    Merged,
    /// It is to get into another branch now.
    Retargeted,
    /// Somebody removed the preview.
    ByHand,
    /// Nothing was pushed for as long as it is kept.
    Expired,
    /// The app has no previews any more.
    SwitchedOff,
    /// Pull requests from other repositories get none any more.
    ForksRefused,
    /// The app was deleted.
    AppDeleted,
    /// The app has another repository now.
    Moved,
}

impl PreviewEnd {
    /// The same as a half sentence, for everybody to read.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::Closed => "the pull request was closed",
            Self::Merged => "the pull request was merged",
            Self::Retargeted => "the pull request is for another branch now",
            Self::ByHand => "somebody removed it",
            Self::Expired => "nothing was pushed for as long as previews are kept",
            Self::SwitchedOff => "the app has no previews any more",
            Self::ForksRefused => "pull requests from other repositories get none any more",
            Self::AppDeleted => "the app was deleted",
            Self::Moved => "the app has another repository now",
        }
    }
}

/// A preview that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// The app that it is.
    pub app: AppId,
    /// What it is of.
    pub pull: PullRequest,
    /// Counts up with each commit, over all previews of the app.
    pub revision: u64,
    /// Since when it is wanted.
    pub since: Timestamp,
    /// When commits came last.
    pub pushed: Timestamp,
    /// The provider's id of the comment that tells of it.
    pub comment: Option<u64>,
}

/// A pull request that has no preview any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// The app that its preview was, where it had one.
    pub app: Option<AppId>,
    /// When it changed last, as the provider says: whatever is older comes late.
    pub at: Timestamp,
    /// Why it has none.
    pub why: PreviewEnd,
    /// The provider's id of the comment that tells of it.
    pub comment: Option<u64>,
}

/// An app's previews.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previews {
    /// How they are made.
    pub settings: PreviewSettings,
    /// Those that are wanted, by the pull request's number.
    pub open: BTreeMap<u64, Preview>,
    /// Pull requests that have none any more; a bounded number.
    pub past: BTreeMap<u64, Past>,
    /// The revision of the newest.
    pub revision: u64,
}

impl Previews {
    /// Pull requests of another repository have the same numbers, and are none of those.
    pub(crate) fn forget_past(&mut self) {
        self.past.clear();
    }
}

/// Where the value of a preview's variable was copied from. Append-only: postcard stores a variant's
/// position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Copied {
    /// From the app's own variable, in this version.
    Own(u64),
    /// From what only previews have, in this version.
    Set(u64),
}

impl Copied {
    /// Where the value lies among the app's secrets.
    #[must_use]
    pub fn lies(self, name: &EnvName) -> (String, u64) {
        match self {
            Self::Own(version) => (name.to_string(), version),
            Self::Set(version) => (PreviewSettings::secret(name), version),
        }
    }
}

/// That an app is a preview, and of what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewOf {
    /// The app that it is a preview of.
    pub parent: AppId,
    /// The pull request's number.
    pub number: u64,
    /// Up to which commit it has come.
    pub revision: u64,
    /// Whether its commits are from another repository.
    pub fork: bool,
    /// Which variables it was given.
    pub copied: BTreeMap<EnvName, Copied>,
    /// The version of the app's key for its repository that it was given.
    pub key: Option<u64>,
}

/// What the preview of an app is called: the second time, where another app has the first name.
#[must_use]
pub fn name(of: &AppName, number: u64, app: AppId, again: bool) -> Option<AppName> {
    const MOST: usize = 40;
    let mut end = format!("-pr-{number}");
    if again {
        // The last digits of an id are random.
        let id = app.uuid().simple().to_string();
        end = format!("{end}-{}", id.get(id.len() - 6..)?);
    }
    let room = MOST.checked_sub(end.len())?;
    let head = of.as_str().get(..room.min(of.as_str().len()))?.trim_end_matches('-');
    AppName::new(format!("{head}{end}")).ok()
}

/// Where providers that know environments have it.
#[must_use]
pub fn environment(of: &AppName, number: u64) -> String {
    format!("{of}-pr-{number}")
}

/// The variables that a preview of this app is to have.
#[must_use]
pub fn copies(parent: &ActiveApp, fork: bool) -> BTreeMap<EnvName, Copied> {
    if fork {
        return BTreeMap::new();
    }
    let PreviewSettings { env, set, .. } = &parent.previews.settings;
    let chosen = parent.env.iter().filter(|(name, _)| match env {
        EnvChoice::Nothing => false,
        EnvChoice::All => true,
        EnvChoice::Only(names) => names.contains(*name),
    });
    let own = chosen.map(|(name, version)| (name.clone(), Copied::Own(*version)));
    own.chain(set.iter().map(|(name, version)| (name.clone(), Copied::Set(*version)))).collect()
}

/// The settings of a preview: those of the app, for one replica of each, under no name but its own.
#[must_use]
pub fn settings(parent: &ActiveApp, preview: &Preview) -> AppSettings {
    let mut settings = parent.settings.clone();
    let fork = preview.pull.is_fork();
    let copied = copies(parent, fork);
    settings.source =
        settings.source.and_then(|own| Some(preview.pull.source(&own.git()?.repository)));
    settings.replicas = 1;
    settings.domains = BTreeSet::new();
    // Volumes of its own, empty at first, and no way to what the app shares with others.
    settings.run.container.group = None;
    settings.build.secrets.retain(|name| copied.contains_key(name));
    if fork {
        // Where the app's own may read them they are no secret, and people put some there all the same.
        settings.build.args.clear();
        // What it names is fetched with the installation's tokens.
        settings.build.fetches = Fetches::default();
    }
    for process in settings.run.processes.values_mut() {
        process.replicas = process.replicas.min(1);
    }
    for replicas in settings.run.counts.of.values_mut() {
        *replicas = (*replicas).min(1);
    }
    settings.run.counts.most = 1;
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::app_id;

    #[test]
    fn a_preview_has_a_name_that_is_one_label() {
        let of = |text: &str| AppName::new(text).unwrap();
        let named = |app: &str, number, again| name(&of(app), number, app_id(1), again).unwrap();
        assert_eq!(named("shop", 4, false).as_str(), "shop-pr-4");
        assert_eq!(named("shop", 4, true).as_str(), "shop-pr-4-000a01");
        let long = "a".repeat(40);
        assert_eq!(named(&long, 123, false).as_str(), format!("{}-pr-123", "a".repeat(33)));
        let dashed = format!("{}-{}", "a".repeat(32), "b".repeat(7));
        assert_eq!(named(&dashed, 123, false).as_str(), format!("{}-pr-123", "a".repeat(32)));
        assert_eq!(named(&long, u64::MAX, true).as_str().len(), 40);
    }

    #[test]
    fn settings_have_bounds() {
        let with = |change: &dyn Fn(&mut PreviewSettings)| {
            let mut settings = PreviewSettings::default();
            change(&mut settings);
            settings.check().map_err(|refused| refused.to_string())
        };
        assert_eq!(with(&|_| {}), Ok(()));
        assert!(with(&|s| s.most = 0).unwrap_err().contains("most"));
        assert!(with(&|s| s.most = 51).unwrap_err().contains("most"));
        assert!(with(&|s| s.keep = Some(Millis(1))).unwrap_err().contains("keep"));
        assert_eq!(with(&|s| s.keep = Some(limits::PREVIEW_KEPT_MOST)), Ok(()));
    }
}
