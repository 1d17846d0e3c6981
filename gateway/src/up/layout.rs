//! The data folder: what lies where, who may read it, and who may use it now.
//!
//! Everything in it is readable by its owner only. A folder that holds something else is refused
//! rather than taken over: its permissions would be changed and its files mixed with ours.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hythe_core::ids::InstallationId;
use uuid::Uuid;

use super::error::UpError;
use super::part::PartName;
use super::process::Identity;

/// Whether something may lie in a folder that is otherwise empty: what a mount point brings along,
/// and the log to which whoever starts us sends what we say.
fn harmless(name: &OsStr) -> bool {
    name == "lost+found" || Path::new(name).extension().is_some_and(|end| end == "log")
}

/// More than any of the small files here holds; a longer one is none of ours.
const MOST_SMALL_FILE: u64 = 4096;

/// A data folder that exists and belongs to one installation.
#[derive(Clone, Debug)]
pub struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// Makes the folder and what belongs into it, where it is missing.
    ///
    /// # Errors
    /// The folder cannot be made, or is in use for something else.
    pub fn prepare(root: &Path) -> Result<Self, UpError> {
        let root = std::path::absolute(root).map_err(|e| UpError::file("find", root, &e))?;
        make_folder(&root)?;
        let this = Self { root };
        if !this.instance_file().exists() {
            this.refuse_foreign()?;
            write_new(&this.instance_file(), &format!("{}\n", Uuid::now_v7()))?;
        }
        let owner_only = Permissions::from_mode(0o700);
        std::fs::set_permissions(&this.root, owner_only)
            .map_err(|e| UpError::file("close to others", &this.root, &e))?;
        for folder in [this.agent(), this.edge(), this.nats(), this.run(), this.logs()] {
            make_folder(&folder)?;
        }
        Ok(this)
    }

    fn refuse_foreign(&self) -> Result<(), UpError> {
        let read = |e: std::io::Error| UpError::file("read", &self.root, &e);
        for entry in std::fs::read_dir(&self.root).map_err(read)? {
            if !harmless(&entry.map_err(read)?.file_name()) {
                return Err(UpError::ForeignFolder { folder: self.root.clone() });
            }
        }
        Ok(())
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The owner's token.
    #[must_use]
    pub fn owner_token_file(&self) -> PathBuf {
        self.root.join("owner.token")
    }

    fn instance_file(&self) -> PathBuf {
        self.root.join("instance")
    }

    /// The agent's own.
    #[must_use]
    pub fn agent(&self) -> PathBuf {
        self.root.join("agent")
    }

    /// The edge's own.
    #[must_use]
    pub fn edge(&self) -> PathBuf {
        self.root.join("edge")
    }

    /// The NATS server's own.
    #[must_use]
    pub fn nats(&self) -> PathBuf {
        self.root.join("nats")
    }

    /// What runs now.
    #[must_use]
    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Where the server of this folder answers, while it runs.
    #[must_use]
    pub fn gateway_file(&self) -> PathBuf {
        self.run().join("gateway")
    }

    /// What the parts say.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Which process a part is.
    #[must_use]
    pub fn pid_file(&self, part: PartName) -> PathBuf {
        self.run().join(format!("{part}.pid"))
    }

    /// What a part says.
    #[must_use]
    pub fn log_file(&self, part: PartName) -> PathBuf {
        self.logs().join(format!("{part}.log"))
    }

    /// The id of this installation.
    ///
    /// # Errors
    /// The file cannot be read or holds something else.
    pub fn instance(&self) -> Result<InstallationId, UpError> {
        let file = self.instance_file();
        read_small(&file)?
            .trim()
            .parse()
            .map_err(|_| UpError::Damaged { file, expected: "an installation's id" })
    }

    /// Keeps every other `hythe up` out until the result is dropped (or this process ends,
    /// however that happens).
    ///
    /// # Errors
    /// Another one holds it.
    pub fn lock(&self) -> Result<Lock, UpError> {
        let path = self.run().join("up.lock");
        let failed = |e: &std::io::Error| UpError::file("lock", &path, e);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|e| failed(&e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                let mut holder = String::new();
                if file.take(MOST_SMALL_FILE).read_to_string(&mut holder).is_err() {
                    holder.clear();
                }
                return Err(UpError::AlreadyUp {
                    folder: self.root.clone(),
                    // Older ones wrote their pid only.
                    pid: holder.lines().next().and_then(|line| line.trim().parse().ok()),
                    holder: holder.parse().ok(),
                });
            }
            Err(std::fs::TryLockError::Error(e)) => return Err(failed(&e)),
        }
        file.set_len(0)
            .and_then(|()| match Identity::own() {
                Some(own) => write!(file, "{own}"),
                None => writeln!(file, "{}", std::process::id()),
            })
            .map_err(|e| failed(&e))?;
        Ok(Lock { _file: file })
    }
}

