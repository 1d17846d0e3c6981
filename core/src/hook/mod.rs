//! Webhooks: which repository one speaks for, who sent what it says, and what of that deploys an app.
//!
//! A hook belongs to a repository, not to an app: one push may concern many apps, and each says for
//! itself what deploys it ([`Triggers`]). The secret of a hook is in no event and in no state: those
//! name its version, and the value lies with the other secrets, under [`HookId::secret`].

pub mod address;
pub mod comment;
pub mod listing;
pub mod pull;
pub mod repository;
pub mod status;
pub mod triggers;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

pub use self::address::{AppsAddress, PublicAddress};
pub use self::pull::{Head, HeadCommit, PageUrl, PullChange, PullRequest, PullTitle};
pub use self::repository::RepositoryKey;
pub use self::status::ApiAddress;
pub use self::triggers::{DeployOn, PathPattern, TagPattern, Triggers};
use crate::ids::HookId;
use crate::limits;
use crate::time::Timestamp;

/// Who sends. Append-only: postcard stores a variant's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// GitHub, and its Enterprise Server.
    GitHub,
    /// GitLab, at gitlab.com or anywhere.
    GitLab,
    /// Bitbucket Cloud.
    Bitbucket,
    /// Gitea, Forgejo, Codeberg.
    Gitea,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::GitHub, Self::GitLab, Self::Bitbucket, Self::Gitea];

    /// The name in addresses, JSON and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Bitbucket => "bitbucket",
            Self::Gitea => "gitea",
        }
    }

    /// Whose repository one is, as far as its host tells.
    #[must_use]
    pub fn of_host(host: &str) -> Option<Self> {
        let host = host.split(':').next().unwrap_or_default();
        let labels = |wanted: &str| host.split('.').any(|label| label == wanted);
        match host {
            "github.com" => Some(Self::GitHub),
            "gitlab.com" => Some(Self::GitLab),
            "bitbucket.org" => Some(Self::Bitbucket),
            "codeberg.org" | "gitea.com" => Some(Self::Gitea),
            _ if labels("github") => Some(Self::GitHub),
            _ if labels("gitlab") => Some(Self::GitLab),
            _ if labels("gitea") || labels("forgejo") => Some(Self::Gitea),
            _ => None,
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no provider's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a provider is github, gitlab, bitbucket, gitea or forgejo")]
pub struct UnknownProvider;

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "forgejo" | "codeberg" => Ok(Self::Gitea),
            text => Self::ALL.into_iter().find(|one| one.name() == text).ok_or(UnknownProvider),
        }
    }
}

/// The name that a provider gives to whoever pushed: what is no visible character is left out, and it
/// is cut to 100 characters. It is as true as the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SenderName(String);

impl SenderName {
    const MOST_CHARACTERS: usize = 100;

    /// What of a text can be shown.
    #[must_use]
    pub fn cleaned(text: &str) -> Self {
        let fine = |c: &char| !c.is_control() && !c.is_whitespace() && !is_invisible(*c);
        let kept: String = text.chars().filter(fine).take(Self::MOST_CHARACTERS).collect();
        Self(if kept.is_empty() { "unknown".into() } else { kept })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Characters that change how others are shown, or show nothing.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl<'de> Deserialize<'de> for SenderName {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Ok(Self::cleaned(&String::deserialize(input)?))
    }
}

/// A webhook as the one who caused something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Who sent it.
    pub provider: Provider,
    /// Through which hook.
    pub hook: HookId,
    /// Who pushed, as the provider says.
    pub sender: SenderName,
}

impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "webhook/{}/{}", self.provider, self.sender.as_str())
    }
}

/// A hook that deliveries are taken from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Who sends.
    pub provider: Provider,
    /// Whose pushes.
    pub repository: RepositoryKey,
    /// The version of the secret.
    pub version: u64,
    /// Since when there is one.
    pub at: Timestamp,
    /// Since when it has this secret.
    pub secret_at: Timestamp,
    /// Where its provider is told how commits fare, where it is.
    pub statuses: Option<ApiAddress>,
    /// Where its provider is told of previews, in a comment on the pull request, where it is.
    pub comments: Option<ApiAddress>,
    /// Where its provider is told of deployments, where it is.
    pub deployments: Option<ApiAddress>,
}

/// What a provider can be told besides how commits fare. Append-only: postcard stores a variant's
/// position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Telling {
    /// Of previews, in a comment on the pull request.
    Comments,
    /// Of deployments, each with its environment. GitHub alone has a place for them.
    Deployments,
}

impl Hook {
    /// Where it is told so, where it is.
    #[must_use]
    pub const fn told(&self, what: Telling) -> Option<&ApiAddress> {
        match what {
            Telling::Comments => self.comments.as_ref(),
            Telling::Deployments => self.deployments.as_ref(),
        }
    }
}

impl HookId {
    /// The name under which its secret lies in the table of secrets.
    #[must_use]
    pub fn secret(&self) -> String {
        format!("hook/{self}")
    }
}

/// Whether a commit says that it is not to be deployed.
#[must_use]
pub fn says_skip(message: &str) -> Option<&'static str> {
    const WORDS: [&str; 6] =
        ["[skip ci]", "[ci skip]", "[no ci]", "[skip deploy]", "[deploy skip]", "[no deploy]"];
    // What is written to be read by machines stands early; a message may be of any length.
    let end = message.floor_char_boundary(limits::MOST_MESSAGE_BYTES);
    let message = message.get(..end).unwrap_or_default().to_ascii_lowercase();
    WORDS.into_iter().find(|word| message.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_known_by_its_name_and_by_its_host() {
        for provider in Provider::ALL {
            assert_eq!(provider.name().parse(), Ok(provider));
        }
        assert_eq!("forgejo".parse(), Ok(Provider::Gitea));
        assert!("GitHub".parse::<Provider>().is_err() && "".parse::<Provider>().is_err());
        for (host, provider) in [
            ("github.com", Some(Provider::GitHub)),
            ("gitlab.example.com:8443", Some(Provider::GitLab)),
            ("bitbucket.org", Some(Provider::Bitbucket)),
            ("codeberg.org", Some(Provider::Gitea)),
            ("forgejo.example", Some(Provider::Gitea)),
            ("git.example", None),
            ("mygithub.com", None),
        ] {
            assert_eq!(Provider::of_host(host), provider, "{host}");
        }
    }

    #[test]
    fn a_senders_name_can_be_shown_whatever_it_was() {
        for (text, shown) in [
            ("alice", "alice"),
            ("al ice\n\u{1b}[31m", "alice[31m"),
            ("a\u{202e}b\u{200b}", "ab"),
            ("", "unknown"),
            ("\0", "unknown"),
            ("Jürgen", "Jürgen"),
        ] {
            assert_eq!(SenderName::cleaned(text).as_str(), shown);
        }
        assert_eq!(SenderName::cleaned(&"é".repeat(300)).as_str().chars().count(), 100);
    }

    #[test]
    fn a_commit_can_say_that_it_is_not_to_be_deployed() {
        for (message, skips) in [
            ("fix [skip ci]", true),
            ("Docs\n\n[CI SKIP]", true),
            ("[skip deploy] x", true),
            ("skip ci", false),
            ("fix the [skip-ci] thing", false),
            ("", false),
        ] {
            assert_eq!(says_skip(message).is_some(), skips, "{message}");
        }
        assert!(says_skip(&format!("{}[skip ci]", "ü".repeat(1 << 20))).is_none());
    }
}
