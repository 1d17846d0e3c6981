//! Where a GitHub is: github.com, or a company's own.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::hook::{ApiAddress, RepositoryKey};
use crate::names::{BadText, bad, shown, text};
use crate::reach::is_off_limits;
use crate::repository::{Location, is_host, split_port};

const DOT_COM: &str = "https://github.com";
/// What GitHub hosts for companies, each under a name of its own.
const HOSTED: &str = ".ghe.com";

text!(
    /// Where a GitHub is: `https://` and a host, with a port where it is not the usual one; no path. Only
    /// one on this very machine may have `http://`, for a private key comes from there.
    GitHubServer, "the address of a GitHub", server
);

fn server(text: &str) -> Result<(), String> {
    let wrong = || {
        format!(
            "is https:// and a host in lower case, such as https://github.example.com, without a user and \
             without a path; got {}",
            shown(text)
        )
    };
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let usual = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return Err(wrong()),
    };
    let (name, port) = split_port(rest).ok_or_else(wrong)?;
    let written = port.map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
    if !is_host(name) || port == Some(usual) || written != rest || text.len() > 240 {
        return Err(wrong());
    }
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    if address.is_some_and(is_off_limits) {
        return Err(format!("is no address that a GitHub can have; got {}", shown(text)));
    }
    let here = name == "localhost" || address.is_some_and(|address| address.is_loopback());
    if scheme == "http" && !here {
        return Err(format!(
            "begins with https://: a private key comes from there, and everybody on the way could read it; \
             got {}",
            shown(text)
        ));
    }
    Ok(())
}

impl GitHubServer {
    /// The one that everybody knows.
    #[must_use]
    pub fn dot_com() -> Self {
        Self(DOT_COM.to_owned())
    }

    /// Reads what people write: the scheme may be missing, the host be in capitals, a slash at the end, and
    /// the usual port there.
    ///
    /// # Errors
    /// [`BadText`] says what would be right.
    pub fn parse(typed: &str) -> Result<Self, BadText> {
        let typed = typed.trim_end_matches('/').to_ascii_lowercase();
        let whole = if typed.contains("://") { typed } else { format!("https://{typed}") };
        let usual = if whole.starts_with("http://") { ":80" } else { ":443" };
        Self::new(whole.strip_suffix(usual).unwrap_or(&whole))
    }

    /// Where its API is.
    #[must_use]
    pub fn api(&self) -> ApiAddress {
        let host = self.host();
        let written = match host {
            "github.com" => "https://api.github.com".to_owned(),
            hosted if hosted.ends_with(HOSTED) => format!("https://api.{hosted}"),
            _ => format!("{self}/api/v3"),
        };
        // A host that is one here is one there.
        ApiAddress::new(written).unwrap_or_else(|_| ApiAddress::of_github())
    }

    /// Its host, with the port where it is not the usual one: as repositories' keys have it.
    #[must_use]
    pub fn host(&self) -> &str {
        self.as_str().split_once("://").map_or("", |(_, host)| host)
    }

    /// Whether a repository lies there, however it is reached.
    #[must_use]
    pub fn has(&self, repository: &RepositoryKey) -> bool {
        repository.host() == self.host()
    }

    /// It as the place of all its repositories.
    #[must_use]
    pub fn location(&self) -> Option<Location> {
        Location::parse(self.as_str())
    }

    /// The folder of Apps' pages.
    pub(super) fn apps(&self) -> &'static str {
        let hosted = self.host() == "github.com" || self.host().ends_with(HOSTED);
        if hosted { "apps" } else { "github-apps" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_github_is_one_that_it_can_have() {
        for (typed, canonical, api) in [
            ("github.com", DOT_COM, "https://api.github.com"),
            ("https://GitHub.com:443/", DOT_COM, "https://api.github.com"),
            ("octo.ghe.com", "https://octo.ghe.com", "https://api.octo.ghe.com"),
            ("git.example:8443", "https://git.example:8443", "https://git.example:8443/api/v3"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000", "http://127.0.0.1:3000/api/v3"),
            ("http://[::1]:3000", "http://[::1]:3000", "http://[::1]:3000/api/v3"),
            ("https://10.0.0.7", "https://10.0.0.7", "https://10.0.0.7/api/v3"),
        ] {
            let server = GitHubServer::parse(typed).unwrap();
            assert_eq!((server.as_str(), server.api().as_str()), (canonical, api), "{typed}");
        }
        for typed in [
            "",
            "https://",
            "http://git.example",
            "http://10.0.0.7",
            "https://169.254.169.254",
            "http://169.254.169.254",
            "https://[fe80::1]",
            "https://[::ffff:169.254.169.254]",
            "https://0.0.0.0",
            "https://u@git.example",
            "https://git.example/x",
            "https://git.example?x",
            "https://git.example#x",
            "https://git.example:0",
            "https://git.example:x",
            "ftp://git.example",
            "file:///etc",
            "https://a b",
            "https://git.example\n",
            "javascript:alert(1)",
        ] {
            assert!(GitHubServer::parse(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn its_repositories_are_those_of_its_host() {
        let own = GitHubServer::parse("http://127.0.0.1:3000").unwrap();
        let key = |text: &str| RepositoryKey::of_text(text).unwrap();
        assert!(own.has(&key("http://127.0.0.1:3000/a/b.git")));
        assert!(!own.has(&key("http://127.0.0.1:3001/a/b.git")));
        let dot_com = GitHubServer::dot_com();
        assert!(dot_com.has(&key("git@github.com:a/b.git")));
        assert!(!dot_com.has(&key("https://github.com.evil.example/a/b")));
    }
}
