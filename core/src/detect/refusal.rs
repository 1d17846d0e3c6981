//! What is said where nothing can be built.

use super::listing::{FileKind, FileListing};
use super::repo::Repo;
use super::{BUILT_FOLDERS, DOCKERFILES, MANIFESTS, SITE_FOLDERS};
use crate::names::RepositoryPath;
use crate::rejection::Rejection;

/// The folder that an app names is not there.
pub(super) fn no_folder(folder: &RepositoryPath) -> Rejection {
    Rejection::invalid(
        "build_context",
        format!(
            "there is no folder {folder} in this commit; the path counts from the root of the \
             repository"
        ),
    )
}

/// The folder that is to be served is not there.
pub(super) fn no_site(folder: &str) -> Rejection {
    Rejection::invalid("output", format!("there is no folder {folder} in this commit"))
}

/// A Dockerfile that somebody named; refused where it is not there.
pub(super) fn named(
    files: &FileListing,
    path: &RepositoryPath,
) -> Result<RepositoryPath, Rejection> {
    let why = match files.kind(path.as_str()) {
        Some(FileKind::File | FileKind::Link) => return Ok(path.clone()),
        Some(FileKind::Folder) => format!("{path} is a folder; name the file inside it"),
        None => {
            let near = files.like_dockerfiles();
            let hint = if near.is_empty() {
                "the path counts from the root of the repository".to_owned()
            } else {
                format!("there is {}", near.join(", "))
            };
            format!("there is no {path} in this commit; {hint}")
        }
    };
    Err(Rejection::invalid("dockerfile", why))
}

/// Nothing is known that would build it.
pub(super) fn nothing_found(repo: &Repo<'_>, manifest: Option<&str>) -> Rejection {
    let near = repo.files.like_dockerfiles();
    let hint = match (near.first(), manifest) {
        (Some(_), _) => format!("there is {}: name it as the Dockerfile to use", near.join(", ")),
        (None, Some(manifest)) => format!(
            "there is a {manifest}, but nothing says what is built or started: say so in hythe.toml \
             (build, and start or output, in [build]), or add a Dockerfile"
        ),
        (None, None) if repo.files.is_empty() => "the commit has no files".to_owned(),
        (None, None) => match folders_with_apps(repo).as_slice() {
            [] => "add a Dockerfile, or name the path of one".to_owned(),
            found => format!(
                "there is {}: name the folder to build (--context), or add a Dockerfile",
                found.join(", ")
            ),
        },
    };
    let folders: Vec<&str> = BUILT_FOLDERS.iter().chain(SITE_FOLDERS).copied().collect();
    let place = match repo.folder {
        "" => "at the root".to_owned(),
        folder => format!("in {folder}/"),
    };
    Rejection::invalid(
        "source",
        format!(
            "nothing to build was found: looked for {} {place}, for the files of a known language \
             or framework, and for index.html there and in {}; {hint}",
            DOCKERFILES.join(", "),
            folders.join(", "),
        ),
    )
}

/// A few manifests one or two folders below, whose folders may be what is to be built.
pub(super) fn folders_with_apps<'a>(repo: &Repo<'a>) -> Vec<&'a str> {
    repo.all()
        .filter(|path| {
            let manifest = path.rsplit_once('/').is_some_and(|(_, file)| MANIFESTS.contains(&file));
            manifest && path.matches('/').count() <= 2 && !path.contains("node_modules/")
        })
        .take(3)
        .collect()
}

/// It can be built, but nothing says what it then is.
pub(super) fn nothing_starts(runtime: &str, reasons: &[String]) -> Rejection {
    Rejection::invalid(
        "source",
        format!(
            "this is an app of {runtime} ({}), but nothing says how it is started: say so in \
             hythe.toml, as start = \"…\" in [build] (or output = \"dist\" where it builds files to \
             be served), in a Procfile, or add a Dockerfile",
            reasons.join("; ")
        ),
    )
}
