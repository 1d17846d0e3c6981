//! What is in the folder that a build left: looked through, before anything of it is sent.
//!
//! Invariants: nothing outside of the folder is read, wherever links lead; a repository's own housekeeping
//! (names that begin with a dot, but for `.well-known`) is left out; what cannot be served is refused with its
//! path and the reason.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use hythe_core::limits;
use hythe_core::site::{
    BadSite, FileHash, HeaderRule, RULE_FILES, Redirect, SitePath, Target, parse_headers,
    parse_redirects,
};
use tokio_util::sync::CancellationToken;

/// The most bytes of `_redirects` and of `_headers`.
const MOST_RULES_BYTES: u64 = 4 * 1024 * 1024;
/// How deep folders lie in folders.
const MOST_DEPTH: usize = 64;

/// Why a folder is no site.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectError {
    /// It says something that it must not, or too much.
    #[error(transparent)]
    Site(#[from] BadSite),
    /// The disk refused.
    #[error("the site's files cannot be read: {0}")]
    Disk(#[from] io::Error),
    /// It was called off.
    #[error("it was cancelled")]
    Cancelled,
}

/// A folder's files and rules.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) files: BTreeMap<SitePath, FoundFile>,
    pub(crate) redirects: Vec<Redirect>,
    pub(crate) headers: Vec<HeaderRule>,
    bytes: u64,
}

/// One file.
#[derive(Debug)]
pub(crate) struct FoundFile {
    /// Where it lies on the disk.
    pub(crate) place: PathBuf,
    pub(crate) hash: FileHash,
    pub(crate) bytes: u64,
}

/// Looks through a folder. Blocks.
pub(crate) fn collect(
    folder: &Path,
    cancel: &CancellationToken,
) -> Result<Collected, CollectError> {
    let root = fs::canonicalize(folder)?;
    let mut all = Collected::default();
    below(&root, &root, &mut Vec::new(), &mut all, cancel)?;
    Ok(all)
}

fn bad(path: &str, why: impl Into<String>) -> CollectError {
    CollectError::Site(BadSite::File { path: path.to_owned(), why: why.into() })
}

fn below(
    root: &Path,
    folder: &Path,
    above: &mut Vec<String>,
    all: &mut Collected,
    cancel: &CancellationToken,
) -> Result<(), CollectError> {
    if above.len() > MOST_DEPTH {
        return Err(bad(&above.join("/"), format!("lies more than {MOST_DEPTH} folders deep")));
    }
    for found in fs::read_dir(folder)? {
        if cancel.is_cancelled() {
            return Err(CollectError::Cancelled);
        }
        let found = found?;
        let name = found.file_name();
        let lossy = name.to_string_lossy().into_owned();
        above.push(lossy);
        let path = above.join("/");
        let target = Target { path: path.clone(), folder: false };
        if target.is_public() {
            if name.to_str().is_none() {
                return Err(bad(&path, "has a name that is not UTF-8"));
            }
            let kind = found.file_type()?;
            if kind.is_dir() {
                below(root, &found.path(), above, all, cancel)?;
            } else {
                let place = if kind.is_symlink() {
                    followed(root, &found.path(), &path)?
                } else {
                    found.path()
                };
                one(place, &path, all, cancel)?;
            }
        }
        above.pop();
    }
    Ok(())
}

/// Where a link leads, within the site.
fn followed(root: &Path, link: &Path, path: &str) -> Result<PathBuf, CollectError> {
    let place = fs::canonicalize(link).map_err(|_| bad(path, "is a link that leads nowhere"))?;
    if !place.starts_with(root) {
        return Err(bad(path, "is a link that leads out of the site"));
    }
    let hidden = place.strip_prefix(root).is_ok_and(|below| {
        let below = below.to_string_lossy().into_owned();
        !Target { path: below, folder: false }.is_public()
    });
    if hidden {
        return Err(bad(path, "is a link to what is no part of the site"));
    }
    if !place.is_file() {
        return Err(bad(path, "is a link to a folder; put the files themselves there"));
    }
    Ok(place)
}

