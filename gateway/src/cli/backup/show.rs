//! How backups and the server are doing, for people and programs; and how they are to be made.

use hythe_store::backup::Contents;
use reqwest::Method;
use serde_json::json;

use super::super::Context;
use super::super::args::{KeyArgs, ScheduleArgs};
use super::super::client::Patience;
use super::super::failure::{Exit, Failure, Outcome};
use super::super::format;
use super::super::output::{Output, Tone};
use super::{place, recipient, told};
use crate::api::dto::{BackupMade, BackupSchedule, BackupStatus, MirrorStatus, ServerStatus, Time};

/// What a backup says of itself.
pub(super) fn contents(contents: &Contents, output: &Output) {
    if output.json() {
        output.document(&json!({
            "ok": true,
            "installation": contents.installation.to_string(),
            "hythe": contents.version,
            "made_at": Time(contents.at).to_string(),
            "head": contents.head.sequence,
            "hash": contents.head.hash,
            "secrets": contents.secrets,
            "state_hash": contents.state_hash,
            "state_compared": contents.state_compared,
        }));
        return;
    }
    output.line(format_args!(
        "whole: everything up to event {} and {} secrets, as of {}",
        contents.head.sequence,
        contents.secrets,
        Time(contents.at)
    ));
    output.line(format_args!(
        "of installation {}, made by hythe {}",
        contents.installation, contents.version
    ));
    output.line(format_args!("hash of the last event: {}", contents.head.hash));
    output.line(format_args!("hash of the state:      {}", contents.state_hash));
}

/// A backup that was just made by the server.
pub(super) fn made(made: &BackupMade, output: &Output) {
    if output.json() {
        output.document(made);
        return;
    }
    output.line(format_args!(
        "{}: everything up to event {}, {}, in {}",
        made.name,
        made.head,
        format::bytes(made.bytes),
        format::span(made.took_ms)
    ));
}

/// The key was the server's own.
pub(super) fn own_key(file: &str, output: &Output) {
    output.note(format_args!(
        "it opens with the server's key, {}: keep a copy of that file away from the server, or \
         the backup is lost with it",
        output.foreign(file)
    ));
}

/// `hythe backup schedule`.
pub(super) async fn schedule(context: &Context, args: ScheduleArgs) -> Outcome {
    let (client, output) = (&context.client, &context.output);
    if args.what.as_deref() == Some("off") {
        client.delete(&["backups", "schedule"], &[]).await?;
        if output.json() {
            output.document(&json!({"schedule": null, "removed": true}));
        } else {
            output.note("no more backups are made by themselves; those that are there stay");
        }
        return Ok(());
    }
    let Some(to) = &args.to else {
        let now: BackupStatus = client.get(&["backups"], &[]).await?;
        return shown(now.schedule.as_ref(), output);
    };
    if place(to)?.is_none() {
        return Err(Failure::usage(
            "--to is a place of the server: file:///absolute/folder or s3://bucket/prefix",
        ));
    }
    let key = recipient(&args.key)?;
    let body = json!({"to": to, "every_ms": args.every, "keep": args.keep, "recipient": told(key.as_ref())});
    let patience = Patience::OnceReached;
    let now: BackupStatus =
        client.write(Method::PUT, &["backups", "schedule"], &body, patience).await?;
    shown(now.schedule.as_ref(), output)?;
    if let (None, Some(file)) = (key, &now.key_file) {
        own_key(file, output);
    }
    Ok(())
}

fn shown(schedule: Option<&BackupSchedule>, output: &Output) -> Outcome {
    if output.json() {
        output.document(&schedule);
    } else if let Some(schedule) = schedule {
        output.line(schedule_line(schedule));
    } else {
        output.note("no backups are made by themselves; `hythe backup schedule --to URL` does it");
    }
    Ok(())
}

fn schedule_line(schedule: &BackupSchedule) -> String {
    format!(
        "every {} to {}, the last {} kept; the next one at {}",
        span(schedule.every_ms),
        schedule.to,
        schedule.keep,
        schedule.next_at
    )
}

/// A span as people gave it.
fn span(millis: u64) -> String {
    for (unit, each) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000)] {
        if millis >= each && millis.is_multiple_of(each) {
            return format!("{}{unit}", millis / each);
        }
    }
    format!("{}s", millis / 1000)
}

