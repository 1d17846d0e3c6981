//! Text from people, checked once and carried as types from then on.
//!
//! Everything a person can type is hostile until it is one of these: none of them can begin with
//! a dash where it could be read as an option, hold a control character, climb out of a folder, or
//! grow without bound. Deserialising checks too.

mod git;
mod value;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use self::git::{reference, repository, repository_path};

pub use self::value::EnvValue;

/// Why a text was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {why}")]
pub struct BadText {
    /// What kind of text it should have been.
    pub what: &'static str,
    /// What is wrong with it.
    pub why: String,
}

pub(crate) fn bad(what: &'static str, why: impl Into<String>) -> BadText {
    BadText { what, why: why.into() }
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Checks a text.
            ///
            /// # Errors
            /// [`BadText`] says what is wrong and what would be right.
            pub fn new(text: impl Into<String>) -> Result<Self, BadText> {
                let text = text.into();
                let check: fn(&str) -> Result<(), String> = $check;
                check(&text).map_err(|why| bad($what, why))?;
                Ok(Self(text))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadText;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(input)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use text;

text!(
    /// An app's name: one DNS label, for it becomes a host name. 1 to 40 characters.
    AppName, "an app name", |text| label(text, 40)
);
text!(
    /// A project's name: one DNS label of at most 40 characters.
    ProjectName, "a project name", |text| label(text, 40)
);
text!(
    /// A worker's name: one DNS label of at most 63 characters.
    WorkerName, "a worker name", |text| label(text, 63)
);
text!(
    /// A host name: dot-separated DNS labels, lower case, at most 253 characters, no port.
    HostName, "a host name", host
);
text!(
    /// Where a git repository lies: `https://`, `http://`, `ssh://`, `user@host:path`, or
    /// `file://` where the installation allows it. At most 2,048 characters, no password inside.
    RepositoryUrl, "a repository URL", repository
);
text!(
    /// A git branch or tag name as `git check-ref-format` allows it; at most 200 characters.
    BranchName, "a branch name", |text| reference(text, "a branch")
);
text!(
    /// A git tag's name as `git check-ref-format` allows it; at most 200 characters.
    TagName, "a tag name", |text| reference(text, "a tag")
);
text!(
    /// A whole commit id: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
    CommitId, "a commit id", |text| {
        let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex && (text.len() == 40 || text.len() == 64) {
            Ok(())
        } else {
            Err(format!("is 40 or 64 lower-case hexadecimal digits; got {}", shown(text)))
        }
    }
);
text!(
    /// A path inside a repository: relative, with `/`, never leading out of it; at most 255
    /// characters.
    RepositoryPath, "a path in the repository", repository_path
);
text!(
    /// The name of an environment variable: letters, digits and `_`, not beginning with a digit;
    /// at most 128 characters.
    EnvName, "an environment variable's name", |text| {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if first && rest && text.len() <= 128 {
            Ok(())
        } else {
            Err(format!(
                "has letters, digits and \"_\", does not begin with a digit, and has at most 128 \
                 characters; got {}",
                shown(text)
            ))
        }
    }
);
text!(
    /// The name of a build argument: as that of an environment variable, but none of those that
    /// tell BuildKit itself what to do.
    BuildArg, "a build argument's name", |text| {
        if text.to_ascii_uppercase().starts_with("BUILDKIT_") {
            return Err(format!("does not begin with BUILDKIT_; got {}", shown(text)));
        }
        EnvName::new(text).map(drop).map_err(|bad| bad.why)
    }
);
text!(
    /// The value of a build argument: at most 4,096 bytes, no control characters.
    BuildArgValue, "a build argument's value", |text| {
        if text.len() <= 4096 && !text.chars().any(char::is_control) {
            Ok(())
        } else {
            Err(format!("has at most 4096 bytes and no control characters; got {}", shown(text)))
        }
    }
);
text!(
    /// The name of a stage of a Dockerfile, or its number: letters, digits, `.`, `_` and `-`,
    /// beginning with a letter or digit; at most 128 characters.
    BuildTarget, "a build target", |text| {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        let rest = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if first && rest && text.len() <= 128 {
            Ok(())
        } else {
            Err(format!(
                "is the name of a stage: at most 128 letters, digits, \".\", \"_\" and \"-\"; got {}",
                shown(text)
            ))
        }
    }
);
text!(
    /// The path of a health check: begins with `/`, visible ASCII only, at most 1,024 characters.
    HealthPath, "a health check's path", |text| {
        if text.starts_with('/') && text.len() <= 1024 && text.bytes().all(|b| b.is_ascii_graphic())
        {
            Ok(())
        } else {
            Err(format!(
                "begins with \"/\" and has at most 1024 visible ASCII characters; got {}",
                shown(text)
            ))
        }
    }
);
text!(
    /// An image as the engine knows it: `sha256:` and 64 hexadecimal digits.
    ImageId, "an image id", |text| {
        let digits = text.strip_prefix("sha256:").unwrap_or_default();
        if digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(())
        } else {
            Err(format!("is \"sha256:\" and 64 hexadecimal digits; got {}", shown(text)))
        }
    }
);

impl ProjectName {
    /// What the project is called that is always there.
    pub const DEFAULT: &str = "default";

    /// Whether it is the name of the project that is always there.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.as_str() == Self::DEFAULT
    }
}