/// Held by the one `hythe up` of a data folder. The kernel lets go of it when the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// 256 random bits, as 64 hexadecimal digits.
///
/// # Errors
/// The kernel gives none.
pub(super) fn random_hex() -> Result<String, UpError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| UpError::Random(e.to_string()))?;
    Ok(hex::encode(bytes))
}

fn make_folder(path: &Path) -> Result<(), UpError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| UpError::file("make the folder", path, &e))
}

/// Reads a file that is known to be small.
pub(super) fn read_small(path: &Path) -> Result<String, UpError> {
    let read = |e: &std::io::Error| UpError::file("read", path, e);
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MOST_SMALL_FILE).read_to_string(&mut text))
        .map_err(|e| read(&e))?;
    Ok(text)
}

/// Writes a file that only its owner reads: wholly, or not at all. One that is there is kept; two
/// processes that make the same file at once both find the winner's.
fn write_new(path: &Path, content: &str) -> Result<(), UpError> {
    let (temporary, file) = write_beside(path, content)?;
    drop(file);
    let linked = std::fs::hard_link(&temporary, path);
    let removed = std::fs::remove_file(&temporary);
    match linked {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(UpError::file("write", path, &e)),
        _ => removed.map_err(|e| UpError::file("remove", &temporary, &e)),
    }
}

/// Writes a file that only its owner reads, in the place of the one that may be there.
pub(super) fn replace(path: &Path, content: &str) -> Result<(), UpError> {
    let (temporary, file) = write_beside(path, content)?;
    drop(file);
    std::fs::rename(&temporary, path).map_err(|e| UpError::file("write", path, &e))
}

fn write_beside(path: &Path, content: &str) -> Result<(PathBuf, File), UpError> {
    let temporary = path.with_extension(format!("new-{}", Uuid::now_v7().simple()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(content.as_bytes())?;
            file.sync_all()?;
            Ok(file)
        })
        .map_err(|e| UpError::file("write", &temporary, &e))?;
    Ok((temporary, written))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_once_and_closed_to_others() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("a/b");
        let first = DataDir::prepare(&root).unwrap();
        let id = first.instance().unwrap();
        let again = DataDir::prepare(&root).unwrap();
        assert_eq!(again.instance().unwrap(), id);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&root), 0o700);
        assert_eq!(mode(&first.agent()), 0o700);
        assert_eq!(mode(&first.instance_file()), 0o600);
        assert_eq!(
            std::fs::read_dir(&root).unwrap().count(),
            6,
            "no temporary file is left beside them"
        );
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused_and_left_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("thesis.tex"), "x").unwrap();
        std::fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
        let refused = DataDir::prepare(home.path()).unwrap_err();
        assert!(refused.to_string().contains("something else"), "{refused}");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
        let mode = std::fs::metadata(home.path()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o755);
    }

    #[test]
    fn a_log_that_is_there_before_us_is_no_stranger() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("up.log"), "").unwrap();
        DataDir::prepare(home.path()).unwrap();
    }

    #[test]
    fn only_one_holds_the_lock() {
        let home = tempfile::tempdir().unwrap();
        let dir = DataDir::prepare(home.path()).unwrap();
        let held = dir.lock().unwrap();
        let refused = dir.lock().unwrap_err().to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        drop(held);
        dir.lock().unwrap();
    }
}
