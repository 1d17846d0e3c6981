//! What GitHub is asked on behalf of an App, and what of its answers counts.
//!
//! As of the documents of GitHub's REST API (2022-11-28). What an answer says is text from outside: what is
//! not as it is documented is no answer.

use std::fmt;

use serde_json::{Value, json};

use super::{
    GitHubAccount, GitHubClientId, GitHubMade, GitHubServer, GitHubSlug, ManifestCode, Purpose,
};
use crate::hook::status::{ApiMethod, ApiRequest, encoded, headers};
use crate::hook::{ApiAddress, Provider};
use crate::repository::Location;
use crate::time::Timestamp;

/// Bytes of a private key, and of a webhook's secret.
const MOST_KEY: usize = 16 * 1024;
const MOST_SECRET: usize = 1_024;
/// Bytes of a token.
const MOST_TOKEN: usize = 4_096;
/// Installations on one page, and pages that are read.
const PAGE: usize = 100;
/// Pages of installations that are read.
pub const MOST_PAGES: u32 = 10;
/// How far an assertion reaches back, for clocks that are not quite the same, and on, in seconds: GitHub
/// takes none of more than ten minutes.
const BACK: u64 = 60;
const ON: u64 = 540;

/// What is secret of an App that was made. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Converted {
    /// What is not.
    pub made: GitHubMade,
    /// The secret of its webhook.
    pub secret: String,
    /// Its private key, as PEM.
    pub key: String,
}

impl fmt::Debug for Converted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Converted").field("made", &self.made).finish_non_exhaustive()
    }
}

/// Where an App is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// GitHub's number of it.
    pub id: u64,
    /// At whose repositories.
    pub account: GitHubAccount,
    /// Whether only some of them were chosen.
    pub selected: bool,
    /// Whether somebody has taken its rights away for now.
    pub suspended: bool,
}

fn request(method: ApiMethod, url: String, body: Value) -> ApiRequest {
    ApiRequest { method, url, headers: headers(Provider::GitHub), body }
}

/// Owner and name of a repository, as its address has them. None for what is no repository of GitHub's.
#[must_use]
pub fn owner_and_name(repository: &Location) -> Option<(&str, &str)> {
    match repository.parts()?.as_slice() {
        [owner, name] => Some((owner, name)),
        _ => None,
    }
}

/// Exchanges a code for the App that was made.
#[must_use]
pub fn exchange(server: &GitHubServer, code: &ManifestCode) -> ApiRequest {
    let url = format!("{}/app-manifests/{code}/conversions", server.api());
    request(ApiMethod::Post, url, Value::Null)
}

/// The App that an exchange gave. The error says which field is not as it should be, without its value.
///
/// # Errors
/// The field's name.
pub fn converted(answer: &Value) -> Result<Converted, &'static str> {
    let text = |at: &'static str| answer.pointer(at).and_then(Value::as_str);
    let app = answer.get("id").and_then(Value::as_u64).filter(|id| *id > 0).ok_or("id")?;
    let slug = text("/slug").and_then(|slug| GitHubSlug::new(slug).ok()).ok_or("slug")?;
    let client = text("/client_id").and_then(|id| GitHubClientId::new(id).ok());
    let owner = text("/owner/login").and_then(|login| GitHubAccount::new(login).ok());
    let visible = |text: &&str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let secret = text("/webhook_secret")
        .filter(|secret| (1..=MOST_SECRET).contains(&secret.len()))
        .filter(visible);
    let key = text("/pem").filter(|key| (1..=MOST_KEY).contains(&key.len()));
    Ok(Converted {
        made: GitHubMade {
            app,
            slug,
            client: client.ok_or("client_id")?,
            owner: owner.ok_or("owner")?,
        },
        secret: secret.ok_or("webhook_secret")?.to_owned(),
        key: key.ok_or("pem")?.to_owned(),
    })
}

/// Reads what the App is: whoever may ask has its key.
#[must_use]
pub fn who(api: &ApiAddress) -> ApiRequest {
    request(ApiMethod::Get, format!("{api}/app"), Value::Null)
}

