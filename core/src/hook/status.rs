//! What a provider is told about a commit: that it is being deployed, is live, or is not.
//!
//! Providers show this to everybody who may read the repository, so it says no more than which stage
//! failed: never a log line, a variable or an address of the installation that nobody made public.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::{Provider, PublicAddress, RepositoryKey};
use crate::deployment::{Attempt, Outcome, Stage, StageName};
use crate::ids::DeploymentId;
use crate::names::{BadText, CommitId, bad, shown, text};
use crate::repository::{Location, Scheme, is_host, split_port};
use crate::source::Reference;

/// The most characters of a description: GitHub takes no more.
const MOST_DESCRIPTION: usize = 140;
/// What the name of a status begins with.
const OURS: &str = "hythe/";
/// The most characters of the key by which Bitbucket tells statuses apart: as many as an app's name has.
const MOST_KEY: usize = 40;

text!(
    /// Where a provider's API is: `https://` or `http://`, a host and, where it lies below one, a path
    /// without a slash at its end. At most 240 characters.
    ApiAddress, "the address of an API", api_address
);

fn api_address(text: &str) -> Result<(), String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let mut parts = rest.unwrap_or_default().split('/');
    let named = parts.next().and_then(split_port).is_some_and(|(name, _)| is_host(name));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let fine = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain);
    if named && parts.all(fine) && text.len() <= 240 {
        Ok(())
    } else {
        Err(format!(
            "is https:// or http://, a host in lower case and perhaps a path, such as \
             https://git.example.com/api/v4; got {}",
            shown(text)
        ))
    }
}

impl ApiAddress {
    /// That of github.com.
    #[must_use]
    pub fn of_github() -> Self {
        Self("https://api.github.com".to_owned())
    }

    /// Where a provider has its API for a repository, unless told otherwise. None where the path of
    /// the repository is not as that provider's are.
    #[must_use]
    pub fn usual(provider: Provider, repository: &RepositoryKey) -> Option<Self> {
        let host = repository.host();
        Self::new(match (provider, host) {
            (Provider::GitHub, "github.com") => "https://api.github.com".to_owned(),
            (Provider::GitHub, host) => format!("https://{host}/api/v3"),
            (Provider::GitLab, host) => format!("https://{host}/api/v4"),
            (Provider::Bitbucket, _) => "https://api.bitbucket.org/2.0".to_owned(),
            (Provider::Gitea, host) => format!("https://{host}/api/v1"),
        })
        .ok()
    }
}

/// How a commit fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommitState {
    /// It is being deployed.
    Pending,
    /// It is live.
    Success,
    /// It could not be.
    Failure,
    /// Somebody cancelled it, or a newer one took its place before it was live.
    Cancelled,
}

impl CommitState {
    /// The name in JSON and lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What is told of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitStatus {
    /// Of which commit.
    pub commit: CommitId,
    /// How it fares.
    pub state: CommitState,
    /// Tells it from what others say of the same commit: `hythe/APP`.
    pub context: String,
    /// The same in words.
    pub description: String,
}

