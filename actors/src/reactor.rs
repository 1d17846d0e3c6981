//! The reactor: what one aggregate's event means for another, in the journal's order.
//!
//! It goes by a durable cursor that is saved after the commands are durable, so a crash repeats
//! reactions and never skips one. Commands to one aggregate keep their order; those to different
//! aggregates go at once, so that one slow one holds up only what follows from a later page.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use hythe_core::event::Event;
use hythe_core::react::{Reaction, follows_from, in_the_name_of, react};
use hythe_core::record::{Actor, AggregateKind, Meta, Recorded, Sequence, StreamId, Version};
use hythe_store::codec::decode_recorded;
use uuid::Uuid;

use crate::control::Control;

/// The name of the cursor.
pub(crate) const CURSOR: &str = "reactor";
/// Events taken at once.
const PAGE: usize = 256;
/// Aggregates given commands at once.
const AT_ONCE: usize = 64;

/// A reaction, and the event that it is one to.
type Because = (Reaction, Arc<Recorded<Event>>);

/// Reacts to everything after the cursor, for ever.
pub(crate) async fn run(control: Control) -> Result<(), String> {
    let mut grown = control.journal().watch();
    let mut at = control.journal().load_cursor(CURSOR);
    loop {
        grown.borrow_and_update();
        while let Some(last) = react_to_a_page(&control, at).await? {
            at = last;
            control.journal().save_cursor(CURSOR, at).map_err(|error| error.to_string())?;
        }
        control.health().works("reactor");
        if grown.changed().await.is_err() {
            return Err("the journal is closed".into());
        }
    }
}

/// Says what the last event of the page was.
async fn react_to_a_page(control: &Control, after: Sequence) -> Result<Option<Sequence>, String> {
    let page = control.journal().read(after, PAGE).map_err(|error| error.to_string())?;
    let Some(last) = page.last().map(|recorded| recorded.sequence) else { return Ok(None) };
    let mut by_target: BTreeMap<Uuid, Vec<Because>> = BTreeMap::new();
    for recorded in page {
        let recorded = decode_recorded(recorded).map_err(|error| error.to_string())?;
        let recorded = Arc::new(recorded);
        for reaction in react(&recorded, control.clock().now()) {
            let target = match &reaction {
                Reaction::App(id, _) => id.uuid(),
                Reaction::Deployment(id, _) => id.uuid(),
            };
            by_target.entry(target).or_default().push((reaction, Arc::clone(&recorded)));
        }
    }
    stream::iter(by_target.into_values())
        .map(Ok)
        .try_for_each_concurrent(AT_ONCE, |reactions| async move {
            for (reaction, because) in reactions {
                // Only now: what was given before may be what it is looked for in.
                let meta = meta(control, &because)?;
                control.insist_on(reaction, meta).await;
            }
            Ok::<_, String>(())
        })
        .await?;
    Ok(Some(last))
}

/// By Hythe itself, because of this event.
fn meta(control: &Control, because: &Recorded<Event>) -> Result<Meta, String> {
    let own = match in_the_name_of(&because.event) {
        None => None,
        Some(deployment) => {
            let stream = StreamId { kind: AggregateKind::Deployment, id: deployment.uuid() };
            let first = control.journal().read_stream(stream, Version(0), 1);
            first.map_err(|error| error.to_string())?.into_iter().next()
        }
    };
    let (correlation, causation) = follows_from(because, own.as_ref());
    Ok(control.meta(Actor::System, Some(correlation), Some(causation)))
}
