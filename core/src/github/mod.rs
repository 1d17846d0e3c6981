//! GitHub Apps: made by a manifest, installed on repositories by whoever owns those, and lent tokens by
//! GitHub that each last an hour.
//!
//! An App has the id of a webhook here, for it is one: of all repositories that it is installed on. Its
//! private key and the secret of its webhook are in no event and in no state: those name their versions,
//! and the values lie with the other secrets. Which repositories it is installed on is GitHub's to know:
//! that is asked, and not kept.

pub mod api;
pub mod manifest;
mod server;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

pub use self::server::GitHubServer;
use crate::hook::{ApiAddress, PublicAddress, RepositoryKey};
use crate::ids::HookId;
use crate::names::{BadText, bad, shown, text};
use crate::repository::Location;
use crate::time::Timestamp;

/// Whether a text is 1 to `most` letters, digits and some others.
fn plain(text: &str, most: usize, others: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
    (1..=most).contains(&text.len()) && text.chars().all(fine)
}

text!(
    /// The name of a user or an organisation at GitHub: 1 to 100 letters, digits, dashes and underscores.
    GitHubAccount, "a user or an organisation at GitHub", |text| {
        if plain(text, 100, "-_") && !text.starts_with('-') {
            Ok(())
        } else {
            Err(format!("has 1 to 100 letters, digits, dashes and underscores; got {}", shown(text)))
        }
    }
);
text!(
    /// What an App is called at GitHub: 1 to 34 characters, and nobody else's there.
    GitHubAppName, "the name of a GitHub App", |text| {
        let fine = plain(text, 34, "-_. ") && text.trim() == text;
        if fine {
            Ok(())
        } else {
            Err(format!(
                "has 1 to 34 letters, digits, dashes, dots, underscores and blanks, none of them at its \
                 ends; got {}",
                shown(text)
            ))
        }
    }
);
text!(
    /// What an App is called in addresses at GitHub: 1 to 100 letters, digits, dashes, dots and underscores.
    GitHubSlug, "the name of a GitHub App in addresses", |text| {
        if plain(text, 100, "-_.") && !text.starts_with('.') {
            Ok(())
        } else {
            Err(format!("has 1 to 100 letters, digits and dashes; got {}", shown(text)))
        }
    }
);
text!(
    /// The id by which an App is known to GitHub's sign-in: 1 to 100 letters, digits, dots and dashes.
    GitHubClientId, "the client id of a GitHub App", |text| {
        if plain(text, 100, "-_.") {
            Ok(())
        } else {
            Err(format!("has 1 to 100 letters, digits, dots and dashes; got {}", shown(text)))
        }
    }
);
text!(
    /// What GitHub gives a browser to be exchanged for an App that was just made: 1 to 256 letters, digits,
    /// dashes and underscores.
    ManifestCode, "the code of a GitHub App", |text| {
        if plain(text, 256, "-_") { Ok(()) } else { Err("is what GitHub gave, unchanged".to_owned()) }
    }
);

/// An App that somebody is about to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitHubBegun {
    /// At which GitHub.
    pub server: GitHubServer,
    /// Whose it is to be; a user's own where no organisation is named.
    pub organization: Option<GitHubAccount>,
    /// What it is to be called there.
    pub name: GitHubAppName,
    /// Where this installation is reached: GitHub tells it of pushes there, and sends the browser back.
    pub address: PublicAddress,
    /// The hash of what the browser has to bring back.
    pub state: [u8; 32],
    /// Since when.
    pub at: Timestamp,
    /// Until when it can be made.
    pub until: Timestamp,
}

/// What GitHub says of an App that was made, but for what is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitHubMade {
    /// GitHub's own number of it.
    pub app: u64,
    /// What it is called in addresses.
    pub slug: GitHubSlug,
    /// The id by which it signs in.
    pub client: GitHubClientId,
    /// Whose it is.
    pub owner: GitHubAccount,
}

/// An App.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitHubApp {
    /// At which GitHub.
    pub server: GitHubServer,
    /// The organisation that it belongs to, where it is no user's own.
    pub organization: Option<GitHubAccount>,
    /// What GitHub says of it.
    pub made: GitHubMade,
    /// Where GitHub was told that this installation is.
    pub address: PublicAddress,
    /// Since when there is it.
    pub at: Timestamp,
    /// The version of the newest secret of its webhook.
    pub secret: u64,
    /// Whether GitHub knows that one: before, it signs with the one before.
    pub told: bool,
    /// Since when it has this secret.
    pub secret_at: Timestamp,
    /// The version of its private key.
    pub key: u64,
    /// Since when it has this key.
    pub key_at: Timestamp,
}

impl GitHubApp {
    /// Where its API is.
    #[must_use]
    pub fn api(&self) -> ApiAddress {
        self.server.api()
    }

    /// Where people see it at GitHub.
    #[must_use]
    pub fn page(&self) -> String {
        format!("{}/{}/{}", self.server, self.server.apps(), self.made.slug)
    }

    /// Where people install it on repositories.
    #[must_use]
    pub fn install_page(&self) -> String {
        format!("{}/installations/new", self.page())
    }

    /// Where people change its settings, and delete it.
    #[must_use]
    pub fn settings_page(&self) -> String {
        let Self { server, organization, made, .. } = self;
        match organization {
            Some(organization) => {
                format!("{server}/organizations/{organization}/settings/apps/{}", made.slug)
            }
            None => format!("{server}/settings/apps/{}", made.slug),
        }
    }

    /// Where GitHub tells it of pushes.
    #[must_use]
    pub fn hook_url(&self, id: HookId) -> String {
        format!("{}{}", self.address, hook_path(id))
    }

