//! How a comment on a pull request is looked for, made and changed at each provider, and how GitHub is
//! told of deployments.
//!
//! As of the documents of GitHub's REST API (2022-11-28), GitLab's API v4, Bitbucket Cloud's 2.0 and
//! Gitea's v1.

use serde_json::{Value, json};

use super::status::{ApiMethod, ApiRequest, encoded, headers};
use super::{ApiAddress, Provider};
use crate::ids::{AppId, DeploymentId};
use crate::names::CommitId;
use crate::repository::Location;

/// Comments on one page.
const PAGE: u32 = 100;
/// Pages that are looked through for a comment.
pub const MOST_PAGES: u32 = 20;

/// A pull request at a provider.
#[derive(Clone, Debug)]
pub struct Thread<'a> {
    /// Who has it.
    pub provider: Provider,
    /// Where its API is.
    pub api: &'a ApiAddress,
    /// The repository.
    pub repository: &'a Location,
    /// The pull request's number.
    pub number: u64,
}

/// A comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// The provider's id of it.
    pub id: u64,
    /// What it says, as it was written.
    pub text: String,
}

/// What tells a comment of ours from others: a definition of a link that nothing leads to, which no
/// provider shows. Nobody knows the app's id before the comment is there.
#[must_use]
pub fn marker(app: AppId) -> String {
    format!("[//]: # (hythe-preview-{app})")
}

