//! Finding the commit that is wanted, and fetching exactly it.
//!
//! One process fetches: asking first which commit a branch has would cost a second connection and
//! could be out of date by the time of the fetch. What was fetched is what counts.

use std::io;
use std::path::Path;

use hythe_core::names::CommitId;
use hythe_core::source::{GitSource, Reference};
use tokio::fs;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::command::Git;
use super::fault::{self, Meaning, explain, no_such, no_such_of};
use super::local::{Reach, remote};
use super::mirrors::Mirrors;
use super::ssh::Ssh;
use super::tree::few_entries;
use super::{Checkout, GitError, GitSettings, Wanted, lfs, submodules, through};

/// Bytes of packs from which on it is looked whether a commit can be built while it is checked out.
const LARGE: u64 = 8 * 1024 * 1024;

/// Fetches a commit into `scratch`, a folder that is empty and the caller's to remove; what is in
/// the repository's mirror already is taken from there.
///
/// # Errors
/// [`GitError`], fit for the person who gave the source. Nothing runs any more then.
pub async fn fetch(
    settings: &GitSettings,
    mirrors: Option<&Mirrors>,
    wanted: Wanted<'_>,
    scratch: &Path,
    cancel: &CancellationToken,
) -> Result<Checkout, GitError> {
    let remote = remote(settings, wanted)?;
    let deadline = Instant::now() + settings.within;
    let git = Git::new(settings, &remote, scratch, cancel, deadline);
    let mut checkout = fetch_one(&git, mirrors, wanted).await?;
    if wanted.fetches.submodules {
        checkout.submodules = submodules::fetch(&git, mirrors, wanted).await?;
    }
    Ok(checkout)
}

/// Fetches a commit of one repository, and nothing that it says of others.
pub(super) async fn fetch_one(
    git: &Git<'_>,
    mirrors: Option<&Mirrors>,
    wanted: Wanted<'_>,
) -> Result<Checkout, GitError> {
    // One on this machine is as near as its mirror would be.
    match mirrors.filter(|_| git.remote.folder.is_none()) {
        Some(mirrors) => through::fetch(git, mirrors, wanted).await,
        None => fetch_alone(git, wanted).await,
    }
}

/// Fetches all of a commit, whatever mirrors hold.
pub(super) async fn fetch_alone(git: &Git<'_>, wanted: Wanted<'_>) -> Result<Checkout, GitError> {
    prepare(git).await?;
    let fetched = fetch_objects(git, wanted, Servers::All).await?;
    git.check_size().await?;
    wanted.tell(&fetched.name);
    check_out(git, wanted, &fetched.name).await
}

/// Asks which commit a source means now, without fetching it.
///
/// # Errors
/// As [`fetch`].
pub async fn resolve(
    settings: &GitSettings,
    wanted: Wanted<'_>,
    scratch: &Path,
    cancel: &CancellationToken,
) -> Result<CommitId, GitError> {
    let source = wanted.source;
    if let Reference::Commit(commit) = &source.reference {
        return Ok(commit.clone());
    }
    let remote = remote(settings, wanted)?;
    let git = Git::new(settings, &remote, scratch, cancel, Instant::now() + settings.within);
    prepare(&git).await?;
    Hash::Sha1.write(&git.git_dir()).await?;
    let names = references(&source.reference);
    let mut args = vec!["ls-remote", "--quiet", "--", remote.url.as_str()];
    // A tag that is an object of its own is listed with the commit it stands for as well.
    let peeled: Vec<String> = names.iter().map(|name| format!("{name}^{{}}")).collect();
    args.extend(names.iter().map(String::as_str));
    args.extend(peeled.iter().map(String::as_str));
    let ran = git.run(&args).await?;
    if !ran.success {
        return Err(explain(wanted, &ran.stderr));
    }
    let listed = |wanted: &str| {
        ran.stdout.lines().find_map(|line| {
            let (commit, name) = line.split_once('\t')?;
            if name == wanted { CommitId::new(commit).ok() } else { None }
        })
    };
    names
        .iter()
        .find_map(|name| listed(&format!("{name}^{{}}")).or_else(|| listed(name)))
        .ok_or_else(|| no_such(source))
}

