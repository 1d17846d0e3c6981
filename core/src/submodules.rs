//! Submodules of a repository, as its `.gitmodules` lists them: which are fetched, and from where.
//!
//! What stands there comes from whoever can push: of all that it may say only path and URL are read,
//! and of those only what could also be said of an app's own repository. Programs that git would run
//! (`update = !…`, `ext::…`), paths out of the tree and repositories of the builder's own disk are
//! refused, not passed over: the build would lack what it names.

use std::collections::BTreeMap;

use crate::limits;
use crate::names::{RepositoryPath, RepositoryUrl, shown};

/// A submodule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submodule {
    /// Where in the tree.
    pub path: RepositoryPath,
    /// The repository.
    pub repository: RepositoryUrl,
}

/// Why submodules are not fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the submodule {name} in .gitmodules {why}")]
pub struct BadSubmodule {
    /// What it is called there, cut and quoted.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// Reads what `git config --file .gitmodules --null --list` writes: key, line end, value and a NUL
/// for each setting; the later of two counts. Relative URLs are those of a repository beside
/// `parent`.
///
/// # Errors
/// [`BadSubmodule`] names the first that cannot be fetched.
pub fn listed(listing: &str, parent: &RepositoryUrl) -> Result<Vec<Submodule>, BadSubmodule> {
    #[derive(Default)]
    struct Said<'a> {
        path: Option<&'a str>,
        url: Option<&'a str>,
    }
    let mut all: BTreeMap<&str, Said<'_>> = BTreeMap::new();
    for setting in listing.split('\0') {
        let (key, value) = setting.split_once('\n').unwrap_or((setting, ""));
        let Some((name, setting)) =
            key.strip_prefix("submodule.").and_then(|rest| rest.rsplit_once('.'))
        else {
            continue;
        };
        match setting {
            "path" => all.entry(name).or_default().path = Some(value),
            "url" => all.entry(name).or_default().url = Some(value),
            _ => {}
        }
    }
    let most = limits::MOST_SUBMODULES;
    let mut found: Vec<Submodule> = Vec::new();
    for (name, Said { path, url }) in all {
        let bad = |why: String| BadSubmodule { name: shown(name), why };
        // Without a path it is no submodule of this commit.
        let Some(path) = path else { continue };
        let path = path_of(path).map_err(|why| bad(format!("has a path which {why}")))?;
        let url = url.ok_or_else(|| bad("has no URL".into()))?;
        let repository =
            resolve(url, parent).map_err(|why| bad(format!("has a URL which {why}")))?;
        if found.iter().any(|other| overlap(other.path.as_str(), path.as_str())) {
            return Err(bad(format!("lies at or below {path}, where another one lies")));
        }
        found.push(Submodule { path, repository });
        if found.len() > most {
            return Err(bad(format!("is one too many: at most {most} are fetched")));
        }
    }
    Ok(found)
}

fn path_of(text: &str) -> Result<RepositoryPath, String> {
    let path = RepositoryPath::new(text).map_err(|bad| bad.why)?;
    if path.as_str().split('/').any(|part| part.eq_ignore_ascii_case(".git")) {
        return Err(format!("has no part called .git; got {}", shown(text)));
    }
    Ok(path)
}

