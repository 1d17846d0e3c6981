//! What of a repository's text may get into a Dockerfile, and in which form.
//!
//! A repository is written by strangers, and a Dockerfile has its own ways to read a text: line
//! ends, continuations, here-documents, variables, flags. So nothing gets in but commands as JSON
//! with all that is special escaped, and names and paths of a few plain characters.

use crate::rejection::Rejection;

/// The most bytes of one command.
const MOST_COMMAND_BYTES: usize = 4_096;
/// The most bytes of one value of a variable.
const MOST_VALUE_BYTES: usize = 1_024;

/// One line for a shell inside the build or the container, never outside of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShellLine(String);

impl ShellLine {
    /// Checks one; `written` says where it stands.
    pub(super) fn new(text: &str, written: &str) -> Result<Self, Rejection> {
        let text = text.trim();
        let wrong = |why: &str| Err(Rejection::invalid(written, why));
        if text.is_empty() {
            return wrong("is empty; leave it out, or say what is to be run");
        }
        if text.len() > MOST_COMMAND_BYTES {
            return wrong("is longer than 4096 bytes; put it into a script of the repository");
        }
        if text.chars().any(char::is_control) {
            return wrong("is one line, without tabs and other control characters");
        }
        Ok(Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The same in a folder below, of a [checked](path) name; `""` for none.
    pub(super) fn within(&self, folder: &str) -> Self {
        match folder {
            "" => self.clone(),
            folder => Self(format!("cd {folder} && {}", self.0)),
        }
    }

    /// Its words, where a shell would do nothing but split them.
    pub(super) fn plain_words(&self) -> Option<Vec<String>> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@+,=".contains(c);
        let words: Vec<String> =
            self.0.split(' ').filter(|w| !w.is_empty()).map(str::to_owned).collect();
        let fine = self.0.chars().all(|c| c == ' ' || plain(c));
        // `A=b program` sets a variable.
        let program =
            words.first().is_some_and(|word| !word.contains('=') && !word.starts_with('-'));
        (fine && program).then_some(words)
    }
}

/// Words as a Dockerfile's JSON form takes them.
pub(super) fn json(words: &[&str]) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| {
            let quoted = serde_json::Value::from(*word).to_string();
            // What a here-document begins with, whatever a parser makes of it inside of quotes.
            quoted.replace('<', "\\u003c")
        })
        .collect();
    format!("[{}]", words.join(", "))
}

/// What a container runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// A program and its words.
    Words(Vec<String>),
    /// A line for a shell.
    Shell(ShellLine),
}

impl Start {
    /// From a line of a repository: without a shell where that comes to the same.
    pub(super) fn line(line: ShellLine) -> Self {
        line.plain_words().map_or(Self::Shell(line), Self::Words)
    }

    pub(super) fn words(words: &[&str]) -> Self {
        Self::Words(words.iter().map(|word| (*word).to_owned()).collect())
    }

    /// A line of our own making, of constants and [checked](path) parts.
    pub(super) fn own(line: impl Into<String>) -> Self {
        Self::Shell(ShellLine(line.into()))
    }

    /// The same in a folder below, of a [checked](path) name; `""` for none.
    pub(super) fn within(self, folder: &str) -> Self {
        match self {
            same if folder.is_empty() => same,
            // The program itself gets the signals, with no shell in between.
            Self::Words(words) => Self::own(format!("cd {folder} && exec {}", words.join(" "))),
            Self::Shell(line) => Self::Shell(line.within(folder)),
        }
    }

    /// The Dockerfile's `CMD`.
    pub(super) fn command(&self) -> String {
        match self {
            Self::Words(words) => json(&words.iter().map(String::as_str).collect::<Vec<_>>()),
            Self::Shell(line) => json(&["sh", "-c", line.as_str()]),
        }
    }
}

impl std::fmt::Display for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Words(words) => f.write_str(&words.join(" ")),
            Self::Shell(line) => f.write_str(line.as_str()),
        }
    }
}

/// A path for `COPY` and for commands of our own: nothing in it is special to either.
pub(super) fn path(text: &str, written: &str) -> Result<String, Rejection> {
    let text = text.trim_start_matches("./").trim_end_matches('/');
    let parts_fine = text.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/@+".contains(c);
    if parts_fine && text.chars().all(plain) && !text.starts_with('-') && text.len() <= 255 {
        Ok(text.to_owned())
    } else {
        Err(Rejection::invalid(
            written,
            "is a path inside the app's folder, such as dist/web, of letters, digits and ._-/@+",
        ))
    }
}

/// A name for commands of our own: a package, a module, a program.
pub(super) fn name(text: &str, written: &str) -> Result<String, Rejection> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    let first = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if first && text.chars().all(plain) && text.len() <= 128 {
        Ok(text.to_owned())
    } else {
        Err(Rejection::invalid(
            written,
            "is a name of letters, digits and ._-+, at most 128 characters",
        ))
    }
}

/// The value of a variable, for `ENV`.
pub(super) fn value(text: &str, written: &str) -> Result<String, Rejection> {
    let special = |c: char| c.is_control() || "\"\\$`<".contains(c);
    if text.len() <= MOST_VALUE_BYTES && !text.chars().any(special) {
        Ok(text.to_owned())
    } else {
        Err(Rejection::invalid(
            written,
            "is a value of at most 1024 bytes without \" \\ $ ` < and line ends; set others with \
             hythe env set",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_one_line_of_json_whatever_is_in_it() {
        for (text, command) in [
            ("node server.js", r#"["node", "server.js"]"#),
            ("cat <<EOF", r#"["sh", "-c", "cat \u003c\u003cEOF"]"#),
            ("a \\", r#"["sh", "-c", "a \\"]"#),
            ("echo \"x\" # y", r#"["sh", "-c", "echo \"x\" # y"]"#),
            ("run $PORT", r#"["sh", "-c", "run $PORT"]"#),
            ("A=b run", r#"["sh", "-c", "A=b run"]"#),
            ("--mount=type=bind x", r#"["sh", "-c", "--mount=type=bind x"]"#),
        ] {
            let line = ShellLine::new(text, "x").unwrap();
            assert_eq!(Start::line(line).command(), command);
        }
        for wrong in ["", " ", "a\nUSER root", "a\tb", "a\u{0}", &"x".repeat(5_000)] {
            assert!(ShellLine::new(wrong, "start").is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn paths_names_and_values_are_plain() {
        assert_eq!(path("./dist/web/", "output").as_deref(), Ok("dist/web"));
        for wrong in ["", "/", "../x", "a/../b", "a b", "a$b", "a\"b", "-a", "a*", "a\nb", "a[1]"] {
            assert!(path(wrong, "output").is_err(), "{wrong:?}");
        }
        assert!(name("libpq-dev", "packages").is_ok() && name("g++", "packages").is_ok());
        for wrong in ["", "-y", "a b", "a;b", "a$(id)", "a\nb", "../x"] {
            assert!(name(wrong, "packages").is_err(), "{wrong:?}");
        }
        assert!(value("a b, c=d", "x").is_ok());
        for wrong in ["a\"b", "a\nb", "$HOME", "a\\"] {
            assert!(value(wrong, "x").is_err(), "{wrong:?}");
        }
    }
}
