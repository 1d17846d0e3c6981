//! `hythe journal`: works on the data folder itself, without a server. It is looked at only,
//! except by an import, which makes a new one. Where a server has it open, that one is asked to
//! verify or to export it.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hythe_core::record::Sequence;
use hythe_store::{Journal, StoreError, export, verify as look};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::args::{DataArgs, Global, JournalCommand};
use super::client::{Client, Patience};
use super::failure::{Exit, Failure, Outcome};
use super::output::Output;
use super::{data_dir, target};
use crate::api::dto::{Verification, VerificationReport, VerificationState};
use crate::up::DataDir;

/// Between two looks at how far a server is.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Stands for stdin or stdout.
const STANDARD: &str = "-";
/// Where a server exports its journal.
const EXPORT: [&str; 2] = ["journal", "export"];
/// Bytes of the first line of an export that are looked at.
const MOST_FIRST_LINE: usize = 1024;

pub(super) async fn run(command: JournalCommand, global: &Global, output: &Output) -> Outcome {
    match command {
        JournalCommand::Verify { data } => verify(&dir(data), global, output).await,
        JournalCommand::Export { data, file } => write(&dir(data), &file, global, output).await,
        JournalCommand::Import { data, file } => read(&dir(data), &file, output),
        JournalCommand::Replay { data, until } => {
            let dir = dir(data);
            let journal =
                Journal::open_read_only(&dir).map_err(|error| unreplayed(&dir, &error))?;
            super::replay::run(&journal, until, output, refuse)
        }
    }
}

fn dir(data: DataArgs) -> PathBuf {
    data_dir(data.data)
}

fn refuse(error: &StoreError) -> Failure {
    let failure = Failure::of(error);
    match error {
        StoreError::InUse { .. } => failure
            .hint("a server has it open: stop it first (`make down`, or Ctrl-C in `hythe up`)"),
        StoreError::Missing { .. } => failure.hint("--data DIR says where the data folder is"),
        StoreError::Newer { .. }
        | StoreError::Damaged { .. }
        | StoreError::MasterKey { .. }
        | StoreError::Secret { .. }
        | StoreError::Io { .. }
        | StoreError::NoRoom { .. }
        | StoreError::Database { .. }
        | StoreError::Codec(_)
        | StoreError::Invalid(_)
        | StoreError::TimedOut { .. }
        | StoreError::Reopening { .. }
        | StoreError::Closed => failure,
    }
}

/// A checkpoint that a server goes on saving is compared with nothing; its events can be replayed.
fn unreplayed(dir: &Path, error: &StoreError) -> Failure {
    let failure = refuse(error);
    if !matches!(error, StoreError::InUse { .. }) {
        return failure;
    }
    let dir = dir.display();
    failure.hint(format!(
        "a server has it open: stop it first (`make down`, or Ctrl-C in `hythe up`), or replay a copy, \
         which has no checkpoint to compare with: `hythe journal export --data {dir} copy.jsonl`, \
         `hythe journal import --data copy copy.jsonl`, `hythe journal replay --data copy`"
    ))
}

/// Where the server that seems to have it open could not be asked.
fn unasked(error: &StoreError, failure: &Failure) -> Failure {
    Failure::of(error).hint(format!(
        "a server has it open, and asking it failed ({}); say with HYTHE_URL and HYTHE_TOKEN how it is \
         reached, or stop it first (`make down`, or Ctrl-C in `hythe up`)",
        failure.message
    ))
}

/// The server that uses a data folder.
fn server_of(dir: &Path, global: &Global) -> Outcome<Client> {
    let mut target = target(global, dir.to_owned());
    // The server of this folder is meant, not the one that is asked otherwise.
    if let Ok(address) = std::fs::read_to_string(dir.join("run/gateway")) {
        address.trim().clone_into(&mut target.url);
    }
    Client::new(&target)
}

/// Looks at every record, and at all that is derived from them.
async fn verify(dir: &Path, global: &Global, output: &Output) -> Outcome {
    let report = match look(dir) {
        Ok(report) => report.into(),
        Err(error @ StoreError::InUse { .. }) => match by_server(dir, global).await {
            // Whoever has it open, it is no server that can be asked.
            Err(failure) if failure.exit == Exit::Unreachable => {
                return Err(unasked(&error, &failure));
            }
            other => other?,
        },
        Err(error) => return Err(unverified(&error, output)),
    };
    told(&report, output)
}

