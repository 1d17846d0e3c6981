//! What a commit consists of and what its few telling files say, out of a bare repository: without checking
//! anything out.
//!
//! It says the same as a checkout would, or nothing: where that cannot be told from the objects alone (names
//! that are no text, links, very large files), whoever asks looks at the checkout.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use hythe_core::detect::{
    BaseImages, FileKind, FileListing, FileText, FileTexts, Wanted, detect, wanted,
};
use hythe_core::source::BuildSettings;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::command::MOST_ALLOCATED;
use super::{GitError, GitSettings};

/// The most that is read of a listing, and of files.
const MOST_LISTED: u64 = 64 * 1024 * 1024;
const MOST_READ: u64 = 16 * 1024 * 1024;
/// The largest file that is read; of a larger one a checkout tells.
const MOST_FILE: u64 = 4 * 1024 * 1024;
/// How long a look may take.
const WITHIN: Duration = Duration::from_secs(20);
/// The most files and folders of a commit that are taken out of a repository. Git has all of them in memory
/// before it writes the first one, and of a few small trees that name one another there is no end.
const MOST_ENTRIES: usize = 500_000;

/// How a commit is to be built: for whoever wants to know before it is checked out that it cannot be.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    /// What the app says.
    pub build: &'a BuildSettings,
    /// Where base images come from.
    pub images: &'a BaseImages,
}

/// What a commit consists of, and what was read of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its files.
    pub files: FileListing,
    /// What those say that tell how it is built.
    pub texts: FileTexts,
}

impl Judge<'_> {
    /// Whether a commit can be built, as far as that can be told from its tree.
    pub(super) async fn judge(
        &self,
        settings: &GitSettings,
        repository: &Path,
        commit: &str,
    ) -> Result<(), GitError> {
        let seen = look(settings, repository, commit, self.build).await;
        let Some(Seen { files, texts }) = seen.unwrap_or_default() else { return Ok(()) };
        let (build, images) = (self.build.clone(), self.images.clone());
        let judged = tokio::task::spawn_blocking(move || {
            detect(&files, &texts, &build, &images).map(drop).map_err(|why| why.to_string())
        });
        match judged.await {
            Ok(Err(why)) => Err(GitError::NotBuildable { why }),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
}

/// Refuses a commit of more files and folders than are taken out of a repository. What else is wrong with it
/// says whoever takes them out.
pub(crate) async fn few_entries(
    settings: &GitSettings,
    repository: &Path,
    commit: &str,
) -> Result<(), GitError> {
    let git = Reader { settings, repository: repository.to_owned() };
    let counted = tokio::time::timeout(WITHIN, git.count(commit)).await;
    match counted {
        Ok(Ok(entries)) if entries > MOST_ENTRIES => Err(GitError::NotBuildable {
            why: format!("the commit has more than {MOST_ENTRIES} files and folders"),
        }),
        Ok(Ok(_) | Err(_)) | Err(_) => Ok(()),
    }
}

/// Looks at a commit of a bare repository. None where only a checkout tells.
///
/// # Errors
/// Git failed, or said more than is read.
pub async fn look(
    settings: &GitSettings,
    repository: &Path,
    commit: &str,
    build: &BuildSettings,
) -> Result<Option<Seen>, GitError> {
    let looking = look_at(settings, repository, commit, build);
    let elapsed = |_| GitError::TimedOut { within: WITHIN };
    tokio::time::timeout(WITHIN, looking).await.map_err(elapsed)?
}

async fn look_at(
    settings: &GitSettings,
    repository: &Path,
    commit: &str,
    build: &BuildSettings,
) -> Result<Option<Seen>, GitError> {
    let git = Reader { settings, repository: repository.to_owned() };
    let whole = ["ls-tree", "-r", "-t", "-z", "--full-tree", "--end-of-options", commit];
    let listed = git.run(&whole, Vec::new(), MOST_LISTED).await?;
    let asked = build.clone();
    let sorted = tokio::task::spawn_blocking(move || {
        let files = listing(&listed)?;
        let wanted = wanted(&files, &asked);
        Some((files, wanted))
    });
    let failed = |error: tokio::task::JoinError| GitError::Failed { said: error.to_string() };
    let Some((files, wanted)) = sorted.await.map_err(failed)? else { return Ok(None) };
    // A link leads somewhere, and a path of several lines cannot be asked for.
    let plain =
        |file: &Wanted| files.kind(&file.path) == Some(FileKind::File) && !file.path.contains('\n');
    if !wanted.iter().all(plain) {
        return Ok(None);
    }
    let Some(texts) = texts(&git, commit, &wanted).await? else { return Ok(None) };
    Ok(Some(Seen { files, texts }))
}

/// What `git ls-tree -r -t -z` lists. None where a name is no text.
fn listing(listed: &[u8]) -> Option<FileListing> {
    let entries = listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
    let entry = |entry: &[u8]| {
        let (about, path) = std::str::from_utf8(entry).ok()?.split_once('\t')?;
        let kind = match about.split(' ').next()? {
            // A submodule that is not fetched is an empty folder.
            "040000" | "160000" => FileKind::Folder,
            "120000" => FileKind::Link,
            _ => FileKind::File,
        };
        Some((path.to_owned(), kind))
    };
    entries.map(entry).collect::<Option<Vec<_>>>().map(|all| all.into_iter().collect())
}

/// Reads what is wanted. None where something is too large to be read here.
async fn texts(
    git: &Reader<'_>,
    commit: &str,
    wanted: &[Wanted],
) -> Result<Option<FileTexts>, GitError> {
    if wanted.is_empty() {
        return Ok(Some(FileTexts::default()));
    }
    let names = |files: &[&Wanted]| {
        files.iter().flat_map(|file| format!("{commit}:{}\n", file.path).into_bytes()).collect()
    };
    let all: Vec<&Wanted> = wanted.iter().collect();
    let sizes =
        git.run(&["cat-file", "--batch-check=%(objectsize)"], names(&all), MOST_READ).await?;
    let sizes = String::from_utf8_lossy(&sizes).into_owned();
    let sizes: Vec<u64> = sizes.lines().map_while(|line| line.parse().ok()).collect();
    if sizes.len() != wanted.len() {
        return Ok(None);
    }
    let mut found: Vec<(String, FileText)> = Vec::with_capacity(wanted.len());
    let mut read: Vec<&Wanted> = Vec::new();
    let mut bytes = 0;
    for (file, size) in wanted.iter().zip(sizes) {
        if !file.head && size > file.most_bytes as u64 {
            found.push((file.path.clone(), FileText::TooLarge));
            continue;
        }
        bytes += size;
        if size > MOST_FILE || bytes > MOST_READ / 2 {
            return Ok(None);
        }
        read.push(file);
    }
    let said = git.run(&["cat-file", "--batch=%(objectsize)"], names(&read), MOST_READ).await?;
    let mut rest = said.as_slice();
    for file in read {
        let Some((content, after)) = next_of(rest) else { return Ok(None) };
        rest = after;
        let content = content.get(..content.len().min(file.most_bytes)).unwrap_or_default();
        found.push((file.path.clone(), FileText::of(content, file.head)));
    }
    Ok(Some(found.into_iter().collect()))
}

/// The next file of what `git cat-file --batch=%(objectsize)` writes, and what follows.
fn next_of(said: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = said.iter().position(|byte| *byte == b'\n')?;
    let size: usize = std::str::from_utf8(said.get(..end)?).ok()?.parse().ok()?;
    let content = said.get(end + 1..end + 1 + size)?;
    Some((content, said.get(end + 1 + size + 1..)?))
}

/// Git, as far as it only reads what lies in a repository of ours.
struct Reader<'a> {
    settings: &'a GitSettings,
    repository: PathBuf,
}