/// GitHub's number of the App that asked.
#[must_use]
pub fn number(answer: &Value) -> Option<u64> {
    answer.get("id").and_then(Value::as_u64)
}

/// Asks where an App is installed so that it reaches a repository. None for what is no repository of
/// GitHub's.
#[must_use]
pub fn installation_of(api: &ApiAddress, repository: &Location) -> Option<ApiRequest> {
    let (owner, name) = owner_and_name(repository)?;
    let url = format!("{api}/repos/{}/{}/installation", encoded(owner), encoded(name));
    Some(request(ApiMethod::Get, url, Value::Null))
}

/// Reads a page of where an App is installed, counted from 1.
#[must_use]
pub fn installations(api: &ApiAddress, page: u32) -> ApiRequest {
    let url = format!("{api}/app/installations?per_page={PAGE}&page={page}");
    request(ApiMethod::Get, url, Value::Null)
}

/// An installation, as GitHub tells of it.
#[must_use]
pub fn installed(answer: &Value) -> Option<Installed> {
    let account = answer.pointer("/account/login").and_then(Value::as_str)?;
    Some(Installed {
        id: answer.get("id").and_then(Value::as_u64).filter(|id| *id > 0)?,
        account: GitHubAccount::new(account).ok()?,
        selected: answer.get("repository_selection").and_then(Value::as_str) != Some("all"),
        suspended: answer.get("suspended_at").is_some_and(|at| !at.is_null()),
    })
}

/// The installations of a page, and whether there is another one.
#[must_use]
pub fn installed_on(answer: &Value) -> (Vec<Installed>, bool) {
    let items = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    (items.iter().filter_map(installed).collect(), items.len() >= PAGE)
}

/// Borrows a token that may do this and nothing else, of one repository where one is named.
#[must_use]
pub fn borrow(
    api: &ApiAddress,
    installation: u64,
    repository: Option<&str>,
    purpose: Purpose,
) -> ApiRequest {
    let permissions: serde_json::Map<String, Value> = purpose
        .permissions()
        .iter()
        .map(|(name, may)| ((*name).to_owned(), (*may).into()))
        .collect();
    let mut body = json!({"permissions": permissions});
    if let (Some(name), Some(fields)) = (repository, body.as_object_mut()) {
        fields.insert("repositories".into(), json!([name]));
    }
    let url = format!("{api}/app/installations/{installation}/access_tokens");
    request(ApiMethod::Post, url, body)
}

/// The token of an answer, and when it ends as GitHub writes it.
#[must_use]
pub fn lent(answer: &Value) -> Option<(&str, &str)> {
    let token = answer.get("token").and_then(Value::as_str)?;
    let fine = (1..=MOST_TOKEN).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    Some((token, answer.get("expires_at")?.as_str()?)).filter(|_| fine)
}

/// Tells GitHub which secret an App's webhook has, and where it is.
#[must_use]
pub fn tell_secret(api: &ApiAddress, url: &str, secret: &str) -> ApiRequest {
    let body = json!({"url": url, "content_type": "json", "insecure_ssl": "0", "secret": secret});
    request(ApiMethod::Patch, format!("{api}/app/hook/config"), body)
}

/// What an App says of itself when it asks, for a few minutes.
#[must_use]
pub fn claims(app: u64, now: Timestamp) -> Value {
    let now = now.0 / 1_000;
    json!({"iat": now.saturating_sub(BACK), "exp": now + ON, "iss": app.to_string()})
}

