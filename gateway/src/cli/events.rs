//! `hythe events`: what the journal says, and what it goes on saying.

use hythe_core::names::AppName;

use super::Context;
use super::args::EventsArgs;
use super::failure::Outcome;
use super::output::{Output, Tone};
use super::socket::{Next, Stream, follow};
use crate::api::dto::{EventEntry, EventPage};

/// How many events one page has.
const PAGE: u64 = 1000;
/// How many are shown when nothing is said.
const USUAL: u64 = 20;

pub(super) async fn run(context: &Context, args: EventsArgs) -> Outcome {
    if args.follow {
        let mut stream = Follow { output: &context.output, after: args.after, app: args.app };
        return follow(&context.client, &["events"], &mut stream).await;
    }
    let mut after = match args.after {
        Some(after) => after,
        None => {
            // Any page says where the journal ends.
            let page: EventPage =
                context.client.get(&["events"], &query(0, 1, args.app.as_ref())).await?;
            page.head.saturating_sub(USUAL)
        }
    };
    loop {
        let page: EventPage =
            context.client.get(&["events"], &query(after, PAGE, args.app.as_ref())).await?;
        for event in &page.items {
            print(&context.output, event);
        }
        // What is appended while this reads is shown by the next call, or by -f.
        if page.next <= after || page.next >= page.head || context.output.closed() {
            return Ok(());
        }
        after = page.next;
    }
}

fn query(after: u64, limit: u64, app: Option<&AppName>) -> Vec<(&'static str, String)> {
    let mut query = vec![("after", after.to_string()), ("limit", limit.to_string())];
    query.extend(app.map(|app| ("app", app.to_string())));
    query
}

struct Follow<'a> {
    output: &'a Output,
    after: Option<u64>,
    app: Option<AppName>,
}

impl Stream for Follow<'_> {
    type Item = EventEntry;

    fn query(&self) -> Vec<(&'static str, String)> {
        let after = self.after.map(|after| ("after", after.to_string()));
        let app = self.app.as_ref().map(|app| ("app", app.to_string()));
        after.into_iter().chain(app).collect()
    }

    fn take(&mut self, event: EventEntry) -> Next {
        self.after = Some(event.sequence);
        print(self.output, &event);
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
        "{:>7}  {}  {:<32} {}  {}",
        event.sequence,
        output.tone(Tone::Faint, event.time),
        event.event_type,
        event.id,
        output.tone(Tone::Faint, &event.actor),
    ));
}
