//! The reactor: what one aggregate's event means for another, in the journal's order.
//!
//! It goes by a durable cursor that is saved after the commands are durable, so a crash repeats
//! reactions and never skips one. Commands to one aggregate keep their order; those to different
//! aggregates go at once, so that one slow one holds up only what follows from a later page.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use hythe_core::react::{Reaction, react};
use hythe_core::record::{Actor, Meta, Sequence};
use hythe_store::codec::decode_recorded;
use uuid::Uuid;

use crate::control::Control;

/// The name of the cursor.
pub(crate) const CURSOR: &str = "reactor";
/// Events taken at once.
const PAGE: usize = 256;
/// Aggregates given commands at once.
const AT_ONCE: usize = 64;

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
    let mut by_target: BTreeMap<Uuid, Vec<(Reaction, Meta)>> = BTreeMap::new();
    for recorded in page {
        let recorded = decode_recorded(recorded).map_err(|error| error.to_string())?;
        for reaction in react(&recorded, control.clock().now()) {
            let target = match &reaction {
                Reaction::App(id, _) => id.uuid(),
                Reaction::Deployment(id, _) => id.uuid(),
            };
            let correlation = Some(recorded.meta.correlation);
            let meta = control.meta(Actor::System, correlation, Some(recorded.sequence));
            by_target.entry(target).or_default().push((reaction, meta));
        }
    }
    stream::iter(by_target.into_values())
        .for_each_concurrent(AT_ONCE, |reactions| async move {
            for (reaction, meta) in reactions {
                control.insist_on(reaction, meta).await;
            }
        })
        .await;
    Ok(Some(last))
}
