//! `hythe backup`, `hythe restore`: from a server, to a server, or on files alone.

mod key;
mod make;
mod restore;
mod show;

use std::path::{Path, PathBuf};

use hythe_actors::backup::{Place, PlaceError, mirror};
use hythe_core::installation::BackupPlace;
use hythe_store::backup::{BackupError, BackupKey, inspect};
use serde_json::json;
use tempfile::TempDir;

use super::Context;
use super::args::{BackupArgs, BackupCommand, KeyArgs, RestoreArgs};
use super::failure::{Failure, Outcome};
use super::output::Output;

pub(super) use self::show::status;

/// What needs no server.
pub(super) async fn offline(args: Offline, output: &Output) -> Outcome {
    match args {
        Offline::Key { file } => key::make(&file, output),
        Offline::Verify { from, key } => verify(from, &key, output).await,
        Offline::Stopped { data, to, key } => make::stopped(&data, &to, &key, output),
        Offline::Restore(args) => restore::run(*args, output).await,
    }
}

/// What needs no server.
#[derive(Debug)]
pub enum Offline {
    /// Makes a key.
    Key {
        /// Its file.
        file: PathBuf,
    },
    /// Checks a backup.
    Verify {
        /// Which.
        from: From,
        /// What opens it.
        key: KeyArgs,
    },
    /// Backs up a server that is stopped.
    Stopped {
        /// Its data folder.
        data: PathBuf,
        /// The file.
        to: String,
        /// Who can open it.
        key: KeyArgs,
    },
    /// Restores.
    Restore(Box<RestoreArgs>),
}

/// Where a backup is read from.
#[derive(Debug)]
pub struct From {
    backup: Option<String>,
    mirror: Option<String>,
    name: Option<String>,
}

/// What asks a server.
#[derive(Debug)]
pub enum Online {
    /// Makes one.
    Make {
        /// Where it goes.
        to: String,
        /// Who can open it.
        key: KeyArgs,
    },
    /// Makes them by itself.
    Schedule(super::args::ScheduleArgs),
    /// Mirrors.
    Mirror {
        /// Where, or `off`.
        to: Option<String>,
        /// Who can open it.
        key: KeyArgs,
    },
    /// Shows how that is going.
    Show,
}

/// By who does it.
pub(super) fn sorted(args: BackupArgs) -> Result<Online, Offline> {
    match args.command {
        Some(BackupCommand::Key { file }) => Err(Offline::Key { file }),
        Some(BackupCommand::Verify { from, mirror, name, key }) => {
            Err(Offline::Verify { from: From { backup: from, mirror, name }, key })
        }
        Some(BackupCommand::Schedule(args)) => Ok(Online::Schedule(args)),
        Some(BackupCommand::Mirror { to, key }) => Ok(Online::Mirror { to, key }),
        Some(BackupCommand::Show) => Ok(Online::Show),
        None => match (args.data, args.to) {
            (Some(data), Some(to)) => Err(Offline::Stopped { data, to, key: args.key }),
            (None, Some(to)) => Ok(Online::Make { to, key: args.key }),
            // The command line does not let this through.
            (_, None) => Ok(Online::Show),
        },
    }
}

pub(super) async fn online(context: &Context, command: Online) -> Outcome {
    match command {
        Online::Make { to, key } => make::run(context, &to, &key).await,
        Online::Schedule(args) => show::schedule(context, args).await,
        Online::Mirror { to, key } => show::mirror(context, to, &key).await,
        Online::Show => show::backups(context).await,
    }
}

pub(super) fn refuse(error: &BackupError) -> Failure {
    Failure::of(error)
}

fn unreachable(error: &PlaceError) -> Failure {
    let failure = Failure::of(error);
    match error {
        PlaceError::NoFolder { .. } | PlaceError::Broken { .. } => failure,
        PlaceError::Refused { .. } => failure.hint(
            "for an object store, check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, the bucket and \
             ?endpoint=…&region=…",
        ),
    }
}

/// A URL of a place; none for a file.
fn place(text: &str) -> Outcome<Option<BackupPlace>> {
    if !text.contains("://") {
        return Ok(None);
    }
    BackupPlace::new(text).map(Some).map_err(|bad| Failure::usage(bad.to_string()))
}

/// A backup's files, fetched first where they lie elsewhere; the folder goes with the value.
struct Parts {
    files: Vec<PathBuf>,
    _fetched: Option<TempDir>,
}

impl From {
    pub(super) fn of(args: &RestoreArgs) -> Self {
        let (backup, mirror) = (args.from.clone(), args.mirror.clone());
        Self { backup, mirror, name: args.name.clone() }
    }

    async fn parts(&self, near: &Path, output: &Output) -> Outcome<Parts> {
        let temporary = || {
            tempfile::Builder::new().prefix(".hythe-fetched-").tempdir_in(near).map_err(|error| {
                Failure::failed(format!("failed to make a folder in {}: {error}", near.display()))
            })
        };
        if let Some(url) = &self.mirror {
            let Some(url) = place(url)? else {
                return Err(Failure::usage(
                    "--mirror is a place: file:///folder or s3://bucket/prefix",
                ));
            };
            let open = Place::open(&url).map_err(|error| unreachable(&error))?;
            let folder = temporary()?;
            let fetched = mirror::fetch(&open, folder.path()).await;
            let files = fetched.map_err(|error| unreachable(&error))?;
            output.note(format_args!("{} parts of the mirror in {url}", files.len()));
            return Ok(Parts { files, _fetched: Some(folder) });
        }
        let from = self.backup.as_deref().unwrap_or_default();
        let Some(url) = place(from)? else {
            if self.name.is_some() {
                return Err(Failure::usage("--name belongs to a place, not to a file"));
            }
            return Ok(Parts { files: vec![PathBuf::from(from)], _fetched: None });
        };
        let open = Place::open(&url).map_err(|error| unreachable(&error))?;
        let name = match &self.name {
            Some(name) => name.clone(),
            None => open.newest().await.map_err(|error| unreachable(&error))?,
        };
        let folder = temporary()?;
        let file = folder.path().join("backup.age");
        open.fetch(&name, &file).await.map_err(|error| unreachable(&error))?;
        output.note(format_args!("{name} in {url}"));
        Ok(Parts { files: vec![file], _fetched: Some(folder) })
    }
}

/// Reads a backup to its end and checks all of it.
async fn verify(from: From, key: &KeyArgs, output: &Output) -> Outcome {
    let key = key::to_open(key, Some(&super::data_dir(None)))?;
    let parts = from.parts(&std::env::temp_dir(), output).await?;
    let contents = blocking(move || inspect(&parts.files, &key)).await?;
    show::contents(&contents, output);
    Ok(())
}

/// Work that blocks on files, off the one thread of this program.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Outcome<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| refuse(&error)),
        Err(error) => Err(Failure::of(&error)),
    }
}

fn recipient(key: &KeyArgs) -> Outcome<Option<BackupKey>> {
    key::given(key)
}

/// What the server is told of the key: never its secret half.
fn told(key: Option<&BackupKey>) -> serde_json::Value {
    key.map_or(serde_json::Value::Null, |key| json!(key.recipient().as_str()))
}
