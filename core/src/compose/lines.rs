//! Whose line is meant. Lines are counted on from file to file, so that one number says of every value
//! where it stands, in whichever file that is.

use super::Bad;
use super::notes::shown;

/// Which lines are those of which file.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    /// How many lines were counted so far.
    counted: u64,
    /// Files besides the one that was given, by how many lines were counted before them.
    others: Vec<(u64, String)>,
}

impl Lines {
    /// Counts a file in. Returns how many lines there are before it.
    pub(super) fn begin(&mut self, path: Option<&str>, text: &str) -> u64 {
        let before = self.counted;
        // No line but the last one is shorter than a byte.
        let most = u64::try_from(text.len()).unwrap_or(u64::MAX).saturating_add(2);
        self.counted = before.saturating_add(most);
        self.others.extend(path.map(|path| (before, path.to_owned())));
        before
    }

    /// The file, where it is another one than the given, and the line in it.
    pub(super) fn place(&self, line: u64) -> (Option<&str>, u64) {
        match self.others.iter().rev().find(|(before, _)| *before < line) {
            Some((before, path)) => (Some(path.as_str()), line - before),
            None => (None, line),
        }
    }

    /// The same refusal, with the name of the file where that is another one.
    pub(super) fn named(&self, bad: Bad) -> Bad {
        match bad.line.map(|line| self.place(line)) {
            Some((Some(path), line)) => {
                let why = format!("in {}, line {line}: {}", shown(path), bad.why);
                Bad { line: None, why }
            }
            Some((None, _)) | None => bad,
        }
    }
}
