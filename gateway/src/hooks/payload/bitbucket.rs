//! Bitbucket Cloud. It says which commits a push has, and never which files.

use hythe_core::hook::{PullChange, SenderName};
use serde::Deserialize;

use super::pulled::{Parts, pulled};
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
        "repo:push" => Ok(Said::Push(push(&parse(json)?))),
        "diagnostics:ping" => Ok(Said::Ping),
        "pullrequest:created" | "pullrequest:updated" => pull(json, Some(PullChange::Came), event),
        "pullrequest:fulfilled" => pull(json, Some(PullChange::Closed { merged: true }), event),
        "pullrequest:rejected" => pull(json, Some(PullChange::Closed { merged: false }), event),
        _ if event.starts_with("pullrequest:") => pull(json, None, event),
        _ => Ok(Said::Other),
    }
}

impl Repository {
    fn url(&self) -> Option<String> {
        let linked = self.links.as_ref().and_then(|links| links.html.as_ref()?.href.clone());
        let named = || Some(format!("https://bitbucket.org/{}", self.full_name.as_ref()?));
        linked.or_else(named)
    }

    fn remote(&self) -> Remote {
        let default_branch = self.mainbranch.as_ref().and_then(|branch| branch.name.clone());
        Remote::new([self.url().as_ref()], default_branch)
    }
}

fn named(actor: Option<&Actor>) -> &str {
    let names = actor.map(|actor| [&actor.nickname, &actor.display_name]);
    let mut names = names.into_iter().flatten().flatten();
    names.find(|name| !name.is_empty()).map_or("", String::as_str)
}

#[derive(Deserialize)]
struct Told {
    pullrequest: Pull,
    repository: Repository,
    actor: Option<Actor>,
}

#[derive(Deserialize)]
struct Pull {
    id: u64,
    title: Option<String>,
    #[serde(default)]
    draft: bool,
    updated_on: Option<String>,
    author: Option<Actor>,
    links: Option<Links>,
    source: End,
    destination: End,
}

#[derive(Deserialize)]
struct End {
    branch: Named,
    commit: Option<Short>,
    repository: Option<Repository>,
}

/// Its first twelve digits.
#[derive(Deserialize)]
struct Short {
    hash: String,
}

fn pull(json: &[u8], change: Option<PullChange>, event: &str) -> Result<Said, Unreadable> {
    let Told { pullrequest: pull, repository, actor } = parse(json)?;
    let head = pull.source.repository.as_ref().and_then(Repository::url);
    let page = pull.links.as_ref().and_then(|links| links.html.as_ref()?.href.as_deref());
    let name = |end: &'_ End| end.branch.name.clone().unwrap_or_default();
    let parts = Parts {
        number: pull.id,
        title: pull.title.as_deref().unwrap_or_default(),
        page,
        author: named(pull.author.as_ref().or(actor.as_ref())),
        commit: pull.source.commit.as_ref().map_or("", |commit| commit.hash.as_str()),
        branch: &name(&pull.source),
        base: &name(&pull.destination),
        head: head.as_deref().into_iter().collect(),
        draft: pull.draft,
        at: pull.updated_on.as_deref(),
    };
    Ok(pulled(repository.remote(), named(actor.as_ref()), change, event, &parts))
}

fn push(pushed: &Pushed) -> Push {
    let remote = pushed.repository.remote();
    let sender = SenderName::cleaned(named(pushed.actor.as_ref()));
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