/// Reads a page of the repositories that a token of an installation reaches, counted from 1.
#[must_use]
pub fn repositories(api: &ApiAddress, page: u32) -> ApiRequest {
    let url = format!("{api}/installation/repositories?per_page=50&page={page}");
    request(ApiMethod::Get, url, Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::RepositoryUrl;

    fn api() -> ApiAddress {
        ApiAddress::new("https://api.github.com").unwrap()
    }

    fn answer() -> Value {
        json!({
            "id": 7, "slug": "hythe-one", "client_id": "Iv1.01", "owner": {"login": "octo"},
            "webhook_secret": "hush", "pem": "-----BEGIN RSA PRIVATE KEY-----\n",
            "client_secret": "not kept", "name": "Hythe",
        })
    }

    #[test]
    fn an_app_is_taken_only_as_github_documents_it() {
        let made = converted(&answer()).unwrap();
        assert_eq!((made.made.app, made.secret.as_str()), (7, "hush"));
        assert!(!format!("{made:?}").contains("hush") && !format!("{made:?}").contains("BEGIN"));
        for (at, value, field) in [
            ("id", json!(0), "id"),
            ("id", json!("7"), "id"),
            ("id", json!(-7), "id"),
            ("slug", json!("../x"), "slug"),
            ("slug", json!(null), "slug"),
            ("client_id", json!("a b"), "client_id"),
            ("owner", json!({"login": "a/b"}), "owner"),
            ("owner", json!("octo"), "owner"),
            ("webhook_secret", json!(null), "webhook_secret"),
            ("webhook_secret", json!(""), "webhook_secret"),
            ("webhook_secret", json!("a\nb"), "webhook_secret"),
            ("pem", json!("x".repeat(MOST_KEY + 1)), "pem"),
        ] {
            let mut wrong = answer();
            wrong[at] = value;
            assert_eq!(converted(&wrong).unwrap_err(), field);
        }
        for wrong in [json!(null), json!([]), json!("x"), json!({})] {
            assert!(converted(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_asked_is_what_is_documented() {
        let code = ManifestCode::new("abc").unwrap();
        let exchange = exchange(&GitHubServer::dot_com(), &code);
        assert_eq!(exchange.url, "https://api.github.com/app-manifests/abc/conversions");
        let lies = Location::of(&RepositoryUrl::new("https://github.com/Octo/my.app.git").unwrap());
        let of = installation_of(&api(), &lies.unwrap()).unwrap();
        assert_eq!(of.url, "https://api.github.com/repos/Octo/my.app/installation");
        let deep = Location::of(&RepositoryUrl::new("https://github.com/a/b/c").unwrap()).unwrap();
        assert_eq!(installation_of(&api(), &deep), None);
        let one = borrow(&api(), 5, Some("app"), Purpose::Fetch);
        assert_eq!(one.url, "https://api.github.com/app/installations/5/access_tokens");
        let body = json!({"permissions": {"contents": "read"}, "repositories": ["app"]});
        assert_eq!(one.body, body);
        assert!(borrow(&api(), 5, None, Purpose::List).body.get("repositories").is_none());
        let claims = claims(7, Timestamp(1_700_000_000_999));
        assert_eq!(claims, json!({"iat": 1_699_999_940_u64, "exp": 1_700_000_540_u64, "iss": "7"}));
        const { assert!(ON + BACK <= 600) };
    }

    #[test]
    fn installations_and_tokens_are_read() {
        let one = json!({"id": 5, "account": {"login": "octo"}, "repository_selection": "all",
                         "suspended_at": null});
        let seen = installed(&one).unwrap();
        assert_eq!((seen.id, seen.selected, seen.suspended), (5, false, false));
        let some = json!({"id": 6, "account": {"login": "octo"}, "suspended_at": "2026-01-01"});
        let seen = installed(&some).unwrap();
        assert!(seen.selected && seen.suspended);
        for wrong in [json!({}), json!({"id": 1}), json!({"id": 0, "account": {"login": "a"}})] {
            assert_eq!(installed(&wrong), None);
        }
        assert_eq!(installed_on(&json!([one, {"x": 1}])).0.len(), 1);
        let token = json!({"token": "ghs_1", "expires_at": "2026-01-01T00:00:00Z"});
        assert_eq!(lent(&token), Some(("ghs_1", "2026-01-01T00:00:00Z")));
        for wrong in [json!({}), json!({"token": "a\nb", "expires_at": "x"}), json!({"token": "x"})]
        {
            assert_eq!(lent(&wrong), None);
        }
    }
}
