//! What a delivery says, in no provider's own terms.

mod bitbucket;
mod gitlab;
mod like_github;
mod pulled;

use std::collections::BTreeSet;

use axum::http::{HeaderMap, header};
use hythe_core::hook::{Provider, PullChange, PullRequest, RepositoryKey, SenderName, says_skip};
use hythe_core::names::CommitId;
use serde::de::DeserializeOwned;

/// References that one push may change; what is beyond them is not looked at.
const MOST_CHANGES: usize = 64;
/// Characters of a reference's name.
const MOST_NAME: usize = 200;

/// What happened at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The hook was made, or is tried.
    Ping,
    /// Branches or tags moved.
    Push(Push),
    /// Something happened to a pull or merge request.
    Pull(Box<Pulled>),
    /// Nothing that deploys.
    Other,
}

/// Something that happened to a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pulled {
    /// Of which repository.
    pub(crate) remote: Remote,
    /// Who did it.
    pub(crate) sender: SenderName,
    /// Its number.
    pub(crate) number: u64,
    /// What happened, to which; or why nothing follows from it.
    pub(crate) what: Result<(PullRequest, PullChange), String>,
}

/// Branches or tags that moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Push {
    /// Of which repository.
    pub(crate) remote: Remote,
    /// Who pushed.
    pub(crate) sender: SenderName,
    /// What moved.
    pub(crate) changes: Vec<RefChange>,
}

/// The repository, as the provider names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remote {
    /// Under each of its addresses.
    pub(crate) keys: BTreeSet<RepositoryKey>,
    /// Its own branch, where the provider says which.
    pub(crate) default_branch: Option<String>,
}

/// A branch or tag that moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefChange {
    /// Whether it is a tag, and else a branch.
    pub(crate) tag: bool,
    /// Its name.
    pub(crate) name: String,
    /// Where it is now; none where it is gone.
    pub(crate) commit: Option<CommitId>,
    /// Whether it is where it was.
    pub(crate) unmoved: bool,
    /// What its newest commit says that it is not to be deployed by.
    pub(crate) skip: Option<&'static str>,
    /// Which files are different.
    pub(crate) files: Files,
}

/// Which files are different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Files {
    /// These, and no other.
    Known(BTreeSet<String>),
    /// The payload does not say it, for this reason.
    Unknown(&'static str),
}

/// Why a payload cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// In another form than was asked for.
    #[error(
        "it is neither JSON nor a form with a payload; choose application/json as content type"
    )]
    Form,
    /// Not as the provider documents it.
    #[error("its body is not what the provider documents: {0}")]
    Json(String),
}

/// Reads a body whose signature holds.
pub(crate) fn read(
    provider: Provider,
    event: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Said, Unreadable> {
    let json = json(headers, body)?;
    match provider {
        Provider::GitHub | Provider::Gitea => like_github::read(provider, event, &json),
        Provider::GitLab => gitlab::read(event, &json),
        Provider::Bitbucket => bitbucket::read(event, &json),
    }
}

/// The JSON of a body that is JSON itself, or a form as GitHub sends it.
fn json<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<std::borrow::Cow<'a, [u8]>, Unreadable> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(body.into());
    }
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Unreadable::Form);
    }
    let mut fields = url::form_urlencoded::parse(body);
    let payload = fields.find(|(name, _)| name == "payload").ok_or(Unreadable::Form)?.1;
    Ok(payload.into_owned().into_bytes().into())
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(json).map_err(|error| {
        // Without the values: a payload may be of a private repository.
        let (line, column) = (error.line(), error.column());
        let what =
            if error.is_data() { "a field is missing or of another type" } else { "no JSON" };
        Unreadable::Json(format!("{what}, at line {line} column {column}"))
    })
}

impl Remote {
    fn new<'a>(
        urls: impl IntoIterator<Item = Option<&'a String>>,
        default_branch: Option<String>,
    ) -> Self {
        let urls = urls.into_iter().flatten();
        Self { keys: urls.filter_map(|url| RepositoryKey::of_text(url)).collect(), default_branch }
    }
}

/// The commit of an id; none where it stands for "there is none".
fn commit(id: &str) -> Option<CommitId> {
    CommitId::new(id).ok().filter(|id| id.as_str().bytes().any(|digit| digit != b'0'))
}

fn bounded(name: &str) -> String {
    name.chars().take(MOST_NAME).collect()
}

/// Whether a whole name of a reference is a tag's, and the short name. None for what is neither a
/// branch nor a tag.
fn reference(whole: &str) -> Option<(bool, String)> {
    let branch = whole.strip_prefix("refs/heads/").map(|name| (false, bounded(name)));
    branch.or_else(|| whole.strip_prefix("refs/tags/").map(|name| (true, bounded(name))))
}

