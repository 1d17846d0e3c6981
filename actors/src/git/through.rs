//! Fetching by way of a mirror: into it, and out of it into the build's own folder.
//!
//! The fetch asks the server for the very commit, with this build's own access, also where the
//! mirror has it already: a server that does not give it out ends the build. Only then is anything
//! of the mirror read, by a repository of the build's own that borrows its objects; nothing of a
//! build is ever written into it.
//!
//! Whatever goes wrong that may be the mirror's own fault, the same is done once more without one:
//! a mirror costs a build some time at the worst, never its success.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use hythe_core::wire::storage::CacheId;
use hythe_store::steps::Step;
use tokio::fs;

use super::command::Git;
use super::fetch::{
    Fetched, Servers, check_out, fetch_alone, fetch_objects, prepare, prepare_repository,
};
use super::mirrors::{Held, Mirrors};
use super::{Checkout, GitError, Wanted};

/// How many commits a mirror keeps for the next fetch to build upon.
const MOST_KEPT: usize = 16;
/// How many packs a mirror may consist of before they are made into one.
const MOST_PACKS: usize = 24;

/// Fetches a commit.
pub(super) async fn fetch(
    git: &Git<'_>,
    mirrors: &Mirrors,
    wanted: Wanted<'_>,
) -> Result<Checkout, GitError> {
    let reached_with = wanted.access.reached_with(&git.remote.reach);
    let parts: Vec<&str> = reached_with.iter().map(AsRef::as_ref).collect();
    let name = mirrors.name(&git.remote.url, &parts);
    let held = tokio::select! {
        held = mirrors.hold(&name) => held,
        () = git.cancel.cancelled() => return Err(GitError::Cancelled),
    };
    let Some(held) = held else {
        tracing::info!(%name, "a mirror is used for long; fetching without it");
        return fetch_alone(git, wanted).await;
    };
    let (fresh, folder) = (held.fresh, held.folder.clone());
    let error = match into(&git.writing(&folder), wanted, &held).await {
        Ok(fetched) => {
            // Others may read it, too, and nobody may write to it or remove it.
            let _reading = held.lock.downgrade();
            wanted.tell(&fetched.name);
            match out_of(&git.reading(&folder), wanted, &folder, &fetched).await {
                Ok(checkout) => return Ok(checkout),
                Err(error) => error,
            }
        }
        Err(error) => {
            // Where git came to its own end, nothing is half done. Where the mark stays, a restart
            // throws the mirror away, and that is all.
            if !matches!(error, GitError::Cancelled | GitError::TimedOut { .. }) {
                let _ = held.end();
            }
            drop(held);
            error
        }
    };
    let next = after(&error, fresh);
    if fresh || next == Next::ThrowAwayAndAlone {
        throw_away(mirrors, &name).await;
    }
    if next == Next::Say {
        return Err(error);
    }
    tracing::info!(%name, %error, "fetching without the mirror");
    clear(git).await?;
    let alone = fetch_alone(git, wanted).await;
    if next == Next::AloneAndThrowAway && alone.is_ok() {
        throw_away(mirrors, &name).await;
    }
    alone
}

/// What follows from an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// It is told: the mirror has no part in it.
    Say,
    /// The mirror is no help with it.
    Alone,
    /// Where there is none without the mirror, that is to blame.
    AloneAndThrowAway,
    /// The mirror is to blame, or in the way.
    ThrowAwayAndAlone,
}

