//! Fetching submodules into a checkout: each from its own repository, at the commit that is recorded.
//!
//! Git's own `submodule` is not used: it runs what a repository says. Of `.gitmodules` git reads the
//! settings, [`hythe_core::submodules`] decides which of them count, and each repository is fetched
//! like that of an app, with what this build may use at that host, and with its own mirror.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use hythe_core::limits::{MOST_SUBMODULE_DEPTH, MOST_SUBMODULES};
use hythe_core::names::{CommitId, RepositoryUrl};
use hythe_core::source::{GitSource, Reference};
use hythe_core::submodules::{Submodule, listed};
use tokio::fs;

use super::command::Git;
use super::fetch::fetch_one;
use super::local::remote;
use super::mirrors::Mirrors;
use super::{FetchedSubmodule, GitError, Wanted};

/// The most bytes of a `.gitmodules`.
const MOST_BYTES: u64 = 64 * 1024;
/// How git calls an entry that is a submodule.
const GITLINK: &str = "160000";

/// A checkout whose submodules are still to be fetched.
struct Superproject {
    /// Where its files are.
    tree: PathBuf,
    /// Where its index is: a folder with `git` in it.
    scratch: PathBuf,
    repository: RepositoryUrl,
    /// Its path in the whole, with a slash at its end; nothing for the whole.
    at: String,
    depth: usize,
}

/// Fetches all of them, and theirs.
pub(super) async fn fetch(
    git: &Git<'_>,
    mirrors: Option<&Mirrors>,
    wanted: Wanted<'_>,
) -> Result<Vec<FetchedSubmodule>, GitError> {
    let mut done: Vec<FetchedSubmodule> = Vec::new();
    let mut open = vec![Superproject {
        tree: git.tree(),
        scratch: git.scratch().to_owned(),
        repository: wanted.source.repository.clone(),
        at: String::new(),
        depth: 0,
    }];
    while let Some(above) = open.pop() {
        let here = git.at(above.scratch.clone(), above.tree.clone());
        for (module, commit) in recorded(&here, &above).await? {
            let path = format!("{}{}", above.at, module.path);
            if above.depth >= MOST_SUBMODULE_DEPTH || done.len() >= MOST_SUBMODULES {
                return Err(GitError::ManySubmodules { path });
            }
            let tree = folder(&above.tree, module.path.as_str()).await?;
            let tree = tree.ok_or_else(|| GitError::BadSubmodules {
                why: format!("the submodule {path} has no folder of its own in the tree"),
            })?;
            let scratch = git.scratch().join("modules").join(done.len().to_string());
            fs::create_dir_all(&scratch).await?;
            let source = GitSource {
                repository: module.repository.clone(),
                reference: Reference::Commit(commit.clone()),
            };
            let wanted = Wanted { source: &source, judge: None, found: None, ..wanted };
            let of = |error| GitError::Submodule { path: path.clone(), error: Box::new(error) };
            let remote = remote(git.settings, wanted).map_err(of)?;
            let into = git.of(&remote, scratch.clone(), tree.clone());
            Box::pin(fetch_one(&into, mirrors, wanted)).await.map_err(of)?;
            open.push(Superproject {
                tree,
                scratch,
                repository: module.repository.clone(),
                at: format!("{path}/"),
                depth: above.depth + 1,
            });
            done.push(FetchedSubmodule { path, repository: module.repository, commit });
        }
    }
    Ok(done)
}

/// The submodules of a checkout, each with the commit that its index has for it. What is listed and
/// not there is passed over, as git does.
async fn recorded(
    git: &Git<'_>,
    above: &Superproject,
) -> Result<Vec<(Submodule, CommitId)>, GitError> {
    let file = above.tree.join(".gitmodules");
    let plain = match fs::symlink_metadata(&file).await {
        Ok(data) => data.is_file() && data.len() <= MOST_BYTES,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let bad =
        |why: String| GitError::BadSubmodules { why: format!("{why} (in {})", above.place()) };
    if !plain {
        return Err(bad(format!(".gitmodules is no file of at most {} KiB", MOST_BYTES / 1024)));
    }
    let file =
        file.to_str().ok_or_else(|| bad(".gitmodules has a path that is not text".into()))?;
    let args = ["config", "--file", file, "--no-includes", "--null", "--list"];
    let ran = git.run(&args).await?;
    if !ran.success {
        return Err(bad(format!("git cannot read .gitmodules: {}", ran.stderr.trim())));
    }
    let modules = listed(&ran.stdout, &above.repository).map_err(|error| bad(error.to_string()))?;
    if modules.is_empty() {
        return Ok(Vec::new());
    }
    let mut args = vec!["--literal-pathspecs", "ls-files", "--stage", "-z", "--"];
    args.extend(modules.iter().map(|module| module.path.as_str()));
    let ran = git.run(&args).await?;
    if !ran.success {
        return Err(bad(format!("git cannot list the submodules: {}", ran.stderr.trim())));
    }
    let commits = gitlinks(&ran.stdout);
    let with = |module: Submodule| {
        let commit = commits.get(module.path.as_str())?.clone();
        Some((module, commit))
    };
    Ok(modules.into_iter().filter_map(with).collect())
}

/// Path → commit, out of what `git ls-files --stage -z` writes.
fn gitlinks(text: &str) -> BTreeMap<&str, CommitId> {
    let entries = text.split('\0').filter_map(|entry| {
        let (about, path) = entry.split_once('\t')?;
        let mut about = about.split(' ');
        let commit = about.next().filter(|mode| *mode == GITLINK).and(about.next())?;
        Some((path, CommitId::new(commit).ok()?))
    });
    entries.collect()
}

/// The folder that git made for a submodule, empty; none where anything on the way there, or the
/// folder itself, is something else.
async fn folder(tree: &Path, path: &str) -> io::Result<Option<PathBuf>> {
    let mut at = tree.to_owned();
    for part in path.split('/') {
        at.push(part);
        match fs::symlink_metadata(&at).await {
            Ok(data) if data.is_dir() => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let empty = fs::read_dir(&at).await?.next_entry().await?.is_none();
    Ok(empty.then_some(at))
}

impl Superproject {
    /// What it is called in an error.
    fn place(&self) -> &str {
        if self.at.is_empty() { self.repository.as_str() } else { self.at.trim_end_matches('/') }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_gitlinks_count() {
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let text = format!(
            "160000 {one} 0\tlibs/a b\0100644 {two} 0\tfile\0120000 {two} 0\tlink\0160000 short 0\tx\0"
        );
        let found = gitlinks(&text);
        assert_eq!(found.len(), 1);
        assert_eq!(found["libs/a b"].as_str(), one);
    }

    #[tokio::test]
    async fn a_folder_is_one_and_no_link_leads_there() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("libs/a")).unwrap();
        std::fs::create_dir_all(root.path().join("full/a/b")).unwrap();
        std::fs::create_dir(outside.path().join("a")).unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("link")).unwrap();
        std::fs::write(root.path().join("file"), "").unwrap();
        let of = async |path: &str| folder(root.path(), path).await.unwrap();
        assert_eq!(of("libs/a").await, Some(root.path().join("libs/a")));
        for path in ["link", "link/a", "file", "none", "libs", "full/a"] {
            assert_eq!(of(path).await, None, "{path}");
        }
    }
}