/// The references that a source may mean, best first: a branch hides a tag of the same name.
fn references(reference: &Reference) -> Vec<String> {
    match reference {
        Reference::DefaultBranch => vec!["HEAD".to_owned()],
        Reference::Branch(name) => vec![format!("refs/heads/{name}"), format!("refs/tags/{name}")],
        Reference::Commit(commit) => vec![commit.as_str().to_owned()],
        Reference::Tag(name) => vec![format!("refs/tags/{name}")],
    }
}

/// Makes the folders that git works in.
pub(super) async fn prepare(git: &Git<'_>) -> Result<(), GitError> {
    prepare_repository(&git.git_dir()).await?;
    for path in [git.tree(), git.home()] {
        fs::create_dir_all(path).await?;
    }
    if let Reach::Ssh(ssh) = &git.remote.reach {
        fs::write(Ssh::known_hosts(&git.home()), ssh.known()).await?;
    }
    if let Some(folder) = &git.remote.folder {
        let path = folder.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
        let bare = format!("{path}/.git");
        let text = format!("[safe]\n\tdirectory = \"{path}\"\n\tdirectory = \"{bare}\"\n");
        fs::write(git.global_config(), text).await?;
    }
    Ok(())
}

/// Makes the folders of a bare repository by hand: it saves a process.
pub(super) async fn prepare_repository(folder: &Path) -> Result<(), GitError> {
    for name in ["objects/info", "objects/pack", "refs"] {
        fs::create_dir_all(folder.join(name)).await?;
    }
    Ok(fs::write(folder.join("HEAD"), "ref: refs/heads/none\n").await?)
}

/// How a repository names its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    /// That of a repository which is there, or is to be made.
    async fn of(folder: &Path) -> Self {
        match fs::read_to_string(folder.join("config")).await {
            Ok(text) if text.contains("sha256") => Self::Sha256,
            Ok(_) | Err(_) => Self::Sha1,
        }
    }

    /// Makes the repository's configuration: nothing in it but this.
    pub(super) async fn write(self, folder: &Path) -> Result<(), GitError> {
        let text = match self {
            Self::Sha1 => "[core]\n\trepositoryformatversion = 0\n\tbare = false\n",
            Self::Sha256 => {
                "[core]\n\trepositoryformatversion = 1\n\tbare = false\n\
                 [extensions]\n\tobjectformat = sha256\n"
            }
        };
        Ok(fs::write(folder.join("config"), text).await?)
    }
}

/// What was fetched.
#[derive(Debug)]
pub(super) struct Fetched {
    /// The commit's name, or that of a tag which leads to it.
    pub(super) name: String,
    pub(super) hash: Hash,
}

/// From which servers a commit is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Servers {
    /// From those that hand out any commit that is asked for.
    Obliging,
    /// From those, too, that hand out only what a branch or tag points to.
    All,
}

/// Fetches the one commit.
pub(super) async fn fetch_objects(
    git: &Git<'_>,
    wanted: Wanted<'_>,
    servers: Servers,
) -> Result<Fetched, GitError> {
    let source = wanted.source;
    let mut hash = match &source.reference {
        Reference::Commit(commit) if commit.as_str().len() == 64 => Hash::Sha256,
        Reference::Commit(_)
        | Reference::DefaultBranch
        | Reference::Branch(_)
        | Reference::Tag(_) => Hash::of(&git.git_dir()).await,
    };
    hash.write(&git.git_dir()).await?;
    let names = references(&source.reference);
    let mut names = names.iter().map(String::as_str);
    let mut name = names.next();
    while let Some(reference) = name {
        let ran = git.run(&shallow(&git.remote.url, reference)).await?;
        if ran.success {
            return Ok(Fetched { name: fetched(git).await?, hash });
        }
        match fault::meaning(&ran.stderr) {
            // The URL is right and holds the other kind of repository: the same once more.
            Meaning::OtherHash if hash == Hash::Sha1 => {
                hash = Hash::Sha256;
                hash.write(&git.git_dir()).await?;
            }
            Meaning::NoSuchRef => name = names.next(),
            Meaning::NoSuchObject if servers == Servers::All => {
                return Ok(Fetched { name: fetch_all(git, wanted).await?, hash });
            }
            Meaning::NoSuchObject
            | Meaning::NotFound
            | Meaning::NeedsCredentials
            | Meaning::KeyRefused
            | Meaning::Moved
            | Meaning::Unreachable
            | Meaning::Untrusted
            | Meaning::HostKey
            | Meaning::HostKeyChanged
            | Meaning::NoSsh
            | Meaning::Protocol
            | Meaning::OtherHash
            | Meaning::NoSpace
            | Meaning::Unknown => return Err(explain(wanted, &ran.stderr)),
        }
    }
    Err(missing(git, source).await)
}

