//! What deploys an app by itself: pushes to its branch, tags, or nothing; and which files count.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::limits;
use crate::names::{BadText, bad, shown, text};
use crate::rejection::Rejection;

text!(
    /// A pattern for the paths of a repository: `*` within one folder, `**` across folders, `?`, `[…]`
    /// and `{a,b}`; with a leading `!`, what it matches does not count. At most 200 characters.
    PathPattern, "a pattern for paths", |text| pattern(text.strip_prefix('!').unwrap_or(text), 200)
);
text!(
    /// A pattern for tags, such as `v*`: `*`, `?`, `[…]` and `{a,b}`. At most 100 characters.
    TagPattern, "a pattern for tags", |text| pattern(text, 100)
);

fn pattern(text: &str, most: usize) -> Result<(), String> {
    let relative =
        !text.starts_with('/') && text.split('/').all(|part| part != "." && part != "..");
    let plain = !text.chars().any(char::is_control);
    if !text.is_empty() && text.len() <= most && relative && plain {
        return Ok(());
    }
    Err(format!(
        "is relative to the repository, such as apps/web/**, without \"..\", and has at most {most} \
         characters; got {}",
        shown(text)
    ))
}

/// What deploys an app by itself. Append-only: postcard stores a variant's position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeployOn {
    /// A push to its branch.
    #[default]
    Push,
    /// A new tag of which the name fits.
    Tag(TagPattern),
    /// Nothing.
    Off,
}

/// What deploys an app by itself, and which files have to have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Triggers {
    /// What deploys it.
    pub on: DeployOn,
    /// A push that changes no file of these deploys nothing; where there are none, each does.
    pub watch: Vec<PathPattern>,
}

impl Triggers {
    /// Whether they are within their bounds.
    ///
    /// # Errors
    /// A [`Rejection`] names the setting and its bounds.
    pub fn check(&self) -> Result<(), Rejection> {
        let most = limits::MOST_WATCH_PATHS;
        if self.watch.len() > most {
            return Err(Rejection::invalid("watch_paths", format!("are at most {most}")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stays_in_the_repository() {
        for text in ["apps/web/**", "*.md", "!docs/**", "libs/{a,b}/src", "a"] {
            assert!(PathPattern::new(text).is_ok(), "{text}");
        }
        for text in ["", "!", "/etc/*", "../x", "a/../b", "a\n", "!/x", &"a".repeat(201)] {
            assert!(PathPattern::new(text).is_err(), "{text:?}");
        }
        assert!(TagPattern::new("v*").is_ok() && TagPattern::new("").is_err());
    }
}
