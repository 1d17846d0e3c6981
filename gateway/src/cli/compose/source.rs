//! Where a Compose file and what it names are read from: a folder of this machine, or a repository.
//!
//! A repository is cloned without its files being written anywhere: they are read as git has them, so that
//! nothing in it is run, followed as a link or changed on its way.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hythe_core::compose::{FILES, MOST_BYTES};
use hythe_core::names::{BranchName, RepositoryUrl};
use tempfile::TempDir;

use crate::api::dto::ComposeSource;
use crate::cli::failure::{Failure, Outcome};

/// The protocols that git may use.
const PROTOCOLS: &str = "https:http:ssh:file";

/// Where files are read from.
#[derive(Debug)]
pub(super) enum Place {
    /// A folder.
    Folder(PathBuf),
    /// A repository, at the newest commit of a branch.
    Git(Box<Cloned>),
}

/// A repository that was cloned.
#[derive(Debug)]
pub(super) struct Cloned {
    folder: TempDir,
    repository: RepositoryUrl,
    branch: String,
    pub(super) commit: String,
}

/// The file that was found: its path from the root, and its text.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: String,
    pub(super) text: String,
}

/// What is at a path.
#[derive(Debug)]
pub(super) enum Seen {
    /// A text.
    Text(String),
    /// Nothing.
    Nothing,
    /// Something else, or what cannot be read: why.
    NoText(String),
}

impl Found {
    /// The folder that it is in; empty for the root.
    pub(super) fn folder(&self) -> String {
        self.path.rsplit_once('/').map_or_else(String::new, |(folder, _)| folder.to_owned())
    }
}

impl Place {
    /// Opens a folder, or clones. Blocks.
    pub(super) fn open(given: &str, branch: Option<&BranchName>) -> Outcome<Self> {
        let folder = PathBuf::from(given);
        if folder.is_dir() {
            return match branch {
                Some(_) => Err(Failure::usage(
                    "--branch is of a repository, and a folder is sent as it is",
                )),
                None => Ok(Self::Folder(folder)),
            };
        }
        let repository = RepositoryUrl::new(given).map_err(|bad| {
            Failure::usage(format!("there is no folder {given}, and as a repository: {bad}"))
                .hint("hythe compose up PROJECT --repo URL, or --repo DIR")
        })?;
        let scratch = tempfile::tempdir().map_err(|error| Failure::of(&error))?;
        let mut clone = git();
        clone.args(["clone", "--quiet", "--depth", "1", "--no-checkout", "--single-branch"]);
        if let Some(branch) = branch {
            clone.args(["--branch", branch.as_str()]);
        }
        clone.arg("--").arg(repository.as_str()).arg(scratch.path());
        let why = "the repository cannot be read; this machine's own git has to reach it";
        said(&mut clone, why)?;
        let ask = |words: &[&str]| said(git().arg("-C").arg(scratch.path()).args(words), why);
        let commit = ask(&["rev-parse", "HEAD"])?;
        let branch = match branch {
            Some(branch) => branch.to_string(),
            None => ask(&["symbolic-ref", "--short", "HEAD"])?,
        };
        Ok(Self::Git(Box::new(Cloned { folder: scratch, repository, branch, commit })))
    }

    /// The Compose file.
    pub(super) fn compose_file(&self, wanted: Option<&Path>) -> Outcome<Found> {
        if let Some(wanted) = wanted {
            let path = wanted.to_string_lossy();
            let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
            if path.starts_with('/') || path.split('/').any(|part| part == "..") {
                return Err(Failure::usage("--file is a path from the folder or repository")
                    .hint("name the folder by --repo DIR, and the file from there"));
            }
            let text = self.read(&path)?;
            let text = text.ok_or_else(|| Failure::usage(format!("there is no file {path}")))?;
            return Ok(Found { path, text });
        }
        for path in FILES {
            if let Some(text) = self.read(path)? {
                return Ok(Found { path: path.to_owned(), text });
            }
        }
        Err(Failure::usage("there is no Compose file")
            .hint(format!("looked for {}; --file names another", FILES.join(", "))))
    }

