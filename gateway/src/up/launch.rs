//! How a part comes to run: as a process of its own, or (for NATS only) as a container.
//!
//! A process is started through `hythe exec-part`, which writes its own identity to the pid file
//! and then becomes the part. So there is no moment at which a part runs that the next `hythe up`
//! would not find, wherever this one is killed.

use std::ffi::OsString;
use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::UpError;
use super::layout::{DataDir, read_small, replace};
use super::logs;
use super::nats::container::Container;
use super::part::PartName;
use super::process::{Identity, Process};

/// The hidden subcommand that becomes a part.
pub const EXEC_PART: &str = "exec-part";
/// What a part must not inherit: what the user of the CLI gave for requests of his own.
const NOT_INHERITED: [&str; 5] =
    ["HYTHE_TOKEN", "HYTHE_TOKEN_FILE", "HYTHE_URL", "HYTHE_BACKUP_KEY", "HYTHE_BACKUP_KEY_FILE"];

/// The program file of this very process, also after another was put in its place.
#[derive(Clone, Debug)]
pub struct OwnBinary {
    path: PathBuf,
    file: (u64, u64),
}

impl OwnBinary {
    /// Finds it.
    ///
    /// # Errors
    /// The system does not say.
    pub fn find() -> Result<Self, UpError> {
        let this = Path::new("/proc/self/exe");
        let failed = |e: &std::io::Error| UpError::file("find", this, e);
        let path = std::env::current_exe().map_err(|e| failed(&e))?;
        let meta = std::fs::metadata(this).map_err(|e| failed(&e))?;
        Ok(Self { path, file: (meta.dev(), meta.ino()) })
    }

    /// Another one, as this one's.
    ///
    /// # Errors
    /// It is not there.
    pub fn at(path: PathBuf) -> Result<Self, UpError> {
        let meta = std::fs::metadata(&path).map_err(|e| UpError::file("find", &path, &e))?;
        Ok(Self { file: (meta.dev(), meta.ino()), path })
    }

    /// A path that leads to it: after an upgrade on disk the running program is still reachable
    /// through `/proc`, and a part of another version must not slip in.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match std::fs::metadata(&self.path) {
            Ok(meta) if (meta.dev(), meta.ino()) == self.file => self.path.clone(),
            _ => PathBuf::from("/proc/self/exe"),
        }
    }
}

/// What is started as a process.
#[derive(Clone, Debug)]
pub struct Program {
    /// This binary, which starts it.
    pub own: OwnBinary,
    /// Another program; none for this binary itself.
    pub other: Option<PathBuf>,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Stands for everything that the part depends on; see [`Fingerprint`].
    pub fingerprint: String,
    /// The socket at which one that runs gives its place to the next one, for a part that takes it. Where
    /// there is none, one that is not wanted any more is stopped first.
    pub takes_over: Option<PathBuf>,
}

/// How a part comes to run.
#[derive(Clone, Debug)]
pub enum Launch {
    /// As a process.
    Program(Program),
    /// As a container.
    Container(Box<super::nats::container::ContainerPlan>),
}

/// A part that runs.
#[derive(Debug)]
pub(super) enum Running {
    /// As a process.
    Process(Process),
    /// As a container.
    Container(Container),
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(process) => write!(f, "pid {}", process.pid()),
            Self::Container(container) => container.fmt(f),
        }
    }
}

impl Running {
    /// Waits for its end, and says how it came.
    pub(super) async fn ended(&mut self) -> Result<String, UpError> {
        match self {
            Self::Process(process) => match process.ended().await {
                Ok(ended) => Ok(ended.to_string()),
                Err(error) => Err(UpError::process("wait for a process", &error)),
            },
            Self::Container(container) => Ok(container.ended().await),
        }
    }

    pub(super) async fn terminate(&self) -> Result<(), UpError> {
        match self {
            Self::Process(process) => {
                process.terminate().map_err(|e| UpError::process("stop a process", &e))
            }
            Self::Container(container) => Ok(container.stop().await?),
        }
    }

    pub(super) async fn kill(&self) -> Result<(), UpError> {
        match self {
            Self::Process(process) => {
                process.kill().map_err(|e| UpError::process("kill a process", &e))
            }
            Self::Container(container) => Ok(container.kill().await?),
        }
    }
}

impl Launch {
    pub(super) async fn start(&self, dir: &DataDir, part: PartName) -> Result<Running, UpError> {
        match self {
            Self::Program(program) => program.start(dir, part).map(Running::Process),
            Self::Container(plan) => Ok(Running::Container(plan.start().await?)),
        }
    }

