//! GitLab.

use std::collections::BTreeSet;

use hythe_core::hook::{PullChange, SenderName};
use serde::Deserialize;

use super::pulled::{Parts, pulled};
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
        "merge_request" => merge_request(json),
        _ => Ok(Said::Other),
    }
}

impl Project {
    fn urls(&self) -> [Option<&String>; 3] {
        [&self.git_http_url, &self.git_ssh_url, &self.web_url].map(Option::as_ref)
    }

    fn remote(&self) -> Remote {
        Remote::new(self.urls(), self.default_branch.clone())
    }
}

#[derive(Deserialize)]
struct Told {
    project: Project,
    user: Option<User>,
    object_attributes: MergeRequest,
    #[serde(default)]
    changes: Changes,
}

#[derive(Deserialize)]
struct User {
    username: Option<String>,
}

#[derive(Deserialize)]
struct MergeRequest {
    iid: u64,
    title: Option<String>,
    action: Option<String>,
    state: Option<String>,
    source_branch: String,
    target_branch: String,
    #[serde(default)]
    draft: bool,
    /// What it was called before.
    #[serde(default)]
    work_in_progress: bool,
    url: Option<String>,
    updated_at: Option<String>,
    last_commit: Option<Tip>,
    source: Option<Project>,
    /// Where an update brought commits: the newest one before.
    oldrev: Option<String>,
}

#[derive(Deserialize)]
struct Tip {
    id: String,
}

/// What an update changed, as far as it matters.
#[derive(Default, Deserialize)]
struct Changes {
    target_branch: Option<serde::de::IgnoredAny>,
    draft: Option<serde::de::IgnoredAny>,
    work_in_progress: Option<serde::de::IgnoredAny>,
}

impl Told {
    fn change(&self) -> Option<PullChange> {
        let Changes { target_branch, draft, work_in_progress } = &self.changes;
        let moved = self.object_attributes.oldrev.is_some()
            || target_branch.is_some()
            || draft.is_some()
            || work_in_progress.is_some();
        // Of one that is closed, too, its title can be changed.
        let open = self.object_attributes.state.as_deref().is_none_or(|state| state == "opened");
        match self.object_attributes.action.as_deref()? {
            "open" | "reopen" if open => Some(PullChange::Came),
            "update" if moved && open => Some(PullChange::Came),
            "update" => Some(PullChange::Edited),
            "close" => Some(PullChange::Closed { merged: false }),
            "merge" => Some(PullChange::Closed { merged: true }),
            _ => None,
        }
    }
}

fn merge_request(json: &[u8]) -> Result<Said, Unreadable> {
    let told: Told = parse(json)?;
    let change = told.change();
    let Told { project, user, object_attributes: request, changes: _ } = &told;
    let sender = user.as_ref().and_then(|user| user.username.as_deref()).unwrap_or_default();
    let head = request.source.iter().flat_map(Project::urls).flatten();
    let parts = Parts {
        number: request.iid,
        title: request.title.as_deref().unwrap_or_default(),
        page: request.url.as_deref(),
        // Of who opened it there is only a number.
        author: sender,
        commit: request.last_commit.as_ref().map_or("", |commit| commit.id.as_str()),
        branch: &request.source_branch,
        base: &request.target_branch,
        head: head.map(String::as_str).collect(),
        draft: request.draft || request.work_in_progress,
        at: request.updated_at.as_deref(),
    };
    let action = request.action.as_deref().unwrap_or_default();
    Ok(pulled(project.remote(), sender, change, action, &parts))
}

fn push(pushed: &Pushed) -> Push {
    let remote = pushed.project.remote();
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
