//! Bitbucket Cloud. It says which commits a push has, and never which files.

use hythe_core::hook::SenderName;
use serde::Deserialize;

use super::{
    Files, MOST_CHANGES, Push, RefChange, Remote, Said, Unreadable, bounded, commit, parse, skip,
};

#[derive(Deserialize)]
struct Pushed {
    push: Changes,
    repository: Repository,
    actor: Option<Actor>,
}

#[derive(Deserialize)]
struct Changes {
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    old: Option<Tip>,
    new: Option<Tip>,
}

#[derive(Deserialize)]
struct Tip {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    hash: String,
    message: Option<String>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: Option<String>,
    links: Option<Links>,
    mainbranch: Option<Named>,
}

#[derive(Deserialize)]
struct Links {
    html: Option<Link>,
}

#[derive(Deserialize)]
struct Link {
    href: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Actor {
    nickname: Option<String>,
    display_name: Option<String>,
}

pub(super) fn read(event: &str, json: &[u8]) -> Result<Said, Unreadable> {
    match event {
        "repo:push" => Ok(Said::Push(push(parse(json)?))),
        "diagnostics:ping" => Ok(Said::Ping),
        _ if event.starts_with("pullrequest:") => Ok(Said::PullRequest),
        _ => Ok(Said::Other),
    }
}

fn push(pushed: Pushed) -> Push {
    let Repository { full_name, links, mainbranch } = pushed.repository;
    let named = full_name.map(|name| format!("https://bitbucket.org/{name}"));
    let linked = links.and_then(|links| links.html).and_then(|link| link.href);
    let default_branch = mainbranch.and_then(|branch| branch.name);
    let remote = Remote::new([linked.as_ref().or(named.as_ref())], default_branch);
    let sender = pushed.actor.as_ref().and_then(|actor| {
        let names = [&actor.nickname, &actor.display_name];
        names.into_iter().flatten().find(|name| !name.is_empty())
    });
    let sender = SenderName::cleaned(sender.map_or("", String::as_str));
    let changes = pushed.push.changes.iter().take(MOST_CHANGES).filter_map(change).collect();
    Push { remote, sender, changes }
}

fn change(change: &Change) -> Option<RefChange> {
    let tip = change.new.as_ref().or(change.old.as_ref())?;
    let tag = match tip.kind.as_str() {
        "branch" | "named_branch" => false,
        "tag" | "annotated_tag" => true,
        _ => return None,
    };
    let at = |tip: &Option<Tip>| tip.as_ref()?.target.as_ref().and_then(|at| commit(&at.hash));
    let (old, new) = (at(&change.old), at(&change.new));
    let target = change.new.as_ref().and_then(|tip| tip.target.as_ref());
    Some(RefChange {
        tag,
        name: bounded(&tip.name),
        unmoved: new.is_some() && old == new,
        commit: new,
        skip: skip(target.and_then(|target| target.message.as_ref())),
        files: Files::Unknown("Bitbucket does not say which files a push changes"),
    })
}
