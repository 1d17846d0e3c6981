//! `hythe logs`: what replicas and builds say, page by page or as it comes.

use hythe_core::ids::DeploymentId;
use hythe_core::wire::access::AccessEntry;

use super::args::{BuildOf, LogsArgs};
use super::failure::{Failure, Outcome};
use super::format::bytes;
use super::output::{Output, Tone};
use super::socket::{Next, Stream, follow};
use super::{Context, deployments};
use crate::api::dto::{LogItem, LogOutput, LogPage};

/// How many items one page has.
const PAGE: u32 = 2000;

pub(super) async fn run(context: &Context, args: LogsArgs) -> Outcome {
    let build = match &args.build {
        None => None,
        Some(BuildOf::Deployment(id)) => Some(*id),
        Some(BuildOf::Numbered(number)) => {
            Some(deployments::numbered(&context.client, &args.name, *number).await?.id)
        }
        Some(BuildOf::Latest) => {
            let newest = deployments::newest(&context.client, &args.name).await?;
            let newest = newest.ok_or_else(|| {
                Failure::failed(format!("{} was never deployed", args.name))
                    .hint(format!("deploy it with: hythe deploy {}", args.name))
            })?;
            Some(newest.id)
        }
    };
    let build_id = build.map(|id| id.to_string());
    let path = match &build_id {
        Some(id) => ["deployments", id.as_str(), "logs"],
        None => ["apps", args.name.as_str(), "logs"],
    };
    let printer = Printer { output: context.output.clone(), timestamps: args.timestamps };
    if args.follow {
        let mut stream = Follow {
            of_build: build,
            cursor: None,
            tail: args.tail,
            access: args.access,
            tell: Some(printer.output.clone()),
            item: |item: &LogItem| printer.print(item),
        };
        return follow(&context.client, &path, &mut stream).await;
    }
    let mut cursor: Option<String> = None;
    loop {
        let mut query = vec![("limit", PAGE.to_string())];
        query.extend(args.access.then(|| ("access", true.to_string())));
        match (&cursor, args.tail) {
            (Some(cursor), _) => query.push(("cursor", cursor.clone())),
            (None, Some(tail)) => query.push(("tail", tail.to_string())),
            (None, None) => {}
        }
        let page: LogPage = context.client.get(&path, &query).await?;
        page.items.iter().for_each(|item| printer.print(item));
        if !page.more || page.next.is_none() || page.next == cursor || context.output.closed() {
            return Ok(());
        }
        cursor = page.next;
    }
}

/// A log that is followed. A build's ends, an app's does not.
pub(super) struct Follow<F> {
    /// The deployment whose build it is.
    pub(super) of_build: Option<DeploymentId>,
    /// Where to go on.
    pub(super) cursor: Option<String>,
    /// How many lines to begin with.
    pub(super) tail: Option<u32>,
    /// Whether it is an access log.
    pub(super) access: bool,
    /// Where it is told that the connection broke off.
    pub(super) tell: Option<Output>,
    /// What is done with an item.
    pub(super) item: F,
}

impl<F: FnMut(&LogItem)> Stream for Follow<F> {
    type Item = LogItem;

    fn query(&self) -> Vec<(&'static str, String)> {
        let from = match (&self.cursor, self.tail) {
            (Some(cursor), _) => Some(("cursor", cursor.clone())),
            (None, Some(tail)) => Some(("tail", tail.to_string())),
            (None, None) => None,
        };
        from.into_iter().chain(self.access.then(|| ("access", true.to_string()))).collect()
    }

    fn take(&mut self, item: LogItem) -> Next {
        (self.item)(&item);
        match item {
            LogItem::Line { cursor, .. } | LogItem::Access { cursor, .. } => {
                self.cursor = Some(cursor);
                Next::More
            }
            // A build's log ends with a note; another builder may go on after an end.
            LogItem::Note { .. } if self.of_build.is_some() => Next::Enough,
            LogItem::Note { .. } | LogItem::Gap { .. } | LogItem::End { .. } => Next::More,
        }
    }

    fn abandoned(&self) -> bool {
        self.tell.as_ref().is_some_and(Output::closed)
    }

    fn broke_off(&mut self) {
        if let Some(output) = &self.tell {
            output.note("hythe: the connection broke off; going on when the server is back");
        }
    }
}

struct Printer {
    output: Output,
    timestamps: bool,
}

impl Printer {
    fn print(&self, item: &LogItem) {
        let output = &self.output;
        if output.json() {
            output.json_line(item);
            return;
        }
        match item {
            LogItem::Line { replica, process, task, at, stream, text, .. } => {
                let time = if self.timestamps { format!("{at} ") } else { String::new() };
                let process = process.as_deref().map(|process| output.foreign(process) + ".");
                let process = process.unwrap_or_default();
                let replica = replica.map(|index| format!("{process}{index}"));
                let who = task.as_deref().map(|task| output.foreign(task)).or(replica);
                let who = who.map_or(String::new(), |who| format!("{who} | "));
                let text = output.foreign(text);
                let text = match stream {
                    LogOutput::Stdout | LogOutput::Stderr => text,
                    LogOutput::Hythe => output.tone(Tone::Faint, text),
                };
                output.line(format_args!(
                    "{}{text}",
                    output.tone(Tone::Faint, format!("{time}{who}"))
                ));
            }
            LogItem::Gap { lost } => output.line(output.tone(Tone::Busy, gap(*lost))),
            LogItem::Note { text, .. } => {
                output.line(output.tone(Tone::Faint, format!("({})", output.foreign(text))));
            }
            LogItem::End { .. } => {}
            LogItem::Access { at, request, left_out, .. } => {
                if let Some(entry) = request {
                    let line = output.foreign(&access(entry));
                    output.line(format_args!("{} {line}", output.tone(Tone::Faint, at)));
                }
                if let Some(left_out) = left_out {
                    let text = format!("({left_out} requests are not told: there were too many)");
                    output.line(output.tone(Tone::Busy, text));
                }
            }
        }
    }
}

/// A request in one line.
fn access(entry: &AccessEntry) -> String {
    let AccessEntry { method, host, path, status, failed, sent, took_us, client, .. } = entry;
    let status = status.map_or("-".to_owned(), |status| status.to_string());
    let size = bytes(*sent);
    let (ms, rest) = (took_us / 1_000, took_us % 1_000 / 100);
    let replica = entry.replica.map_or(String::new(), |replica| format!(" by {replica}"));
    let failed = failed.map_or(String::new(), |who| format!(" (failed: {})", who.name()));
    format!("{client} {method} {host}{path} {status} {size} {ms}.{rest} ms{replica}{failed}")
}

/// That lines were lost, in words.
pub(super) fn gap(lost: Option<u64>) -> String {
    match lost {
        Some(1) => "(1 line was lost)".into(),
        Some(lost) => format!("({lost} lines were lost)"),
        None => "(lines were lost)".into(),
    }
}