/// Has the server that uses a data folder look at it, and waits.
async fn by_server(dir: &Path, global: &Global) -> Outcome<VerificationReport> {
    let client = server_of(dir, global)?;
    let path = ["journal", "verification"];
    let bar = ProgressBar::new(0);
    bar.set_style(
        ProgressStyle::with_template("{bar:30} {pos} of {len} events")
            .map_err(|e| Failure::of(&e))?,
    );
    let nothing = json!({});
    let begun = client.write(Method::POST, &path, &nothing, Patience::OnceReached);
    let mut look: Verification = begun.await?;
    while look.state == VerificationState::Running {
        bar.set_length(look.head);
        bar.set_position(look.checked);
        tokio::time::sleep(LOOK_AGAIN).await;
        look = client.get_patiently(&path).await?;
    }
    bar.finish_and_clear();
    look.report.ok_or_else(|| {
        let why = look.error.unwrap_or_else(|| "it says nothing".into());
        Failure::failed(format!("the server could not look at its journal: {why}"))
    })
}

fn told(report: &VerificationReport, output: &Output) -> Outcome {
    if output.json() {
        output.document(report);
    } else {
        for problem in &report.problems {
            output.line(format_args!("{}: {}", problem.place, problem.what));
        }
        if report.ok {
            output.line(format_args!(
                "{} events of {} streams, {} claims, {} secrets: all as they were written",
                report.events, report.streams, report.claims, report.secrets
            ));
            output.line(format_args!("hash of the last event: {}", report.hash));
        }
    }
    if report.ok {
        return Ok(());
    }
    let count = report.problems.len() as u64 + report.more_problems;
    let failure = Failure::failed(format!("the journal is damaged in {count} places"))
        .hint("keep a copy of the data folder as it is, then restore a backup");
    Err(if output.json() { Failure::silent(failure.exit) } else { failure })
}

/// It could not even be looked at. Damage is an answer all the same.
fn unverified(error: &StoreError, output: &Output) -> Failure {
    let failure = refuse(error);
    if !output.json() {
        return failure;
    }
    if let StoreError::Damaged { place, what } = error {
        let problems = [json!({"place": place, "what": what})];
        output.document(&json!({"ok": false, "problems": problems, "more_problems": 0}));
        return Failure::silent(failure.exit);
    }
    failure
}

/// Where the lines of an export come from.
enum Source {
    Folder(Journal),
    Server(reqwest::Response),
}

/// Why there is no export.
enum Broke {
    Reading(Failure),
    Writing(io::Error),
}

impl Source {
    async fn of(dir: &Path, global: &Global) -> Outcome<Self> {
        match Journal::open_read_only(dir) {
            Ok(journal) => Ok(Self::Folder(journal)),
            Err(error @ StoreError::InUse { .. }) => {
                let asked = async { server_of(dir, global)?.read_long(&EXPORT).await };
                match asked.await {
                    Err(failure) if failure.exit == Exit::Unreachable => {
                        Err(unasked(&error, &failure))
                    }
                    other => other.map(Self::Server),
                }
            }
            Err(error) => Err(refuse(&error)),
        }
    }

    async fn pour(self, out: &mut impl Write) -> Result<export::Moved, Broke> {
        match self {
            Self::Folder(journal) => {
                export::export(&journal, out).map_err(|error| {
                    // What is read comes with other words than what is written.
                    if let StoreError::Io { doing, source } = error {
                        if source.kind() == io::ErrorKind::BrokenPipe {
                            return Broke::Writing(source);
                        }
                        return Broke::Reading(refuse(&StoreError::Io { doing, source }));
                    }
                    Broke::Reading(refuse(&error))
                })
            }
            Self::Server(mut answer) => {
                let mut counted = Counted::default();
                loop {
                    let chunk = answer.chunk().await;
                    let chunk = chunk.map_err(|error| Broke::Reading(broke_off(&error)))?;
                    let Some(chunk) = chunk else { break };
                    counted.take(&chunk);
                    out.write_all(&chunk).map_err(Broke::Writing)?;
                }
                out.flush().map_err(Broke::Writing)?;
                counted.whole().map_err(Broke::Reading)
            }
        }
    }
}

/// What an export on its way says of itself, and how much of it came.
#[derive(Default)]
struct Counted {
    first: Vec<u8>,
    lines: u64,
}