impl Reader<'_> {
    /// A git that is not started yet. Ended where it is not waited for.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.settings.program);
        command
            .env_clear()
            .env("PATH", &self.settings.path)
            .env("LC_ALL", "C")
            .env("HOME", "/nonexistent")
            .env("GIT_DIR", &self.repository)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            // Nothing is asked of anybody, whatever the repository says of others.
            .env("GIT_ALLOW_PROTOCOL", "")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_ALLOC_LIMIT", MOST_ALLOCATED)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    /// How many files and folders a commit has; counted no further than to one too many.
    async fn count(&self, commit: &str) -> std::io::Result<usize> {
        let names = ["ls-tree", "-r", "-t", "-z", "--name-only", "--full-tree", "--end-of-options"];
        let mut command = self.command(&[&names[..], &[commit]].concat());
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let Some(mut stdout) = child.stdout.take() else { return Ok(0) };
        let mut piece = vec![0; 64 * 1024];
        let mut entries = 0;
        while entries <= MOST_ENTRIES {
            let read = stdout.read(&mut piece).await?;
            if read == 0 {
                break;
            }
            entries += piece.iter().take(read).filter(|byte| **byte == 0).count();
        }
        Ok(entries)
    }

    /// Runs it on this input. Ended where it says more than `most`.
    async fn run(&self, args: &[&str], input: Vec<u8>, most: u64) -> Result<Vec<u8>, GitError> {
        let mut command = self.command(args);
        let program = || self.settings.program.display().to_string();
        let mut child =
            command.spawn().map_err(|error| GitError::NoGit { program: program(), error })?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let stderr = child.stderr.take();
        let fed = async move {
            if let Some(mut stdin) = stdin {
                // Git may end before it has read all of it.
                drop(stdin.write_all(&input).await);
            }
        };
        let ((), said, why) = tokio::join!(fed, up_to(stdout, most), up_to(stderr, MOST_FILE));
        let (said, why) = (said?, why?);
        if said.len() as u64 > most {
            return Err(GitError::Failed { said: "it says more than is read".to_owned() });
        }
        if !child.wait().await?.success() {
            let why = String::from_utf8_lossy(&why);
            return Err(GitError::Failed { said: super::fault::said(&why) });
        }
        Ok(said)
    }
}

