//! Paths with gaps, as `_redirects` and `_headers` have them: `/blog/:year/*`.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::target::decode;

/// The most parts of one.
const MOST_PARTS: usize = 64;

/// Which paths a rule is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    parts: Vec<Part>,
    /// Whether anything may follow.
    splat: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// As it is without escapes, since requests are compared so.
    Text(String),
    /// Any one part, known by this name.
    Any(String),
}

/// What stood where a pattern has its gaps, by their names; a splat's is `splat`.
pub(super) type Gaps<'a> = Vec<(&'a str, String)>;

impl Pattern {
    /// Whether it is one path and no other.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        !self.splat && self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// The names of its gaps.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let named = self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Any(name) => Some(name.as_str()),
        });
        named.chain(self.splat.then_some("splat"))
    }

    /// What stands in its gaps, where a path ([`super::Target::path`]) fits.
    pub(super) fn fits<'a>(&'a self, path: &str) -> Option<Gaps<'a>> {
        let mut rest = path;
        let mut gaps = Vec::new();
        for part in &self.parts {
            if rest.is_empty() {
                return None;
            }
            let (first, after) = rest.split_once('/').unwrap_or((rest, ""));
            match part {
                Part::Text(text) if text == first => {}
                Part::Text(_) => return None,
                Part::Any(name) => gaps.push((name.as_str(), first.to_owned())),
            }
            rest = after;
        }
        if self.splat {
            gaps.push(("splat", rest.to_owned()));
        } else if !rest.is_empty() {
            return None;
        }
        Some(gaps)
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pattern = Self::read(text)?;
        let leads = |part: &Part| match part {
            Part::Text(text) => {
                leads_elsewhere(text) || decode(text).is_some_and(|text| leads_elsewhere(&text))
            }
            Part::Any(_) => false,
        };
        if pattern.parts.iter().any(leads) {
            return Err("is made of names between slashes, and an escaped slash is none".into());
        }
        Ok(pattern)
    }
}

impl Pattern {
    /// Takes one as it was written down before, too, when escapes were not looked at.
    fn read(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Err(
                "names a path, which begins with /; for a whole address, add a domain to the app"
                    .into(),
            );
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err("names a path, which begins with /".into());
        };
        if text.contains(['?', '#']) {
            return Err("names a path without query and fragment".into());
        }
        let mut parts = Vec::new();
        let mut splat = false;
        for part in rest.split('/').filter(|part| !part.is_empty()) {
            if splat {
                return Err("has a * at its end alone".into());
            }
            if matches!(part, "." | "..") {
                return Err("is made of names between slashes".into());
            }
            if part == "*" {
                splat = true;
            } else if part.contains('*') {
                return Err("has a * at its end, as a part of its own".into());
            } else if let Some(name) = part.strip_prefix(':') {
                if !is_name(name) || name == "splat" {
                    return Err(format!(
                        "has a placeholder :{name}, and one is of letters, digits and _"
                    ));
                }
                parts.push(Part::Any(name.to_owned()));
            } else {
                parts.push(Part::Text(plain(part)));
            }
        }
        if parts.len() > MOST_PARTS {
            return Err(format!("has at most {MOST_PARTS} parts"));
        }
        Ok(Self { parts, splat })
    }
}

/// A part without its escapes: a space can be written in no other way. What is no escape stands for itself, as
/// does a part that would be none any more.
fn plain(part: &str) -> String {
    decode(part).filter(|plain| !leads_elsewhere(plain)).unwrap_or_else(|| part.to_owned())
}

/// Whether a part is none without its escapes.
fn leads_elsewhere(part: &str) -> bool {
    matches!(part, "." | "..") || part.contains('/')
}

/// Whether a placeholder can be called that.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::read(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.to_string()
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => {
                    f.write_str("/")?;
                    for (at, c) in text.char_indices() {
                        // What would be read as something else comes back as it was.
                        if "%*?#".contains(c) || (at == 0 && c == ':') {
                            write!(f, "%{:02X}", u32::from(c))?;
                        } else {
                            write!(f, "{c}")?;
                        }
                    }
                }
                Part::Any(name) => write!(f, "/:{name}")?,
            }
        }
        if self.splat {
            f.write_str("/*")
        } else if self.parts.is_empty() {
            f.write_str("/")
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_and_written_back() {
        let pattern: Pattern = "/blog/:year/*".parse().unwrap();
        assert_eq!(pattern.to_string(), "/blog/:year/*");
        let gaps = pattern.fits("blog/2024/a/b").unwrap();
        assert_eq!(gaps, [("year", "2024".to_owned()), ("splat", "a/b".to_owned())]);
        assert_eq!(pattern.fits("blog/2024").unwrap()[1], ("splat", String::new()));
        assert_eq!(pattern.fits("blog"), None);
        let fixed: Pattern = "/a/b/".parse().unwrap();
        assert!(fixed.is_fixed() && fixed.fits("a/b").is_some());
        assert!(fixed.fits("a").is_none() && fixed.fits("a/b/c").is_none());
        let all: Pattern = "/*".parse().unwrap();
        assert!(all.fits("").is_some() && all.fits("x").is_some());
    }

    #[test]
    fn escapes_stand_for_what_requests_are_compared_with() {
        for (written, path) in [
            ("/a%20b/*", "a b/c"),
            ("/caf%C3%A9", "café"),
            ("/café", "café"),
            ("/100%", "100%"),
            ("/100%25", "100%"),
            ("/%2A", "*"),
            ("/%3Aid", ":id"),
            ("/a:b", "a:b"),
            ("/a%3Fb", "a?b"),
        ] {
            let pattern: Pattern = written.parse().unwrap();
            assert!(pattern.fits(path).is_some(), "{written}");
            let again: Pattern = pattern.to_string().parse().unwrap();
            assert_eq!(again, pattern, "{written}");
        }
        // What was written down before escapes were looked at is still read.
        let before: Pattern = serde_json::from_str("\"/a%2Fb/%2e%2e\"").unwrap();
        assert!(before.fits("a/b").is_none());
        let fixed: Pattern = "/%2A".parse().unwrap();
        assert!(fixed.is_fixed() && fixed.fits("x").is_none());
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for wrong in [
            "a",
            "https://a.example/",
            "/a*b",
            "/*/b",
            "/:",
            "/:a-b",
            "/a?b",
            "/../a",
            "/%2e%2E/a",
            "/a%2Fb",
        ] {
            assert!(wrong.parse::<Pattern>().is_err(), "{wrong}");
        }
    }
}
