//! Making a backup: into a file here, into a place of the server's, or of a server that is stopped.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hythe_core::view::View;
use hythe_store::backup::{About, BackupKey, Head, Part, backup, key};
use hythe_store::{Journal, JournalOptions};
use serde_json::json;

use super::super::Context;
use super::super::args::KeyArgs;
use super::super::failure::{Failure, Outcome};
use super::super::format;
use super::super::output::Output;
use super::{place, recipient, refuse, show, told};
use crate::api::dto::{BackupMade, BackupRun, BackupStatus};
use crate::up::DataDir;

/// How often a backup that takes long is asked after, and for how long.
const ASK_EVERY: Duration = Duration::from_secs(1);
const ASK_FOR: u32 = 24 * 60 * 60;

/// `hythe backup FILE|URL`, of a server that runs.
pub(super) async fn run(context: &Context, to: &str, key: &KeyArgs) -> Outcome {
    let key = recipient(key)?;
    match place(to)? {
        Some(_) => by_the_server(context, to, key.as_ref()).await,
        None => into_a_file(context, Path::new(to), key.as_ref()).await,
    }
}

async fn by_the_server(context: &Context, to: &str, key: Option<&BackupKey>) -> Outcome {
    let body = json!({"to": to, "recipient": told(key)});
    let run: BackupRun = context.client.post(&["backups"], &body).await?;
    let made = match run.made {
        Some(made) => made,
        None => wait(context, &run).await?,
    };
    show::made(&made, &context.output);
    if key.is_none() {
        own_key(context).await?;
    }
    Ok(())
}

async fn wait(context: &Context, run: &BackupRun) -> Outcome<BackupMade> {
    context.output.note("it takes longer; waiting for it");
    for _ in 0..ASK_FOR {
        tokio::time::sleep(ASK_EVERY).await;
        let now: BackupStatus = context.client.get_patiently(&["backups"]).await?;
        if let Some(made) = now.made.filter(|made| made.id == run.id) {
            return Ok(made);
        }
        if let Some(failed) = now.failed.filter(|failed| failed.id == run.id) {
            return Err(Failure::failed(failed.why));
        }
        if !now.running {
            return Err(Failure::failed("the server stopped making the backup: was it restarted?")
                .hint("`hythe backup show` says what became of it"));
        }
    }
    Err(Failure::failed("the server has been making the backup for a day; `hythe backup show`"))
}

/// Whoever used the server's own key has to hear where it lies.
async fn own_key(context: &Context) -> Outcome {
    let now: BackupStatus = context.client.get(&["backups"], &[]).await?;
    if let Some(file) = now.key_file {
        show::own_key(&file, &context.output);
    }
    Ok(())
}

async fn into_a_file(context: &Context, file: &Path, key: Option<&BackupKey>) -> Outcome {
    let body = json!({"recipient": told(key)});
    let mut out = Target::open(file)?;
    let download = context.client.download(&["backups", "download"], &body).await?;
    let header = |name: &str| {
        let value = download.headers().get(name)?;
        Some(value.to_str().ok()?.to_owned())
    };
    let (head, hash) = (header("hythe-backup-head"), header("hythe-backup-hash"));
    let own = header("hythe-backup-key-file");
    let mut download = download;
    loop {
        match download.chunk().await {
            Ok(Some(chunk)) => out.write(&chunk)?,
            Ok(None) => break,
            Err(error) => {
                return Err(Failure::failed(format!(
                    "the backup broke off and was not kept: {error}"
                ))
                .hint("the server's log says more; try again"));
            }
        }
    }
    let bytes = out.keep()?;
    let (head, hash) = (head.unwrap_or_default(), hash.unwrap_or_default());
    say(file, &head, &hash, bytes, &context.output);
    if let Some(own) = own {
        show::own_key(&own, &context.output);
    }
    Ok(())
}

fn say(file: &Path, head: &str, hash: &str, bytes: u64, output: &Output) {
    if output.json() {
        let head: u64 = head.parse().unwrap_or(0);
        output.document(&json!({"file": file, "head": head, "hash": hash, "bytes": bytes}));
    } else {
        output.line(format_args!(
            "{}: everything up to event {head}, {}",
            file.display(),
            format::bytes(bytes)
        ));
    }
}

/// A file that is written beside its name first: one that broke off must not look like a backup.
struct Target {
    file: PathBuf,
    beside: PathBuf,
    out: BufWriter<File>,
    bytes: u64,
    kept: bool,
}

impl Target {
    fn open(file: &Path) -> Outcome<Self> {
        let mut beside = file.as_os_str().to_owned();
        beside.push(".part");
        let beside = PathBuf::from(beside);
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let out = options.open(&beside).map_err(|error| cannot(file, &error))?;
        let (file, out) = (file.to_owned(), BufWriter::new(out));
        Ok(Self { file, beside, out, bytes: 0, kept: false })
    }

    fn write(&mut self, bytes: &[u8]) -> Outcome {
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes).map_err(|error| cannot(&self.file, &error))
    }

    fn keep(mut self) -> Outcome<u64> {
        let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty());
        #[expect(clippy::disallowed_methods, reason = "a file of whoever runs the command")]
        let place = |beside: &Path, file: &Path| std::fs::rename(beside, file);
        let kept = self
            .out
            .flush()
            .and_then(|()| self.out.get_ref().sync_all())
            .and_then(|()| place(&self.beside, &self.file))
            .and_then(|()| File::open(folder.unwrap_or(Path::new(".")))?.sync_all());
        kept.map_err(|error| cannot(&self.file, &error))?;
        self.kept = true;
        Ok(self.bytes)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.kept {
            // What is left of it is of no use, and saying so would hide the reason.
            std::fs::remove_file(&self.beside).ok();
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

fn cannot(file: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("failed to write {}: {error}", file.display()))
}

/// `hythe backup FILE --data DIR`: of a server that is stopped.
pub(super) fn stopped(data: &Path, to: &str, args: &KeyArgs, output: &Output) -> Outcome {
    if place(to)?.is_some() {
        return Err(Failure::usage("with --data the backup goes into a file")
            .hint("start the server to have it sent to a place"));
    }
    if !data.join("journal").exists() {
        return Err(Failure::usage(format!("there is no server in {}", data.display())));
    }
    let own = data.join(key::FILE);
    let key = match recipient(args)? {
        Some(key) => key,
        None => BackupKey::load_or_create(&own).map_err(|error| refuse(&error))?.0,
    };
    let installation =
        DataDir::prepare(data).and_then(|dir| dir.instance()).map_err(|e| Failure::of(&e))?;
    let file = Path::new(to);
    let target = Target::open(file)?;
    let journal = Journal::open(data, JournalOptions::default()).map_err(|error| {
        Failure::of(&error).hint("with --data, the server must not run; without it, it is asked")
    })?;
    let version = env!("CARGO_PKG_VERSION");
    let about = About::read(data, installation, version, format::now());
    let about = about.map_err(|error| refuse(&error))?;
    let written = backup(&journal, &about, key.recipient(), View::default(), |_: &Head| target);
    let (part, target): (Part, Target) = written.map_err(|error| refuse(&error))?;
    journal.close();
    let bytes = target.keep()?;
    say(file, &part.head.sequence.to_string(), &part.head.hash, bytes, output);
    if args.key_file.is_none() && own.exists() {
        show::own_key(&own.to_string_lossy(), output);
    }
    Ok(())
}
