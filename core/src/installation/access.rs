//! How builds reach private repositories over https: by tokens.
//!
//! A token is in no event and in no state: those name its version, and the value lies with the
//! other secrets, under [`SourcePrefix::secret`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::decide::Decision;
use super::registry::password;
use super::{Installation, InstallationEvent};
use crate::limits;
use crate::names::{BadText, bad, shown, text};
use crate::rejection::Rejection;
use crate::repository::{Location, Scheme, is_host};
use crate::time::Timestamp;

text!(
    /// The repositories that a token is for: `https://HOST[:PORT]`, and a path below which they
    /// lie where it is not for all of the host's. At most 240 characters.
    SourcePrefix, "what a token is for", prefix
);
text!(
    /// The name that goes with a token: 1 to 256 visible characters without a colon.
    SourceUser, "a token's user name", |text| {
        let fine = |c: char| !c.is_control() && !c.is_whitespace() && c != ':';
        if (1..=256).contains(&text.len()) && text.chars().all(fine) {
            Ok(())
        } else {
            Err(format!("has 1 to 256 characters, no blanks and no \":\"; got {}", shown(text)))
        }
    }
);

impl SourcePrefix {
    /// Reads what people write: the scheme may be missing, and the host be in capitals.
    ///
    /// # Errors
    /// [`BadText`] says what would be right.
    pub fn parse(typed: &str) -> Result<Self, BadText> {
        let typed = typed.trim_end_matches('/');
        let whole =
            if typed.contains("://") { typed.to_owned() } else { format!("https://{typed}") };
        match Location::parse(&whole) {
            Some(location) if !whole.contains('@') && !whole.ends_with(':') => {
                Self::new(written(&location))
            }
            Some(_) | None => Self::new(whole),
        }
    }

    /// Where they lie: the path is empty where that is all of a host.
    #[must_use]
    pub fn location(&self) -> Option<Location> {
        Location::parse(self.as_str())
    }

    /// The name under which its token lies in the table of secrets.
    #[must_use]
    pub fn secret(&self) -> String {
        format!("source/{self}")
    }

    /// Whether a repository is one of those that it is for.
    #[must_use]
    pub fn covers(&self, repository: &Location) -> bool {
        let Some(own) = Location::parse(self.as_str()) else { return false };
        if !own.same_host(repository) || own.path.is_empty() {
            return own.same_host(repository);
        }
        match (own.parts(), repository.parts()) {
            (Some(own), Some(all)) => all.starts_with(&own),
            (_, None) | (None, _) => false,
        }
    }

    /// A repository that is reached over https or http, and nothing else.
    #[must_use]
    pub fn exactly(repository: &Location) -> Option<Self> {
        Self::new(written(&Location { path: repository.parts()?.join("/"), ..repository.clone() }))
            .ok()
    }

    /// All of whoever has a repository that is reached over https or http.
    #[must_use]
    pub fn owner_of(repository: &Location) -> Option<Self> {
        let owner = repository.parts()?.first().map(|owner| (*owner).to_owned())?;
        Self::new(written(&Location { path: owner, ..repository.clone() })).ok()
    }

    /// All of the host that a repository lies at.
    #[must_use]
    pub fn host_of(repository: &Location) -> Option<Self> {
        let all = Location { path: String::new(), ..repository.clone() };
        Self::new(written(&all)).ok()
    }
}

fn written(location: &Location) -> String {
    let scheme = match location.scheme {
        Scheme::Https => "https",
        Scheme::Http => "http",
        Scheme::Ssh => "ssh",
        Scheme::File => "file",
    };
    let port = location.port.map_or(String::new(), |port| format!(":{port}"));
    let path = if location.path.is_empty() { "" } else { "/" };
    format!("{scheme}://{}{port}{path}{}", location.host, location.path)
}

fn prefix(text: &str) -> Result<(), String> {
    let wrong = || {
        format!(
            "is a host or the beginning of a repository's URL, such as github.com or \
             https://git.example.com/team, without a user and without \"..\"; got {}",
            shown(text)
        )
    };
    let location = Location::parse(text).ok_or_else(wrong)?;
    let named = match location.scheme {
        Scheme::Https | Scheme::Http => is_host(&location.host),
        Scheme::Ssh | Scheme::File => {
            return Err(format!(
                "begins with https://, or with http:// where it may be read on its way; over ssh a \
                 key is used instead: hythe source key APP; got {}",
                shown(text)
            ));
        }
    };
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '~' | '+' | '/');
    let path = location.path.is_empty()
        || (location.path.chars().all(plain) && location.parts().is_some());
    if named && path && text.len() <= 240 && written(&location) == text {
        Ok(())
    } else {
        Err(wrong())
    }
}

/// A token, or a password in its place: 1 to 4,096 bytes, no control characters. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SourcePassword(String);

impl SourcePassword {
    /// The most bytes in one.
    pub const MOST_BYTES: usize = super::RegistryPassword::MOST_BYTES;

