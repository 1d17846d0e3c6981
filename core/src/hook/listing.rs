//! Which repositories a token reaches at its provider, and which branches one of them has.
//!
//! What providers answer is text from whoever named a repository or a branch: what is no address or no
//! branch's name as git allows it is left out.

use serde_json::Value;

use super::comment::Thread;
use super::status::{ApiMethod, ApiRequest, encoded, headers};
use super::{ApiAddress, Provider};
use crate::names::{BranchName, CommitId, RepositoryUrl};

/// Entries on one page, as many as all providers give.
const PAGE: usize = 50;
/// Pages that are read: what is beyond them is not listed, and that is said.
pub const MOST_PAGES: u32 = 20;

/// A repository that a token reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it lies.
    pub url: RepositoryUrl,
    /// Its own branch, where it has one.
    pub default_branch: Option<BranchName>,
    /// Whether not everybody may read it.
    pub private: bool,
}

/// A branch of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedBranch {
    /// Its name.
    pub name: BranchName,
    /// Its newest commit.
    pub commit: Option<CommitId>,
}

/// Reads a page of the repositories that a token reaches, counted from 1. `below` is the path that they
/// are to lie below, where one is given; Bitbucket has no list without.
#[must_use]
pub fn repositories(
    (provider, api): (Provider, &ApiAddress),
    below: &str,
    page: u32,
) -> Option<ApiRequest> {
    let url = match provider {
        Provider::GitHub => {
            format!("{api}/user/repos?sort=full_name&per_page={PAGE}&page={page}")
        }
        Provider::GitLab => format!(
            "{api}/projects?membership=true&simple=true&order_by=path&sort=asc&per_page={PAGE}\
             &page={page}"
        ),
        Provider::Gitea => format!("{api}/user/repos?limit={PAGE}&page={page}"),
        Provider::Bitbucket => {
            let workspace = below.split('/').find(|part| !part.is_empty())?;
            let workspace = encoded(workspace);
            format!("{api}/repositories/{workspace}?role=member&pagelen={PAGE}&page={page}")
        }
    };
    Some(request(provider, url))
}

/// Reads a page of a repository's branches, counted from 1. None where its path is not as that
/// provider's are.
#[must_use]
pub fn branches(repository: &Thread<'_>, page: u32) -> Option<ApiRequest> {
    let repos = repository.repos()?;
    let url = match repository.provider {
        Provider::GitHub => format!("{repos}/branches?per_page={PAGE}&page={page}"),
        Provider::GitLab => format!("{repos}/repository/branches?per_page={PAGE}&page={page}"),
        Provider::Gitea => format!("{repos}/branches?limit={PAGE}&page={page}"),
        Provider::Bitbucket => format!("{repos}/refs/branches?pagelen={PAGE}&page={page}"),
    };
    Some(request(repository.provider, url))
}

fn request(provider: Provider, url: String) -> ApiRequest {
    ApiRequest { method: ApiMethod::Get, url, headers: headers(provider), body: Value::Null }
}

/// The repositories of a page, and whether there is another one.
#[must_use]
pub fn listed(provider: Provider, answer: &Value) -> (Vec<Listed>, bool) {
    let (items, more) = items(provider, answer);
    let one = |item: &Value| {
        let text = |at: &str| item.pointer(at).and_then(Value::as_str);
        let (url, branch) = match provider {
            Provider::GitHub | Provider::Gitea => (text("/clone_url"), text("/default_branch")),
            Provider::GitLab => (text("/http_url_to_repo"), text("/default_branch")),
            Provider::Bitbucket => (text("/links/html/href"), text("/mainbranch/name")),
        };
        let private = match provider {
            Provider::GitHub | Provider::Gitea => item.get("private") == Some(&Value::Bool(true)),
            // Without the field it is not known that everybody may.
            Provider::GitLab => text("/visibility") != Some("public"),
            Provider::Bitbucket => item.get("is_private") == Some(&Value::Bool(true)),
        };
        Some(Listed {
            url: RepositoryUrl::new(url?).ok()?,
            default_branch: branch.and_then(|branch| BranchName::new(branch).ok()),
            private,
        })
    };
    (items.iter().filter_map(one).collect(), more)
}

