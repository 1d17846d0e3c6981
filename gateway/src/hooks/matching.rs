//! What a push means for one app.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use hythe_core::hook::{DeployOn, PathPattern, TagPattern, Triggers};
use hythe_core::names::CommitId;
use hythe_core::source::{GitSource, Reference};

use super::payload::{Files, Push, RefChange, Remote};

/// What follows for the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// This commit is deployed.
    Deploy {
        /// The commit that was pushed.
        commit: CommitId,
        /// What is worth saying about it.
        note: Option<String>,
    },
    /// Nothing, for this reason.
    Skip(String),
}

/// What a reference that moved means: for an app that it does not concern, why not.
enum One {
    Concerns(Verdict),
    Other(String),
}

/// What a push to the app's repository means for it.
pub(crate) fn judge(push: &Push, source: &GitSource, triggers: &Triggers) -> Verdict {
    let mut first: Option<One> = None;
    for change in &push.changes {
        let one = of_change(&push.remote, change, source, triggers);
        match (&one, &first) {
            (One::Concerns(verdict @ Verdict::Deploy { .. }), _) => return verdict.clone(),
            (One::Concerns(_), None | Some(One::Other(_))) | (One::Other(_), None) => {
                first = Some(one);
            }
            (_, Some(_)) => {}
        }
    }
    match first {
        Some(One::Concerns(verdict)) => verdict,
        Some(One::Other(why)) => Verdict::Skip(why),
        None => Verdict::Skip("it moves no branch and no tag".into()),
    }
}

fn of_change(remote: &Remote, change: &RefChange, source: &GitSource, triggers: &Triggers) -> One {
    let name = &change.name;
    match (&triggers.on, change.tag) {
        (DeployOn::Off, _) => {
            return One::Other("no push deploys this app (deploy on: off)".into());
        }
        (DeployOn::Push, true) => {
            return One::Other(format!(
                "it is the tag {name:?}, and pushes to a branch deploy this app"
            ));
        }
        (DeployOn::Tag(pattern), false) => {
            return One::Other(format!(
                "it is the branch {name:?}, and tags like {pattern} deploy this app"
            ));
        }
        (DeployOn::Push, false) => {
            if let Err(why) = is_branch(remote, source, name) {
                return One::Other(why);
            }
        }
        (DeployOn::Tag(pattern), true) => {
            if !tag_fits(pattern, name) {
                return One::Other(format!("the tag {name:?} is none like {pattern}"));
            }
        }
    }
    One::Concerns(of_own(change, triggers))
}

/// Whether the app is deployed from this branch.
fn is_branch(remote: &Remote, source: &GitSource, name: &str) -> Result<(), String> {
    let wanted = match &source.reference {
        Reference::Branch(branch) => branch.as_str(),
        Reference::DefaultBranch => remote.default_branch.as_deref().ok_or(
            "the delivery does not say which is the repository's own branch; give the app one: \
             hythe app set APP --branch NAME",
        )?,
        Reference::Commit(commit) => {
            return Err(format!("the app is set to the commit {commit}"));
        }
        Reference::Tag(tag) => return Err(format!("the app is set to the tag {tag}")),
    };
    if wanted == name {
        return Ok(());
    }
    Err(format!("it is another branch ({name:?}; the app is deployed from {wanted:?})"))
}

/// What a move of the app's own branch, or of a tag that fits, means.
fn of_own(change: &RefChange, triggers: &Triggers) -> Verdict {
    let name = &change.name;
    let Some(commit) = &change.commit else {
        return Verdict::Skip(format!("{name:?} was deleted"));
    };
    if change.unmoved {
        return Verdict::Skip(format!("the push changes nothing: {name:?} is where it was"));
    }
    if let Some(word) = change.skip {
        return Verdict::Skip(format!("the commit says {word}"));
    }
    let deploy = |note| Verdict::Deploy { commit: commit.clone(), note };
    // Somebody who makes a tag means that version, whatever is in it.
    if change.tag || triggers.watch.is_empty() {
        return deploy(None);
    }
    match &change.files {
        Files::Unknown(why) => {
            deploy(Some(format!("which files it changes is not known ({why}), so it is built")))
        }
        Files::Known(files) => match Watch::new(&triggers.watch) {
            Ok(watch) if !files.iter().any(|file| watch.counts(file)) => {
                let watched: Vec<_> = triggers.watch.iter().map(PathPattern::as_str).collect();
                let watched = watched.join(", ");
                let count = files.len();
                Verdict::Skip(format!(
                    "none of the {count} files that it changes is watched ({watched})"
                ))
            }
            Ok(_) | Err(_) => deploy(None),
        },
    }
}