impl Thread<'_> {
    pub(super) fn repos(&self) -> Option<String> {
        let parts: Vec<String> =
            self.repository.parts()?.iter().map(|part| encoded(part)).collect();
        let api = self.api;
        match (self.provider, parts.as_slice()) {
            (Provider::GitHub | Provider::Gitea, [owner, name]) => {
                Some(format!("{api}/repos/{owner}/{name}"))
            }
            (Provider::Bitbucket, [owner, name]) => {
                Some(format!("{api}/repositories/{owner}/{name}"))
            }
            // One part of the address, however deep its group lies.
            (Provider::GitLab, parts) => Some(format!("{api}/projects/{}", parts.join("%2F"))),
            (Provider::GitHub | Provider::Gitea | Provider::Bitbucket, _) => None,
        }
    }

    fn comments(&self) -> Option<String> {
        let (repos, number) = (self.repos()?, self.number);
        Some(match self.provider {
            Provider::GitHub | Provider::Gitea => format!("{repos}/issues/{number}/comments"),
            Provider::GitLab => format!("{repos}/merge_requests/{number}/notes"),
            Provider::Bitbucket => format!("{repos}/pullrequests/{number}/comments"),
        })
    }

    fn request(&self, method: ApiMethod, url: String, body: Value) -> ApiRequest {
        ApiRequest { method, url, headers: headers(self.provider), body }
    }

    /// Reads a page of the comments, counted from 1, the oldest first. None where the path of the
    /// repository is not as that provider's are, and beyond the last page.
    #[must_use]
    pub fn list(&self, page: u32) -> Option<ApiRequest> {
        let comments = self.comments()?;
        let url = match self.provider {
            Provider::GitHub => format!("{comments}?per_page={PAGE}&page={page}"),
            Provider::GitLab => {
                format!("{comments}?per_page={PAGE}&page={page}&order_by=created_at&sort=asc")
            }
            Provider::Bitbucket => format!("{comments}?pagelen={PAGE}&page={page}"),
            // It gives all at once.
            Provider::Gitea if page > 1 => return None,
            Provider::Gitea => comments,
        };
        (page <= MOST_PAGES).then(|| self.request(ApiMethod::Get, url, Value::Null))
    }

    /// Makes a comment.
    #[must_use]
    pub fn create(&self, text: &str) -> Option<ApiRequest> {
        Some(self.request(ApiMethod::Post, self.comments()?, self.body(text)))
    }

    /// Changes a comment.
    #[must_use]
    pub fn edit(&self, comment: u64, text: &str) -> Option<ApiRequest> {
        let (method, url) = match self.provider {
            Provider::GitHub | Provider::Gitea => {
                (ApiMethod::Patch, format!("{}/issues/comments/{comment}", self.repos()?))
            }
            Provider::GitLab | Provider::Bitbucket => {
                (ApiMethod::Put, format!("{}/{comment}", self.comments()?))
            }
        };
        Some(self.request(method, url, self.body(text)))
    }

    fn body(&self, text: &str) -> Value {
        match self.provider {
            Provider::GitHub | Provider::Gitea | Provider::GitLab => json!({"body": text}),
            Provider::Bitbucket => json!({"content": {"raw": text}}),
        }
    }

    /// The comments of a page, and whether there is another one.
    #[must_use]
    pub fn listed(&self, answer: &Value) -> (Vec<Comment>, bool) {
        let (items, text) = match self.provider {
            Provider::Bitbucket => (answer.get("values"), "/content/raw"),
            Provider::GitHub | Provider::Gitea | Provider::GitLab => (Some(answer), "/body"),
        };
        let items = items.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let comments = items.iter().filter_map(|item| {
            let text = item.pointer(text)?.as_str()?.to_owned();
            Some(Comment { id: created(item)?, text })
        });
        let more = match self.provider {
            Provider::Bitbucket => answer.get("next").is_some_and(Value::is_string),
            Provider::GitHub => items.len() >= PAGE as usize,
            // It leaves out of a page what whoever asks may not see.
            Provider::GitLab => !items.is_empty(),
            Provider::Gitea => false,
        };
        (comments.collect(), more)
    }

    /// Tells GitHub that a commit is deployed.
    #[must_use]
    pub fn deploy(&self, deployed: &Deployed<'_>) -> Option<ApiRequest> {
        let url = format!("{}/deployments", self.repos()?);
        let Deployed { id, commit, environment, transient } = deployed;
        let body = json!({
            "ref": commit.as_str(),
            "task": "deploy",
            "auto_merge": false,
            "required_contexts": [],
            "payload": {"hythe": id.to_string()},
            "environment": environment,
            "description": "Deployed by Hythe",
            "transient_environment": transient,
            "production_environment": !transient,
        });
        Some(self.request(ApiMethod::Post, url, body))
    }

    /// Reads the newest deployments of an environment, of one commit or of all.
    #[must_use]
    pub fn deployments(&self, environment: &str, commit: Option<&CommitId>) -> Option<ApiRequest> {
        let environment = encoded(environment);
        let mut url =
            format!("{}/deployments?environment={environment}&per_page={PAGE}", self.repos()?);
        if let Some(commit) = commit {
            url.push_str("&sha=");
            url.push_str(commit.as_str());
        }
        Some(self.request(ApiMethod::Get, url, Value::Null))
    }

    /// Tells GitHub how a deployment fares.
    #[must_use]
    pub fn deployed(
        &self,
        deployment: u64,
        state: &str,
        (page, address): (Option<&str>, Option<&str>),
    ) -> Option<ApiRequest> {
        let url = format!("{}/deployments/{deployment}/statuses", self.repos()?);
        let mut body = json!({"state": state, "auto_inactive": true});
        if let Some(fields) = body.as_object_mut() {
            let links = [("log_url", page), ("environment_url", address)];
            let links = links.into_iter().filter_map(|(name, link)| Some((name, link?)));
            fields.extend(links.map(|(name, link)| (name.to_owned(), link.into())));
        }
        Some(self.request(ApiMethod::Post, url, body))
    }
}

/// A deployment, as GitHub is told of it.
#[derive(Clone, Debug)]
pub struct Deployed<'a> {
    /// Ours.
    pub id: DeploymentId,
    /// Of which commit.
    pub commit: &'a CommitId,
    /// Where it is deployed to.
    pub environment: &'a str,
    /// Whether that goes again.
    pub transient: bool,
}

/// The provider's id of what was made.
#[must_use]
pub fn created(answer: &Value) -> Option<u64> {
    answer.get("id").and_then(Value::as_u64)
}