    /// Checks a token.
    ///
    /// # Errors
    /// [`BadText`], which never shows it.
    pub fn new(text: impl Into<String>) -> Result<Self, BadText> {
        let text = text.into();
        password(&text).map_err(|why| bad("a token", why))?;
        Ok(Self(text))
    }

    /// The token itself: for sealing.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SourcePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourcePassword(…)")
    }
}

/// A token that builds reach repositories with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceToken {
    /// The name that goes with it.
    pub user: SourceUser,
    /// Its version.
    pub version: u64,
    /// Since when.
    pub at: Timestamp,
}

impl Installation {
    /// The tokens for repositories at the host of this one.
    pub fn source_tokens_at<'a>(
        &'a self,
        repository: &'a Location,
    ) -> impl Iterator<Item = (&'a SourcePrefix, &'a SourceToken)> {
        self.source_tokens.iter().filter(|(prefix, _)| {
            let own = Location::parse(prefix.as_str());
            own.is_some_and(|own| own.same_host(repository))
        })
    }

    pub(super) fn set_source_token(
        &self,
        prefix: SourcePrefix,
        user: SourceUser,
        version: u64,
        at: Timestamp,
    ) -> Decision {
        if version != self.source_token_version + 1 {
            return Err(Rejection::conflict(
                "a token for repositories was changed at the same moment; try again",
            ));
        }
        let most = limits::MOST_SOURCE_TOKENS;
        if !self.source_tokens.contains_key(&prefix) && self.source_tokens.len() >= most {
            return Err(Rejection::conflict(format!(
                "there are {most} tokens for repositories, which is the most; remove one first \
                 (hythe source token rm PREFIX)"
            )));
        }
        Ok(vec![InstallationEvent::SourceTokenSet { prefix, user, version, at }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::RepositoryUrl;

    fn location(url: &str) -> Location {
        Location::of(&RepositoryUrl::new(url).unwrap()).unwrap()
    }

    #[test]
    fn a_token_is_for_what_its_prefix_says_and_for_nothing_else() {
        for (typed, canonical) in [
            ("github.com", "https://github.com"),
            ("GitHub.com/", "https://github.com"),
            ("github.com/team", "https://github.com/team"),
            ("https://github.com:443/team/app.git", "https://github.com/team/app.git"),
            ("git.example:8443", "https://git.example:8443"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("https://[::1]:3000/a", "https://[::1]:3000/a"),
        ] {
            assert_eq!(SourcePrefix::parse(typed).unwrap().as_str(), canonical, "{typed}");
        }
        for text in [
            "",
            "https://",
            "-x.example",
            "ssh://git@github.com",
            "git@github.com:a",
            "https://user@github.com",
            "https://u:p@github.com/a",
            "file:///srv",
            "ftp://github.com",
            "github.com/../team",
            "github.com//team",
            "github.com/team?x",
            "github.com/te%61m",
            "git hub.com",
            "github.com:0",
            "github.com\n",
            &format!("github.com/{}", "a".repeat(240)),
        ] {
            assert!(SourcePrefix::parse(text).is_err(), "{text:?}");
        }
        let covers =
            |prefix: &str, url: &str| SourcePrefix::parse(prefix).unwrap().covers(&location(url));
        for (prefix, url) in [
            ("github.com", "https://github.com/team/app"),
            ("github.com", "https://GITHUB.com:443/team/../app%20.git"),
            ("github.com/team", "https://github.com/team/app.git"),
            ("github.com/team/app", "https://github.com/team/app.git"),
            ("github.com/team/app.git", "https://github.com/team/app"),
            ("github.com/team/app", "https://github.com/team/app/"),
        ] {
            assert!(covers(prefix, url), "{prefix} {url}");
        }
        for (prefix, url) in [
            ("github.com", "http://github.com/team/app"),
            ("github.com", "https://github.com.evil.example/team/app"),
            ("github.com", "https://github.com:8443/team/app"),
            ("github.com", "https://evil.example/github.com/app"),
            ("http://git.example", "https://git.example/a"),
            ("github.com/team", "https://github.com/teammate/app"),
            ("github.com/team", "https://github.com/team/../other/app"),
            ("github.com/team", "https://github.com/team/%2e%2e/other/app"),
            ("github.com/team", "https://github.com/other/team"),
            ("github.com/team/app", "https://github.com/team/app2"),
            ("github.com", "git@github.com:team/app.git"),
        ] {
            assert!(!covers(prefix, url), "{prefix} {url}");
        }
    }

    #[test]
    fn a_token_is_not_shown_also_where_it_is_refused() {
        for text in ["", "hush\nhush", "hush\0", &"hush".repeat(2_000)] {
            let bad = SourcePassword::new(text).unwrap_err();
            assert!(!bad.to_string().contains("hush"), "{bad}");
        }
        assert!(!format!("{:?}", SourcePassword::new("hush").unwrap()).contains("hush"));
    }
}