fn skip(message: Option<&String>) -> Option<&'static str> {
    message.and_then(|message| says_skip(message))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    macro_rules! sample {
        ($name:literal) => {
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/payloads/", $name, ".json"))
        };
    }

    const COMMIT: &str = "1481a2de7b2a7d02428ad93446ab166be7793fbb";

    fn as_json() -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, "application/json".parse().unwrap())])
    }

    pub(crate) fn push_of(provider: Provider, event: &str, body: &[u8]) -> Push {
        match read(provider, event, &as_json(), body) {
            Ok(Said::Push(push)) => push,
            other => panic!("{provider} {event}: {other:?}"),
        }
    }

    pub(crate) fn github() -> Push {
        push_of(Provider::GitHub, "push", sample!("github_push"))
    }

    fn changed(body: &[u8], change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
        let mut value = serde_json::from_slice(body).unwrap();
        change(&mut value);
        serde_json::to_vec(&value).unwrap()
    }

    fn files(names: &[&str]) -> Files {
        Files::Known(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn a_push_is_the_same_whoever_tells_of_it() {
        let no_files = Files::Unknown("Bitbucket does not say which files a push changes");
        type Row = (
            Provider,
            &'static str,
            &'static [u8],
            &'static str,
            Option<&'static str>,
            &'static str,
            Files,
        );
        let rows: [Row; 4] = [
            (
                Provider::GitHub,
                "push",
                sample!("github_push"),
                "github.com/octo-org/shop",
                Some("main"),
                "octocat",
                files(&["README.md", "apps/web/src/price.ts", "docs/README.md"]),
            ),
            (
                Provider::GitLab,
                "Push Hook",
                sample!("gitlab_push"),
                "gitlab.com/mike/shop",
                Some("main"),
                "jsmith",
                files(&["CHANGELOG", "README.md", "app/controller/application.rb"]),
            ),
            (
                Provider::Bitbucket,
                "repo:push",
                sample!("bitbucket_push"),
                "bitbucket.org/team/shop",
                None,
                "emmap1",
                no_files,
            ),
            (
                Provider::Gitea,
                "push",
                sample!("gitea_push"),
                "git.example:3000/gitea/shop",
                Some("main"),
                "gitea",
                files(&["docs/a.md", "libs/price/lib.rs"]),
            ),
        ];
        for (provider, event, body, key, branch, sender, files) in rows {
            let push = push_of(provider, event, body);
            let keys: Vec<_> = push.remote.keys.iter().map(RepositoryKey::as_str).collect();
            assert!(keys.contains(&key), "{provider}: {keys:?}");
            assert_eq!(push.remote.default_branch.as_deref(), branch, "{provider}");
            assert_eq!(push.sender.as_str(), sender);
            let change = RefChange {
                tag: false,
                name: "main".into(),
                commit: Some(CommitId::new(COMMIT).unwrap()),
                unmoved: false,
                skip: None,
                files,
            };
            assert_eq!(push.changes[0], change, "{provider}");
        }
        let gitea = push_of(Provider::Gitea, "push", sample!("gitea_push")).remote.keys;
        let ssh = RepositoryKey::new("git.example:2222/gitea/shop").unwrap();
        assert!(gitea.contains(&ssh), "each address is its repository's: {gitea:?}");
        let both = push_of(Provider::Bitbucket, "repo:push", sample!("bitbucket_push")).changes;
        assert_eq!((both.len(), &*both[1].name, &both[1].commit), (2, "old-feature", &None));
    }

    #[test]
    fn a_tag_is_the_commit_that_it_is_about() {
        for (provider, event, body) in [
            (Provider::GitHub, "push", &sample!("github_tag")[..]),
            (Provider::GitLab, "Tag Push Hook", sample!("gitlab_tag_push")),
            (Provider::GitLab, "System Hook", sample!("gitlab_tag_push")),
            (Provider::Bitbucket, "repo:push", sample!("bitbucket_tag")),
            (Provider::Gitea, "push", sample!("gitea_tag")),
        ] {
            let push = push_of(provider, event, body);
            let change = &push.changes[0];
            assert_eq!((change.tag, change.name.as_str()), (true, "v1.2.0"), "{provider}");
            assert_eq!(change.commit.as_ref().unwrap().as_str(), COMMIT, "{provider}");
        }
    }

    #[test]
    fn what_is_no_push_is_known_for_what_it_is() {
        let said = |provider, event: &str, body| read(provider, event, &as_json(), body).unwrap();
        for (provider, event, body) in [
            (Provider::GitHub, "pull_request", &sample!("github_pull_request")[..]),
            (Provider::GitLab, "Merge Request Hook", sample!("gitlab_merge_request")),
            (Provider::GitLab, "System Hook", sample!("gitlab_merge_request")),
            (Provider::Bitbucket, "pullrequest:created", sample!("bitbucket_pullrequest")),
            (Provider::Gitea, "pull_request", sample!("gitea_pull_request")),
            (Provider::Gitea, "pull_request_sync", sample!("gitea_pull_request")),
        ] {
            assert!(matches!(said(provider, event, body), Said::Pull(_)), "{provider} {event}");
        }
        assert_eq!(said(Provider::GitHub, "ping", sample!("github_ping")), Said::Ping);
        for provider in Provider::ALL {
            assert_eq!(said(provider, "issues", b"{}"), Said::Other);
        }
        let deleted = push_of(Provider::GitHub, "push", sample!("github_deleted"));
        assert_eq!(deleted.changes[0].commit, None);
    }

    #[test]
    fn files_are_known_only_where_all_are_listed() {
        let of = |provider, event: &str, body: &[u8], change: &dyn Fn(&mut serde_json::Value)| {
            push_of(provider, event, &changed(body, change)).changes.remove(0).files
        };
        let github = |change: &dyn Fn(&mut serde_json::Value)| {
            of(Provider::GitHub, "push", sample!("github_push"), change)
        };
        let unknown = |files: Files, word: &str| match files {
            Files::Unknown(why) => assert!(why.contains(word), "{why}"),
            Files::Known(files) => panic!("{word}: {files:?}"),
        };
        unknown(github(&|v| v["forced"] = true.into()), "force");
        unknown(github(&|v| v["created"] = true.into()), "new");
        unknown(github(&|v| v["commits"] = serde_json::json!([])), "no commits");
        unknown(github(&|v| drop(v["commits"].as_array_mut().unwrap().pop())), "all commits");
        unknown(github(&|v| v["commits"][0]["added"] = serde_json::Value::Null), "no files");
        let many = |v: &mut serde_json::Value| {
            let one = v["commits"][0].clone();
            v["commits"].as_array_mut().unwrap().splice(0..0, vec![one; 2_048]);
        };
        unknown(github(&many), "all commits");
        let gitlab = |change: &dyn Fn(&mut serde_json::Value)| {
            of(Provider::GitLab, "Push Hook", sample!("gitlab_push"), change)
        };
        unknown(gitlab(&|v| v["total_commits_count"] = 21.into()), "all commits");
        let none = "0".repeat(40);
        unknown(gitlab(&|v| v["before"] = none.clone().into()), "new");
        let gitea = |change: &dyn Fn(&mut serde_json::Value)| {
            of(Provider::Gitea, "push", sample!("gitea_push"), change)
        };
        unknown(gitea(&|v| v["total_commits"] = 9.into()), "all commits");
        unknown(
            gitea(&|v| drop(v.as_object_mut().unwrap().remove("total_commits"))),
            "all commits",
        );
    }

    #[test]
    fn a_form_holds_the_same() {
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
        let payload = std::str::from_utf8(sample!("github_push")).unwrap();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let form = form.append_pair("payload", payload).finish();
        let said = read(Provider::GitHub, "push", &headers, form.as_bytes());
        assert_eq!(said, Ok(Said::Push(github())));
        for wrong in ["", "payload", "other=1", "payload=%7B"] {
            assert!(read(Provider::GitHub, "push", &headers, wrong.as_bytes()).is_err(), "{wrong}");
        }
        let text = HeaderMap::from_iter([(header::CONTENT_TYPE, "text/plain".parse().unwrap())]);
        assert_eq!(read(Provider::GitHub, "push", &text, b"{}"), Err(Unreadable::Form));
    }

    #[test]
    fn hostile_bodies_are_refused_and_not_repeated() {
        let deep = "[".repeat(100_000);
        let long = format!(r#"{{"ref":"refs/heads/{}"}}"#, "x".repeat(1 << 20));
        for body in ["", "null", "[]", "{}", r#"{"ref":"hush"}"#, r#"{"ref":7}"#, &deep, &long] {
            for (provider, event) in [
                (Provider::GitHub, "push"),
                (Provider::GitLab, "Push Hook"),
                (Provider::Bitbucket, "repo:push"),
                (Provider::Gitea, "push"),
            ] {
                let refused = read(provider, event, &as_json(), body.as_bytes()).unwrap_err();
                let shown = refused.to_string();
                assert!(shown.len() < 200 && !shown.contains("hush"), "{shown}");
            }
        }
        let odd = changed(sample!("github_push"), |v| {
            v["after"] = "--upload-pack=x".into();
            v["ref"] = format!("refs/heads/{}", "é".repeat(5_000)).into();
            v["sender"]["login"] = "a\n\u{1b}[31m".into();
            v["repository"]["clone_url"] = "ext::sh -c id".into();
        });
        let push = push_of(Provider::GitHub, "push", &odd);
        assert_eq!((&push.changes[0].commit, push.sender.as_str()), (&None, "a[31m"));
        assert_eq!(push.changes[0].name.chars().count(), MOST_NAME);
        let strange = changed(sample!("github_push"), |v| v["ref"] = "refs/notes/x".into());
        assert!(push_of(Provider::GitHub, "push", &strange).changes.is_empty());
    }
}
