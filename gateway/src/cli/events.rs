//! `hythe events`: what the journal says, and what it goes on saying.

use serde::Deserialize;

use super::Context;
use super::args::EventsArgs;
use super::failure::Outcome;
use super::output::{Output, Tone};
use super::socket::{Next, Stream, follow};
use crate::api::dto::{EventEntry, EventPage};

/// How many events one page has at the most.
const PAGE: u64 = 1000;
/// How many are shown when nothing is said.
const USUAL: u64 = 20;

pub(super) async fn run(context: &Context, args: EventsArgs) -> Outcome {
    if let Some(sequence) = args.why {
        return super::why::run(context, sequence, args.tree).await;
    }
    let after = args.after.or(args.from.map(|from| from - 1));
    let filters = filters(&args);
    if args.follow {
        let output = &context.output;
        let mut stream = Follow { output, after, filters };
        return follow(&context.client, &["events"], &mut stream).await;
    }
    match (after, &args.since) {
        (None, None) => last(context, &filters, args.limit.unwrap_or(USUAL)).await,
        (Some(_), _) | (None, Some(_)) => {
            first(context, &filters, after.unwrap_or(0), args.limit).await
        }
    }
}

type Query = Vec<(&'static str, String)>;

fn filters(args: &EventsArgs) -> Query {
    let mut query = Query::new();
    let mut add = |name, value: Option<String>| query.extend(value.map(|value| (name, value)));
    add("since", args.since.as_ref().map(|since| since.as_str().to_owned()));
    add("until", args.until.as_ref().map(|until| until.as_str().to_owned()));
    add("app", args.app.as_ref().map(ToString::to_string));
    add("aggregate", args.aggregate.clone());
    add("type", args.types.clone());
    add("who", args.who.clone());
    add("correlation", args.correlation.map(|id| id.to_string()));
    query
}

/// The first so many after an event, page by page.
async fn first(context: &Context, filters: &Query, after: u64, limit: Option<u64>) -> Outcome {
    let mut after = after;
    let mut left = limit.unwrap_or(u64::MAX);
    while left > 0 {
        let limit = left.min(PAGE).to_string();
        let mut query = vec![("after", after.to_string()), ("limit", limit)];
        query.extend(filters.iter().cloned());
        let page: EventPage = context.client.get(&["events"], &query).await?;
        for event in &page.items {
            print(&context.output, event);
        }
        left -= (page.items.len() as u64).min(left);
        // What is appended while this reads is shown by the next call, or by -f.
        if page.done || page.next <= after || context.output.closed() {
            break;
        }
        after = page.next;
    }
    Ok(())
}

/// The last so many; found from the end on, and shown oldest first.
async fn last(context: &Context, filters: &Query, limit: u64) -> Outcome {
    let mut pages: Vec<Vec<EventEntry>> = Vec::new();
    let mut before = None;
    let mut left = limit;
    while left > 0 {
        let mut query = vec![("last", left.min(PAGE).to_string())];
        query.extend(before.map(|before: u64| ("before", before.to_string())));
        query.extend(filters.iter().cloned());
        let page: EventPage = context.client.get(&["events"], &query).await?;
        left -= (page.items.len() as u64).min(left);
        pages.push(page.items);
        if page.done || before.is_some_and(|before| page.next >= before) {
            break;
        }
        before = Some(page.next);
    }
    for event in pages.iter().rev().flatten() {
        print(&context.output, event);
    }
    Ok(())
}

/// What a follower is told.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Told {
    Event(Box<EventEntry>),
    /// Nothing up to here was wanted.
    Cursor {
        cursor: u64,
    },
}

struct Follow<'a> {
    output: &'a Output,
    after: Option<u64>,
    filters: Query,
}

impl Stream for Follow<'_> {
    type Item = Told;

    fn query(&self) -> Query {
        let mut query = vec![("progress", "true".to_owned())];
        query.extend(self.after.map(|after| ("after", after.to_string())));
        query.extend(self.filters.iter().cloned());
        query
    }

    fn take(&mut self, told: Told) -> Next {
        match told {
            Told::Event(event) => {
                self.after = Some(event.sequence);
                print(self.output, &event);
            }
            Told::Cursor { cursor } => self.after = Some(cursor),
        }
        Next::More
    }

    fn abandoned(&self) -> bool {
        self.output.closed()
    }

    fn broke_off(&mut self) {
        self.output.note("hythe: the connection broke off; going on when the server is back");
    }
}

fn print(output: &Output, event: &EventEntry) {
    if output.json() {
        output.json_line(event);
        return;
    }
    output.line(format_args!(
        "{:>7}  {}  {:<32} {}  {}  {}",
        event.sequence,
        output.tone(Tone::Faint, event.time),
        event.event_type,
        event.id,
        output.tone(Tone::Faint, &event.actor),
        output.foreign(&event.says),
    ));
}