/// The ids of GitHub's deployments that are ours: of one, or of any.
#[must_use]
pub fn ours(answer: &Value, id: Option<DeploymentId>) -> Vec<u64> {
    let all = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    let of_us = all.iter().filter(|one| {
        // An older server gives the payload back as the text that it is.
        let payload = one.get("payload");
        let within =
            payload.and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
        let payload: Option<Value> = within.or_else(|| payload.cloned());
        let given =
            payload.as_ref().and_then(|payload| payload.get("hythe")).and_then(Value::as_str);
        given.is_some_and(|given| id.is_none_or(|id| id.to_string() == given))
    });
    of_us.filter_map(created).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::RepositoryKey;
    use crate::names::RepositoryUrl;
    use crate::testing::{app_id, deployment_id};

    fn with<T>(provider: Provider, look: impl Fn(&Thread<'_>) -> T) -> T {
        let url = RepositoryUrl::new("https://h.example/a/b").unwrap();
        let repository = Location::of(&url).unwrap();
        let api = ApiAddress::usual(provider, &RepositoryKey::of(&url).unwrap()).unwrap();
        look(&Thread { provider, api: &api, repository: &repository, number: 4 })
    }

    #[test]
    fn each_provider_has_its_comments_elsewhere() {
        let rows = [
            (Provider::GitHub, "https://h.example/api/v3/repos/a/b/issues/4/comments", "PATCH"),
            (Provider::Gitea, "https://h.example/api/v1/repos/a/b/issues/4/comments", "PATCH"),
            (
                Provider::GitLab,
                "https://h.example/api/v4/projects/a%2Fb/merge_requests/4/notes",
                "PUT",
            ),
            (
                Provider::Bitbucket,
                "https://api.bitbucket.org/2.0/repositories/a/b/pullrequests/4/comments",
                "PUT",
            ),
        ];
        for (provider, comments, method) in rows {
            with(provider, |thread| {
                let made = thread.create("text").unwrap();
                assert_eq!((made.method, made.url.as_str()), (ApiMethod::Post, comments));
                let body = match provider {
                    Provider::Bitbucket => json!({"content": {"raw": "text"}}),
                    Provider::GitHub | Provider::GitLab | Provider::Gitea => {
                        json!({"body": "text"})
                    }
                };
                assert_eq!(made.body, body);
                let edit = thread.edit(7, "text").unwrap();
                let by = if method == "PUT" { ApiMethod::Put } else { ApiMethod::Patch };
                assert_eq!((edit.method, edit.body), (by, body));
                assert!(edit.url.ends_with("/7"), "{}", edit.url);
                assert!(thread.list(1).unwrap().url.starts_with(comments));
                assert!(thread.list(MOST_PAGES + 1).is_none());
            });
        }
        with(Provider::GitHub, |thread| {
            let edit = thread.edit(7, "text").unwrap().url;
            assert_eq!(edit, "https://h.example/api/v3/repos/a/b/issues/comments/7");
        });
    }

    #[test]
    fn comments_are_read_in_each_providers_form() {
        let plain = json!([{"id": 1, "body": "a"}, {"id": "x", "body": "b"}, {"id": 2}]);
        let one = Comment { id: 1, text: "a".into() };
        for provider in [Provider::GitHub, Provider::GitLab, Provider::Gitea] {
            let listed = with(provider, |thread| thread.listed(&plain));
            // Of GitLab only an empty page is the last one.
            let more = provider == Provider::GitLab;
            assert_eq!(listed, (vec![one.clone()], more), "{provider}");
            assert_eq!(with(provider, |thread| thread.listed(&json!([]))), (vec![], false));
        }
        let paged = json!({"values": [{"id": 1, "content": {"raw": "a"}}], "next": "https://x"});
        assert_eq!(with(Provider::Bitbucket, |thread| thread.listed(&paged)), (vec![one], true));
        let full = Value::Array(vec![json!({"id": 1, "body": "a"}); 100]);
        assert!(with(Provider::GitHub, |thread| thread.listed(&full)).1);
        assert_eq!(with(Provider::GitHub, |thread| thread.listed(&Value::Null)), (vec![], false));
    }

    #[test]
    fn a_marker_is_no_text_and_one_apps() {
        let text = marker(app_id(1));
        assert!(text.starts_with("[//]: # (") && !text.contains('\n'), "{text}");
        assert_ne!(text, marker(app_id(2)));
    }

    #[test]
    fn our_deployments_are_known_by_what_was_put_in() {
        let id = deployment_id(1);
        let text = json!({"hythe": id.to_string()}).to_string();
        let answer = json!([
            {"id": 1, "payload": {"hythe": id.to_string()}},
            {"id": 2, "payload": text},
            {"id": 3, "payload": ""},
            {"id": 4, "payload": {"hythe": deployment_id(2).to_string()}},
        ]);
        assert_eq!(ours(&answer, Some(id)), [1, 2]);
        assert_eq!(ours(&answer, None), [1, 2, 4]);
        assert_eq!(ours(&json!({"message": "no"}), None), Vec::<u64>::new());
    }
}
