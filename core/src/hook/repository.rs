//! A repository under all its addresses.
//!
//! The same one is `https://host/team/app.git` to one app and `git@host:team/app` to another, and a
//! provider names it in several ways in each delivery. Compared is what all of these have in common.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::names::{BadText, RepositoryUrl, bad, shown, text};

text!(
    /// Where a repository lies, whichever way one gets there: host, port where it is not the usual
    /// one, and path, without `.git`, in lower case.
    RepositoryKey, "a repository", |text| {
        let (host, path) = text.split_once('/').unwrap_or((text, ""));
        let fine = text.len() <= 2048 && text.bytes().all(|b| b.is_ascii_graphic());
        let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
        if fine && lower && !host.is_empty() && !path.is_empty() {
            Ok(())
        } else {
            Err(format!("is a host and a path, in lower case; got {}", shown(text)))
        }
    }
);

impl RepositoryKey {
    /// Of an address. None for one without a host, as of a folder, and for what is no address.
    #[must_use]
    pub fn of(url: &RepositoryUrl) -> Option<Self> {
        let url = url.as_str();
        let (host, path) = match url.split_once("://") {
            Some(("file", _)) => return None,
            Some((scheme, rest)) => {
                let (authority, path) = rest.split_once('/')?;
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                (without_usual_port(scheme, host), path)
            }
            None => {
                let (account, path) = url.split_once(':')?;
                (account.split_once('@')?.1, path)
            }
        };
        let path = path.split(['?', '#']).next()?.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
        Self::new(format!("{host}/{path}").to_ascii_lowercase()).ok()
    }

    /// Of a text that may be an address.
    #[must_use]
    pub fn of_text(url: &str) -> Option<Self> {
        Self::of(&RepositoryUrl::new(url).ok()?)
    }

    /// Its host, with the port where it is not the usual one.
    #[must_use]
    pub fn host(&self) -> &str {
        self.as_str().split_once('/').map_or("", |(host, _)| host)
    }

    /// Its path: usually an owner and a name.
    #[must_use]
    pub fn path(&self) -> &str {
        self.as_str().split_once('/').map_or("", |(_, path)| path)
    }
}

fn without_usual_port<'a>(scheme: &str, host: &'a str) -> &'a str {
    let usual = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => ":22",
    };
    host.strip_suffix(usual).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_repository_is_the_same_under_all_its_addresses() {
        for url in [
            "https://git.example/Team/App.git",
            "https://git.example/team/app",
            "https://git.example:443/team/app/",
            "http://git.example:80/team/app.git/",
            "ssh://git@git.example/team/app.git",
            "ssh://git@git.example:22/team/app.git",
            "git@git.example:team/app.git",
            "git@git.example:/team/app",
        ] {
            assert_eq!(
                RepositoryKey::of_text(url).unwrap().as_str(),
                "git.example/team/app",
                "{url}"
            );
        }
        let key = RepositoryKey::of_text("http://127.0.0.1:3000/a/b/c.git").unwrap();
        assert_eq!(
            (key.as_str(), key.host(), key.path()),
            ("127.0.0.1:3000/a/b/c", "127.0.0.1:3000", "a/b/c")
        );
        for url in
            ["file:///srv/app.git", "", "https://git.example/", "https://git.example/.git", "x"]
        {
            assert_eq!(RepositoryKey::of_text(url), None, "{url}");
        }
        for text in ["git.example", "git.example/", "/a", "Git.example/a", "git.example/a b"] {
            assert!(RepositoryKey::new(text).is_err(), "{text}");
        }
    }
}
