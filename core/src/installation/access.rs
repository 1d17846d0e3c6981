//! How builds reach private repositories: tokens for those over https, and the keys by which hosts
//! are known for those over ssh.
//!
//! A token is in no event and in no state: those name its version, and the value lies with the
//! other secrets, under [`SourcePrefix::secret`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::decide::{Decision, NOTHING};
use super::registry::password;
use super::{Installation, InstallationEvent};
use crate::limits;
use crate::names::{BadText, bad, shown, text};
use crate::rejection::Rejection;
use crate::repository::{Location, Scheme, is_host, split_port};
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
text!(
    /// A host that is reached over ssh: its name or address in lower case, with a port where it is
    /// not 22.
    SshHost, "an ssh host", ssh_host
);
text!(
    /// A public key as OpenSSH writes it: its kind and its bytes in base64, nothing else.
    SshKey, "an ssh key", ssh_key
);

const KINDS: [&str; 5] =
    ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];

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

impl SshHost {
    /// Reads what people write: the usual port may be there, and the host be in capitals.
    ///
    /// # Errors
    /// [`BadText`] says what would be right.
    pub fn parse(typed: &str) -> Result<Self, BadText> {
        let typed = typed.to_ascii_lowercase();
        Self::new(typed.strip_suffix(":22").unwrap_or(&typed))
    }

    /// The host of a repository that is reached over ssh.
    #[must_use]
    pub fn of(repository: &Location) -> Option<Self> {
        let Location { scheme: Scheme::Ssh, host, port, path: _ } = repository else { return None };
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        Self::new(format!("{host}{port}")).ok()
    }

    /// How a file of known hosts names it.
    #[must_use]
    pub fn pattern(&self) -> String {
        match split_port(self.as_str()) {
            Some((host, Some(port))) if host.starts_with('[') => format!("{host}:{port}"),
            Some((host, Some(port))) => format!("[{host}]:{port}"),
            Some((host, None)) => host.trim_matches(['[', ']']).to_owned(),
            None => self.to_string(),
        }
    }

    /// The keys that this host has told everybody, where it is one of the large ones. Each was
    /// compared with the fingerprint that its owner publishes.
    #[must_use]
    pub fn well_known(&self) -> Vec<SshKey> {
        let keys = WELL_KNOWN.iter().filter(|(host, _)| *host == self.as_str());
        keys.filter_map(|(_, key)| SshKey::new(*key).ok()).collect()
    }
}

const WELL_KNOWN: [(&str, &str); 5] = [
    (
        "github.com",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
    ),
    (
        "github.com",
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7\
         opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=",
    ),
    (
        "gitlab.com",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf",
    ),
    (
        "bitbucket.org",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIazEu89wgQZ4bqs3d63QSMzYVa0MuJ2e2gKTKqu+UUO",
    ),
    (
        "codeberg.org",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIVIC02vnjFyL+I4RHfvIGNtOgJMe769VTF1VR4EB3ZB",
    ),
];

fn ssh_host(text: &str) -> Result<(), String> {
    let wrong = || {
        format!(
            "is a host's name or address in lower case, with a port where it is not 22, such as \
             git.example.com or git.example.com:2222; got {}",
            shown(text)
        )
    };
    let (name, port) = split_port(text).ok_or_else(wrong)?;
    // scp-like addresses may have an underscore in them.
    let named = is_host(&name.replace('_', "-"));
    let canonical = port.map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
    if named && port != Some(22) && canonical == text { Ok(()) } else { Err(wrong()) }
}

impl SshKey {
    /// Reads what people paste: a line of a file of known hosts, or of a `.pub` file.
    ///
    /// # Errors
    /// [`BadText`] says what would be right.
    pub fn parse(typed: &str) -> Result<Self, BadText> {
        let words: Vec<&str> = typed.split_whitespace().collect();
        let at = words.iter().position(|word| KINDS.contains(word));
        let key = at.filter(|at| *at <= 1).and_then(|at| words.get(at..at + 2));
        Self::new(key.map_or_else(|| typed.trim().to_owned(), |words| words.join(" ")))
    }
}