/// The branches of a page, and whether there is another one.
#[must_use]
pub fn listed_branches(provider: Provider, answer: &Value) -> (Vec<ListedBranch>, bool) {
    let (items, more) = items(provider, answer);
    let one = |item: &Value| {
        let commit = match provider {
            Provider::GitHub => "/commit/sha",
            Provider::GitLab | Provider::Gitea => "/commit/id",
            Provider::Bitbucket => "/target/hash",
        };
        let commit = item.pointer(commit).and_then(Value::as_str);
        Some(ListedBranch {
            name: BranchName::new(item.get("name")?.as_str()?).ok()?,
            commit: commit.and_then(|commit| CommitId::new(commit).ok()),
        })
    };
    (items.iter().filter_map(one).collect(), more)
}

fn items(provider: Provider, answer: &Value) -> (&[Value], bool) {
    let all = match provider {
        Provider::Bitbucket => answer.get("values"),
        Provider::GitHub | Provider::GitLab | Provider::Gitea => Some(answer),
    };
    let items = all.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let more = match provider {
        Provider::Bitbucket => answer.get("next").is_some_and(Value::is_string),
        Provider::GitHub | Provider::GitLab => items.len() >= PAGE,
        // Whoever has one says how long its pages are at the most.
        Provider::Gitea => !items.is_empty(),
    };
    (items, more)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COMMIT: &str = "1481a2de7b2a7d02428ad93446ab166be7793fbb";

    #[test]
    fn repositories_are_read_in_each_providers_form() {
        let hub = json!([
            {"clone_url": "https://h.example/a/b.git", "default_branch": "main", "private": true},
            {"clone_url": "ext::sh -c id"},
            {"name": "x"},
        ]);
        let lab = json!([{"http_url_to_repo": "https://h.example/a/b.git",
                          "default_branch": "main", "visibility": "private"}]);
        let bucket = json!({"values": [{"links": {"html": {"href": "https://h.example/a/b.git"}},
                            "mainbranch": {"name": "main"}, "is_private": true}], "next": "x"});
        let one = Listed {
            url: RepositoryUrl::new("https://h.example/a/b.git").unwrap(),
            default_branch: Some(BranchName::new("main").unwrap()),
            private: true,
        };
        for (provider, answer, more) in [
            (Provider::GitHub, &hub, false),
            (Provider::Gitea, &hub, true),
            (Provider::GitLab, &lab, false),
            (Provider::Bitbucket, &bucket, true),
        ] {
            assert_eq!(listed(provider, answer), (vec![one.clone()], more), "{provider}");
            assert_eq!(listed(provider, &json!("x")), (vec![], false));
        }
        assert_eq!(listed(Provider::Gitea, &json!([])), (vec![], false));
        let full = Value::Array(vec![hub[0].clone(); PAGE]);
        assert!(listed(Provider::GitHub, &full).1);
    }

    #[test]
    fn branches_are_read_in_each_providers_form() {
        let one = |commit: &str| {
            let mut item = json!({"name": "main", "commit": {}, "target": {}});
            *item.pointer_mut(commit.rsplit_once('/').unwrap().0).unwrap() =
                json!({commit.rsplit_once('/').unwrap().1: COMMIT});
            json!([item, {"name": "a..b"}])
        };
        let main = ListedBranch {
            name: BranchName::new("main").unwrap(),
            commit: Some(CommitId::new(COMMIT).unwrap()),
        };
        for (provider, answer) in [
            (Provider::GitHub, one("/commit/sha")),
            (Provider::GitLab, one("/commit/id")),
            (Provider::Gitea, one("/commit/id")),
            (Provider::Bitbucket, json!({"values": one("/target/hash")})),
        ] {
            let found = listed_branches(provider, &answer);
            let more = provider == Provider::Gitea;
            assert_eq!(found, (vec![main.clone()], more), "{provider}");
        }
    }

    #[test]
    fn bitbucket_lists_a_workspace() {
        let api = ApiAddress::new("https://api.example").unwrap();
        let of = |provider, below: &str| repositories((provider, &api), below, 2);
        assert_eq!(of(Provider::Bitbucket, ""), None);
        let url = of(Provider::Bitbucket, "team/x").unwrap().url;
        assert_eq!(url, "https://api.example/repositories/team?role=member&pagelen=50&page=2");
        assert!(of(Provider::GitHub, "").unwrap().url.ends_with("&page=2"));
    }
}