    /// A file's text; none where there is none.
    pub(super) fn read(&self, path: &str) -> Outcome<Option<String>> {
        match self.look(path)? {
            Seen::Text(text) => Ok(Some(text)),
            Seen::Nothing => Ok(None),
            Seen::NoText(why) => Err(Failure::usage(why)),
        }
    }

    /// What is at a path.
    pub(super) fn look(&self, path: &str) -> Outcome<Seen> {
        let too_large =
            || Failure::usage(format!("{path} has more than {} KiB", MOST_BYTES / 1024));
        let bytes = match self {
            Self::Folder(folder) => {
                let why = |error: std::io::Error| format!("{path} cannot be read: {error}");
                let whole = folder.canonicalize().map_err(|error| Failure::usage(why(error)))?;
                let real = match folder.join(path).canonicalize() {
                    Ok(real) => real,
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                        return Ok(Seen::Nothing);
                    }
                    Err(error) => return Ok(Seen::NoText(why(error))),
                };
                if !real.starts_with(&whole) {
                    return Err(Failure::usage(format!(
                        "{path} is a link that leads out of the folder"
                    ))
                    .hint("put the file itself there"));
                }
                if !real.is_file() {
                    // Opening a pipe would wait for whoever writes into it.
                    return Ok(Seen::NoText(format!("{path} is no file")));
                }
                let mut bytes = Vec::new();
                let read = std::fs::File::open(real)
                    .and_then(|file| file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes));
                if let Err(error) = read {
                    return Ok(Seen::NoText(why(error)));
                }
                bytes
            }
            Self::Git(clone) => {
                let named = format!("HEAD:{path}");
                let at = || {
                    let mut command = git();
                    command.arg("-C").arg(clone.folder.path());
                    command
                };
                let size = at().args(["cat-file", "-s", &named]).stderr(Stdio::null()).output();
                let size = size.map_err(|error| Failure::of(&error))?;
                if !size.status.success() {
                    return Ok(Seen::Nothing);
                }
                let size = String::from_utf8_lossy(&size.stdout).trim().parse::<usize>();
                if size.is_ok_and(|size| size > MOST_BYTES) {
                    return Err(too_large());
                }
                let blob = at().args(["cat-file", "blob", &named]).output();
                let blob = blob.map_err(|error| Failure::of(&error))?;
                if !blob.status.success() {
                    return Ok(Seen::Nothing);
                }
                blob.stdout
            }
        };
        if bytes.len() > MOST_BYTES {
            return Err(too_large());
        }
        Ok(match String::from_utf8(bytes) {
            Ok(text) => Seen::Text(text),
            Err(_not_text) => Seen::NoText(format!("{path} is not UTF-8 text")),
        })
    }

    /// The folder of a service that is built, where it lies here.
    pub(super) fn folder_of(&self, context: &str) -> Option<PathBuf> {
        match self {
            Self::Folder(folder) if context == "." => Some(folder.clone()),
            Self::Folder(folder) => Some(folder.join(context)),
            Self::Git(_) => None,
        }
    }

    /// What a service of a repository is built from.
    pub(super) fn in_repository(&self, context: &str) -> Outcome<Option<ComposeSource>> {
        let Self::Git(clone) = self else { return Ok(None) };
        let tree = if context == "." { "HEAD^{tree}".into() } else { format!("HEAD:{context}") };
        let content = said(
            git().arg("-C").arg(clone.folder.path()).args(["rev-parse", "--verify", &tree]),
            &format!("there is no folder {context} in the repository"),
        )?;
        Ok(Some(ComposeSource {
            upload: None,
            repository: Some(clone.repository.to_string()),
            branch: Some(clone.branch.clone()),
            content: Some(content),
        }))
    }

    /// The variables of `.env` beside the file.
    pub(super) fn dot_env(&self, folder: &str) -> Outcome<BTreeMap<String, String>> {
        let path = if folder.is_empty() { ".env".to_owned() } else { format!("{folder}/.env") };
        let Some(text) = self.read(&path)? else { return Ok(BTreeMap::new()) };
        hythe_core::compose::variables_of(&text, &BTreeMap::new())
            .map_err(|why| Failure::usage(format!("{path}: {why}")))
    }
}

