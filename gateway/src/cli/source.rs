//! `hythe source`: how builds reach private repositories.

use hythe_core::installation::{SourcePassword, SourcePrefix, SourceUser, SshHost, SshKey};
use hythe_core::names::{AppName, RepositoryUrl};
use reqwest::Method;
use serde_json::json;

use super::Context;
use super::args::{AskedArgs, HostCommand, SourceCommand, TokenCommand};
use super::client::Patience;
use super::failure::{Failure, Outcome};
use super::{format, github_app, registry};
use crate::api::dto::{
    BranchList, MakeSourceKey, RepositoryList, SecretText, SetSourceHost, SetSourceToken,
    SourceHost, SourceHostList, SourceKey, SourceToken, SourceTokenList,
};

pub(super) async fn run(context: &Context, command: SourceCommand) -> Outcome {
    match command {
        SourceCommand::Token(command) => token(context, command).await,
        SourceCommand::Key { name, rotate } => key(context, &name, rotate).await,
        SourceCommand::GitHubApp(command) => github_app::run(context, command).await,
        SourceCommand::Host(command) => host(context, command).await,
        SourceCommand::Repos { at, asked } => repositories(context, &at, asked).await,
        SourceCommand::Branches { repository, asked } => {
            branches(context, &repository, asked).await
        }
    }
}

