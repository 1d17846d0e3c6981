//! `hythe run` and `hythe runs`: commands that are run once, in a container of their own.

mod session;
mod terminal;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;

use super::Context;
use super::args::{RunArgs, RunsCommand};
use super::failure::{Exit, Failure, Outcome};
use super::format;
use crate::api::dto::{CreateRun, Run, RunList, RunTerminal, SecretText};
use session::Ends;
use terminal::Raw;
use uuid::Uuid;

/// Of what nobody can say how large it is.
const USUAL_SIZE: RunTerminal = RunTerminal { columns: 80, rows: 24 };
/// The exit code of what could not be started.
const NOT_STARTED: u8 = 125;

pub(super) async fn run(context: &Context, args: RunArgs) -> Outcome {
    let mut env = BTreeMap::new();
    for variable in &args.variables {
        let (name, value) = variable.checked()?;
        env.insert(name.to_string(), SecretText::new(value.reveal().to_owned()));
    }
    let here = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let terminal = !args.detach && !args.no_tty && (args.tty || here);
    let body = CreateRun {
        command: args.command.into_iter().map(|word| SecretText::new(word.0)).collect(),
        env,
        terminal: terminal.then(|| terminal::size().unwrap_or(USUAL_SIZE)),
        detach: args.detach,
        no_entrypoint: args.no_entrypoint,
        timeout_ms: args.timeout,
    };
    let path = ["apps", args.name.as_str(), "runs"];
    let run: Run = context.client.post(&path, &body).await.map_err(not_started)?;
    if args.detach {
        detached(context, &run);
        return Ok(());
    }
    let id = run.id.to_string();
    let socket = session::connect(&context.client, &["runs", &id, "attach"]).await;
    let socket = socket.map_err(not_started)?;
    // Given back on every way out of here, also by a panic.
    let raw = if terminal { Raw::begin() } else { None };
    let ended = session::carry(socket, Ends { input: true, terminal }).await;
    drop(raw);
    conclude(context, &ended?)
}

/// Says which one was left running.
pub(super) fn detached(context: &Context, run: &Run) {
    if context.output.json() {
        context.output.document(run);
    } else {
        context.output.line(run.id);
        context.output.note(format_args!("what it writes: hythe runs logs {}", run.id));
    }
}

/// Shows what a detached command writes until it ends, and ends as it does.
pub(super) async fn logs(context: &Context, run: Uuid) -> Outcome {
    let id = run.to_string();
    let socket = session::connect(&context.client, &["runs", &id, "logs"]).await?;
    let ends = Ends { input: false, terminal: false };
    conclude(context, &session::carry(socket, ends).await?)
}

/// What the server refuses before a command runs is no exit code of the command.
fn not_started(failure: Failure) -> Failure {
    match failure.exit {
        Exit::Failed => Failure { exit: Exit::Program(NOT_STARTED), ..failure },
        Exit::Done | Exit::Usage | Exit::Unreachable | Exit::Interrupted | Exit::Program(_) => {
            failure
        }
    }
}

fn conclude(context: &Context, ended: &session::Ended) -> Outcome {
    if let Some(message) = &ended.message {
        context.output.note(format_args!("hythe: {}", context.output.foreign(message)));
    }
    match ended.code {
        0 => Ok(()),
        code => Err(Failure::silent(Exit::Program(code))),
    }
}

pub(super) async fn runs(context: &Context, command: RunsCommand) -> Outcome {
    match command {
        RunsCommand::Ls { name } => {
            let list: RunList = context.client.get(&["apps", name.as_str(), "runs"], &[]).await?;
            show(context, &list);
        }
        RunsCommand::Logs { run } => return logs(context, run).await,
        RunsCommand::Stop { run } => {
            let id = run.to_string();
            let path = ["runs", id.as_str(), "stop"];
            let run: Run = context.client.post(&path, &serde_json::json!({})).await?;
            if context.output.json() {
                context.output.document(&run);
            } else {
                context.output.line(format_args!("{} is being ended", run.program));
            }
        }
    }
    Ok(())
}

fn show(context: &Context, list: &RunList) {
    let output = &context.output;
    if output.json() {
        output.document(&list.items);
        return;
    }
    let rows: Vec<_> = list
        .items
        .iter()
        .map(|run| {
            let arguments = run.arguments.to_string();
            let how = match (run.detached, run.terminal) {
                (true, _) => "detached",
                (false, true) => "terminal",
                (false, false) => "attached",
            };
            let (program, since) = (output.foreign(&run.program), format::ago(run.asked_at));
            vec![run.id.to_string(), program, arguments, how.into(), since]
        })
        .collect();
    output.table(&["RUN", "PROGRAM", "ARGUMENTS", "HOW", "SINCE"], &rows);
}