fn ssh_key(text: &str) -> Result<(), String> {
    let fine = text.split_once(' ').is_some_and(|(kind, bytes)| {
        let base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        KINDS.contains(&kind) && (40..=2048).contains(&bytes.len()) && bytes.bytes().all(base64)
    });
    if fine {
        return Ok(());
    }
    Err(format!(
        "is a public key of one of the kinds {}, such as \"ssh-ed25519 AAAA…\"; got {}",
        KINDS.join(", "),
        shown(text)
    ))
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

/// The keys that a host is known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceHost {
    /// The keys: any of them is good.
    pub keys: Vec<SshKey>,
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

    pub(super) fn set_source_host(
        &self,
        host: SshHost,
        keys: Vec<SshKey>,
        at: Timestamp,
    ) -> Decision {
        let most = limits::MOST_KEYS_OF_HOST;
        if keys.is_empty() || keys.len() > most {
            return Err(Rejection::invalid("keys", format!("are 1 to {most}; got {}", keys.len())));
        }
        if self.source_hosts.get(&host).is_some_and(|known| known.keys == keys) {
            return NOTHING;
        }
        let most = limits::MOST_SOURCE_HOSTS;
        if !self.source_hosts.contains_key(&host) && self.source_hosts.len() >= most {
            return Err(Rejection::conflict(format!(
                "{most} hosts are known already, which is the most; remove one first \
                 (hythe source host rm HOST)"
            )));
        }
        Ok(vec![InstallationEvent::SourceHostSet { host, keys, at }])
    }

    /// The keys that a host is known by: those that people gave, or else those that it has told
    /// everybody.
    #[must_use]
    pub fn keys_of(&self, host: &SshHost) -> Vec<SshKey> {
        self.source_hosts.get(host).map_or_else(|| host.well_known(), |known| known.keys.clone())
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
    fn hosts_are_named_as_ssh_names_them() {
        for (typed, canonical, pattern) in [
            ("github.com", "github.com", "github.com"),
            ("GitHub.com:22", "github.com", "github.com"),
            ("git.example:2222", "git.example:2222", "[git.example]:2222"),
            ("127.0.0.1:2222", "127.0.0.1:2222", "[127.0.0.1]:2222"),
            ("[::1]", "[::1]", "::1"),
            ("[::1]:2222", "[::1]:2222", "[::1]:2222"),
        ] {
            let host = SshHost::parse(typed).unwrap();
            assert_eq!((host.as_str(), host.pattern().as_str()), (canonical, pattern));
        }
        for text in
            ["", "*", "!h", "a,b", "@cert-authority", "a b", "h:0", "h:x", "-h", "h\n", "|1|"]
        {
            assert!(SshHost::parse(text).is_err(), "{text:?}");
        }
        let of = |url: &str| SshHost::of(&location(url)).map(|host| host.to_string());
        assert_eq!(of("git@github.com:a/b.git").as_deref(), Some("github.com"));
        assert_eq!(of("ssh://git@git.example:2222/a").as_deref(), Some("git.example:2222"));
        assert_eq!(of("https://github.com/a"), None);
    }

    #[test]
    fn keys_are_read_as_people_paste_them() {
        let key = WELL_KNOWN[0].1;
        for text in [
            key.to_owned(),
            format!("{key} me@there"),
            format!("github.com {key}"),
            format!("  [git.example]:22 {key} # comment\n"),
        ] {
            assert_eq!(SshKey::parse(&text).unwrap().as_str(), key, "{text}");
        }
        for text in [
            "",
            "ssh-ed25519",
            "ssh-ed25519 AAAA",
            "ssh-dss AAAAB3NzaC1kc3MAAACBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            &format!("ssh-ed25519 {}", "!".repeat(60)),
            &format!("@cert-authority * {key}"),
            &format!("ssh-rsa {}", "A".repeat(3_000)),
        ] {
            assert!(SshKey::parse(text).is_err(), "{text:?}");
        }
        for (host, key) in WELL_KNOWN {
            assert!(SshKey::new(key).is_ok());
            assert!(!SshHost::new(host).unwrap().well_known().is_empty(), "{host}");
        }
        assert!(SshHost::new("git.example").unwrap().well_known().is_empty());
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