impl CommitStatus {
    /// What there is to tell of a deployment. None before its commit is known, and none once another
    /// version took the place that it had: it was live, and that stays true of its commit.
    #[must_use]
    pub fn of(attempt: &Attempt, was_live: bool) -> Option<Self> {
        let number = attempt.spec.number;
        let (state, description) = match &attempt.stage {
            Stage::Ended(Outcome::Superseded) if was_live => return None,
            Stage::Live => (CommitState::Success, format!("deployment #{number} is live")),
            Stage::Ended(Outcome::Superseded) => {
                (CommitState::Cancelled, format!("a newer deployment took the place of #{number}"))
            }
            Stage::Ended(Outcome::Cancelled) => {
                (CommitState::Cancelled, format!("deployment #{number} was cancelled"))
            }
            Stage::Ended(Outcome::Failed { stage, fault: _ }) => {
                (CommitState::Failure, format!("deployment #{number} failed{}", while_it(*stage)))
            }
            Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Releasing { .. }
            | Stage::Starting { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Draining { .. } => {
                (CommitState::Pending, format!("deployment #{number} is under way"))
            }
        };
        Self::said(attempt, state, &description)
    }

    /// That a deployment went live, where another version took its place before anybody could be told.
    #[must_use]
    pub fn of_live(attempt: &Attempt) -> Option<Self> {
        let description = format!("deployment #{} was live", attempt.spec.number);
        Self::said(attempt, CommitState::Success, &description)
    }

    fn said(attempt: &Attempt, state: CommitState, description: &str) -> Option<Self> {
        let spec = &attempt.spec;
        let commit = match (&attempt.built, &spec.source.git()?.reference) {
            (Some(built), _) => built.commit.clone(),
            (None, Reference::Commit(commit)) => commit.clone(),
            (None, Reference::DefaultBranch | Reference::Branch(_) | Reference::Tag(_)) => {
                return None;
            }
        };
        let description = description.chars().take(MOST_DESCRIPTION).collect();
        let context = format!("{OURS}{}", spec.app_name);
        Some(Self { commit, state, context, description })
    }
}

/// At what a deployment failed, in words.
pub(crate) const fn while_it(stage: StageName) -> &'static str {
    match stage {
        StageName::Queued | StageName::Building => " to build",
        StageName::Releasing => " at its release command",
        StageName::Starting | StageName::Built | StageName::Healthy => " to start",
        StageName::Switching | StageName::Draining => " while it took over the traffic",
        StageName::Requested
        | StageName::Live
        | StageName::Superseded
        | StageName::Failed
        | StageName::Cancelled => "",
    }
}

/// What is done with what lies at an address of a provider's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiMethod {
    /// It is read.
    Get,
    /// Something is put below it.
    Post,
    /// It is written anew.
    Put,
    /// A part of it is written anew.
    Patch,
}

/// A request to a provider's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRequest {
    /// What is done.
    pub method: ApiMethod,
    /// Where it goes.
    pub url: String,
    /// Headers besides the one that says who asks.
    pub headers: Vec<(&'static str, &'static str)>,
    /// What it says; nothing where it only reads.
    pub body: Value,
}

/// What every request to a provider says of how it is to be understood.
pub(crate) fn headers(provider: Provider) -> Vec<(&'static str, &'static str)> {
    match provider {
        Provider::GitHub => {
            vec![("accept", "application/vnd.github+json"), ("x-github-api-version", "2022-11-28")]
        }
        Provider::GitLab | Provider::Bitbucket | Provider::Gitea => {
            vec![("accept", "application/json")]
        }
    }
}

