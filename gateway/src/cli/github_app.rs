//! `hythe source github-app`.

use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::Context;
use super::args::GitHubAppCommand;
use super::client::Patience;
use super::failure::{Failure, Outcome};
use super::{format, registry};
use crate::api::dto::{
    BeginGitHubApp, FinishGitHubApp, GitHubApp, GitHubAppBegun, GitHubAppList, GitHubAppSeen,
    SecretText, SetGitHubAppKey,
};

/// Bytes of a private key.
const MOST_KEY: usize = 16 * 1024;

pub(super) async fn run(context: &Context, command: GitHubAppCommand) -> Outcome {
    let (client, output) = (&context.client, &context.output);
    match command {
        GitHubAppCommand::Create { org, base_url, public_url, name } => {
            let body = BeginGitHubApp {
                organization: org.map(|org| org.to_string()),
                server: Some(base_url.to_string()),
                name: name.map(|name| name.to_string()),
                address: public_url.map(|url| url.to_string()),
            };
            create(context, &body).await?;
        }
        GitHubAppCommand::Finish { sent_to } => finish(context, &sent_to).await?,
        GitHubAppCommand::Ls => {
            let list: GitHubAppList = client.get(&["sources", "github-apps"], &[]).await?;
            if output.json() {
                output.document(&list);
                return Ok(());
            }
            let rows = list.items.iter().map(|app| {
                let id = app.id.to_string();
                vec![id, app.slug.clone(), app.owner.clone(), app.server.clone()]
            });
            output.table(&["ID", "NAME", "OWNER", "AT"], &rows.collect::<Vec<_>>());
            for begun in &list.begun {
                output.note(format_args!(
                    "{} is about to be made ({}); to give it up: hythe source github-app rm {}",
                    output.foreign(&begun.name),
                    begun.server,
                    begun.id
                ));
            }
        }
        GitHubAppCommand::Show { which } => {
            let id = one(context, &which).await?;
            let seen: GitHubAppSeen = client.get(&["sources", "github-apps", &id], &[]).await?;
            show(context, &seen);
        }
        GitHubAppCommand::RotateSecret { which } => {
            let id = one(context, &which).await?;
            let path = ["sources", "github-apps", id.as_str(), "rotate-secret"];
            let app: GitHubApp = client.post(&path, &json!({})).await?;
            if output.json() {
                output.document(&app);
            } else {
                output.line(format_args!("{} signs with another secret now", app.slug));
            }
        }
        GitHubAppCommand::Key { which, private_key_stdin: _ } => {
            let id = one(context, &which).await?;
            let key = registry::secret_from(std::io::stdin(), MOST_KEY)?;
            let body = SetGitHubAppKey { private_key: SecretText::new(key.to_string()) };
            let path = ["sources", "github-apps", id.as_str(), "key"];
            let app: GitHubApp =
                client.write(Method::PUT, &path, &body, Patience::OnceReached).await?;
            if output.json() {
                output.document(&app);
            } else {
                output.line(format_args!(
                    "{} has this key now; delete the one before at {}",
                    app.slug, app.settings_page
                ));
            }
        }
        GitHubAppCommand::Rm { which } => remove(context, &which).await?,
    }
    Ok(())
}

async fn create(context: &Context, body: &BeginGitHubApp) -> Outcome {
    let output = &context.output;
    let path = ["sources", "github-apps"];
    let begun: GitHubAppBegun =
        context.client.write(Method::POST, &path, body, Patience::OnceReached).await?;
    if output.json() {
        output.document(&begun);
        return Ok(());
    }
    match &begun.page {
        // The address alone on stdout, to be piped on.
        Some(page) => {
            output.line(page);
            output.note("open this in a browser within an hour: GitHub makes the App from there");
            output.note(
                "where the browser cannot come back or is not signed in: hythe source github-app finish URL",
            );
        }
        None => output.note("it was begun before; its page was shown then"),
    }
    Ok(())
}

