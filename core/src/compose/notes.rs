//! What is told of a file.

use super::lines::Lines;
use super::{Bad, Left};
use crate::near::nearest;

/// The most notes of one file: what is more is counted.
const MOST: usize = 300;

/// What is told of a file.
#[derive(Debug, Default)]
pub(super) struct Notes {
    left: Vec<Left>,
    more: usize,
}

impl Notes {
    /// A value is not taken.
    pub(super) fn left(&mut self, line: u64, key: &str, why: impl Into<String>) {
        if self.left.len() < MOST {
            self.left.push(Left { file: None, line, key: shown(key), why: why.into() });
        } else {
            self.more += 1;
        }
    }

    /// A key is none that there is.
    pub(super) fn unknown(&mut self, line: u64, key: &str, name: &str, known: &[&str]) {
        let near = nearest(name, known.iter().copied(), 1);
        let near = near.first().map_or_else(String::new, |near| format!("; do you mean {near}?"));
        self.left(line, key, format!("there is no such key{near}"));
    }

    /// All of it, in the files' order.
    pub(super) fn told(mut self, lines: &Lines) -> Vec<Left> {
        self.left.sort();
        self.left.dedup();
        if self.more > 0 {
            let line = self.left.last().map_or(0, |last| last.line);
            let why = format!("{} more are not taken", self.more);
            self.left.push(Left { file: None, line, key: "…".into(), why });
        }
        for left in &mut self.left {
            let (file, line) = lines.place(left.line);
            left.file = file.map(shown);
            left.line = line;
        }
        self.left
    }
}

pub(super) fn bad<T>(line: u64, why: impl Into<String>) -> Result<T, Bad> {
    Err(Bad { line: Some(line), why: why.into() })
}

/// A text of a file in a message: one line, not too long.
pub(super) fn shown(text: &str) -> String {
    let most = 100;
    let line = |c: char| if c.is_control() { ' ' } else { c };
    let head: String = text.chars().map(line).take(most).collect();
    if text.chars().nth(most).is_some() { format!("{head}…") } else { head }
}
