//! GitHub, and Gitea and Forgejo, which say nearly the same.

use hythe_core::hook::{Provider, PullChange, SenderName};
use serde::Deserialize;

use super::pulled::{Parts, pulled};
use super::{Files, Push, RefChange, Remote, Said, Unreadable, commit, parse, reference, skip};

/// Commits from which on GitHub leaves the older ones out.
const MOST_COMMITS: usize = 2_048;
/// Files of one commit from which on GitHub may leave some out.
const MOST_FILES: usize = 3_000;

#[derive(Deserialize)]
struct Pushed {
    #[serde(rename = "ref")]
    reference: String,
    before: Option<String>,
    after: String,
    #[serde(default)]
    created: bool,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    forced: bool,
    commits: Option<Vec<Commit>>,
    head_commit: Option<Commit>,
    /// Gitea alone says it: it lists only the newest ones.
    total_commits: Option<usize>,
    repository: Repository,
    pusher: Option<Account>,
    sender: Option<Account>,
}

#[derive(Deserialize)]
struct Commit {
    id: String,
    message: Option<String>,
    added: Option<Vec<String>>,
    modified: Option<Vec<String>>,
    removed: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Repository {
    clone_url: Option<String>,
    ssh_url: Option<String>,
    html_url: Option<String>,
    default_branch: Option<String>,
}

#[derive(Deserialize)]
struct Account {
    login: Option<String>,
    username: Option<String>,
    name: Option<String>,
}

impl Account {
    fn name(&self) -> Option<&str> {
        let names = [&self.login, &self.username, &self.name];
        names.into_iter().flatten().map(String::as_str).find(|name| !name.is_empty())
    }
}

pub(super) fn read(provider: Provider, event: &str, json: &[u8]) -> Result<Said, Unreadable> {
    match event {
        "ping" => Ok(Said::Ping),
        "push" => Ok(Said::Push(push(provider, &parse(json)?))),
        "pull_request" | "pull_request_sync" => pull_request(provider, json),
        _ => Ok(Said::Other),
    }
}

impl Repository {
    fn urls(&self) -> [Option<&String>; 3] {
        [&self.clone_url, &self.ssh_url, &self.html_url].map(Option::as_ref)
    }

    fn remote(&self) -> Remote {
        Remote::new(self.urls(), self.default_branch.clone())
    }
}

#[derive(Deserialize)]
struct Told {
    action: String,
    pull_request: PullRequest,
    changes: Option<Changes>,
    repository: Repository,
    sender: Option<Account>,
}

#[derive(Deserialize)]
struct PullRequest {
    number: u64,
    state: Option<String>,
    title: Option<String>,
    html_url: Option<String>,
    #[serde(default)]
    draft: bool,
    merged: Option<bool>,
    updated_at: Option<String>,
    user: Option<Account>,
    head: End,
    base: End,
}

#[derive(Deserialize)]
struct End {
    #[serde(rename = "ref")]
    reference: String,
    sha: Option<String>,
    /// None where it is gone.
    repo: Option<Repository>,
}

/// What an edit changed, as far as it matters: GitHub names the base, Gitea its reference.
#[derive(Deserialize)]
struct Changes {
    base: Option<serde::de::IgnoredAny>,
    #[serde(rename = "ref")]
    reference: Option<serde::de::IgnoredAny>,
    title: Option<Before>,
}

#[derive(Deserialize)]
struct Before {
    from: Option<String>,
}

impl Told {
    /// Whether it says by now that it is ready. Of Gitea's it is its title that says it is not, by how that
    /// begins; with what, each server says for itself.
    fn is_made_ready(&self, provider: Provider, changes: &Changes) -> bool {
        let gitea = match provider {
            Provider::Gitea => true,
            Provider::GitHub | Provider::GitLab | Provider::Bitbucket => false,
        };
        let before = changes.title.as_ref().and_then(|title| title.from.as_deref());
        let now = self.pull_request.title.as_deref().unwrap_or_default().trim();
        let began = before.and_then(|before| before.trim().strip_suffix(now));
        gitea
            && !self.pull_request.draft
            && !now.is_empty()
            && began.is_some_and(|it| !it.is_empty())
    }