fn after(error: &GitError, fresh: bool) -> Next {
    match error {
        GitError::Empty { .. }
        | GitError::NoSuchBranch { .. }
        | GitError::NoSuchTag { .. }
        | GitError::NeedsCredentials { .. }
        | GitError::LoanRefused { .. }
        | GitError::NotBuildable { .. }
        | GitError::TokenRefused { .. }
        | GitError::Moved { .. }
        | GitError::NoDeployKey { .. }
        | GitError::KeyRefused { .. }
        | GitError::Unreachable { .. }
        | GitError::Untrusted { .. }
        | GitError::HostKeyUnknown { .. }
        | GitError::HostKeyChanged { .. }
        | GitError::NoSsh { .. }
        | GitError::ProtocolNotAllowed { .. }
        | GitError::LocalNotAllowed { .. }
        | GitError::TimedOut { .. }
        | GitError::NoGit { .. }
        | GitError::NoLfs
        | GitError::Lfs { .. }
        | GitError::BadSubmodules { .. }
        | GitError::ManySubmodules { .. }
        | GitError::Submodule { .. }
        | GitError::Cancelled => Next::Say,
        // Servers that hand out only what a branch points to need a whole fetch, which a mirror of
        // single commits gets in the way of.
        GitError::CommitNotFound { .. } => Next::Alone,
        GitError::NotFound { .. } | GitError::TooLarge { .. } if fresh => Next::Say,
        GitError::NotFound { .. } => Next::AloneAndThrowAway,
        GitError::TooLarge { .. } | GitError::Failed { .. } | GitError::Io(_) => {
            Next::ThrowAwayAndAlone
        }
    }
}

/// Fetches into the mirror.
async fn into(git: &Git<'_>, wanted: Wanted<'_>, held: &Held) -> Result<Fetched, GitError> {
    held.begin(&git.remote.url)?;
    prepare(git).await?;
    let fetched = fetch_objects(git, wanted, Servers::Obliging).await?;
    git.check_size().await?;
    held.keep(&fetched.name, MOST_KEPT)?;
    if held.packs() > MOST_PACKS {
        let packed = git.run(&["repack", "-a", "-d", "--quiet"]).await?;
        if !packed.success {
            return Err(GitError::Failed { said: packed.stderr });
        }
    }
    held.end()?;
    Step::MirrorFetched.passed();
    Ok(fetched)
}

/// Checks out of the mirror.
async fn out_of(
    git: &Git<'_>,
    wanted: Wanted<'_>,
    mirror: &Path,
    fetched: &Fetched,
) -> Result<Checkout, GitError> {
    let own = git.git_dir();
    prepare_repository(&own).await?;
    fetched.hash.write(&own).await?;
    let mirror = mirror.join("git");
    let mut objects = mirror.join("objects").as_os_str().as_bytes().to_vec();
    objects.push(b'\n');
    fs::write(own.join("objects/info/alternates"), objects).await?;
    // Which commits have parents that are not there.
    match fs::read(mirror.join("shallow")).await {
        Ok(shallow) => fs::write(own.join("shallow"), shallow).await?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    check_out(git, wanted, &fetched.name).await
}

async fn throw_away(mirrors: &Mirrors, name: &str) {
    let Ok(id) = CacheId::new(name) else { return };
    let mirrors = mirrors.clone();
    let removed = tokio::task::spawn_blocking(move || mirrors.remove(&id)).await;
    match removed {
        // Where another build reads it just now, that one finds out by itself.
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(%name, %error, "some of a mirror stays behind"),
        Err(error) => tracing::warn!(%name, %error, "a mirror could not be thrown away"),
    }
}

/// Removes what was begun.
async fn clear(git: &Git<'_>) -> Result<(), GitError> {
    for folder in [git.git_dir(), git.tree(), git.home()] {
        match fs::remove_dir_all(folder).await {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_the_mirrors_own_fault_is_done_again_without_it() {
        let failed = || GitError::Failed { said: "bad object".into() };
        let not_found = || GitError::NotFound { url: "u".into(), hint: String::new() };
        let private = || GitError::NeedsCredentials {
            url: "u".into(),
            place: "p".into(),
            install: String::new(),
        };
        for (error, fresh, expected) in [
            (failed(), false, Next::ThrowAwayAndAlone),
            (failed(), true, Next::ThrowAwayAndAlone),
            (GitError::TooLarge { most: 1 }, false, Next::ThrowAwayAndAlone),
            (GitError::TooLarge { most: 1 }, true, Next::Say),
            (not_found(), false, Next::AloneAndThrowAway),
            (not_found(), true, Next::Say),
            (private(), false, Next::Say),
            (private(), true, Next::Say),
            (GitError::Cancelled, false, Next::Say),
        ] {
            assert_eq!(after(&error, fresh), expected, "{error}, {fresh}");
        }
    }
}
