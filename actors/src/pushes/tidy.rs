//! What goes of repositories: those of apps that are gone, and what nothing leads to any more.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hythe_core::ids::AppId;
use hythe_core::limits;

use super::process::run;
use super::{Held, PushError, Pushes};
use crate::control::Control;
use crate::git::size_up_to;

/// The most repositories that are listed: beyond them the folder is not ours.
const MOST_LISTED: usize = 100_000;
/// Files and folders of a repository that are looked at for locks.
const MOST_LOOKED_AT: usize = 10_000;
/// How long putting packs together may take.
const WITHIN: Duration = Duration::from_secs(10 * 60);

impl Pushes {
    /// The apps that have a repository.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn list(&self) -> io::Result<Vec<AppId>> {
        let mut all = Vec::new();
        for found in fs::read_dir(&self.folder)?.take(MOST_LISTED) {
            let name = found?.file_name();
            // What is not named as one is nothing of ours.
            let name = name.to_string_lossy();
            all.extend(name.strip_suffix(".git").and_then(|id| id.parse::<AppId>().ok()));
        }
        Ok(all)
    }

    /// Lets go of a repository.
    ///
    /// # Errors
    /// Where it cannot be removed.
    pub fn remove(&self, held: &Held) -> io::Result<()> {
        match fs::remove_dir_all(&held.repository) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Puts packs together where there are many, and lets go of what nothing leads to; of all of it,
    /// where it is too much.
    pub(super) async fn shrink(&self, held: &Held) -> Result<(), PushError> {
        let repository = &held.repository;
        if packs(repository) > limits::MOST_PACKS {
            let args = ["gc", "--quiet", "--prune=now"];
            run(&self.git, repository, &args, WITHIN).await?.or_refused()?;
        }
        let (folders, most) = (vec![repository.clone()], limits::MOST_REPOSITORY_BYTES);
        let size = tokio::task::spawn_blocking(move || size_up_to(folders, most)).await;
        if size.is_ok_and(|size| size > most) {
            self.remove(held)?;
        }
        Ok(())
    }
}

/// Keeps the repositories tidy: done after what was looked at, so that none goes whose app has just
/// come.
pub(crate) async fn look(control: &Control) {
    let pushes = control.pushes();
    let all = match pushes.list() {
        Ok(all) => all,
        Err(error) => {
            tracing::warn!(%error, "the repositories that were pushed to could not be tidied up");
            return;
        }
    };
    for app in all {
        // Somebody pushes: the next time, then.
        let Some(held) = pushes.hold(app) else { continue };
        let gone = control.read(|view| !view.apps.contains_key(&app));
        let done = match gone {
            true => pushes.remove(&held).map_err(PushError::from),
            false => pushes.shrink(&held).await,
        };
        match (gone, done) {
            (_, Err(error)) => tracing::warn!(%app, %error, "a repository could not be tidied up"),
            (true, Ok(())) => tracing::info!(%app, "the repository of an app that is gone went"),
            (false, Ok(())) => {}
        }
    }
}

fn packs(repository: &Path) -> usize {
    let Ok(found) = fs::read_dir(repository.join("objects/pack")) else { return 0 };
    let pack = |name: &std::ffi::OsStr| name.to_string_lossy().ends_with(".pack");
    found.flatten().filter(|entry| pack(&entry.file_name())).count()
}

/// Takes away the locks of a git that did not come to its end. To be done when no git runs here.
pub(super) fn unlock(repository: &Path) {
    let mut folders: Vec<PathBuf> = vec![repository.to_owned(), repository.join("refs")];
    let mut looked_at = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            looked_at += 1;
            if looked_at > MOST_LOOKED_AT {
                return;
            }
            let (path, name) = (entry.path(), entry.file_name());
            let below_refs = folder != *repository;
            if below_refs && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if name.to_string_lossy().ends_with(".lock") || name == "gc.pid" {
                tracing::info!(path = %path.display(), "a lock that was left behind goes");
                let _stays = fs::remove_file(&path);
            }
        }
    }
    half_done(repository);
}

/// Takes away what a push left that was cut off.
pub(super) fn half_done(repository: &Path) {
    let objects = repository.join("objects");
    for entry in fs::read_dir(&objects).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("tmp_objdir") {
            let _stays = fs::remove_dir_all(entry.path());
        }
    }
}
