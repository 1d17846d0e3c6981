//! Pull requests (GitLab: merge requests), in no provider's own terms.
//!
//! Everything of one is text from whoever opened it, and from outside of the repository where it comes
//! from a fork: nothing of it leaves a payload but as one of these types.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::{RepositoryKey, SenderName, is_invisible};
use crate::names::{BadText, BranchName, CommitId, RepositoryUrl, bad, shown, text};
use crate::repository::{is_host, split_port};
use crate::source::{GitSource, Reference, Source};
use crate::time::Timestamp;

/// The most bytes of a page's address.
const MOST_PAGE: usize = 1_024;

text!(
    /// A commit as a delivery names it: 7 to 64 lower-case hexadecimal digits. Bitbucket leaves all but
    /// the first twelve out.
    HeadCommit, "a commit", |text| {
        let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex && (7..=64).contains(&text.len()) && text.bytes().any(|digit| digit != b'0') {
            Ok(())
        } else {
            Err(format!("is 7 to 64 lower-case hexadecimal digits; got {}", shown(text)))
        }
    }
);
text!(
    /// Where people see a pull request: `https://` or `http://`, a host and a path of plain characters,
    /// none of which means anything in Markdown, HTML or a shell. At most 1,024 characters.
    PageUrl, "a page's address", page
);

fn page(text: &str) -> Result<(), String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let (authority, path) = rest.unwrap_or_default().split_once('/').unwrap_or_default();
    let named = split_port(authority).is_some_and(|(name, _)| is_host(name));
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'.' | b'_' | b'~');
    if named && text.len() <= MOST_PAGE && path.bytes().all(plain) {
        Ok(())
    } else {
        Err(format!(
            "is https:// or http://, a host and a path of plain characters; got {}",
            shown(text)
        ))
    }
}

impl HeadCommit {
    /// The commit, where all of its digits are there.
    #[must_use]
    pub fn whole(&self) -> Option<CommitId> {
        CommitId::new(self.as_str()).ok()
    }

    /// Whether this is the commit, as far as its digits go.
    #[must_use]
    pub fn is(&self, commit: &CommitId) -> bool {
        commit.as_str().starts_with(self.as_str())
    }
}

/// What a pull request is called: visible characters in one line, at most 120 of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PullTitle(String);

impl PullTitle {
    const MOST_CHARACTERS: usize = 120;

    /// What of a text can be shown.
    #[must_use]
    pub fn cleaned(text: &str) -> Self {
        let spaced = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
        let fine = |c: &char| !c.is_control() && !is_invisible(*c);
        let kept: String = spaced.filter(fine).take(Self::MOST_CHARACTERS).collect();
        Self(kept.trim().to_owned())
    }

    /// The title; empty where nothing of it can be shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for PullTitle {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Ok(Self::cleaned(&String::deserialize(input)?))
    }
}

/// In which repository the changes lie. Append-only: postcard stores a variant's position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Head {
    /// In the one that they are to get into: who pushes there may do so.
    Own,
    /// In another one, which may be anybody's.
    Fork(RepositoryUrl),
}

/// An open pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// Its number in the repository that it is of.
    pub number: u64,
    /// What it is called.
    pub title: PullTitle,
    /// Where people see it.
    pub page: Option<PageUrl>,
    /// Who opened it.
    pub author: SenderName,
    /// Its newest commit.
    pub commit: HeadCommit,
    /// The branch that its commits are on.
    pub branch: BranchName,
    /// In which repository.
    pub head: Head,
    /// The branch that they are to get into.
    pub base: BranchName,
    /// Whether it says that it is not ready.
    pub draft: bool,
    /// When it changed last, as the provider says.
    pub at: Timestamp,
}

/// What happened to a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullChange {
    /// It was opened, opened again, given commits, made ready or pointed at another branch.
    Came,
    /// It is called otherwise, or the like.
    Edited,
    /// It is not open any more.
    Closed {
        /// Its commits are where they were to get.
        merged: bool,
    },
}

impl PullRequest {
    /// Whether its commits come from another repository.
    #[must_use]
    pub const fn is_fork(&self) -> bool {
        match self.head {
            Head::Own => false,
            Head::Fork(_) => true,
        }
    }

