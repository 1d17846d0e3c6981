//! GitLab.

use std::collections::BTreeSet;

use hythe_core::hook::SenderName;
use serde::Deserialize;

use super::{Files, Push, RefChange, Remote, Said, Unreadable, commit, parse, reference, skip};

#[derive(Deserialize)]
struct Kind {
    object_kind: Option<String>,
}

#[derive(Deserialize)]
struct Pushed {
    #[serde(rename = "ref")]
    reference: String,
    before: Option<String>,
    after: String,
    /// Of an annotated tag the commit, where `after` is the tag itself; none where it is gone.
    checkout_sha: Option<String>,
    user_username: Option<String>,
    user_name: Option<String>,
    project: Project,
    #[serde(default)]
    commits: Vec<Commit>,
    total_commits_count: Option<usize>,
}

#[derive(Deserialize)]
struct Project {
    git_http_url: Option<String>,
    git_ssh_url: Option<String>,
    web_url: Option<String>,
    default_branch: Option<String>,
}

#[derive(Deserialize)]
struct Commit {
    id: String,
    message: Option<String>,
    #[serde(default)]
    added: Vec<String>,
    #[serde(default)]
    modified: Vec<String>,
    #[serde(default)]
    removed: Vec<String>,
}

pub(super) fn read(event: &str, json: &[u8]) -> Result<Said, Unreadable> {
    let kind = match event {
        "Push Hook" => "push".into(),
        "Tag Push Hook" => "tag_push".into(),
        "Merge Request Hook" => "merge_request".into(),
        // The same by way of the whole server's own hooks.
        "System Hook" => parse::<Kind>(json)?.object_kind.unwrap_or_default(),
        _ => String::new(),
    };
    match kind.as_str() {
        "push" | "tag_push" => Ok(Said::Push(push(&parse(json)?))),
        "merge_request" => Ok(Said::PullRequest),
        _ => Ok(Said::Other),
    }
}

fn push(pushed: &Pushed) -> Push {
    let project = &pushed.project;
    let urls = [&project.git_http_url, &project.git_ssh_url, &project.web_url];
    let remote = Remote::new(urls.map(Option::as_ref), project.default_branch.clone());
    let sender = pushed.user_username.as_ref().filter(|name| !name.is_empty());
    let sender = sender.or(pushed.user_name.as_ref()).map_or("", String::as_str);
    let changes = reference(&pushed.reference).map(|(tag, name)| change(pushed, tag, name));
    Push { remote, sender: SenderName::cleaned(sender), changes: changes.into_iter().collect() }
}

fn change(pushed: &Pushed, tag: bool, name: String) -> RefChange {
    let after = commit(&pushed.after);
    let peeled = pushed.checkout_sha.as_deref().and_then(commit);
    let newest = pushed.commits.iter().find(|one| one.id == pushed.after);
    RefChange {
        tag,
        name,
        commit: after.map(|after| peeled.unwrap_or(after)),
        unmoved: pushed.before.as_deref() == Some(pushed.after.as_str()),
        skip: skip(newest.and_then(|one| one.message.as_ref())),
        files: files(pushed),
    }
}

fn files(pushed: &Pushed) -> Files {
    if pushed.commits.is_empty() {
        return Files::Unknown("the delivery lists no commits");
    }
    if pushed.before.as_deref().and_then(commit).is_none() {
        return Files::Unknown("the branch is new");
    }
    let newest = pushed.commits.iter().any(|one| one.id == pushed.after);
    if pushed.total_commits_count != Some(pushed.commits.len()) || !newest {
        return Files::Unknown("the delivery does not list all commits");
    }
    let lists = pushed.commits.iter().flat_map(|one| [&one.added, &one.modified, &one.removed]);
    Files::Known(lists.flatten().cloned().collect::<BTreeSet<_>>())
}
