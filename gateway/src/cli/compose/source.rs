//! Where a Compose file and what it names are read from: a folder of this machine, or a repository.
//!
//! A repository is cloned without its files being written anywhere: they are read as git has them, so that
//! nothing in it is run, followed as a link or changed on its way.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hythe_core::compose::{FILES, MOST_BYTES, Mounted};
use hythe_core::limits;
use hythe_core::names::{BranchName, RepositoryUrl};
use tempfile::TempDir;

use crate::api::dto::ComposeSource;
use crate::cli::failure::{Failure, Outcome};

/// The protocols that git may use.
const PROTOCOLS: &str = "https:http:ssh:file";
/// How much is looked at of a folder that a service mounts: entries, and bytes of what git says of them.
const MOST_ENTRIES: usize = 1_024;
const MOST_LISTED: usize = 128 * 1024;

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

    /// The Compose file, or several as one that includes them: each goes before those named before it, and paths in
    /// all of them count from the folder of the first.
    pub(super) fn compose_files(&self, wanted: &[PathBuf]) -> Outcome<Found> {
        let first = self.compose_file(wanted.first().map(PathBuf::as_path))?;
        if wanted.len() < 2 {
            return Ok(first);
        }
        let up = "../".repeat(first.folder().split('/').filter(|part| !part.is_empty()).count());
        let mut paths = Vec::new();
        for path in wanted {
            let found = self.compose_file(Some(path))?;
            paths.push(format!("./{up}{}", found.path).replace('$', "$$"));
        }
        // What is JSON is YAML.
        let text = serde_json::json!({"include": [{"path": paths}]}).to_string();
        Ok(Found { path: first.path, text })
    }

    /// Why a file beside this one is not read that Docker would read with it.
    pub(super) fn override_of(&self, found: &Found) -> Option<String> {
        let (stem, _) = found.path.rsplit_once('.')?;
        let paths = ["yaml", "yml"].map(|ending| format!("{stem}.override.{ending}"));
        let there = |path: &String| !matches!(self.look(path), Ok(Seen::Nothing));
        let path = paths.into_iter().find(there)?;
        Some(format!(
            "{path}, as there is for work on an app, is read where it is named: --file {} --file {path}",
            found.path
        ))
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

    /// What lies at a path that a service mounts.
    pub(super) fn lies(&self, path: &str) -> Outcome<Mounted> {
        match self {
            Self::Folder(folder) => {
                let why = |error: std::io::Error| Failure::usage(format!("{path}: {error}"));
                let whole = folder.canonicalize().map_err(why)?;
                let real = match folder.join(path).canonicalize() {
                    Ok(real) => real,
                    Err(error) if is_nothing(&error) => return Ok(Mounted::Nothing),
                    // There is something, and nobody here can see what.
                    Err(_) => return Ok(Mounted::Large),
                };
                Ok(if !real.is_dir() {
                    Mounted::File
                } else if real.starts_with(&whole) {
                    listed(&real)
                } else {
                    Mounted::Large
                })
            }
            Self::Git(clone) => clone.lies(path),
        }
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

impl Cloned {
    fn lies(&self, path: &str) -> Outcome<Mounted> {
        let named = format!("HEAD:{path}");
        let at = || {
            let mut command = git();
            command.arg("-C").arg(self.folder.path()).stderr(Stdio::null());
            command
        };
        let kind = at().args(["cat-file", "-t", &named]).output();
        let kind = kind.map_err(|error| Failure::of(&error))?;
        match String::from_utf8_lossy(&kind.stdout).trim() {
            _ if !kind.status.success() => Ok(Mounted::Nothing),
            "blob" => Ok(Mounted::File),
            "tree" => {
                let mut listing = at()
                    .args(["ls-tree", "-r", "-z", &named])
                    .spawn()
                    .map_err(|error| Failure::of(&error))?;
                let mut said = Vec::new();
                let read = listing.stdout.take().map(|out| {
                    // One byte more than is taken, to see that there is more.
                    out.take(MOST_LISTED as u64 + 1).read_to_end(&mut said)
                });
                // It may have more to say, and has ended where it had not.
                let _ended = listing.kill();
                listing.wait().map_err(|error| Failure::of(&error))?;
                read.transpose().map_err(|error| Failure::of(&error))?;
                Ok(of_tree(&said))
            }
            // Another repository in this one.
            _ => Ok(Mounted::Large),
        }
    }
}

/// The files of a folder, as git names them. What is a link, or another repository, is none.
fn of_tree(said: &[u8]) -> Mounted {
    let Ok(said) = str::from_utf8(said) else { return Mounted::Large };
    if said.len() > MOST_LISTED {
        return Mounted::Large;
    }
    let files = said.split('\0').filter(|entry| entry.starts_with("100"));
    let files: BTreeSet<String> =
        files.filter_map(|entry| Some(entry.split_once('\t')?.1.to_owned())).collect();
    few(files)
}

fn few(files: BTreeSet<String>) -> Mounted {
    if files.len() > limits::MOST_CONTAINER_FILES { Mounted::Large } else { Mounted::Folder(files) }
}

/// The files of a folder, through all folders in it. No link to a folder is followed.
fn listed(root: &Path) -> Mounted {
    let mut files = BTreeSet::new();
    let mut open = vec![(root.to_owned(), String::new())];
    let mut seen = 0_usize;
    while let Some((folder, before)) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { return Mounted::Large };
        for entry in entries {
            seen += 1;
            let Ok(entry) = entry else { return Mounted::Large };
            let (Ok(kind), Ok(name)) = (entry.file_type(), entry.file_name().into_string()) else {
                return Mounted::Large;
            };
            if seen > MOST_ENTRIES || files.len() > limits::MOST_CONTAINER_FILES {
                return Mounted::Large;
            }
            let path = format!("{before}{name}");
            if kind.is_dir() {
                open.push((entry.path(), format!("{path}/")));
            } else {
                files.insert(path);
            }
        }
    }
    few(files)
}

fn is_nothing(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
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
        std::os::unix::fs::symlink("/etc", dir.path().join("away")).unwrap();
        for (path, there) in [
            ("none", Mounted::Nothing),
            ("own/a", Mounted::Nothing),
            ("own", Mounted::File),
            ("certs", Mounted::Folder(BTreeSet::new())),
            ("away", Mounted::Large),
        ] {
            assert_eq!(place.lies(path).unwrap(), there, "{path}");
        }
        for (path, words) in
            [("key.der", "is not UTF-8"), ("certs", "is no file"), ("own/a", "cannot be read")]
        {
            let refused = place.read(path).unwrap_err().message;
            assert!(refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn several_files_are_one_that_includes_them_and_an_override_is_told_of() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            std::fs::create_dir_all(dir.path().join(path).parent().unwrap()).unwrap();
            std::fs::write(dir.path().join(path), "services: {}").unwrap();
        };
        for path in ["compose.yaml", "compose.override.yml", "deploy/a.yaml", "b$1.yaml"] {
            write(path);
        }
        let place = Place::open(dir.path().to_str().unwrap(), None).unwrap();
        let files = ["deploy/a.yaml", "./b$1.yaml"].map(PathBuf::from);
        let found = place.compose_files(&files).unwrap();
        assert_eq!((found.path.as_str(), found.folder().as_str()), ("deploy/a.yaml", "deploy"));
        assert_eq!(
            found.text,
            "{\"include\":[{\"path\":[\"./../deploy/a.yaml\",\"./../b$$1.yaml\"]}]}"
        );
        assert!(place.compose_files(&["none.yaml", "b"].map(PathBuf::from)).is_err());
        let one = place.compose_files(&[]).unwrap();
        assert_eq!((one.path.as_str(), one.text.as_str()), ("compose.yaml", "services: {}"));
        let told = place.override_of(&one).unwrap();
        assert!(told.ends_with("--file compose.yaml --file compose.override.yml"), "{told}");
        assert_eq!(place.override_of(&found), None);
    }

    #[test]
    fn a_folder_of_a_repository_has_its_files_and_no_links() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        run(path, &["init", "-q", "-b", "main"]);
        for file in ["conf/with space", "conf/deep/é.conf"] {
            std::fs::create_dir_all(path.join(file).parent().unwrap()).unwrap();
            std::fs::write(path.join(file), "x").unwrap();
        }
        std::os::unix::fs::symlink("/etc/hostname", path.join("conf/link")).unwrap();
        run(path, &["add", "-A"]);
        run(path, &["commit", "-q", "-m", "one"]);
        let place = Place::open(&format!("file://{}", path.display()), None).unwrap();
        let files = ["deep/é.conf", "with space"].map(str::to_owned);
        assert_eq!(place.lies("conf").unwrap(), Mounted::Folder(BTreeSet::from(files)));
        assert_eq!(place.lies("conf/with space").unwrap(), Mounted::File);
        assert_eq!(place.lies("none").unwrap(), Mounted::Nothing);
        let many = (0..=limits::MOST_CONTAINER_FILES).map(|n| format!("100644 blob a\t{n}\0"));
        assert_eq!(of_tree(many.collect::<String>().as_bytes()), Mounted::Large);
        assert_eq!(of_tree(b"100644 blob a\t\xff\0"), Mounted::Large);
    }

    #[test]
    fn what_is_neither_a_folder_nor_a_repository_is_said() {
        for given in ["/no/such/folder", "-u", "ext::sh -c id", "http://"] {
            let refused = Place::open(given, None).unwrap_err();
            assert_eq!(refused.exit, crate::cli::failure::Exit::Usage, "{given}");
        }
    }
}
