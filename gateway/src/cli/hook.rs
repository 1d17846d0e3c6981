//! `hythe hook` and `hythe address`.

use reqwest::Method;
use uuid::Uuid;

use super::Context;
use super::args::{AddressCommand, HookCommand, ToldArgs};
use super::client::Patience;
use super::failure::{Failure, Outcome};
use super::format;
use super::output::Output;
use crate::api::dto::{
    Address, CommitStatuses, CreateHook, Delivery, DeliveryList, DeliveryOutcome, Hook, HookList,
    HookWithSecret, SetAddress, SetCommitStatuses, Told,
};

pub(super) async fn run(context: &Context, command: HookCommand) -> Outcome {
    let (client, output) = (&context.client, &context.output);
    match command {
        HookCommand::Add { app, provider } => {
            let provider = provider.map(|provider| provider.to_string());
            let body = CreateHook { app, provider };
            let made: HookWithSecret =
                client.write(Method::POST, &["hooks"], &body, Patience::OnceReached).await?;
            enter(context, &made);
        }
        HookCommand::Ls => {
            let list: HookList = client.get(&["hooks"], &[]).await?;
            if output.json() {
                output.document(&list);
                return Ok(());
            }
            if list.items.is_empty() {
                output.note("no webhooks yet; make one with: hythe hook add APP");
                return Ok(());
            }
            let apps = |hook: &Hook| {
                let names: Vec<_> = hook.apps.iter().map(|app| app.name.as_str()).collect();
                if names.is_empty() { "none".to_owned() } else { names.join(", ") }
            };
            let rows = list.items.iter().map(|hook| {
                let id = hook.id.to_string();
                vec![id, hook.provider.clone(), hook.repository.clone(), apps(hook)]
            });
            output.table(&["ID", "PROVIDER", "REPOSITORY", "APPS"], &rows.collect::<Vec<_>>());
        }
        HookCommand::Show { which } => {
            let id = one(context, &which).await?;
            let hook: Hook = client.get(&["hooks", &id], &[]).await?;
            if output.json() {
                output.document(&hook);
            } else {
                show(context, &hook, None);
            }
        }
        HookCommand::Rotate { which } => {
            let id = one(context, &which).await?;
            let body = serde_json::json!({});
            enter(context, &client.post(&["hooks", &id, "rotate"], &body).await?);
        }
        HookCommand::Rm { which } => {
            let id = one(context, &which).await?;
            client.delete(&["hooks", &id], &[]).await?;
            if output.json() {
                output.document(&serde_json::json!({"hook": id, "removed": true}));
            } else {
                output.line(format_args!(
                    "the webhook {id} is removed; remove it at the provider, too"
                ));
            }
        }
        HookCommand::Deliveries { which } => {
            let id = one(context, &which).await?;
            let list: DeliveryList = client.get(&["hooks", &id, "deliveries"], &[]).await?;
            deliveries(output, &list);
        }
        HookCommand::Statuses { which, on, api, off } => {
            let id = one(context, &which).await?;
            let path = ["hooks", id.as_str(), "statuses"];
            if off {
                client.delete(&path, &[]).await?;
            } else if on || api.is_some() {
                let body = SetCommitStatuses { api: api.map(|api| api.to_string()) };
                let _told: CommitStatuses =
                    client.write(Method::PUT, &path, &body, Patience::OnceReached).await?;
            }
            statuses(output, &client.get(&path, &[]).await?);
        }
        HookCommand::Comments(args) => told(context, args, "comments").await?,
        HookCommand::Deployments(args) => told(context, args, "deployments").await?,
    }
    Ok(())
}

async fn told(context: &Context, args: ToldArgs, of: &'static str) -> Outcome {
    let (client, output) = (&context.client, &context.output);
    let ToldArgs { which, on, api, off } = args;
    let id = one(context, &which).await?;
    let path = ["hooks", id.as_str(), of];
    if off {
        client.delete(&path, &[]).await?;
    } else if on || api.is_some() {
        let body = SetCommitStatuses { api: api.map(|api| api.to_string()) };
        let _told: Told = client.write(Method::PUT, &path, &body, Patience::OnceReached).await?;
    }
    let hook: Hook = client.get(&["hooks", &id], &[]).await?;
    let api = if of == "comments" { hook.comments } else { hook.deployments };
    if output.json() {
        output.document(&Told { api });
        return Ok(());
    }
    match &api {
        Some(api) if of == "comments" => {
            output.note(format_args!("{api} is told of previews, in comments"));
        }
        Some(api) => output.note(format_args!("{api} is told of deployments")),
        None => output.note("the provider is not told; begin with --on"),
    }
    Ok(())
}

/// The webhook of an id, or the one that serves an app.
async fn one(context: &Context, which: &str) -> Outcome<String> {
    if which.parse::<Uuid>().is_ok() {
        return Ok(which.to_owned());
    }
    let query = [("app", which.to_owned())];
    let list: HookList = context.client.get(&["hooks"], &query).await?;
    match list.items.as_slice() {
        [] => Err(Failure::usage(format!("{which} has no webhook"))
            .hint(format!("make one with: hythe hook add {which}"))),
        [hook] => Ok(hook.id.to_string()),
        several => {
            let ids: Vec<_> =
                several.iter().map(|hook| format!("{} ({})", hook.id, hook.provider)).collect();
            Err(Failure::usage(format!("{which} has several webhooks"))
                .hint(format!("name one of them by its id: {}", ids.join(", "))))
        }
    }
}