    /// What is built of it, where the app's own source lies at `own`.
    #[must_use]
    pub fn source(&self, own: &RepositoryUrl) -> Source {
        let repository = match &self.head {
            Head::Own => own.clone(),
            Head::Fork(repository) => repository.clone(),
        };
        // Where the provider says only the beginning of the commit's id, its branch leads to it.
        let reference = self
            .commit
            .whole()
            .map_or_else(|| Reference::Branch(self.branch.clone()), Reference::Commit);
        Source::Git(GitSource { repository, reference })
    }
}

/// In which repository a pull request's changes lie: `head`, as the provider names it under one or
/// several addresses, against the repository that the pull request is of.
///
/// # Errors
/// Why nothing can be built of it.
pub fn head<'a>(
    own: impl Fn(&RepositoryKey) -> bool,
    host: impl Fn(&str) -> bool,
    head: impl IntoIterator<Item = &'a str>,
) -> Result<Head, &'static str> {
    let urls: Vec<_> = head.into_iter().filter_map(|url| RepositoryUrl::new(url).ok()).collect();
    let keyed = || urls.iter().filter_map(|url| Some((url, RepositoryKey::of(url)?)));
    if keyed().any(|(_, key)| own(&key)) {
        return Ok(Head::Own);
    }
    // Who may sign for one server must not have another one asked.
    let mut there = keyed().filter(|(_, key)| host(key.host()));
    match there.next() {
        Some((url, _)) => Ok(Head::Fork(url.clone())),
        None if urls.is_empty() => Err("the repository that its commits lie in is gone"),
        None => Err("its commits lie on another server"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_may_be_the_beginning_of_one() {
        let whole = "1481a2de7b2a7d02428ad93446ab166be7793fbb";
        let commit = CommitId::new(whole).unwrap();
        assert_eq!(HeadCommit::new(whole).unwrap().whole(), Some(commit.clone()));
        let short = HeadCommit::new("1481a2de7b2a").unwrap();
        assert!(short.whole().is_none() && short.is(&commit));
        assert!(!HeadCommit::new("1481a2e").unwrap().is(&commit));
        for wrong in ["", "1481a2", "1481A2DE", "--upload-pack=x", "0000000", &"a".repeat(65)] {
            assert!(HeadCommit::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_title_can_be_shown_whatever_it_was() {
        for (text, shown) in [
            ("Fix the cart", "Fix the cart"),
            ("  a\nb\t c\u{1b}[31m ", "a b  c[31m"),
            ("a\u{202e}b", "ab"),
            ("", ""),
        ] {
            assert_eq!(PullTitle::cleaned(text).as_str(), shown);
        }
        assert_eq!(PullTitle::cleaned(&"é".repeat(300)).as_str().chars().count(), 120);
    }

    #[test]
    fn a_page_is_plain() {
        for right in [
            "https://github.com/octo-org/shop/pull/4",
            "http://git.example:3000/a/b/pulls/4",
            "https://gitlab.com/a/b/-/merge_requests/4",
        ] {
            assert!(PageUrl::new(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "javascript:alert(1)",
            "https://x.example",
            "https://x.example/a)b",
            "https://x.example/a?b",
            "https://u@x.example/a",
            "https://x.example/<b>",
        ] {
            assert!(PageUrl::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn whose_commits_they_are_is_told_by_the_repository() {
        let own = RepositoryKey::of_text("https://github.com/octo-org/shop").unwrap();
        let of = |urls: &[&str]| {
            head(|key| *key == own, |host| host == "github.com", urls.iter().copied())
        };
        assert_eq!(of(&["git@github.com:Octo-Org/shop.git"]), Ok(Head::Own));
        let fork = "https://github.com/mallory/shop.git";
        assert_eq!(of(&[fork]), Ok(Head::Fork(RepositoryUrl::new(fork).unwrap())));
        assert!(of(&["https://evil.example/octo-org/shop"]).unwrap_err().contains("server"));
        assert!(of(&["ext::sh -c id", ""]).unwrap_err().contains("gone"));
    }
}