    /// What an earlier `hythe up` left running, and whether it is what would be started now.
    pub(super) async fn left_over(
        &self,
        dir: &DataDir,
        part: PartName,
    ) -> Result<Option<(Running, bool)>, UpError> {
        match self {
            Self::Program(program) => {
                let found = left_process(dir, part)?;
                Ok(found.map(|(process, fingerprint)| {
                    (Running::Process(process), fingerprint == program.fingerprint)
                }))
            }
            Self::Container(plan) => Ok(plan
                .find()
                .await?
                .map(|(container, same)| (Running::Container(container), same))),
        }
    }

    /// Whether one runs that gives its place to the one that is started now, whoever started it: somebody
    /// answers at its door. What lies there may be of one that has ended.
    pub(super) fn gives_way(&self) -> bool {
        match self {
            Self::Program(program) => {
                program.takes_over.as_deref().is_some_and(crate::edge::answers_at)
            }
            Self::Container(_) => false,
        }
    }

    /// Removes what would lead to it. Called when it has ended.
    pub(super) fn forget(&self, dir: &DataDir, part: PartName) {
        match self {
            Self::Program(_) => {
                // A stale file is harmless: it names a process that is no more.
                std::fs::remove_file(dir.pid_file(part)).ok();
            }
            Self::Container(_) => {}
        }
    }
}

impl Program {
    fn start(&self, dir: &DataDir, part: PartName) -> Result<Process, UpError> {
        let log_path = dir.log_file(part);
        let open = || logs::open(&log_path).map_err(|e| UpError::file("open", &log_path, &e));
        let binary = self.own.path();
        let mut command = Command::new(&binary);
        command
            .arg(EXEC_PART)
            .arg("--pid-file")
            .arg(dir.pid_file(part))
            .arg("--fingerprint")
            .arg(&self.fingerprint)
            .arg("--")
            .arg(self.other.as_ref().unwrap_or(&binary))
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(open()?)
            .stderr(open()?)
            .process_group(0);
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        command
            .spawn()
            .and_then(Process::child)
            .map_err(|e| UpError::process(format!("start {part}"), &e))
    }
}

/// The process of a part's pid file, if that very process still lives, with its fingerprint.
fn left_process(dir: &DataDir, part: PartName) -> Result<Option<(Process, String)>, UpError> {
    let file = dir.pid_file(part);
    if !file.exists() {
        return Ok(None);
    }
    let text = read_small(&file)?;
    // A file that cannot be read leads to nobody. It is replaced at the next start.
    let Ok(identity) = text.parse::<Identity>() else { return Ok(None) };
    let fingerprint =
        text.lines().find_map(|line| line.strip_prefix("fingerprint ")).unwrap_or_default();
    let found = Process::found(&identity)
        .map_err(|e| UpError::process(format!("watch pid {} ({part})", identity.pid), &e))?;
    Ok(found.map(|process| (process, fingerprint.to_owned())))
}

/// What a part depends on, as one short text: the same text means that there is nothing to gain
/// from starting it anew.
#[derive(Debug, Default)]
pub struct Fingerprint(blake3::Hasher);

impl Fingerprint {
    /// A program file: which one, and when it was changed.
    ///
    /// # Errors
    /// It is not there.
    pub fn file(mut self, path: &Path) -> Result<Self, UpError> {
        let meta: Metadata =
            std::fs::metadata(path).map_err(|e| UpError::file("find", path, &e))?;
        for number in [meta.dev(), meta.ino(), meta.size()] {
            self.0.update(&number.to_le_bytes());
        }
        self.0.update(&meta.mtime().to_le_bytes());
        self.0.update(&meta.mtime_nsec().to_le_bytes());
        Ok(self)
    }

    /// A setting.
    #[must_use]
    pub fn text(mut self, text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        self.0.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.0.update(text);
        self
    }

    /// The text.
    #[must_use]
    pub fn finish(self) -> String {
        self.0.finalize().to_hex()[..32].to_owned()
    }
}

/// `hythe exec-part`: writes who this process is, then becomes the part. Returns only on failure.
pub fn exec_part(pid_file: &Path, fingerprint: &str, command: &[OsString]) -> UpError {
    let Some((program, args)) = command.split_first() else {
        return UpError::process("start a part", &"no program was given");
    };
    let Some(own) = Identity::own() else {
        return UpError::process("find out which process this is", &"is /proc mounted?");
    };
    if let Err(error) = replace(pid_file, &format!("{own}fingerprint {fingerprint}\n")) {
        return error;
    }
    let error = Command::new(program).args(args).exec();
    UpError::process(format!("start {}", program.to_string_lossy()), &error)
}