    fn change(&self, provider: Provider) -> Option<PullChange> {
        let turned = |changes: &Changes| {
            changes.base.is_some()
                || changes.reference.is_some()
                || self.is_made_ready(provider, changes)
        };
        // Of one that is closed, too, much can be changed.
        let open = self.pull_request.state.as_deref().is_none_or(|state| state == "open");
        match self.action.as_str() {
            "opened" | "reopened" | "synchronize" | "synchronized" | "ready_for_review" if open => {
                Some(PullChange::Came)
            }
            "edited" if open && self.changes.as_ref().is_some_and(turned) => Some(PullChange::Came),
            "edited" => Some(PullChange::Edited),
            "closed" => Some(PullChange::Closed { merged: self.pull_request.merged == Some(true) }),
            _ => None,
        }
    }
}

fn pull_request(provider: Provider, json: &[u8]) -> Result<Said, Unreadable> {
    let told: Told = parse(json)?;
    let change = told.change(provider);
    let Told { action, pull_request: pull, changes: _, repository, sender } = &told;
    let sender = sender.as_ref().and_then(Account::name).unwrap_or_default();
    let head = pull.head.repo.iter().flat_map(Repository::urls).flatten();
    let parts = Parts {
        number: pull.number,
        title: pull.title.as_deref().unwrap_or_default(),
        page: pull.html_url.as_deref(),
        author: pull.user.as_ref().and_then(Account::name).unwrap_or_default(),
        commit: pull.head.sha.as_deref().unwrap_or_default(),
        branch: &pull.head.reference,
        base: &pull.base.reference,
        head: head.map(String::as_str).collect(),
        draft: pull.draft,
        at: pull.updated_at.as_deref(),
    };
    Ok(pulled(repository.remote(), sender, change, action, &parts))
}

fn push(provider: Provider, pushed: &Pushed) -> Push {
    let remote = pushed.repository.remote();
    let sender = [&pushed.sender, &pushed.pusher].into_iter().flatten().find_map(Account::name);
    let sender = SenderName::cleaned(sender.unwrap_or_default());
    let changes =
        reference(&pushed.reference).map(|(tag, name)| change(provider, pushed, tag, name));
    Push { remote, sender, changes: changes.into_iter().collect() }
}

fn change(provider: Provider, pushed: &Pushed, tag: bool, name: String) -> RefChange {
    let head = pushed.head_commit.as_ref();
    let after = commit(&pushed.after).filter(|_| !pushed.deleted);
    // Of an annotated tag `after` is the tag itself; the commit is the one that it is about.
    let peeled = head.filter(|_| tag && after.is_some()).and_then(|head| commit(&head.id));
    let newest = pushed.commits.iter().flatten().find(|one| one.id == pushed.after);
    RefChange {
        tag,
        name,
        commit: peeled.or(after),
        unmoved: pushed.before.as_deref() == Some(pushed.after.as_str()),
        skip: skip(newest.or(head).and_then(|one| one.message.as_ref())),
        files: files(provider, pushed),
    }
}

fn files(provider: Provider, pushed: &Pushed) -> Files {
    let Some(commits) = pushed.commits.as_ref().filter(|commits| !commits.is_empty()) else {
        return Files::Unknown("the delivery lists no commits");
    };
    if pushed.forced {
        return Files::Unknown("it was pushed by force");
    }
    if pushed.created || pushed.before.as_deref().and_then(commit).is_none() {
        return Files::Unknown("the branch is new");
    }
    let whole = match provider {
        Provider::Gitea => pushed.total_commits == Some(commits.len()),
        Provider::GitHub | Provider::GitLab | Provider::Bitbucket => commits.len() < MOST_COMMITS,
    };
    if !whole || commits.iter().all(|one| one.id != pushed.after) {
        return Files::Unknown("the delivery does not list all commits");
    }
    let mut all = std::collections::BTreeSet::new();
    for one in commits {
        let (Some(added), Some(modified), Some(removed)) =
            (&one.added, &one.modified, &one.removed)
        else {
            return Files::Unknown("the delivery lists no files");
        };
        if added.len() + modified.len() + removed.len() >= MOST_FILES {
            return Files::Unknown("the delivery does not list all files");
        }
        all.extend([added, modified, removed].into_iter().flatten().cloned());
    }
    Files::Known(all)
}
