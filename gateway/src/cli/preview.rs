//! `hythe preview`.

use hythe_core::names::AppName;
use reqwest::Method;

use super::Context;
use super::args::{EnvArg, ForksArg, KeepArg, PreviewArgs, PreviewCommand};
use super::client::Patience;
use super::env;
use super::failure::Outcome;
use super::format;
use crate::api::dto::{
    PreviewEnv, PreviewForks, PreviewList, PreviewSettings, SecretText, UpdatePreviews,
};

pub(super) async fn run(context: &Context, command: PreviewCommand) -> Outcome {
    let (client, output) = (&context.client, &context.output);
    match command {
        PreviewCommand::On(args) => {
            let app = args.app.clone();
            show(context, &app, &change(context, &app, &of(*args)?).await?);
        }
        PreviewCommand::Off { app } => {
            let off = UpdatePreviews { on: Some(false), ..UpdatePreviews::default() };
            show(context, &app, &change(context, &app, &off).await?);
        }
        PreviewCommand::Show { app } => {
            let list: PreviewList = client.get(&["apps", app.as_str(), "previews"], &[]).await?;
            show(context, &app, &list);
        }
        PreviewCommand::Ls { app } => {
            let list: PreviewList = client.get(&["apps", app.as_str(), "previews"], &[]).await?;
            table(context, &app, &list);
        }
        PreviewCommand::Rm { app, number } => {
            let text = number.to_string();
            client.delete(&["apps", app.as_str(), "previews", &text], &[]).await?;
            if output.json() {
                output.document(&serde_json::json!({
                    "app": app.to_string(), "number": number, "removed": true,
                }));
            } else {
                output.line(format_args!(
                    "the preview of #{number} goes; the next push to it makes one again"
                ));
            }
        }
    }
    Ok(())
}

async fn change(context: &Context, app: &AppName, change: &UpdatePreviews) -> Outcome<PreviewList> {
    let path = ["apps", app.as_str(), "previews"];
    context.client.write(Method::PATCH, &path, change, Patience::OnceReached).await
}

/// What was given, as a change that switches them on.
fn of(args: PreviewArgs) -> Outcome<UpdatePreviews> {
    let PreviewArgs { app: _, most, forks, drafts, env, set, unset, keep } = args;
    let (env, env_names) = match env {
        None => (None, None),
        Some(EnvArg::All) => (Some(PreviewEnv::All), None),
        Some(EnvArg::Nothing) => (Some(PreviewEnv::None), None),
        Some(EnvArg::Names(names)) => {
            (Some(PreviewEnv::Some), Some(names.iter().map(ToString::to_string).collect()))
        }
    };
    let set = env::with_stdin(&set, false)?;
    let secret = |value: &hythe_core::names::EnvValue| SecretText::new(value.reveal().to_owned());
    Ok(UpdatePreviews {
        on: Some(true),
        most,
        forks: forks.map(|forks| match forks {
            ForksArg::Never => PreviewForks::Never,
            ForksArg::Allowed => PreviewForks::Allowed,
        }),
        drafts,
        env,
        env_names,
        set: set.iter().map(|(name, value)| (name.to_string(), secret(value))).collect(),
        unset: unset.iter().map(ToString::to_string).collect(),
        keep_ms: keep.map(|KeepArg(keep)| keep),
    })
}

fn show(context: &Context, app: &AppName, list: &PreviewList) {
    let output = &context.output;
    if output.json() {
        output.document(list);
        return;
    }
    let PreviewSettings { on, most, forks, drafts, env, env_names, set, keep_ms } = &list.settings;
    if !on {
        output.note(format_args!("{app} has no previews; to have some: hythe preview on {app}"));
        return;
    }
    let names = |names: &[String]| if names.is_empty() { "none".into() } else { names.join(", ") };
    let rows = [
        ("previews", format!("{} of at most {most}", list.items.len())),
        (
            "forks",
            match forks {
                PreviewForks::Never => "never".into(),
                PreviewForks::Allowed => "allowed, without anything secret".into(),
            },
        ),
        ("drafts", if *drafts { "yes" } else { "no" }.into()),
        (
            "variables",
            match env {
                PreviewEnv::None => "none of the app's".into(),
                PreviewEnv::All => "all of the app's".into(),
                PreviewEnv::Some => names(env_names),
            },
        ),
        ("only theirs", names(set)),
        (
            "kept",
            keep_ms.map_or_else(
                || "as long as the pull request is open".to_owned(),
                |keep| format!("{} h without a push", keep / 3_600_000),
            ),
        ),
    ];
    for (title, value) in rows {
        output.line(format_args!("{title:<12} {value}"));
    }
}

fn table(context: &Context, app: &AppName, list: &PreviewList) {
    let output = &context.output;
    if output.json() {
        output.document(&list.items);
        return;
    }
    if list.items.is_empty() {
        let what = if list.settings.on {
            "no pull request has a preview; what came is shown by: hythe hook deliveries"
        } else {
            "it has no previews; to have some: hythe preview on"
        };
        output.note(format_args!("{what} {app}"));
        return;
    }
    let rows = list.items.iter().map(|preview| {
        let status = match &preview.status_detail {
            Some(why) => format!("{}: {}", preview.status, output.foreign(why)),
            None => preview.status.clone(),
        };
        let by = if preview.fork { " (fork)" } else { "" };
        vec![
            format!("#{}", preview.number),
            output.foreign(&preview.title),
            format!("{}{by}", output.foreign(&preview.author)),
            preview.url.clone().unwrap_or_else(|| "-".into()),
            format::short(Some(&preview.commit)),
            status,
            format::ago(preview.created_at),
        ]
    });
    let heading = ["NUMBER", "TITLE", "BY", "URL", "COMMIT", "STATUS", "AGE"];
    output.table(&heading, &rows.collect::<Vec<_>>());
}