fn git() -> Command {
    let mut command = Command::new("git");
    command
        .args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"])
        .env("GIT_ALLOW_PROTOCOL", PROTOCOLS)
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What git says, in one line.
fn said(command: &mut Command, why: &str) -> Outcome<String> {
    let output = command.output().map_err(|error| {
        Failure::failed(format!("git cannot be run: {error}")).hint("install git on this machine")
    })?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        let last = told.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        return Err(Failure::failed(format!("{why}: {}", last.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(folder: &Path, words: &[&str]) {
        let who = ["-c", "user.name=a", "-c", "user.email=a@b.c"];
        let ran = Command::new("git").arg("-C").arg(folder).args(who).args(words).output().unwrap();
        assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    #[test]
    fn a_repository_is_read_as_git_has_it_and_a_folder_of_it_has_a_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        let write = |name: &str, text: &str| {
            let file = path.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
            run(path, &["add", "-A"]);
            run(path, &["commit", "-q", "-m", "next"]);
        };
        run(path, &["init", "-q", "-b", "trunk"]);
        write("deploy/compose.yaml", "services: {}");
        write("web/index.html", "one");
        std::os::unix::fs::symlink("/etc/hostname", path.join("link")).unwrap();
        write(".env", "A=1\n");
        let url = format!("file://{}", path.display());
        let content = |context: &str| {
            let place = Place::open(&url, None).unwrap();
            place.in_repository(context).unwrap().unwrap().content.unwrap()
        };
        let place = Place::open(&url, None).unwrap();
        let found = place.compose_file(Some(Path::new("./deploy/compose.yaml"))).unwrap();
        assert_eq!((found.folder().as_str(), found.text.as_str()), ("deploy", "services: {}"));
        assert!(place.compose_file(None).unwrap_err().message.contains("no Compose file"));
        assert!(place.compose_file(Some(Path::new("../x"))).is_err());
        assert_eq!(place.read("link").unwrap().as_deref(), Some("/etc/hostname"), "not followed");
        assert_eq!(place.read("none").unwrap(), None);
        assert_eq!(place.dot_env("").unwrap()["A"], "1");
        assert!(place.in_repository("none").is_err());
        assert_eq!(place.in_repository("web").unwrap().unwrap().branch.as_deref(), Some("trunk"));

        let (web, root) = (content("web"), content("."));
        write("other", "two");
        assert_eq!(content("web"), web);
        assert_ne!(content("."), root);
        write("web/index.html", "two");
        assert_ne!(content("web"), web);
    }

    #[test]
    fn a_folder_gives_nothing_that_a_link_leads_out_to() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(dir.path().join("own"), "A=1\n").unwrap();
        std::os::unix::fs::symlink("own", dir.path().join("within")).unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("out")).unwrap();
        let place = Place::open(dir.path().to_str().unwrap(), None).unwrap();
        assert_eq!(place.read("within").unwrap().as_deref(), Some("A=1\n"));
        assert_eq!(place.read("none").unwrap(), None);
        assert!(place.read("out").unwrap_err().message.contains("leads out of the folder"));
        std::fs::write(dir.path().join("key.der"), b"\xff\xfe").unwrap();
        std::fs::create_dir(dir.path().join("certs")).unwrap();
        for (path, words) in
            [("key.der", "is not UTF-8"), ("certs", "is no file"), ("own/a", "cannot be read")]
        {
            let refused = place.read(path).unwrap_err().message;
            assert!(refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn what_is_neither_a_folder_nor_a_repository_is_said() {
        for given in ["/no/such/folder", "-u", "ext::sh -c id", "http://"] {
            let refused = Place::open(given, None).unwrap_err();
            assert_eq!(refused.exit, crate::cli::failure::Exit::Usage, "{given}");
        }
    }
}