/// Reads no more than one byte beyond this.
async fn up_to(pipe: Option<impl AsyncRead + Unpin>, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(most + 1).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::build::read_texts;

    fn git(folder: &Path, args: &[&str]) {
        let who = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid"];
        let done = std::process::Command::new("git")
            .args(who)
            .args(args)
            .current_dir(folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .status()
            .unwrap();
        assert!(done.success(), "{args:?}");
    }

    /// A repository with these files, and its folder.
    fn repository(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "-q", "-b", "main"]);
        for (path, content) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        git(folder.path(), &["add", "-A"]);
        git(folder.path(), &["commit", "-q", "--allow-empty", "-m", "all"]);
        folder
    }

    async fn seen(folder: &Path, build: &BuildSettings) -> Option<Seen> {
        let settings = GitSettings::default();
        look(&settings, &folder.join(".git"), "HEAD", build).await.unwrap()
    }

    #[tokio::test]
    async fn a_tree_says_what_its_checkout_says() {
        let long = vec![b'x'; 1024 * 1024 + 1];
        let folder = repository(&[
            ("package.json", br#"{"name":"a","scripts":{"start":"node ."}}"#),
            ("yarn.lock", &[b"# yarn lockfile v1\n", &long[..]].concat()),
            ("requirements.txt", &[0xff, 0xfe]),
            ("Procfile", &long),
            ("apps/web/next.config.js", b"module.exports = {}"),
            ("a b/é.txt", b""),
        ]);
        let build = BuildSettings::default();
        let Seen { files, texts } = seen(folder.path(), &build).await.unwrap();
        let entries = crate::build::checkout_listing(folder.path()).unwrap();
        let there: FileListing = entries
            .into_iter()
            .filter(|(path, _)| path != ".git" && !path.starts_with(".git/"))
            .collect();
        assert_eq!(files, there);
        assert_eq!(texts, read_texts(folder.path(), &wanted(&there, &build)));
        assert_eq!(texts.get("Procfile"), Some(&FileText::TooLarge));
        assert_eq!(texts.get("requirements.txt"), Some(&FileText::Unreadable));
    }

    #[tokio::test]
    async fn where_only_a_checkout_tells_it_says_nothing() {
        let folder = repository(&[("README", b"x")]);
        symlink("README", folder.path().join("package.json")).unwrap();
        git(folder.path(), &["add", "-A"]);
        git(folder.path(), &["commit", "-q", "-m", "a link"]);
        assert_eq!(seen(folder.path(), &BuildSettings::default()).await, None);
        let settings = GitSettings::default();
        let repository = folder.path().join(".git");
        for commit in ["--help", "no-such-branch"] {
            let none = look(&settings, &repository, commit, &BuildSettings::default()).await;
            assert!(matches!(none, Err(GitError::Failed { .. })), "{none:?}");
        }
    }

    /// What git answers to this input.
    fn piped(folder: &Path, args: &[&str], input: &str) -> String {
        use std::io::Write as _;
        let mut git = std::process::Command::new("git");
        git.args(args).current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null");
        let mut child = git.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{args:?}");
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    #[tokio::test]
    async fn a_few_trees_with_no_end_of_files_are_refused() {
        let folder = repository(&[("a", b"x")]);
        let mut tree = piped(folder.path(), &["rev-parse", "HEAD^{tree}"], "");
        for _ in 0..6 {
            let same: String = (0..10).map(|n| format!("040000 tree {tree}\t{n}\n")).collect();
            tree = piped(folder.path(), &["mktree"], &same);
        }
        let settings = GitSettings::default();
        let git_dir = folder.path().join(".git");
        let refused = few_entries(&settings, &git_dir, &tree).await.unwrap_err();
        assert!(refused.to_string().contains("more than 500000 files"), "{refused}");
        for fine in ["HEAD", "no-such-branch"] {
            few_entries(&settings, &git_dir, fine).await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_cannot_be_built_is_known_before_it_is_checked_out() {
        let (build, images) = (BuildSettings::default(), BaseImages::default());
        let judge = Judge { build: &build, images: &images };
        let settings = GitSettings::default();
        let nothing = repository(&[("notes/README", b"x")]);
        let judged = judge.judge(&settings, &nothing.path().join(".git"), "HEAD").await;
        assert!(matches!(judged, Err(GitError::NotBuildable { .. })), "{judged:?}");
        let site = repository(&[("index.html", b"x")]);
        judge.judge(&settings, &site.path().join(".git"), "HEAD").await.unwrap();
    }
}