/// Which provider is asked, besides what it is asked for.
fn asked((name, of): (&'static str, &str), asked: AskedArgs) -> Vec<(&'static str, String)> {
    let mut query = vec![(name, of.to_owned())];
    query.extend(asked.provider.map(|provider| ("provider", provider.to_string())));
    query.extend(asked.api.map(|api| ("api", api.to_string())));
    query
}

async fn repositories(context: &Context, at: &SourcePrefix, who: AskedArgs) -> Outcome {
    let output = &context.output;
    let query = asked(("at", at.as_str()), who);
    let list: RepositoryList = context.client.get(&["sources", "repositories"], &query).await?;
    if output.json() {
        output.document(&list);
        return Ok(());
    }
    let rows = list.items.iter().map(|one| {
        let private = if one.private { "private" } else { "public" };
        let branch = format::or_dash(one.default_branch.as_ref());
        vec![output.foreign(&one.url), output.foreign(&branch), private.to_owned()]
    });
    output.table(&["REPOSITORY", "BRANCH", "SEEN"], &rows.collect::<Vec<_>>());
    cut(context, list.more);
    Ok(())
}

async fn branches(context: &Context, repository: &RepositoryUrl, who: AskedArgs) -> Outcome {
    let output = &context.output;
    let query = asked(("repository", repository.as_str()), who);
    let list: BranchList = context.client.get(&["sources", "branches"], &query).await?;
    if output.json() {
        output.document(&list);
        return Ok(());
    }
    let rows = list
        .items
        .iter()
        .map(|one| vec![output.foreign(&one.name), format::short(one.commit.as_deref())]);
    output.table(&["BRANCH", "COMMIT"], &rows.collect::<Vec<_>>());
    cut(context, list.more);
    Ok(())
}

fn cut(context: &Context, more: bool) {
    if more {
        context.output.note("there are more; these are the first that the provider lists");
    }
}

async fn token(context: &Context, command: TokenCommand) -> Outcome {
    let (client, output) = (&context.client, &context.output);
    match command {
        TokenCommand::Set { prefix, username, password_stdin: _ } => {
            set_token(context, &prefix, &username).await?;
        }
        TokenCommand::Ls => {
            let list: SourceTokenList = client.get(&["sources", "tokens"], &[]).await?;
            if output.json() {
                output.document(&list);
                return Ok(());
            }
            let rows: Vec<_> = list
                .items
                .into_iter()
                .map(|one| vec![one.prefix, one.username, format::ago(one.set_at)])
                .collect();
            output.table(&["REPOSITORIES", "USERNAME", "SET"], &rows);
        }
        TokenCommand::Rm { prefix } => {
            client.delete(&["sources", "tokens", prefix.as_str()], &[]).await?;
            if output.json() {
                output.document(&json!({"prefix": prefix.as_str(), "removed": true}));
            } else {
                output.line(format_args!("builds have no token for {prefix} any more"));
            }
        }
    }
    Ok(())
}

async fn set_token(context: &Context, prefix: &SourcePrefix, user: &SourceUser) -> Outcome {
    let text = registry::secret_from(std::io::stdin(), SourcePassword::MOST_BYTES)?;
    let password = SourcePassword::new(text.as_str());
    let password = password.map_err(|bad| Failure::usage(bad.to_string()))?;
    let password = SecretText::new(password.reveal().to_owned());
    let body = SetSourceToken { username: user.to_string(), password };
    let path = ["sources", "tokens", prefix.as_str()];
    let set: SourceToken =
        context.client.write(Method::PUT, &path, &body, Patience::OnceReached).await?;
    if context.output.json() {
        context.output.document(&set);
    } else {
        context.output.line(format_args!(
            "builds reach {} with that token, from the next one on",
            set.prefix
        ));
    }
    Ok(())
}

async fn key(context: &Context, app: &AppName, rotate: bool) -> Outcome {
    let path = ["apps", app.as_str(), "source-key"];
    let key: SourceKey = context.client.post(&path, &MakeSourceKey { rotate }).await?;
    let output = &context.output;
    if output.json() {
        output.document(&key);
        return Ok(());
    }
    // The key alone on stdout, to be piped on.
    output.line(format_args!("{}", key.public_key));
    output.note(format_args!(
        "give this to {app}'s repository as a deploy key (it needs to read only); its fingerprint \
         is {}",
        key.fingerprint
    ));
    Ok(())
}

async fn host(context: &Context, command: HostCommand) -> Outcome {
    let (client, output) = (&context.client, &context.output);
    match command {
        HostCommand::Add { host, keys } => add_host(context, &host, &keys).await?,
        HostCommand::Ls => {
            let list: SourceHostList = client.get(&["sources", "hosts"], &[]).await?;
            if output.json() {
                output.document(&list);
                return Ok(());
            }
            let rows = list.items.into_iter().flat_map(|known| {
                let set = format::ago(known.set_at);
                let row = move |key| vec![known.host.clone(), key, set.clone()];
                known.keys.into_iter().map(row).collect::<Vec<_>>()
            });
            output.table(&["HOST", "KEY", "SET"], &rows.collect::<Vec<_>>());
        }
        HostCommand::Rm { host } => {
            client.delete(&["sources", "hosts", host.as_str()], &[]).await?;
            if output.json() {
                output.document(&json!({"host": host.as_str(), "removed": true}));
            } else {
                output.line(format_args!("the keys that were given for {host} are forgotten"));
            }
        }
    }
    Ok(())
}

async fn add_host(context: &Context, host: &SshHost, keys: &[SshKey]) -> Outcome {
    let output = &context.output;
    if keys.is_empty() {
        if !host.well_known().is_empty() {
            if output.json() {
                let keys: Vec<_> = host.well_known().iter().map(ToString::to_string).collect();
                output.document(&json!({"host": host.as_str(), "keys": keys, "set_at": null}));
            } else {
                output.line(format_args!("{host} is known already: its keys come with Hythe"));
            }
            return Ok(());
        }
        return Err(Failure::usage(format!("which keys does {host} have?")).hint(
            "see what it shows with ssh-keyscan, compare that with what its owner publishes, and \
             give each with --key 'ssh-ed25519 AAAA…'",
        ));
    }
    let body = SetSourceHost { keys: keys.iter().map(ToString::to_string).collect() };
    let path = ["sources", "hosts", host.as_str()];
    let set: SourceHost =
        context.client.write(Method::PUT, &path, &body, Patience::OnceReached).await?;
    if output.json() {
        output.document(&set);
    } else {
        let count = set.keys.len();
        let noun = if count == 1 { "key" } else { "keys" };
        output.line(format_args!("builds know {} by {count} {noun}", set.host));
    }
    Ok(())
}
