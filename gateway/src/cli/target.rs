//! Which server is asked, and with which token.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use url::Url;

use super::failure::{Failure, Outcome};

/// Where the server and the token are looked for.
#[derive(Clone, Debug)]
pub struct Target {
    /// The server's URL.
    pub url: String,
    /// The token itself.
    pub token: Option<String>,
    /// A file with the token.
    pub token_file: Option<PathBuf>,
    /// A file with certificate authorities to trust besides the machine's.
    pub ca_file: Option<PathBuf>,
    /// A data folder on this machine, whose owner token will do for a server on this machine.
    pub data: PathBuf,
}

impl Target {
    /// Who is trusted when that server is spoken to.
    ///
    /// # Errors
    /// The file with authorities cannot be used.
    pub(super) fn tls(&self, base: &Url) -> Outcome<rustls::ClientConfig> {
        let config = match base.scheme() {
            "https" => crate::tls::trusting(self.ca_file.as_deref()),
            _ => crate::tls::unused(),
        };
        config.map_err(|error| Failure::usage(error.to_string()))
    }

    /// The server's URL.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn base(&self) -> Outcome<Url> {
        base_url(&self.url)
    }

    /// The token for that server, where there is one.
    ///
    /// # Errors
    /// It is none, or cannot be read.
    pub(super) fn token(&self, base: &Url) -> Outcome<Option<String>> {
        token(self, base)
    }
}

fn base_url(text: &str) -> Outcome<Url> {
    let wrong = |why: &str| {
        Failure::usage(format!("{text:?} is no server's URL: {why}"))
            .hint("set HYTHE_URL (or --url) to something like http://127.0.0.1:7070")
    };
    let url = Url::parse(text).map_err(|e| wrong(&e.to_string()))?;
    match url.scheme() {
        "http" | "https" => {}
        _ => return Err(wrong("it begins with https:// or http://")),
    }
    if url.host().is_none() || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it is scheme, host and port"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("the token does not belong into it; use HYTHE_TOKEN"));
    }
    Ok(url)
}

/// Whether a server runs on this very machine.
pub(super) fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(url::Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

fn token(target: &Target, base: &Url) -> Outcome<Option<String>> {
    if let Some(token) = &target.token {
        return checked(token, "HYTHE_TOKEN").map(Some);
    }
    if let Some(file) = &target.token_file {
        let text = read_token(file).map_err(|e| {
            Failure::usage(format!("failed to read the token from {}: {e}", file.display()))
        })?;
        return checked(&text, &file.display().to_string()).map(Some);
    }
    // A token that lies about here is nothing to show to another machine.
    if !is_local(base) {
        return Ok(None);
    }
    match read_token(&target.data.join("owner.token")) {
        Ok(text) => checked(&text, "owner.token").map(Some),
        Err(_) => Ok(None),
    }
}

fn read_token(file: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(file)?.take(4096).read_to_string(&mut text)?;
    Ok(text)
}

fn checked(token: &str, source: &str) -> Outcome<String> {
    let token = token.trim();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Failure::usage(format!("{source} holds no token")));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Exit;

    fn target(url: &str, data: &Path) -> Target {
        Target {
            url: url.into(),
            token: None,
            token_file: None,
            ca_file: None,
            data: data.to_owned(),
        }
    }

    #[test]
    fn a_token_of_this_machine_is_shown_to_this_machine_only() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("owner.token"), "hyt_abcdef\n").unwrap();
        for (url, there) in [
            ("http://127.0.0.1:7070", true),
            ("http://localhost:7070", true),
            ("http://[::1]:7070", true),
            ("http://192.0.2.1:7070", false),
            ("http://localhost.example", false),
        ] {
            let target = target(url, home.path());
            let token = target.token(&target.base().unwrap()).unwrap();
            assert_eq!(token.is_some(), there, "{url}");
        }
    }

    #[test]
    fn urls_that_cannot_be_a_server_are_wrong_usage() {
        let home = tempfile::tempdir().unwrap();
        for url in ["", "7070", "ftp://a", "http://a?b", "http://u:p@a", "http://"] {
            let failure = target(url, home.path()).base().unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{url}");
        }
    }
}