fn overlap(one: &str, other: &str) -> bool {
    let below = |one: &str, other: &str| {
        one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    below(one, other) || below(other, one)
}

/// The repository that a submodule's URL means in a repository.
///
/// # Errors
/// Why it is none that is fetched.
fn resolve(url: &str, parent: &RepositoryUrl) -> Result<RepositoryUrl, String> {
    let url = if url.starts_with("./") || url.starts_with("../") {
        beside(url, parent.as_str())
            .ok_or_else(|| format!("leads out of the repository's host; got {}", shown(url)))?
    } else {
        url.to_owned()
    };
    let repository = RepositoryUrl::new(url).map_err(|bad| bad.why)?;
    let scheme = |url: &str| url.split_once("://").map_or("ssh", |(scheme, _)| scheme).to_owned();
    match scheme(repository.as_str()).as_str() {
        "https" | "ssh" => Ok(repository),
        // No worse than the repository itself came.
        "http" if scheme(parent.as_str()) == "http" => Ok(repository),
        _ => Err(format!("begins with https:// or ssh://; got {}", shown(repository.as_str()))),
    }
}

/// A relative URL, with the parent's host before it; none where it climbs higher than that.
fn beside(url: &str, parent: &str) -> Option<String> {
    let (host, between, path) = match parent.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/')?;
            (format!("{scheme}://{host}"), '/', path)
        }
        None => {
            let (account, path) = parent.split_once(':')?;
            (account.to_owned(), ':', path)
        }
    };
    let mut parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let mut rest = url;
    loop {
        if let Some(after) = rest.strip_prefix("../") {
            parts.pop()?;
            rest = after;
        } else if let Some(after) = rest.strip_prefix("./") {
            rest = after;
        } else {
            break;
        }
    }
    let rest = rest.trim_end_matches('/');
    if rest.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return None;
    }
    parts.push(rest);
    Some(format!("{host}{between}{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(url: &str) -> RepositoryUrl {
        RepositoryUrl::new(url).unwrap()
    }

    fn listing(settings: &[(&str, &str)]) -> String {
        settings.iter().map(|(key, value)| format!("submodule.{key}\n{value}\0")).collect()
    }

    #[test]
    fn path_and_url_are_read_and_nothing_else() {
        let text = listing(&[
            ("libs/a.b.path", "libs/a.b"),
            ("libs/a.b.url", "../a.git"),
            ("libs/a.b.update", "!touch /tmp/pwned"),
            ("libs/a.b.branch", "-x"),
            ("old.url", "https://git.example/old.git"),
            ("z.path", "was"),
            ("z.path", "z"),
            ("z.url", "ssh://git@git.example:2222/z.git"),
        ]) + "core.hookspath\n/tmp\0include.path\n/etc/passwd\0";
        let found = listed(&text, &parent("https://git.example/team/shop.git")).unwrap();
        let found: Vec<_> =
            found.iter().map(|one| (one.path.as_str(), one.repository.as_str())).collect();
        let expected = [
            ("libs/a.b", "https://git.example/team/a.git"),
            ("z", "ssh://git@git.example:2222/z.git"),
        ];
        assert_eq!(found, expected);
        assert_eq!(listed("", &parent("https://h/a")).unwrap(), []);
    }

    #[test]
    fn relative_urls_stay_at_the_host() {
        for (url, of, expected) in [
            ("../b.git", "https://h.example/team/a.git", Some("https://h.example/team/b.git")),
            ("../../x/b", "https://h.example/team/a.git/", Some("https://h.example/x/b")),
            ("./b", "https://h.example/team/a", Some("https://h.example/team/a/b")),
            (".././b", "https://h.example/a", Some("https://h.example/b")),
            ("../b.git", "git@h.example:team/a.git", Some("git@h.example:team/b.git")),
            ("../b.git", "git@h.example:a.git", Some("git@h.example:b.git")),
            ("../b", "ssh://git@h.example:2222/a", Some("ssh://git@h.example:2222/b")),
            ("../b", "http://127.0.0.1:3000/a", Some("http://127.0.0.1:3000/b")),
            ("../../b", "https://h.example/a", None),
            ("../../evil.example/b", "git@h.example:a.git", None),
            ("../b/../../../c", "https://h.example/team/a", None),
            ("../", "https://h.example/team/a", None),
            ("../b.git", "file:///srv/a.git", None),
            ("https://other.example/b", "https://h.example/a", Some("https://other.example/b")),
            ("git@other.example:b", "https://h.example/a", Some("git@other.example:b")),
            ("http://other.example/b", "https://h.example/a", None),
            ("http://other.example/b", "http://h.example/a", Some("http://other.example/b")),
        ] {
            let found = resolve(url, &parent(of));
            assert_eq!(found.as_ref().map(RepositoryUrl::as_str).ok(), expected, "{url} of {of}");
        }
    }

    #[test]
    fn what_is_hostile_is_refused_by_name() {
        let of = parent("https://git.example/shop.git");
        for url in [
            "ext::sh -c touch% /tmp/pwned",
            "-u./payload",
            "--upload-pack=touch /tmp/pwned",
            "file:///etc",
            "/etc",
            "fd::17",
            "git://git.example/a",
            "https://user:password@git.example/a",
            "ssh://-oProxyCommand=touch/a",
            "-oProxyCommand=x@h:a",
            "https://git.example/a\nb",
            "https://-x/a",
            "",
        ] {
            let text = listing(&[("evil.path", "evil"), ("evil.url", url)]);
            let why = listed(&text, &of).unwrap_err().to_string();
            assert!(
                why.contains("the submodule \"evil\" in .gitmodules has a URL"),
                "{url}: {why}"
            );
        }
        for path in ["../../x", "/etc/x", "-u", "a/../../b", ".git", "a/.GIT/hooks", "", "a\\b"] {
            let text = listing(&[("evil.path", path), ("evil.url", "../a.git")]);
            let why = listed(&text, &of).unwrap_err().to_string();
            assert!(why.contains("has a path which"), "{path}: {why}");
        }
        let within = [("a.path", "x"), ("a.url", "../a"), ("b.path", "x/y"), ("b.url", "../b")];
        assert!(listed(&listing(&within), &of).unwrap_err().why.contains("another one"));
        let none = listed(&listing(&[("a.path", "x")]), &of).unwrap_err();
        assert!(none.why.contains("no URL"));
        let many: String = (0..=limits::MOST_SUBMODULES)
            .map(|n| format!("submodule.m{n}.path\nm{n}\0submodule.m{n}.url\n../m\0"))
            .collect();
        assert!(listed(&many, &of).unwrap_err().why.contains("too many"));
    }
}