/// The paths that count.
#[derive(Debug)]
pub(crate) struct Watch {
    counted: GlobSet,
    left_out: GlobSet,
    all_but: bool,
}

impl Watch {
    /// Reads the patterns.
    ///
    /// # Errors
    /// Which one makes no sense, and why.
    pub(crate) fn new(patterns: &[PathPattern]) -> Result<Self, String> {
        let (mut counted, mut left_out) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        let mut all_but = true;
        for pattern in patterns {
            match pattern.as_str().strip_prefix('!') {
                Some(pattern) => left_out.add(glob(pattern)?),
                None => {
                    all_but = false;
                    counted.add(glob(pattern.as_str())?)
                }
            };
        }
        let built = |set: GlobSetBuilder| set.build().map_err(|error| error.to_string());
        Ok(Self { counted: built(counted)?, left_out: built(left_out)?, all_but })
    }

    /// Whether a change of this file counts.
    fn counts(&self, file: &str) -> bool {
        (self.all_but || self.counted.is_match(file)) && !self.left_out.is_match(file)
    }
}

/// Reads one pattern.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn glob(pattern: &str) -> Result<globset::Glob, String> {
    let mut builder = GlobBuilder::new(pattern);
    let glob = builder.literal_separator(true).backslash_escape(true).build();
    glob.map_err(|error| format!("{pattern:?} is no pattern: {}", error.kind()))
}

fn tag_fits(pattern: &TagPattern, name: &str) -> bool {
    let glob = GlobBuilder::new(pattern.as_str()).backslash_escape(true).build();
    glob.is_ok_and(|glob| glob.compile_matcher().is_match(name))
}

#[cfg(test)]
mod tests {
    use hythe_core::names::{BranchName, RepositoryUrl, TagName};

    use super::super::payload::tests::github;
    use super::*;

    const COMMIT: &str = "1481a2de7b2a7d02428ad93446ab166be7793fbb";

    fn source(reference: Reference) -> GitSource {
        GitSource {
            repository: RepositoryUrl::new("https://github.com/octo-org/shop").unwrap(),
            reference,
        }
    }

    fn branch(name: &str) -> GitSource {
        source(Reference::Branch(BranchName::new(name).unwrap()))
    }

    fn watching(paths: &[&str]) -> Triggers {
        let watch = paths.iter().map(|path| PathPattern::new(*path).unwrap()).collect();
        Triggers { on: DeployOn::Push, watch }
    }

    fn deploys(verdict: &Verdict) -> bool {
        match verdict {
            Verdict::Deploy { commit, .. } => commit.as_str() == COMMIT,
            Verdict::Skip(_) => false,
        }
    }

    #[track_caller]
    fn skips(verdict: Verdict, word: &str) {
        match verdict {
            Verdict::Skip(why) => assert!(why.contains(word), "{why}"),
            Verdict::Deploy { .. } => panic!("it is deployed: {word}"),
        }
    }

