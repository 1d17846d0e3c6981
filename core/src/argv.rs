//! A command with its arguments: never a line for a shell.

use serde::{Deserialize, Deserializer, Serialize};

use crate::names::BadText;

/// A program and its arguments: 1 to 64 texts without NUL, the program not empty, 4,096 bytes each
/// at the most. Run as it is, by no shell. Deserialising checks too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Argv(Vec<String>);

impl Argv {
    /// The most texts, the program included.
    pub const MOST: usize = 64;
    /// The most bytes of one text.
    pub const MOST_BYTES: usize = 4_096;

    /// Checks a command.
    ///
    /// # Errors
    /// [`BadText`] says what is wrong and what would be right.
    pub fn new(words: Vec<String>) -> Result<Self, BadText> {
        let bad = |why: String| Err(BadText { what: "a command", why });
        if words.first().is_none_or(String::is_empty) {
            return bad("begins with the name of a program; got nothing".into());
        }
        if words.len() > Self::MOST {
            return bad(format!("has at most {} words; got {}", Self::MOST, words.len()));
        }
        if let Some(long) = words.iter().find(|word| word.len() > Self::MOST_BYTES) {
            let most = Self::MOST_BYTES;
            return bad(format!("has words of at most {most} bytes; got one of {}", long.len()));
        }
        if words.iter().any(|word| word.contains('\0')) {
            return bad("has no NUL characters in its words".into());
        }
        Ok(Self(words))
    }

    /// The program and its arguments.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

/// In a line for people, cut where it is long.
impl std::fmt::Display for Argv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let line = self.0.join(" ");
        let most = crate::limits::MOST_COMMAND_SHOWN;
        match line.char_indices().nth(most) {
            None => f.write_str(&line),
            Some((end, _)) => write!(f, "{}…", line.get(..end).unwrap_or_default()),
        }
    }
}

impl<'de> Deserialize<'de> for Argv {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(input)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_program_and_words_within_bounds() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        assert!(Argv::new(words(&["sh", "-c", "", "echo $(id)"])).is_ok());
        for (refused, why) in [
            (words(&[]), "got nothing"),
            (words(&["", "a"]), "got nothing"),
            (words(&["a", "b\0c"]), "NUL"),
            (words(&["a", &"b".repeat(4_097)]), "got one of 4097"),
            (vec!["a".into(); 65], "got 65"),
        ] {
            let error = Argv::new(refused).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!(serde_json::from_str::<Argv>("[]").is_err(), "deserialising checks too");
        let long = Argv::new(words(&["echo", &"é".repeat(1_000)])).unwrap().to_string();
        assert!(long.starts_with("echo é") && long.ends_with("é…"), "{long}");
        assert_eq!(Argv::new(words(&["npm", "start"])).unwrap().to_string(), "npm start");
    }
}