    /// The versions of the secret that deliveries may be signed with.
    pub fn secrets(&self) -> impl Iterator<Item = u64> {
        let before = (!self.told).then(|| self.secret.saturating_sub(1)).filter(|one| *one > 0);
        std::iter::once(self.secret).chain(before)
    }

    /// Whether it is the owner of a repository whose App this is.
    #[must_use]
    pub fn is_of(&self, repository: &RepositoryKey) -> bool {
        let owner = repository.path().split('/').next().unwrap_or_default();
        owner.eq_ignore_ascii_case(self.made.owner.as_str())
    }

    /// Whether a repository lies at its GitHub, reached as that is.
    #[must_use]
    pub fn serves(&self, repository: &Location) -> bool {
        self.server.location().is_some_and(|own| own.same_host(repository))
    }
}

/// The path at which an App's webhook is taken in.
#[must_use]
pub fn hook_path(id: HookId) -> String {
    format!("/hooks/github/{id}")
}

/// What a token is borrowed for: it may do that and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Reading the commits.
    Fetch,
    /// Listing repositories and branches.
    List,
    /// Saying how a commit fares.
    Statuses,
    /// Saying what is deployed.
    Deployments,
    /// Commenting on pull requests.
    Comments,
}

impl Purpose {
    /// What the token must be one for, in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Fetch | Self::List => "read repositories",
            Self::Statuses => "write statuses",
            Self::Deployments => "write deployments",
            Self::Comments => "write comments on pull requests",
        }
    }

    /// The same in GitHub's words.
    #[must_use]
    pub const fn permissions(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Fetch => &[("contents", "read")],
            Self::List => &[("contents", "read"), ("metadata", "read")],
            Self::Statuses => &[("statuses", "write")],
            Self::Deployments => &[("deployments", "write")],
            Self::Comments => &[("pull_requests", "write")],
        }
    }
}

impl HookId {
    /// The name under which one version of an App's webhook's secret lies in the table of secrets. Two of
    /// them take turns, so that the one before stays until GitHub knows the new one.
    #[must_use]
    pub fn app_secret(&self, version: u64) -> String {
        format!("github-app/{self}/secret/{}", version % 2)
    }

    /// The name under which an App's private key lies there.
    #[must_use]
    pub fn app_key(&self) -> String {
        format!("github-app/{self}/key")
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    pub(super) fn app(server: &str, organization: Option<&str>) -> GitHubApp {
        GitHubApp {
            server: GitHubServer::parse(server).unwrap(),
            organization: organization.map(|name| GitHubAccount::new(name).unwrap()),
            made: GitHubMade {
                app: 7,
                slug: GitHubSlug::new("hythe-one").unwrap(),
                client: GitHubClientId::new("Iv1.0123").unwrap(),
                owner: GitHubAccount::new("Octo-Org").unwrap(),
            },
            address: PublicAddress::new("https://hythe.example").unwrap(),
            at: Timestamp(1),
            secret: 3,
            told: true,
            secret_at: Timestamp(1),
            key: 1,
            key_at: Timestamp(1),
        }
    }

    #[test]
    fn its_pages_are_where_github_has_them() {
        let own = app("github.com", None);
        assert_eq!(own.install_page(), "https://github.com/apps/hythe-one/installations/new");
        assert_eq!(own.settings_page(), "https://github.com/settings/apps/hythe-one");
        let of_org = app("https://git.example:8443", Some("octo"));
        assert_eq!(of_org.page(), "https://git.example:8443/github-apps/hythe-one");
        assert_eq!(
            of_org.settings_page(),
            "https://git.example:8443/organizations/octo/settings/apps/hythe-one"
        );
        let id = HookId::new(Uuid::nil());
        assert_eq!(own.hook_url(id), format!("https://hythe.example/hooks/github/{id}"));
    }

    #[test]
    fn the_secret_before_counts_until_github_knows_the_new_one() {
        let mut app = app("github.com", None);
        assert_eq!(app.secrets().collect::<Vec<_>>(), [3]);
        app.told = false;
        assert_eq!(app.secrets().collect::<Vec<_>>(), [3, 2]);
        app.secret = 1;
        assert_eq!(app.secrets().collect::<Vec<_>>(), [1]);
        let id = HookId::new(Uuid::nil());
        assert_ne!(id.app_secret(2), id.app_secret(3));
        assert_eq!(id.app_secret(1), id.app_secret(3));
    }

    #[test]
    fn what_github_says_is_checked() {
        for text in ["octo-org", "a", "Octo_x"] {
            assert!(GitHubAccount::new(text).is_ok(), "{text}");
        }
        for text in ["", "-x", "a/b", "a b", "é", &"a".repeat(101)] {
            assert!(GitHubAccount::new(text).is_err(), "{text}");
        }
        for text in ["", ".", "..", "a/b", "../x", "a?b"] {
            assert!(GitHubSlug::new(text).is_err(), "{text}");
        }
        for text in ["", " x", "x ", "<b>", &"a".repeat(35)] {
            assert!(GitHubAppName::new(text).is_err(), "{text}");
        }
        for text in ["", "a/../b", "a%2fb", "x\n", &"a".repeat(257)] {
            assert!(ManifestCode::new(text).is_err(), "{text}");
        }
        let repository = |text: &str| RepositoryKey::of_text(text).unwrap();
        let app = app("github.com", None);
        assert!(app.is_of(&repository("https://github.com/octo-org/shop")));
        assert!(!app.is_of(&repository("https://github.com/octo-orgs/shop")));
    }
}
