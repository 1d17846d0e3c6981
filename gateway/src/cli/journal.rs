//! `hythe journal`: works on the data folder itself, without a server. It is looked at only,
//! except by an import, which makes a new one. Where a server has it open, that one is asked to
//! verify it.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hythe_store::{Journal, StoreError, export, verify as look};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
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

pub(super) async fn run(command: JournalCommand, global: &Global, output: &Output) -> Outcome {
    match command {
        JournalCommand::Verify { data } => verify(&dir(data), global, output).await,
        JournalCommand::Export { data, file } => write(&dir(data), &file, output),
        JournalCommand::Import { data, file } => read(&dir(data), &file, output),
        JournalCommand::Replay { data, until } => {
            super::replay::run(&open(&dir(data))?, until, output, refuse)
        }
    }
}

fn dir(data: DataArgs) -> PathBuf {
    data_dir(data.data)
}

fn open(dir: &Path) -> Outcome<Journal> {
    Journal::open_read_only(dir).map_err(|error| refuse(&error))
}

fn refuse(error: &StoreError) -> Failure {
    let failure = Failure::of(error);
    match error {
        StoreError::InUse { .. } => failure.hint(
            "a server has it open: stop it first (`make down`, or Ctrl-C in `hythe up`), or ask it \
             with `hythe events --after 0`",
        ),
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

/// Looks at every record, and at all that is derived from them.
async fn verify(dir: &Path, global: &Global, output: &Output) -> Outcome {
    let report = match look(dir) {
        Ok(report) => report.into(),
        Err(error @ StoreError::InUse { .. }) => match by_server(dir, global).await {
            // Whoever has it open, it is no server that can be asked.
            Err(failure) if failure.exit == Exit::Unreachable => return Err(refuse(&error)),
            other => other?,
        },
        Err(error) => return Err(unverified(&error, output)),
    };
    told(&report, output)
}

/// Has the server that uses a data folder look at it, and waits.
async fn by_server(dir: &Path, global: &Global) -> Outcome<VerificationReport> {
    let mut target = target(global, dir.to_owned());
    // The server of this folder is meant, not the one that is asked otherwise.
    if let Ok(address) = std::fs::read_to_string(dir.join("run/gateway")) {
        address.trim().clone_into(&mut target.url);
    }
    let client = Client::new(&target)?;
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

/// Writes it as lines of JSON.
fn write(dir: &Path, file: &Path, output: &Output) -> Outcome {
    let journal = open(dir)?;
    if file == Path::new(STANDARD) {
        return match export::export(&journal, BufWriter::new(io::stdout().lock())) {
            // Whoever reads has seen enough.
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
                Ok(())
            }
            result => result.map(drop).map_err(|error| refuse(&error)),
        };
    }
    // Beside it first: an export that breaks off must not look like one.
    let mut beside = file.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let cannot = |e: io::Error| Failure::failed(format!("failed to write {}: {e}", file.display()));
    let mut target = BufWriter::new(File::create(&beside).map_err(cannot)?);
    let moved = export::export(&journal, &mut target).map_err(|error| refuse(&error));
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
