//! `hythe app diff`: what changed, and who changed it.

use super::Context;
use super::args::DiffArgs;
use super::failure::Outcome;
use super::format;
use super::output::Output;
use crate::api::dto::{AppDiff, Culprit, DiffSide, FieldChange};

/// Characters of an image's or commit's id that tell it from others.
const SHORT: usize = 17;

pub(super) async fn run(context: &Context, args: DiffArgs) -> Outcome {
    let mut query = vec![("from", args.from.as_str().to_owned())];
    query.extend(args.to.as_ref().map(|to| ("to", to.as_str().to_owned())));
    query.push(("events", args.events.to_string()));
    let path = ["apps", args.name.as_str(), "diff"];
    let diff: AppDiff = context.client.get(&path, &query).await?;
    let output = &context.output;
    if output.json() {
        output.document(&diff);
        return Ok(());
    }
    output.line(format_args!("{}: {} → {}", diff.app.name, side(&diff.from), side(&diff.to)));
    if diff.changes.is_empty() {
        output.line("nothing is different");
    } else {
        let rows: Vec<_> = diff.changes.iter().map(|change| row(output, change)).collect();
        output.table(&["FIELD", "BEFORE", "AFTER", "WHO", "EVENT", "BECAUSE OF", "WHEN"], &rows);
    }
    for step in diff.events.iter().flatten() {
        let by = &step.by;
        output
            .line(format_args!("{:>7}  {}  {}  {}", by.sequence, by.time, by.event_type, by.actor));
        for change in &step.changes {
            let value = |value: &Option<String>| shown(output, &change.field, value.as_ref());
            let (before, after) = (value(&change.before), value(&change.after));
            output.line(format_args!("         {}: {before} → {after}", change.field));
        }
    }
    Ok(())
}

fn side(side: &DiffSide) -> String {
    let as_of = &side.as_of;
    match &side.deployment {
        Some(deployment) => format!("#{} (event {})", deployment.number, as_of.sequence),
        None => format!("event {} ({})", as_of.sequence, as_of.time),
    }
}

fn row(output: &Output, change: &FieldChange) -> Vec<String> {
    let event = |event: &Culprit| format!("{} {}", event.sequence, event.event_type);
    let FieldChange { field, before, after, by, origin } = change;
    let because = origin.as_ref().filter(|origin| Some(*origin) != by.as_ref());
    vec![
        field.clone(),
        shown(output, field, before.as_ref()),
        shown(output, field, after.as_ref()),
        origin.as_ref().map_or("-".into(), |origin| origin.actor.clone()),
        by.as_ref().map_or("-".into(), event),
        because.map_or("-".into(), event),
        by.as_ref().map_or("-".into(), |by| format::ago(by.time)),
    ]
}

fn shown(output: &Output, field: &str, value: Option<&String>) -> String {
    let Some(value) = value else { return "-".into() };
    let whole = output.foreign(value);
    let long = field.ends_with(".commit") || field.ends_with(".image") || field == "commit";
    if long { whole.chars().take(SHORT).collect() } else { whole }
}
