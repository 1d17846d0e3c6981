//! The keys by which hosts are known that are reached over ssh.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::decide::{Decision, NOTHING};
use super::{Installation, InstallationEvent};
use crate::limits;
use crate::names::{BadText, bad, shown, text};
use crate::rejection::Rejection;
use crate::repository::{Location, Scheme, is_host, split_port};
use crate::time::Timestamp;

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

/// The keys that a host is known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceHost {
    /// The keys: any of them is good.
    pub keys: Vec<SshKey>,
    /// Since when.
    pub at: Timestamp,
}

impl Installation {
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
        let of = |url: &str| {
            SshHost::of(&Location::of(&RepositoryUrl::new(url).unwrap()).unwrap())
                .map(|host| host.to_string())
        };
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
}