impl BuildArg {
    /// Whether an environment variable has the same name.
    #[must_use]
    pub fn is(&self, name: &EnvName) -> bool {
        self.0 == name.0
    }
}

/// A text in a message: quoted, escaped, cut to 60 characters.
pub(crate) fn shown(text: &str) -> String {
    if text.is_empty() {
        return "nothing".into();
    }
    let head: String = text.chars().take(60).collect();
    if head.len() < text.len() {
        format!("{head:?}… ({} bytes)", text.len())
    } else {
        format!("{head:?}")
    }
}

fn label(text: &str, most: usize) -> Result<(), String> {
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let ends = !text.starts_with('-') && !text.ends_with('-');
    if !text.is_empty() && text.len() <= most && plain && ends {
        Ok(())
    } else {
        Err(format!(
            "has 1 to {most} lower-case letters, digits and dashes, and neither begins nor ends \
             with a dash; got {}",
            shown(text)
        ))
    }
}

pub(crate) fn host(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > 253 {
        return Err(format!("has 1 to 253 characters; got {}", shown(text)));
    }
    text.split('.').try_for_each(|part| label(part, 63)).map_err(|_| {
        format!(
            "is lower-case labels of letters, digits and dashes, joined by dots; got {}",
            shown(text)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_use_is_taken_and_what_is_hostile_is_refused() {
        type Check = fn(&str) -> bool;
        let rows: &[(&str, Check, &[&str], &[&str])] = &[
            (
                "app name",
                |t| AppName::new(t).is_ok(),
                &["shop", "a", "my-app-2", "0"],
                &[
                    "",
                    "-a",
                    "a-",
                    "A",
                    "a_b",
                    "a.b",
                    "a b",
                    "$(id)",
                    "a\n",
                    "..",
                    "é",
                    &"a".repeat(41),
                ],
            ),
            (
                "build argument",
                |t| BuildArg::new(t).is_ok(),
                &["VERSION", "_x1"],
                &["", "1A", "A-B", "BUILDKIT_SYNTAX", "buildkit_context", "A=B", "A\n"],
            ),
            (
                "build argument's value",
                |t| BuildArgValue::new(t).is_ok(),
                &["", "1.2", "$(id) \"x\" é"],
                &["a\nb", "\u{1b}[31m", &"x".repeat(4097)],
            ),
            (
                "build target",
                |t| BuildTarget::new(t).is_ok(),
                &["release", "0", "stage-1.b_c"],
                &["", "-x", ".x", "a b", "a/b", "é", &"x".repeat(129)],
            ),
            (
                "host",
                |t| HostName::new(t).is_ok(),
                &["localhost", "a.example.com", "xn--bcher-kva.example"],
                &["", ".", "a..b", "-a.b", "a.b:80", "A.b", "a/b", "a b"],
            ),
            (
                "repository",
                |t| RepositoryUrl::new(t).is_ok(),
                &[
                    "https://git.example/a/b.git",
                    "http://127.0.0.1:3000/a.git",
                    "ssh://git@git.example:22/a/b",
                    "git@git.example:a/b.git",
                    "file:///srv/git/a.git",
                    "http://[::1]:80/a.git",
                ],
                &[
                    "",
                    "-u",
                    "--upload-pack=x",
                    "ext::sh -c id",
                    "https://",
                    "https://h",
                    "https://u:p@h/a",
                    "https://token@h/a",
                    "ssh://-oProxyCommand=x/a",
                    "-x@h:a",
                    "u@-oProxy:a",
                    "file://../a",
                    "file:///a/../b",
                    "/srv/git",
                    "git://h/a",
                    "https://h/a\nb",
                    "https://h/$`id`",
                    "ssh://u:p@h/a",
                ],
            ),
            (
                "tag",
                |t| TagName::new(t).is_ok(),
                &["v1.2.0", "release/7"],
                &["", "-d", "a..b", "a b"],
            ),
            (
                "branch",
                |t| BranchName::new(t).is_ok(),
                &["main", "feature/x-1", "v1.2.3", "größe"],
                &[
                    "",
                    "-d",
                    "a..b",
                    "a b",
                    "a\n",
                    "a~1",
                    "a^",
                    "a:b",
                    "x.lock",
                    "/a",
                    "a/",
                    ".a",
                    "@",
                    "a@{1}",
                    "a//b",
                    &"b".repeat(201),
                ],
            ),
            (
                "commit",
                |t| CommitId::new(t).is_ok(),
                &["0123456789abcdef0123456789abcdef01234567"],
                &[
                    "",
                    "HEAD",
                    "0123456",
                    "0123456789ABCDEF0123456789ABCDEF01234567",
                    "-123456789abcdef0123456789abcdef01234567",
                ],
            ),
            (
                "path",
                |t| RepositoryPath::new(t).is_ok(),
                &["Dockerfile", "docker/app.Dockerfile", "a b/Dockerfile"],
                &[
                    "",
                    "/etc/passwd",
                    "../x",
                    "a/../b",
                    "a//b",
                    "./a",
                    "a/",
                    "-f",
                    "a\0b",
                    "a\nb",
                    "a\\b",
                    &"a".repeat(256),
                ],
            ),
            (
                "environment name",
                |t| EnvName::new(t).is_ok(),
                &["A", "_x", "DATABASE_URL", "a1"],
                &["", "1A", "A-B", "A=B", "A B", "A\n", &"A".repeat(129)],
            ),
            (
                "health path",
                |t| HealthPath::new(t).is_ok(),
                &["/", "/healthz?full=1"],
                &["", "healthz", "/a b", "/a\r\nHost: x", "/é"],
            ),
        ];
        for (what, check, good, evil) in rows {
            for text in *good {
                assert!(check(text), "{what} should take {text:?}");
            }
            for text in *evil {
                assert!(!check(text), "{what} should refuse {text:?}");
            }
        }
    }

    #[test]
    fn a_ten_megabyte_text_is_refused_with_a_short_message() {
        let huge = "a".repeat(10 * 1024 * 1024);
        let messages = [
            AppName::new(huge.clone()).unwrap_err().to_string(),
            RepositoryUrl::new(huge.clone()).unwrap_err().to_string(),
            BranchName::new(huge.clone()).unwrap_err().to_string(),
            RepositoryPath::new(huge.clone()).unwrap_err().to_string(),
            EnvValue::new(huge).unwrap_err().to_string(),
        ];
        for message in messages {
            assert!(message.len() < 300, "{message}");
        }
    }

    #[test]
    fn values_are_never_printed() {
        let value = EnvValue::new("canary").unwrap();
        assert!(!format!("{value:?}").contains("canary"));
    }

    #[test]
    fn what_is_deserialised_is_checked_too() {
        assert!(serde_json::from_str::<AppName>("\"../x\"").is_err());
        assert!(serde_json::from_str::<AppName>("\"x\"").is_ok());
    }
}