async fn finish(context: &Context, url: &str) -> Outcome {
    let part = |name: &str| {
        let url = url::Url::parse(url).ok()?;
        let found = url.query_pairs().find(|(key, _)| key == name)?.1.into_owned();
        Some(SecretText::new(found))
    };
    let (Some(code), Some(state)) = (part("code"), part("state")) else {
        return Err(Failure::usage("this address has no code and state").hint(
            "give all of the address that GitHub sent the browser to, in quotes: \
             'https://HOST/github-app/created?code=…&state=…'",
        ));
    };
    let body = FinishGitHubApp { code, state };
    let path = ["sources", "github-apps", "finish"];
    let app: GitHubApp = context.client.post(&path, &body).await?;
    let output = &context.output;
    if output.json() {
        output.document(&app);
    } else {
        output.line(format_args!("the GitHub App {} of {} is there", app.slug, app.owner));
        output.note(format_args!("install it on repositories: {}", app.install_page));
    }
    Ok(())
}

fn show(context: &Context, seen: &GitHubAppSeen) {
    let output = &context.output;
    if output.json() {
        output.document(seen);
        return;
    }
    let app = &seen.app;
    let rows = [
        ("id", app.id.to_string()),
        ("name", app.slug.clone()),
        ("owner", app.owner.clone()),
        ("app id", app.app_id.clone()),
        ("at", app.page.clone()),
        ("settings", app.settings_page.clone()),
        ("told at", app.hook_url.clone()),
        ("made", format::ago(app.created_at)),
        ("secret set", format::ago(app.secret_set_at)),
        ("key set", format::ago(app.key_set_at)),
    ];
    for (name, value) in rows {
        output.line(format_args!("{name:<11} {}", output.foreign(&value)));
    }
    let rows = seen.installations.iter().map(|one| {
        let which = if one.selected { "chosen repositories" } else { "all repositories" };
        let state = if one.suspended { "suspended" } else { "" };
        vec![one.account.clone(), one.id.clone(), which.to_owned(), state.to_owned()]
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        output.line("");
        output.table(&["INSTALLED AT", "ID", "ON", ""], &rows);
    }
    match &seen.refused {
        Some(why) => output.note(format_args!("where it is installed is not known: {why}")),
        None if rows.is_empty() => {
            output.note(format_args!("it is installed nowhere yet: {}", app.install_page));
        }
        None => output.note(format_args!("to install it elsewhere: {}", app.install_page)),
    }
}

async fn remove(context: &Context, which: &str) -> Outcome {
    let (client, output) = (&context.client, &context.output);
    let list: GitHubAppList = client.get(&["sources", "github-apps"], &[]).await?;
    let id = named(&list, which)?;
    let at = list.items.into_iter().find(|app| app.id.to_string() == id);
    let at = at.map(|app| app.settings_page);
    client.delete(&["sources", "github-apps", &id], &[]).await?;
    if output.json() {
        output.document(&json!({"app": id, "removed": true, "settings_page": at}));
        return Ok(());
    }
    output.line(format_args!("the GitHub App {id} is forgotten, with its key and its secret"));
    if let Some(at) = at {
        output.note(format_args!(
            "at GitHub it is still there; delete it on its page: {at}/advanced"
        ));
    }
    Ok(())
}

/// The id of the App that is meant.
async fn one(context: &Context, which: &str) -> Outcome<String> {
    if which.parse::<Uuid>().is_ok() {
        return Ok(which.to_owned());
    }
    let list: GitHubAppList = context.client.get(&["sources", "github-apps"], &[]).await?;
    named(&list, which)
}

fn named(list: &GitHubAppList, which: &str) -> Outcome<String> {
    if which.parse::<Uuid>().is_ok() {
        return Ok(which.to_owned());
    }
    let mut fits = list.items.iter().filter(|app| app.slug.eq_ignore_ascii_case(which));
    match (fits.next(), fits.next()) {
        (Some(app), None) => Ok(app.id.to_string()),
        (Some(_), Some(_)) => Err(Failure::failed(format!(
            "several GitHub Apps are called {which}; name one by its id: hythe source github-app ls"
        ))),
        (None, _) => Err(Failure::failed(format!(
            "there is no GitHub App {which}; which there are: hythe source github-app ls"
        ))),
    }
}