fn one(
    place: PathBuf,
    path: &str,
    all: &mut Collected,
    cancel: &CancellationToken,
) -> Result<(), CollectError> {
    let data = fs::symlink_metadata(&place)?;
    if !data.is_file() {
        return Err(bad(path, "is neither a file nor a folder nor a link"));
    }
    if let Some(rules) = RULE_FILES.iter().find(|name| **name == path) {
        if data.len() > MOST_RULES_BYTES {
            return Err(bad(path, format!("has at most {} MiB", MOST_RULES_BYTES >> 20)));
        }
        let text = fs::read(&place)?;
        let text = String::from_utf8(text).map_err(|_| bad(path, "is not UTF-8"))?;
        if *rules == RULE_FILES[0] {
            all.redirects = parse_redirects(&text)?;
        } else {
            all.headers = parse_headers(&text)?;
        }
        return Ok(());
    }
    let known = SitePath::new(path).map_err(|refused| bad(path, refused.why))?;
    // Before any of it is read.
    all.bytes = all.bytes.saturating_add(data.len());
    let (files, bytes) = (limits::MOST_SITE_FILES, limits::MOST_SITE_BYTES);
    let beyond = if all.files.len() == files {
        Some(format!("has more than {files} files"))
    } else if all.bytes > bytes {
        Some(format!("has more than {} MiB", bytes >> 20))
    } else {
        None
    };
    if let Some(beyond) = beyond {
        return Err(CollectError::Site(BadSite::Whole(format!(
            "{beyond}; leave some out, or serve it by a container (--static off)"
        ))));
    }
    if data.len() > limits::MOST_SITE_FILE_BYTES {
        let most = limits::MOST_SITE_FILE_BYTES >> 20;
        return Err(bad(path, format!("has {} bytes, and one has at most {most} MiB", data.len())));
    }
    let (hash, bytes) = hashed(&place, cancel)?;
    all.files.insert(known, FoundFile { place, hash, bytes });
    Ok(())
}

fn hashed(place: &Path, cancel: &CancellationToken) -> Result<(FileHash, u64), CollectError> {
    use io::Read as _;

    let mut file = File::open(place)?;
    let (mut hasher, mut bytes) = (blake3::Hasher::new(), 0_u64);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        if cancel.is_cancelled() {
            return Err(CollectError::Cancelled);
        }
        let read = file.read(&mut buffer)?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else { break };
        hasher.update(piece);
        bytes += piece.len() as u64;
    }
    let hash = FileHash::new(hasher.finalize().to_hex().as_str()).map_err(io::Error::other)?;
    Ok((hash, bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let place = folder.path().join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        }
        folder
    }

    fn collected(folder: &Path) -> Result<Collected, String> {
        collect(folder, &CancellationToken::new()).map_err(|error| error.to_string())
    }

    #[test]
    fn files_are_found_with_their_digests_and_rules_are_read() {
        let folder = folder(&[
            ("index.html", "hello"),
            ("a/b.css", ""),
            (".env", "SECRET=1"),
            (".git/config", ""),
            (".well-known/security.txt", "x"),
            ("_redirects", "/old /new"),
            ("_headers", "/*\n  X-A: b"),
            ("docs/_headers", "no rules here"),
        ]);
        symlink("index.html", folder.path().join("same.html")).unwrap();
        let all = collected(folder.path()).unwrap();
        let paths: Vec<&str> = all.files.keys().map(SitePath::as_str).collect();
        assert_eq!(
            paths,
            [".well-known/security.txt", "a/b.css", "docs/_headers", "index.html", "same.html"]
        );
        assert_eq!((all.redirects.len(), all.headers.len()), (1, 1));
        let hash = |path: &str| all.files[path].hash.clone();
        assert_eq!(hash("index.html").as_str(), blake3::hash(b"hello").to_hex().as_str());
        assert_eq!(hash("index.html"), hash("same.html"));
    }

    #[test]
    fn what_leads_out_or_cannot_be_served_is_refused_with_the_reason() {
        let outside = tempfile::NamedTempFile::new().unwrap();
        type Make<'a> = &'a dyn Fn(&Path);
        let rows: &[(Make<'_>, &str)] = &[
            (&|at| symlink(outside.path(), at.join("x")).unwrap(), "out of the site"),
            (&|at| symlink("/etc", at.join("x")).unwrap(), "out of the site"),
            (&|at| symlink("nowhere", at.join("x")).unwrap(), "leads nowhere"),
            (&|at| symlink("x", at.join("x")).unwrap(), "leads nowhere"),
            (&|at| symlink(".", at.join("x")).unwrap(), "link to a folder"),
            (&|at| symlink(".env", at.join("x")).unwrap(), "no part of the site"),
            (&|at| fs::write(at.join("a\nb"), "").unwrap(), "control characters"),
            (&|at| fs::write(at.join("_redirects"), "/a").unwrap(), "_redirects line 1"),
            (
                &|at| drop(std::os::unix::net::UnixListener::bind(at.join("s")).unwrap()),
                "neither a file",
            ),
        ];
        for (make, part) in rows {
            let folder = folder(&[("index.html", ""), (".env", "")]);
            make(folder.path());
            let refused = collected(folder.path()).unwrap_err();
            assert!(refused.contains(part), "{part}: {refused}");
        }
    }
}