/// How a provider is told of a commit of this repository. `page` is where people read more.
///
/// As of the documents of GitHub's REST API (2022-11-28), GitLab's API v4, Bitbucket Cloud's 2.0 and
/// Gitea's v1. None where the repository's path is not as the provider's are, or where it wants a page
/// and there is none.
#[must_use]
pub fn request(
    (provider, api): (Provider, &ApiAddress),
    repository: &Location,
    status: &CommitStatus,
    page: Option<&str>,
) -> Option<ApiRequest> {
    let parts = repository.parts()?;
    let path: Vec<String> = parts.iter().map(|part| encoded(part)).collect();
    let CommitStatus { commit, state, context, description } = status;
    let (method, headers) = (ApiMethod::Post, headers(provider));
    let owned = |below: &str, state: &str| {
        let [owner, name] = path.as_slice() else { return None };
        let mut body = json!({"state": state, "context": context, "description": description});
        if let (Some(page), Some(fields)) = (page, body.as_object_mut()) {
            fields.insert("target_url".into(), page.into());
        }
        let url = format!("{api}/repos/{owner}/{name}/{below}/{commit}");
        Some(ApiRequest { method, url, headers: headers.clone(), body })
    };
    match provider {
        Provider::GitHub => {
            // It has no word for what was cancelled.
            let state = match state {
                CommitState::Pending => "pending",
                CommitState::Success => "success",
                CommitState::Failure => "failure",
                CommitState::Cancelled => "error",
            };
            owned("statuses", state)
        }
        Provider::Gitea => {
            let state = match state {
                CommitState::Pending => "pending",
                CommitState::Success => "success",
                CommitState::Failure => "failure",
                CommitState::Cancelled => "warning",
            };
            owned("statuses", state)
        }
        Provider::GitLab => {
            let state = match state {
                CommitState::Pending => "running",
                CommitState::Success => "success",
                CommitState::Failure => "failed",
                CommitState::Cancelled => "canceled",
            };
            let mut body = json!({"state": state, "name": context, "description": description});
            if let (Some(page), Some(fields)) = (page, body.as_object_mut()) {
                fields.insert("target_url".into(), page.into());
            }
            // One part of the address, however deep its group lies.
            let project = path.join("%2F");
            let url = format!("{api}/projects/{project}/statuses/{commit}");
            Some(ApiRequest { method, url, headers, body })
        }
        Provider::Bitbucket => {
            let [workspace, name] = path.as_slice() else { return None };
            let state = match state {
                CommitState::Pending => "INPROGRESS",
                CommitState::Success => "SUCCESSFUL",
                CommitState::Failure => "FAILED",
                CommitState::Cancelled => "STOPPED",
            };
            let short = context.strip_prefix(OURS).filter(|_| context.len() > MOST_KEY);
            let key = short.unwrap_or(context);
            let body = json!({
                "key": key, "name": context, "state": state, "description": description,
                "url": page?,
            });
            let url =
                format!("{api}/repositories/{workspace}/{name}/commit/{commit}/statuses/build");
            Some(ApiRequest { method, url, headers, body })
        }
    }
}