/// That what was asked for is not there, and what is instead.
async fn missing(git: &Git<'_>, source: &GitSource) -> GitError {
    let url = git.remote.url.as_str();
    let listed = match &source.reference {
        Reference::Branch(_) | Reference::Tag(_) => {
            git.run(&["ls-remote", "--quiet", "--refs", "--heads", "--tags", "--", url]).await
        }
        Reference::DefaultBranch | Reference::Commit(_) => return no_such(source),
    };
    // Only the beginning of a very long list is kept, which is good enough for a hint.
    no_such_of(source, &listed.map(|ran| ran.stdout).unwrap_or_default())
}

fn shallow<'a>(url: &'a str, wanted: &'a str) -> [&'a str; 8] {
    // The depth has git ask the server in any case, also for a commit that is here already.
    let quiet = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--depth=1", "--"];
    let [a, b, c, d, e, f] = quiet;
    [a, b, c, d, e, f, url, wanted]
}

/// Some servers hand out only what a branch or tag points to. Then everything is fetched, and the
/// commit is looked for in it.
async fn fetch_all(git: &Git<'_>, wanted: Wanted<'_>) -> Result<String, GitError> {
    let source = wanted.source;
    let Reference::Commit(commit) = &source.reference else { return Err(no_such(source)) };
    let args = [
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-recurse-submodules",
        "--no-write-fetch-head",
        "--",
        git.remote.url.as_str(),
        "+refs/heads/*:refs/remotes/all/*",
        "+refs/tags/*:refs/tags/*",
    ];
    let ran = git.run(&args).await?;
    if !ran.success {
        return Err(explain(wanted, &ran.stderr));
    }
    let object = format!("{commit}^{{commit}}");
    let there = git.run(&["cat-file", "-e", &object]).await?;
    if there.success { Ok(commit.as_str().to_owned()) } else { Err(no_such(source)) }
}

/// What the fetch left as FETCH_HEAD.
async fn fetched(git: &Git<'_>) -> Result<String, GitError> {
    let text = fs::read_to_string(git.git_dir().join("FETCH_HEAD")).await?;
    let name = text.split_whitespace().next().unwrap_or_default();
    CommitId::new(name)
        .map(|id| id.as_str().to_owned())
        .map_err(|error| GitError::Failed { said: error.to_string() })
}

pub(super) async fn check_out(
    git: &Git<'_>,
    wanted: Wanted<'_>,
    fetched: &str,
) -> Result<Checkout, GitError> {
    let object = format!("{fetched}^{{commit}}");
    let about = ["log", "-1", "--no-show-signature", "--format=%H%n%ct%n%s", &object, "--"];
    let files = ["checkout", "--quiet", "--force", "--detach", fetched];
    let files = async {
        if wanted.fetches.lfs { git.run_with_lfs(&files).await } else { git.run(&files).await }
    };
    // Of a small repository the checkout is there before the look has begun.
    let judged = async {
        match wanted.judge.filter(|_| git.packed() > LARGE) {
            Some(judge) => judge.judge(git.settings, &git.git_dir(), &object).await,
            None => Ok(()),
        }
    };
    let (own, few) = (git.git_dir(), object.as_str());
    let few = few_entries(git.settings, &own, few);
    let (about, files, (), ()) = tokio::try_join!(git.run(&about), files, judged, few)?;
    if wanted.fetches.lfs && !files.success && files.stderr.contains("lfs") {
        return Err(GitError::Lfs { said: lfs::said(&files.stderr) });
    }
    if let Some(failed) = [&about, &files].into_iter().find(|ran| !ran.success) {
        return Err(explain(wanted, &failed.stderr));
    }
    git.check_size().await?;
    if wanted.fetches.lfs {
        match fs::remove_dir_all(lfs::storage(git.scratch())).await {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut lines = about.stdout.lines();
    let commit = CommitId::new(lines.next().unwrap_or_default())
        .map_err(|error| GitError::Failed { said: error.to_string() })?;
    let committed_at = lines.next().and_then(|at| at.parse().ok()).unwrap_or(0);
    let subject = lines.next().unwrap_or_default().chars().take(120).collect();
    Ok(Checkout { tree: git.tree(), commit, committed_at, subject, submodules: Vec::new() })
}