impl Counted {
    fn take(&mut self, chunk: &[u8]) {
        if self.lines == 0 {
            let left = MOST_FIRST_LINE.saturating_sub(self.first.len());
            let line = chunk.split(|byte| *byte == b'\n').next().unwrap_or_default();
            self.first.extend(line.iter().take(left));
        }
        self.lines += chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
    }

    fn whole(&self) -> Outcome<export::Moved> {
        let first: First = serde_json::from_slice(&self.first).map_err(|e| Failure::of(&e))?;
        if self.lines != first.head.0 + 1 {
            return Err(Failure::failed("the server's export is not whole").hint("try it again"));
        }
        Ok(export::Moved { head: first.head, hash: first.hash })
    }
}

/// What the first line of an export says.
#[derive(Deserialize)]
struct First {
    head: Sequence,
    hash: String,
}

fn broke_off(error: &reqwest::Error) -> Failure {
    Failure::unreachable(format!("the server's export broke off: {error}"))
        .hint("try it again; the server's log says more")
}

/// Writes it as lines of JSON: from the folder, or where a server has it open, from that.
async fn write(dir: &Path, file: &Path, global: &Global, output: &Output) -> Outcome {
    let source = Source::of(dir, global).await?;
    if file == Path::new(STANDARD) {
        return match source.pour(&mut BufWriter::new(io::stdout().lock())).await {
            // Whoever reads has seen enough.
            Err(Broke::Writing(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(Broke::Writing(error)) => {
                Err(Failure::failed(format!("failed to write the export: {error}")))
            }
            Err(Broke::Reading(failure)) => Err(failure),
            Ok(_moved) => Ok(()),
        };
    }
    // Beside it first: an export that breaks off must not look like one.
    let mut beside = file.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let cannot = |e: io::Error| Failure::failed(format!("failed to write {}: {e}", file.display()));
    let mut target = BufWriter::new(File::create(&beside).map_err(cannot)?);
    let moved = source.pour(&mut target).await.map_err(|broke| match broke {
        Broke::Reading(failure) => failure,
        Broke::Writing(error) => cannot(error),
    });
    let finished = moved.and_then(|moved| {
        target.flush().and_then(|()| target.get_ref().sync_all()).map_err(cannot)?;
        #[expect(clippy::disallowed_methods, reason = "a command of the CLI, not a role")]
        std::fs::rename(&beside, file).map_err(cannot)?;
        Ok(moved)
    });
    let moved = finished.inspect_err(|_| {
        // What is left of it is of no use, and saying so would hide the reason.
        std::fs::remove_file(&beside).ok();
    })?;
    moved_line(output, &moved, "written");
    Ok(())
}

/// Makes a journal from an export.
fn read(dir: &Path, file: &Path, output: &Output) -> Outcome {
    DataDir::prepare(dir).map_err(|error| Failure::of(&error))?;
    let moved = if file == Path::new(STANDARD) {
        export::import(dir, io::stdin().lock())
    } else {
        let open = File::open(file)
            .map_err(|e| Failure::usage(format!("failed to read {}: {e}", file.display())))?;
        export::import(dir, BufReader::new(open))
    };
    moved_line(output, &moved.map_err(|error| refuse(&error))?, "imported");
    Ok(())
}

fn moved_line(output: &Output, moved: &export::Moved, what: &str) {
    if output.json() {
        output.document(&json!({"events": moved.head, "hash": moved.hash}));
    } else {
        output.line(format_args!(
            "{} events {what}; hash of the last one: {}",
            moved.head, moved.hash
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_that_comes_in_pieces_is_counted_and_one_that_is_not_whole_is_told() {
        let all = b"{\"hythe_journal\":1,\"head\":2,\"hash\":\"ab\"}\n{}\n{}\n";
        for size in 1..all.len() {
            let mut counted = Counted::default();
            all.chunks(size).for_each(|chunk| counted.take(chunk));
            let moved = counted.whole().unwrap();
            assert_eq!((moved.head, moved.hash.as_str()), (Sequence(2), "ab"), "{size}");
        }
        let mut counted = Counted::default();
        counted.take(&all[..all.len() - 3]);
        assert!(counted.whole().unwrap_err().message.contains("not whole"));
        assert!(Counted::default().whole().is_err());
    }
}
