//! What a repository's URL says: how it is reached, at which host, and under which path.

use crate::names::{RepositoryUrl, host};

/// How a repository is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `https://`
    Https,
    /// `http://`: readable on its way.
    Http,
    /// `ssh://`, or `user@host:path`.
    Ssh,
    /// `file://`: on the builder itself.
    File,
}

impl Scheme {
    /// The port that is meant where none is given.
    const fn usual_port(self) -> Option<u16> {
        match self {
            Self::Https => Some(443),
            Self::Http => Some(80),
            Self::Ssh => Some(22),
            Self::File => None,
        }
    }
}

/// Where a repository lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// How it is reached.
    pub scheme: Scheme,
    /// The host in lower case, an IPv6 address in its brackets; nothing for `file://`.
    pub host: String,
    /// The port, where it is not the usual one.
    pub port: Option<u16>,
    /// What follows the host, without the slash before it.
    pub path: String,
}

impl Location {
    /// Takes a URL apart; none for one whose port is no number.
    #[must_use]
    pub fn of(url: &RepositoryUrl) -> Option<Self> {
        Self::parse(url.as_str())
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let Some((scheme, rest)) = text.split_once("://") else {
            let (account, path) = text.split_once(':')?;
            let (_, host) = account.rsplit_once('@')?;
            let (host, path) = (host.to_ascii_lowercase(), path.to_owned());
            return Some(Self { scheme: Scheme::Ssh, host, port: None, path });
        };
        let scheme = match scheme {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            "ssh" => Scheme::Ssh,
            "file" => Scheme::File,
            _other => return None,
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = split_port(host)?;
        let port = port.filter(|port| Some(*port) != scheme.usual_port());
        Some(Self { scheme, host: host.to_ascii_lowercase(), port, path: path.to_owned() })
    }

    /// Whether two repositories are reached in the same way at the same host and port.
    #[must_use]
    pub fn same_host(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host == other.host && self.port == other.port
    }

    /// The parts of the path, without the ending that repositories may have or lack; none for a
    /// path that a server may read in another way than it is written.
    pub(crate) fn parts(&self) -> Option<Vec<&str>> {
        let path = self.path.trim_end_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        let parts: Vec<&str> = path.split('/').collect();
        let plain = |part: &&str| {
            !part.is_empty() && *part != "." && *part != ".." && !part.contains(['%', '?', '#'])
        };
        parts.iter().all(plain).then_some(parts)
    }
}

/// A host and its port; none where there is one that is no port's number.
pub(crate) fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        Some(_) | None => return Some((text, None)),
    };
    // `host:/path` names none either.
    if port.is_empty() {
        return Some((host, None));
    }
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse::<u16>().ok().filter(|port| digits && *port != 0)?;
    Some((host, Some(port)))
}

/// Whether a text is a host's name in lower case, an IPv4 address, or an IPv6 address in brackets.
pub(crate) fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host(text).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let of = |text: &str| Location::of(&RepositoryUrl::new(text).unwrap());
        for (text, scheme, host, port, path) in [
            ("https://GitHub.com/a/b.git", Scheme::Https, "github.com", None, "a/b.git"),
            ("https://h.example:443/a", Scheme::Https, "h.example", None, "a"),
            ("https://h.example:8443/a", Scheme::Https, "h.example", Some(8443), "a"),
            ("http://127.0.0.1:3000/a/b", Scheme::Http, "127.0.0.1", Some(3000), "a/b"),
            ("https://[::1]:3000/a", Scheme::Https, "[::1]", Some(3000), "a"),
            ("https://[::1]/a", Scheme::Https, "[::1]", None, "a"),
            ("ssh://git@h.example:22/a.git", Scheme::Ssh, "h.example", None, "a.git"),
            ("ssh://git@h.example:2222/~/a", Scheme::Ssh, "h.example", Some(2222), "~/a"),
            ("git@Git.example:a/b.git", Scheme::Ssh, "git.example", None, "a/b.git"),
            ("file:///srv/a.git", Scheme::File, "", None, "srv/a.git"),
        ] {
            let expected = Location { scheme, host: host.to_owned(), port, path: path.to_owned() };
            assert_eq!(of(text), Some(expected), "{text}");
        }
        for text in ["https://h.example:x/a", "https://h.example:0/a", "https://h.example:70000/a"]
        {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