    #[test]
    fn a_push_deploys_an_app_by_its_branch() {
        let push = github();
        let plain = Triggers::default();
        assert!(deploys(&judge(&push, &source(Reference::DefaultBranch), &plain)));
        assert!(deploys(&judge(&push, &branch("main"), &plain)));
        skips(judge(&push, &branch("next"), &plain), "another branch (\"main\"");
        skips(judge(&push, &branch("Main"), &plain), "another branch");
        let pinned = source(Reference::Commit(CommitId::new("a".repeat(40)).unwrap()));
        skips(judge(&push, &pinned, &plain), "set to the commit");
        let tagged = source(Reference::Tag(TagName::new("main").unwrap()));
        skips(judge(&push, &tagged, &plain), "set to the tag main");
        let off = Triggers { on: DeployOn::Off, ..plain.clone() };
        skips(judge(&push, &branch("main"), &off), "off");
        let mut silent = push.clone();
        silent.remote.default_branch = None;
        skips(judge(&silent, &source(Reference::DefaultBranch), &plain), "--branch");
        let with = |change: &dyn Fn(&mut RefChange)| {
            let mut push = push.clone();
            change(&mut push.changes[0]);
            judge(&push, &branch("main"), &plain)
        };
        skips(with(&|change| change.commit = None), "deleted");
        skips(with(&|change| change.unmoved = true), "changes nothing");
        skips(with(&|change| change.skip = Some("[skip ci]")), "[skip ci]");
        skips(judge(&Push { changes: vec![], ..push }, &branch("main"), &plain), "no branch");
    }

    #[test]
    fn a_tag_deploys_an_app_that_waits_for_one_like_it() {
        let tagged = |name: &str| {
            let mut push = github();
            (push.changes[0].tag, push.changes[0].name) = (true, name.into());
            push
        };
        let on = DeployOn::Tag(TagPattern::new("v*").unwrap());
        let triggers = Triggers { on, watch: watching(&["docs/**"]).watch };
        assert!(deploys(&judge(&tagged("v1.2.0"), &branch("other"), &triggers)));
        assert!(deploys(&judge(&tagged("v1/2"), &branch("other"), &triggers)));
        let set = source(Reference::Tag(TagName::new("v1.1.0").unwrap()));
        assert!(deploys(&judge(&tagged("v1.2.0"), &set, &triggers)));
        skips(judge(&tagged("release-1"), &branch("main"), &triggers), "none like v*");
        skips(judge(&github(), &branch("main"), &triggers), "tags like v*");
        skips(judge(&tagged("v1"), &branch("main"), &Triggers::default()), "tag \"v1\"");
    }

    #[test]
    fn of_several_moves_the_one_that_deploys_counts_and_else_the_apps_own() {
        let mut push = github();
        let own = push.changes[0].clone();
        let other = RefChange { name: "other".into(), ..own.clone() };
        push.changes = vec![other.clone(), own, other];
        assert!(deploys(&judge(&push, &branch("main"), &Triggers::default())));
        push.changes[1].commit = None;
        skips(judge(&push, &branch("main"), &Triggers::default()), "\"main\" was deleted");
    }

    #[test]
    fn a_push_that_touches_nothing_that_is_watched_deploys_nothing() {
        // README.md, apps/web/src/price.ts, docs/README.md
        for (paths, deployed) in [
            (&["apps/web/**"][..], true),
            (&["apps/web/*"], false),
            (&["apps/**/*.ts"], true),
            (&["**/price.ts"], true),
            (&["libs/**"], false),
            (&["libs/**", "docs/**"], true),
            (&["*.md"], true),
            (&["apps/**", "!**/*.ts"], false),
            (&["!docs/**"], true),
            (&["!**/*.md", "!apps/**"], false),
            (&["{apps,libs}/web/**"], true),
            (&["README.m[a-d]"], true),
        ] {
            let verdict = judge(&github(), &branch("main"), &watching(paths));
            assert_eq!(deploys(&verdict), deployed, "{paths:?}: {verdict:?}");
        }
        skips(judge(&github(), &branch("main"), &watching(&["libs/**"])), "none of the 3 files");
        let mut push = github();
        push.changes[0].files = Files::Unknown("it was pushed by force");
        match judge(&push, &branch("main"), &watching(&["libs/**"])) {
            Verdict::Deploy { note: Some(note), .. } => {
                assert!(note.contains("by force"), "{note}");
            }
            other @ (Verdict::Deploy { note: None, .. } | Verdict::Skip(_)) => {
                panic!("what is not known is built: {other:?}")
            }
        }
    }

    #[test]
    fn a_pattern_that_makes_no_sense_is_named() {
        for pattern in ["a[", "{a", "a/{b,{c"] {
            let why = Watch::new(&[PathPattern::new(pattern).unwrap()]).unwrap_err();
            assert!(why.contains(pattern), "{why}");
        }
    }
}