/// `hythe backup mirror`.
pub(super) async fn mirror(context: &Context, to: Option<String>, key: &KeyArgs) -> Outcome {
    let (client, output) = (&context.client, &context.output);
    let path = ["backups", "mirror"];
    match to.as_deref() {
        None => {
            let now: BackupStatus = client.get(&["backups"], &[]).await?;
            if output.json() {
                output.document(&now.mirror);
            } else if let Some(mirror) = &now.mirror {
                output.line(mirror_line(mirror));
            } else {
                output.note("there is no mirror; `hythe backup mirror URL` makes one");
            }
        }
        Some("off") => {
            client.delete(&path, &[]).await?;
            if output.json() {
                output.document(&json!({"mirror": null, "removed": true}));
            } else {
                output.note("the journal is mirrored no more; what is there stays");
            }
        }
        Some(to) => {
            if place(to)?.is_none() {
                return Err(Failure::usage(
                    "a mirror lies in a place of the server: file:///absolute/folder or \
                     s3://bucket/prefix",
                ));
            }
            let key = recipient(key)?;
            let body = json!({"to": to, "recipient": told(key.as_ref())});
            let now: BackupStatus =
                client.write(Method::PUT, &path, &body, Patience::OnceReached).await?;
            if output.json() {
                output.document(&now.mirror);
            } else {
                output.line(format_args!("mirroring to {to}; `hythe status` shows how far it is"));
            }
            if let (None, Some(file)) = (key, &now.key_file) {
                own_key(file, output);
            }
        }
    }
    Ok(())
}

fn mirror_line(mirror: &MirrorStatus) -> String {
    let lag = match mirror.lag_ms {
        0 => "all is there".to_owned(),
        lag => format!("{} behind", format::span(lag)),
    };
    let trouble =
        mirror.trouble.as_ref().map(|trouble| format!(" ({trouble})")).unwrap_or_default();
    format!("{} up to event {}, {lag}{trouble}", mirror.to, mirror.head)
}

/// `hythe backup show`.
pub(super) async fn backups(context: &Context) -> Outcome {
    let now: BackupStatus = context.client.get(&["backups"], &[]).await?;
    let output = &context.output;
    if output.json() {
        output.document(&now);
    } else {
        lines(&now, output);
    }
    Ok(())
}

fn lines(now: &BackupStatus, output: &Output) {
    let row = |name: &str, text: String| output.line(format_args!("{name:<12}{text}"));
    match &now.made {
        Some(made) => row(
            "last backup",
            format!(
                "{}, up to event {}, {}, {}",
                format::ago(made.at),
                made.head,
                format::bytes(made.bytes),
                made.to.as_deref().map_or_else(
                    || "handed out".to_owned(),
                    |to| format!("in {}", output.foreign(to))
                )
            ),
        ),
        None => row("last backup", "none was ever made".into()),
    }
    if let Some(failed) = &now.failed {
        row("failed", format!("{}: {}", format::ago(failed.at), output.foreign(&failed.why)));
    }
    match &now.schedule {
        Some(schedule) => row("schedule", schedule_line(schedule)),
        None => row("schedule", "none".into()),
    }
    match &now.mirror {
        Some(mirror) => row("mirror", mirror_line(mirror)),
        None => row("mirror", "none".into()),
    }
}

/// `hythe status`: fails where something is broken, not for a warning.
pub(in crate::cli) async fn status(context: &Context) -> Outcome {
    let now: ServerStatus = context.client.get(&["status"], &[]).await?;
    let output = &context.output;
    if output.json() {
        output.document(&now);
        return if now.ready { Ok(()) } else { Err(Failure::silent(Exit::Failed)) };
    }
    let word = if now.ready {
        output.tone(Tone::Good, "ready")
    } else {
        output.tone(Tone::Bad, "not ready")
    };
    output.line(format_args!("{word}: hythe {}", now.version));
    for check in &now.checks {
        let tone = if check.ok { Tone::Good } else { Tone::Bad };
        let word = output.tone(tone, if check.ok { "ok" } else { "!!" });
        output.line(format_args!("{:<12}{word}  {}", check.name, output.foreign(&check.detail)));
    }
    let journal = &now.journal;
    output.line(format_args!(
        "{:<12}{} for {} events, {} left on the disk",
        "disk",
        format::bytes(journal.bytes),
        journal.head,
        format::bytes(journal.disk_free_bytes)
    ));
    if let Some(at) = now.restored_at {
        output.line(format_args!("{:<12}{}", "restored", format::ago(at)));
    }
    lines(&now.backup, output);
    for warning in &now.warnings {
        output.line(format_args!(
            "{} {}",
            output.tone(Tone::Busy, "warning:"),
            output.foreign(warning)
        ));
    }
    if now.ready { Ok(()) } else { Err(Failure::silent(Exit::Failed)) }
}
