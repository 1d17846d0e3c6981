//! `hythe events --why`: what an event goes back to, told from the beginning.

use std::collections::BTreeMap;

use super::Context;
use super::failure::Outcome;
use super::format;
use super::output::{Output, Tone};
use crate::api::dto::{Beginning, Why, WhyStep};

pub(super) async fn run(context: &Context, sequence: u64, effects: bool) -> Outcome {
    let sequence = sequence.to_string();
    let query = [("effects", effects.to_string())];
    let why: Why = context.client.get(&["events", &sequence, "why"], &query).await?;
    let output = &context.output;
    if output.json() {
        output.document(&why);
        return Ok(());
    }
    if let Some(first) = why.chain.first() {
        let (event, ago) = (&first.event, format::ago(first.event.time));
        let began = match why.beginning {
            Beginning::Request => {
                format!("It began with a request of the {} (id {})", event.actor, event.correlation)
            }
            Beginning::Report => format!("It began with a report of {}", event.actor),
            Beginning::Watch => "It began with what Hythe noticed by itself".into(),
            Beginning::Unknown => "What it began with is not recorded".into(),
        };
        output.line(format_args!("{began}, {ago}:"));
    }
    for step in &why.chain {
        line(output, 0, step);
    }
    let Some(effects) = &why.effects else { return Ok(()) };
    if effects.is_empty() {
        output.line("Nothing followed from it.");
        return Ok(());
    }
    output.line("What followed from it:");
    let mut depths = BTreeMap::new();
    for step in effects {
        let above = step.event.causation.and_then(|cause| depths.get(&cause));
        let depth: usize = above.map_or(0, |depth| depth + 1);
        depths.insert(step.event.sequence, depth);
        // Deeper than this nobody sees a difference.
        line(output, depth.min(20), step);
    }
    if why.more_effects {
        output.note("there may be more; `hythe events --correlation` shows all of one request");
    }
    Ok(())
}

fn line(output: &Output, depth: usize, step: &WhyStep) {
    let WhyStep { says, subject, event } = step;
    output.line(format_args!(
        "{:>7}  {}  {:indent$}{}: {}  {}",
        event.sequence,
        output.tone(Tone::Faint, event.time),
        "",
        output.foreign(subject),
        output.foreign(says),
        output.tone(Tone::Faint, &event.actor),
        indent = depth,
    ));
}
