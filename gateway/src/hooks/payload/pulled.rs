//! What all providers say of a pull request, as one type; whatever of it is no checked text goes no
//! further.

use hythe_core::hook::pull::head;
use hythe_core::hook::{
    Head, HeadCommit, PageUrl, PullChange, PullRequest, PullTitle, RepositoryKey, SenderName,
};
use hythe_core::names::BranchName;
use hythe_core::time::Timestamp;

use super::{Pulled, Remote, Said};

/// Characters of an action's name that are shown.
const MOST_ACTION: usize = 40;

/// What a payload says of one.
pub(super) struct Parts<'a> {
    pub(super) number: u64,
    pub(super) title: &'a str,
    pub(super) page: Option<&'a str>,
    pub(super) author: &'a str,
    pub(super) commit: &'a str,
    pub(super) branch: &'a str,
    pub(super) base: &'a str,
    /// The addresses of the repository that its commits lie in; none where that is gone.
    pub(super) head: Vec<&'a str>,
    pub(super) draft: bool,
    /// When it changed last.
    pub(super) at: Option<&'a str>,
}

/// What happened to it. `change` is none where nothing follows from it, whatever it is.
pub(super) fn pulled(
    remote: Remote,
    sender: &str,
    change: Option<PullChange>,
    action: &str,
    parts: &Parts<'_>,
) -> Said {
    let what = match change {
        Some(change) => request(&remote, change, parts).map(|request| (request, change)),
        None => {
            let plain = action.chars().filter(|c| !c.is_control()).take(MOST_ACTION);
            Err(format!(
                "{:?} changes nothing that a preview is made of",
                plain.collect::<String>()
            ))
        }
    };
    let sender = SenderName::cleaned(sender);
    Said::Pull(Box::new(Pulled { remote, sender, number: parts.number, what }))
}

fn request(remote: &Remote, change: PullChange, parts: &Parts<'_>) -> Result<PullRequest, String> {
    let own = |key: &RepositoryKey| remote.keys.contains(key);
    let host = |host: &str| remote.keys.iter().any(|key| key.host() == host);
    let head = match (head(own, host, parts.head.iter().copied()), change) {
        (Ok(head), _) => head,
        // Once it is closed, nobody asks where the commits were.
        (Err(_), PullChange::Closed { .. }) => Head::Own,
        (Err(why), PullChange::Came | PullChange::Edited) => return Err(why.to_owned()),
    };
    let branch = |name: &str| BranchName::new(name).map_err(|bad| bad.to_string());
    let base = branch(parts.base)?;
    let (branch, commit) = match (branch(parts.branch), HeadCommit::new(parts.commit)) {
        (Ok(branch), Ok(commit)) => (branch, commit),
        (Err(why), _) => return Err(why),
        (Ok(_), Err(bad)) => return Err(bad.to_string()),
    };
    Ok(PullRequest {
        number: parts.number,
        title: PullTitle::cleaned(parts.title),
        page: parts.page.and_then(|page| PageUrl::new(page).ok()),
        author: SenderName::cleaned(parts.author),
        commit,
        branch,
        head,
        base,
        draft: parts.draft,
        at: parts.at.and_then(moment).unwrap_or_default(),
    })
}