/// What to enter at the provider, secret included.
fn enter(context: &Context, made: &HookWithSecret) {
    if context.output.json() {
        context.output.document(made);
        return;
    }
    show(context, &made.hook, made.secret.as_deref());
}

fn show(context: &Context, hook: &Hook, secret: Option<&str>) {
    let output = &context.output;
    let setup = &hook.setup;
    let base = context.client.base().as_str().trim_end_matches('/');
    let url = setup.url.clone().unwrap_or_else(|| format!("{base}{}", setup.path));
    let hidden = "shown when it was made; for another one: hythe hook rotate";
    let mut rows = vec![
        ("webhook", hook.id.to_string()),
        ("repository", hook.repository.clone()),
        ("", String::new()),
        ("enter at", format!("{}: {}", hook.provider, setup.page)),
        ("URL", url),
    ];
    if let Some(kind) = &setup.content_type {
        rows.push(("content type", kind.clone()));
    }
    rows.push(("secret", secret.unwrap_or(hidden).to_owned()));
    rows.push(("as", setup.secret_field.clone()));
    rows.push(("events", setup.events.join("; ")));
    rows.push(("", String::new()));
    for app in &hook.apps {
        rows.push(("deploys", format!("{} on {}", app.name, app.deploys_on)));
    }
    for (title, value) in rows {
        output.line(format_args!("{title:<13} {value}").to_string().trim_end());
    }
    if secret.is_some() {
        output.note("the secret is not shown again");
    }
    if setup.url.is_none() {
        output.note(
            "the URL is how you reach this server; where providers reach it otherwise, say so: \
             hythe address set https://HOST",
        );
    }
}

fn deliveries(output: &Output, list: &DeliveryList) {
    if output.json() {
        output.document(list);
        return;
    }
    if list.items.is_empty() {
        output.note("nothing came yet; providers have a button to send a test");
        return;
    }
    let mut rows = Vec::new();
    for delivery in &list.items {
        let first = vec![
            format::ago(delivery.at),
            output.foreign(delivery.event.as_deref().unwrap_or("-")),
            output.foreign(delivery.reference.as_deref().unwrap_or("-")),
            format::short(delivery.commit.as_deref()),
            output.foreign(delivery.sender.as_deref().unwrap_or("-")),
        ];
        if delivery.apps.is_empty() {
            rows.push([first, outcome(output, delivery)].concat());
            continue;
        }
        for (n, app) in delivery.apps.iter().enumerate() {
            // The delivery once, and below it what came of it for each app.
            let first = if n == 0 { first.clone() } else { vec![String::new(); first.len()] };
            let why = match (&app.reason, app.outcome, app.deployment) {
                (Some(why), _, _) => output.foreign(why),
                (None, DeliveryOutcome::Deployed, Some(id)) => id.to_string(),
                (None, _, _) => String::new(),
            };
            rows.push([first, vec![app.name.clone(), app.outcome.as_str().into(), why]].concat());
        }
    }
    let heading = ["CAME", "EVENT", "OF", "COMMIT", "BY", "APP", "OUTCOME", "WHY"];
    output.table(&heading, &rows);
}

fn statuses(output: &Output, told: &CommitStatuses) {
    if output.json() {
        output.document(told);
        return;
    }
    match &told.api {
        Some(api) => output.note(format_args!("{api} is told how commits fare")),
        None => output.note("the provider is not told; begin with --on"),
    }
    let rows = told.items.iter().map(|told| {
        vec![
            format::ago(told.at),
            told.app.clone(),
            format::short(Some(&told.commit)),
            told.state.as_str().to_owned(),
            output.foreign(told.refused.as_deref().unwrap_or_default()),
        ]
    });
    if !told.items.is_empty() {
        let heading = ["TOLD", "APP", "COMMIT", "STATE", "NOT TAKEN"];
        output.table(&heading, &rows.collect::<Vec<_>>());
    }
}

fn outcome(output: &Output, delivery: &Delivery) -> Vec<String> {
    let why = output.foreign(delivery.reason.as_deref().unwrap_or_default());
    vec!["-".into(), delivery.outcome.as_str().into(), why]
}

pub(super) async fn address(context: &Context, command: AddressCommand) -> Outcome {
    let (client, output) = (&context.client, &context.output);
    let address = match command {
        AddressCommand::Show => client.get(&["address"], &[]).await?,
        AddressCommand::Set { url } => {
            let body = SetAddress { url: url.to_string() };
            client.write(Method::PUT, &["address"], &body, Patience::OnceReached).await?
        }
        AddressCommand::Rm => {
            client.delete(&["address"], &[]).await?;
            Address::default()
        }
    };
    if output.json() {
        output.document(&address);
    } else {
        match &address.url {
            Some(url) => output.line(url),
            None => output.note("where this server is reached from outside is not known"),
        }
    }
    Ok(())
}