/// One part of an address's path.
pub(crate) fn encoded(part: &str) -> String {
    use fmt::Write as _;
    let mut text = String::new();
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            // That something cannot be written into a string does not happen.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// The repository as one that is reached over https: what a token is for. One that is reached over
/// ssh is the same there, at the usual port.
#[must_use]
pub fn over_https(repository: &Location) -> Option<Location> {
    match repository.scheme {
        Scheme::Https | Scheme::Http => Some(repository.clone()),
        Scheme::Ssh => Some(Location { scheme: Scheme::Https, port: None, ..repository.clone() }),
        Scheme::File => None,
    }
}

/// Where people read more of a deployment.
#[must_use]
pub fn page(address: &PublicAddress, deployment: DeploymentId) -> String {
    format!("{address}/deployments/{deployment}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::RepositoryUrl;

    fn location(url: &str) -> Location {
        Location::of(&RepositoryUrl::new(url).unwrap()).unwrap()
    }

    fn status(state: CommitState) -> CommitStatus {
        CommitStatus {
            commit: CommitId::new("1481a2de7b2a7d02428ad93446ab166be7793fbb").unwrap(),
            state,
            context: "hythe/shop".into(),
            description: "deployment #3 is live".into(),
        }
    }

    #[test]
    fn what_was_live_for_a_moment_is_told_of_as_what_was_live() {
        use crate::past::testing::Journal;
        use crate::testing::deployment_id;

        let mut journal = Journal::default();
        journal.create(1, "shop");
        journal.deploy(1, 1);
        journal.deploy(1, 2);
        let mut view = crate::view::View::default();
        journal.events.iter().for_each(|event| view.apply(event));
        let attempt = |n| view.deployments[&deployment_id(n)].state.attempt().unwrap();
        assert_eq!(attempt(1).stage.name(), StageName::Superseded);
        assert_eq!(CommitStatus::of(attempt(1), true), None, "that stays true of its commit");
        let told = CommitStatus::of_live(attempt(1)).unwrap();
        assert_eq!(
            (told.state, told.description.as_str()),
            (CommitState::Success, "deployment #1 was live")
        );
        let live = CommitStatus::of(attempt(2), true).unwrap();
        assert_eq!((live.state, live.context), (CommitState::Success, told.context));
    }

    #[test]
    fn an_api_is_where_the_provider_has_it() {
        let usual = |provider, repository: &str| {
            let key = RepositoryKey::of_text(repository).unwrap();
            ApiAddress::usual(provider, &key).map(|api| api.to_string())
        };
        for (provider, repository, api) in [
            (Provider::GitHub, "git@github.com:octo/shop.git", "https://api.github.com"),
            (
                Provider::GitHub,
                "https://github.corp.example/o/s",
                "https://github.corp.example/api/v3",
            ),
            (Provider::GitLab, "https://gitlab.com/a/b/c", "https://gitlab.com/api/v4"),
            (Provider::Bitbucket, "git@bitbucket.org:a/b", "https://api.bitbucket.org/2.0"),
            (Provider::Gitea, "https://git.example:3000/a/b", "https://git.example:3000/api/v1"),
        ] {
            assert_eq!(usual(provider, repository).as_deref(), Some(api), "{repository}");
        }
        for right in ["http://127.0.0.1:8080", "https://[::1]:80/api/v4", "https://x.example/a.b"] {
            assert!(ApiAddress::new(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "api.github.com",
            "ftp://x",
            "https://",
            "https://u:p@x.example",
            "https://x.example/",
            "https://x.example/a/",
            "https://x.example//a",
            "https://x.example/../a",
            "https://x.example/a?b",
            "https://X.example",
            "https://x.example:0",
            "https://x example",
        ] {
            assert!(ApiAddress::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_provider_is_told_in_its_own_words() {
        let told = |provider, repository: &str, state, page: Option<&str>| {
            let repository = location(repository);
            let key = RepositoryKey::of_text("https://h.example/a/b").unwrap();
            let api = ApiAddress::usual(provider, &key).unwrap();
            request((provider, &api), &repository, &status(state), page)
        };
        let address = "https://hythe.example.com/deployments/1";
        let page = Some(address);
        let sha = "1481a2de7b2a7d02428ad93446ab166be7793fbb";
        let github =
            told(Provider::GitHub, "git@h.example:Octo/Shop.git", CommitState::Success, page)
                .unwrap();
        assert_eq!(github.url, format!("https://h.example/api/v3/repos/Octo/Shop/statuses/{sha}"));
        assert_eq!(
            github.body,
            json!({"state": "success", "context": "hythe/shop",
                   "description": "deployment #3 is live", "target_url": page})
        );
        let gitlab =
            told(Provider::GitLab, "https://h.example/a/b/c", CommitState::Pending, None).unwrap();
        assert_eq!(
            gitlab.url,
            format!("https://h.example/api/v4/projects/a%2Fb%2Fc/statuses/{sha}")
        );
        assert_eq!(
            gitlab.body,
            json!({"state": "running", "name": "hythe/shop", "description": "deployment #3 is live"})
        );
        let gitea =
            told(Provider::Gitea, "https://h.example/a/b", CommitState::Cancelled, None).unwrap();
        assert_eq!(gitea.body["state"], "warning");
        let bitbucket =
            told(Provider::Bitbucket, "https://h.example/a/b", CommitState::Failure, page).unwrap();
        assert_eq!(
            bitbucket.url,
            format!("https://api.bitbucket.org/2.0/repositories/a/b/commit/{sha}/statuses/build")
        );
        assert_eq!(bitbucket.body["url"], address);
        assert_eq!(bitbucket.body["key"], "hythe/shop");
        let name = format!("shop-{}-pr-7", "a".repeat(30));
        let long =
            CommitStatus { context: format!("hythe/{name}"), ..status(CommitState::Success) };
        let api = ApiAddress::new("https://api.bitbucket.org/2.0").unwrap();
        let lies = location("https://h.example/a/b");
        let long = request((Provider::Bitbucket, &api), &lies, &long, page).unwrap();
        assert_eq!((&long.body["key"], name.len()), (&json!(name), MOST_KEY));
        assert_eq!(long.body["name"], format!("hythe/{name}"));

        // Bitbucket wants a page; only GitLab has groups in groups.
        assert_eq!(
            told(Provider::Bitbucket, "https://h.example/a/b", CommitState::Failure, None),
            None
        );
        assert_eq!(
            told(Provider::GitHub, "https://h.example/a/b/c", CommitState::Success, page),
            None
        );
    }
}