/// A moment as providers write it: RFC 3339, or as GitLab does, with a space and "UTC" or the offset of its own
/// time zone.
fn moment(text: &str) -> Option<Timestamp> {
    let text = match text.rsplit_once(' ') {
        Some((moment, "UTC")) => format!("{moment}Z"),
        Some((moment, offset)) if offset.starts_with(['+', '-']) => format!("{moment}{offset}"),
        Some(_) | None => text.to_owned(),
    };
    let moment: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(moment.as_millisecond()).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, header};
    use hythe_core::hook::Provider;
    use serde_json::{Value, json};

    use super::super::read;
    use super::*;

    macro_rules! sample {
        ($name:literal) => {
            serde_json::from_slice::<Value>(include_bytes!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/payloads/",
                $name,
                ".json"
            )))
            .unwrap()
        };
    }

    const COMMIT: &str = "1481a2de7b2a7d02428ad93446ab166be7793fbb";

    fn of(provider: Provider, event: &str, body: &Value) -> Pulled {
        let headers =
            HeaderMap::from_iter([(header::CONTENT_TYPE, "application/json".parse().unwrap())]);
        match read(provider, event, &headers, &serde_json::to_vec(body).unwrap()) {
            Ok(Said::Pull(pulled)) => *pulled,
            other => panic!("{provider} {event}: {other:?}"),
        }
    }

    /// Each provider, the name of its event, what it sends, where that has what, and a fork there.
    fn providers() -> [(Provider, &'static str, Value, &'static str, Value); 4] {
        let fork = |url: &str| json!({"clone_url": url, "html_url": url.trim_end_matches(".git")});
        let github = sample!("github_pull_request");
        let gitlab = sample!("gitlab_merge_request");
        let bitbucket = sample!("bitbucket_pullrequest");
        let gitea = sample!("gitea_pull_request");
        [
            (
                Provider::GitHub,
                "pull_request",
                github,
                "/pull_request/head/repo",
                fork("https://github.com/mallory/shop.git"),
            ),
            (
                Provider::GitLab,
                "Merge Request Hook",
                gitlab,
                "/object_attributes/source",
                json!({"git_http_url": "https://gitlab.com/mallory/shop.git"}),
            ),
            (
                Provider::Bitbucket,
                "pullrequest:created",
                bitbucket,
                "/pullrequest/source/repository",
                json!({"full_name": "mallory/shop"}),
            ),
            (
                Provider::Gitea,
                "pull_request",
                gitea,
                "/pull_request/head/repo",
                fork("http://git.example:3000/mallory/shop.git"),
            ),
        ]
    }

    #[test]
    fn a_pull_request_is_the_same_whoever_tells_of_it() {
        let rows = [
            (2, "Update", "octocat", "changes", "https://github.com/Octo-Org/shop/pull/2"),
            (
                1,
                "MS-Viewport",
                "root",
                "ms-viewport",
                "https://gitlab.com/mike/shop/-/merge_requests/1",
            ),
            (1, "Title", "emmap1", "branch2", "https://bitbucket.org/team/shop/pull-requests/1"),
            (1, "x", "gitea", "feature", "http://git.example:3000/gitea/shop/pulls/1"),
        ];
        for ((provider, event, body, ..), (number, title, author, branch, page)) in
            providers().into_iter().zip(rows)
        {
            let pulled = of(provider, event, &body);
            let (pull, change) = pulled.what.unwrap();
            assert_eq!((change, pull.number), (PullChange::Came, number), "{provider}");
            assert_eq!((pull.title.as_str(), pull.author.as_str()), (title, author));
            assert_eq!((pull.branch.as_str(), pull.base.as_str()), (branch, "main"), "{provider}");
            assert_eq!(pull.page.unwrap().as_str(), page);
            assert_eq!((pull.head, pull.draft), (Head::Own, false), "{provider}");
            let digits = if provider == Provider::Bitbucket { &COMMIT[..12] } else { COMMIT };
            assert_eq!(pull.commit.as_str(), digits, "{provider}");
            assert!(pull.at > Timestamp(1_700_000_000_000), "{provider}: {:?}", pull.at);
            assert!(pulled.remote.keys.iter().any(|key| key.path().ends_with("/shop")));
        }
    }

    #[test]
    fn commits_of_another_repository_are_told_from_its_own() {
        for (provider, event, mut body, at, fork) in providers() {
            *body.pointer_mut(at).unwrap() = fork;
            let (pull, _) = of(provider, event, &body).what.unwrap();
            match &pull.head {
                Head::Fork(url) => {
                    let url = url.as_str();
                    assert!(url.contains("/mallory/shop") && url.starts_with("http"), "{url}");
                }
                Head::Own => panic!("{provider}: it is a fork"),
            }
            *body.pointer_mut(at).unwrap() = Value::Null;
            let why = of(provider, event, &body).what.unwrap_err();
            assert!(why.contains("gone"), "{provider}: {why}");
            let elsewhere = match provider {
                Provider::GitLab => json!({"git_http_url": "https://evil.example/mike/shop"}),
                Provider::Bitbucket => {
                    json!({"links": {"html": {"href": "https://evil.example/a/b"}}})
                }
                Provider::GitHub | Provider::Gitea => {
                    json!({"clone_url": "https://evil.example/a/b"})
                }
            };
            *body.pointer_mut(at).unwrap() = elsewhere;
            let why = of(provider, event, &body).what.unwrap_err();
            assert!(why.contains("another server"), "{provider}: {why}");
        }
    }

    #[test]
    fn what_happened_is_told_in_each_providers_words() {
        let closed = |merged| Some(PullChange::Closed { merged });
        let (came, edited) = (Some(PullChange::Came), Some(PullChange::Edited));
        let action = |mut body: Value, at: &str, set: Value| {
            *body.pointer_mut(at).unwrap() = set;
            body
        };
        let github = |set: Value| action(sample!("github_pull_request"), "/action", set);
        let gitea = |set: Value| action(sample!("gitea_pull_request"), "/action", set);
        let gitlab = |set: &str, more: Value| {
            let body = sample!("gitlab_merge_request");
            let mut body = action(body, "/object_attributes/action", set.into());
            body["changes"] = more;
            body
        };
        let with = |mut body: Value, at: &str, set: Value| {
            let (within, field) = at.rsplit_once('/').unwrap();
            body.pointer_mut(within).unwrap()[field] = set;
            body
        };
        let shut = |body: Value| with(body, "/pull_request/state", "closed".into());
        let base = json!({"base": {"ref": {"from": "next"}}});
        let titled = |before: &str| json!({"title": {"from": before}});
        let drafted = |body: Value| with(body, "/pull_request/draft", true.into());
        let hub = (Provider::GitHub, "pull_request");
        let tea = (Provider::Gitea, "pull_request");
        let lab = (Provider::GitLab, "Merge Request Hook");
        let bit = |event| (Provider::Bitbucket, event);
        let cup = sample!("bitbucket_pullrequest");
        for ((provider, event), body, change) in [
            (hub, github("reopened".into()), came),
            (hub, github("synchronize".into()), came),
            (hub, github("ready_for_review".into()), came),
            (hub, github("edited".into()), edited),
            (hub, with(github("edited".into()), "/changes", base.clone()), came),
            (hub, github("closed".into()), closed(false)),
            (hub, with(github("closed".into()), "/pull_request/merged", true.into()), closed(true)),
            (hub, shut(with(github("edited".into()), "/changes", base)), edited),
            (hub, shut(github("ready_for_review".into())), None),
            (tea, shut(gitea("synchronized".into())), None),
            (hub, github("labeled".into()), None),
            (hub, github("converted_to_draft".into()), None),
            (tea, gitea("synchronized".into()), came),
            ((Provider::Gitea, "pull_request_sync"), gitea("synchronized".into()), came),
            (tea, gitea("reopened".into()), came),
            (tea, gitea("edited".into()), edited),
            (tea, with(gitea("edited".into()), "/changes", json!({"ref": {"from": "x"}})), came),
            // It is called "x".
            (tea, with(gitea("edited".into()), "/changes", titled("WIP: x")), came),
            (tea, with(gitea("edited".into()), "/changes", titled("y")), edited),
            (tea, drafted(with(gitea("edited".into()), "/changes", titled("A x"))), edited),
            (hub, with(github("edited".into()), "/changes", titled("WIP: Update")), edited),
            (tea, with(gitea("closed".into()), "/pull_request/merged", true.into()), closed(true)),
            (tea, gitea("label_updated".into()), None),
            (lab, gitlab("reopen", json!({})), came),
            (lab, gitlab("update", json!({})), edited),
            (lab, gitlab("update", json!({"target_branch": {"previous": "x"}})), came),
            (lab, gitlab("update", json!({"draft": {"previous": true}})), came),
            (
                lab,
                with(
                    gitlab("update", json!({"draft": {"previous": true}})),
                    "/object_attributes/state",
                    "closed".into(),
                ),
                edited,
            ),
            (
                lab,
                with(gitlab("update", json!({})), "/object_attributes/oldrev", COMMIT.into()),
                came,
            ),
            (lab, gitlab("close", json!({})), closed(false)),
            (lab, gitlab("merge", json!({})), closed(true)),
            (lab, gitlab("approved", json!({})), None),
            (bit("pullrequest:updated"), cup.clone(), came),
            (bit("pullrequest:fulfilled"), cup.clone(), closed(true)),
            (bit("pullrequest:rejected"), cup.clone(), closed(false)),
            (bit("pullrequest:comment_created"), cup, None),
        ] {
            let what = of(provider, event, &body).what;
            assert_eq!(
                what.as_ref().ok().map(|(_, change)| *change),
                change,
                "{provider}: {what:?}"
            );
        }
    }

    #[test]
    fn once_closed_it_does_not_matter_where_the_commits_were() {
        let mut body = sample!("github_pull_request");
        body["action"] = "closed".into();
        body["pull_request"]["head"]["repo"] = Value::Null;
        assert!(of(Provider::GitHub, "pull_request", &body).what.is_ok());
    }

    #[test]
    fn hostile_texts_get_no_further() {
        let with = |at: &str, set: &str| {
            let mut body = sample!("github_pull_request");
            *body.pointer_mut(at).unwrap() = set.into();
            of(Provider::GitHub, "pull_request", &body).what
        };
        for (at, hostile) in [
            ("/pull_request/head/sha", "--upload-pack=x"),
            ("/pull_request/head/sha", ""),
            ("/pull_request/head/ref", "a..b"),
            ("/pull_request/head/ref", "-x"),
            ("/pull_request/base/ref", "a b"),
        ] {
            let why = with(at, hostile).unwrap_err();
            assert!(why.len() < 300, "{why}");
        }
        let (pull, _) = with("/pull_request/html_url", "javascript:alert(1)").unwrap();
        assert_eq!(pull.page, None);
        let (pull, _) = with("/pull_request/title", &"\u{1b}[31m".repeat(100)).unwrap();
        assert!(pull.title.as_str().len() <= 480 && !pull.title.as_str().contains('\u{1b}'));
        let (pull, _) = with("/pull_request/updated_at", "soon").unwrap();
        assert_eq!(pull.at, Timestamp(0));
    }

    #[test]
    fn a_moment_is_read_however_it_is_written() {
        let at = Some(Timestamp(1_715_786_441_000));
        for text in [
            "2024-05-15T15:20:41Z",
            "2024-05-15T17:20:41+02:00",
            "2024-05-15T15:20:41.000000+00:00",
            "2024-05-15 15:20:41 UTC",
            "2024-05-15 17:20:41 +0200",
            "2024-05-15 08:20:41 -07:00",
        ] {
            assert_eq!(moment(text), at, "{text}");
        }
        for text in ["", "yesterday", "2024-05-15", "1960-01-01T00:00:00Z"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}
