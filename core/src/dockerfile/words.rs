//! Words of a Dockerfile, with their quotes taken off and their variables in place.

use std::iter::Peekable;
use std::str::Chars;

/// What stands where a value is not known.
pub(super) const UNKNOWN: char = '\u{fffc}';
/// The most bytes of a word; what is longer is not known.
pub(super) const MOST_BYTES: usize = 1024;
/// The most variables that are named.
const MOST_NAMES: usize = 8;
/// How deep a default may lie in another.
const MOST_DEPTH: usize = 16;

/// A word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// It, with [`UNKNOWN`] where something is not known.
    pub(super) text: String,
    /// The variables whose values are not known.
    pub(super) unknown: Vec<String>,
}

impl Word {
    fn push(&mut self, c: char) {
        if self.text.len() < MOST_BYTES {
            self.text.push(c);
        }
    }

    /// Adds the value of a variable, of which not all may be known.
    fn value(&mut self, name: &str, value: &str) {
        if self.text.len() < MOST_BYTES {
            value.chars().for_each(|c| self.push(c));
        }
        if value.contains(UNKNOWN) {
            self.name(name);
        }
    }

    /// Adds what is not known.
    fn hole(&mut self, name: &str) {
        self.push(UNKNOWN);
        self.name(name);
    }

    fn name(&mut self, name: &str) {
        if !name.is_empty()
            && self.unknown.len() < MOST_NAMES
            && !self.unknown.iter().any(|n| n == name)
        {
            self.unknown.push(name.to_owned());
        }
    }
}

/// A word as it is meant. `value`: what a variable stands for, where that is known.
pub(super) fn expand(word: &str, escape: char, value: &dyn Fn(&str) -> Option<String>) -> Word {
    let mut expanded = Word::default();
    let mut chars = word.chars().peekable();
    Expansion { escape, value }.take(&mut chars, None, 0, &mut expanded);
    if expanded.text.len() >= MOST_BYTES {
        expanded.text = UNKNOWN.to_string();
    }
    expanded
}

struct Expansion<'a> {
    escape: char,
    value: &'a dyn Fn(&str) -> Option<String>,
}

impl Expansion<'_> {
    /// Takes characters up to `end`, or all.
    fn take(
        &self,
        chars: &mut Peekable<Chars<'_>>,
        end: Option<char>,
        depth: usize,
        word: &mut Word,
    ) {
        while let Some(c) = chars.next() {
            match c {
                c if Some(c) == end => return,
                '\'' => chars.by_ref().take_while(|c| *c != '\'').for_each(|c| word.push(c)),
                '"' => self.quoted(chars, depth, word),
                '$' => self.variable(chars, depth, word),
                c if c == self.escape => chars.next().into_iter().for_each(|c| word.push(c)),
                c => word.push(c),
            }
        }
    }

    fn quoted(&self, chars: &mut Peekable<Chars<'_>>, depth: usize, word: &mut Word) {
        while let Some(c) = chars.next() {
            match c {
                '"' => return,
                '$' => self.variable(chars, depth, word),
                c if c == self.escape => match chars.next() {
                    Some(next) if next == '"' || next == '$' || next == self.escape => {
                        word.push(next);
                    }
                    Some(next) => {
                        word.push(c);
                        word.push(next);
                    }
                    None => return,
                },
                c => word.push(c),
            }
        }
    }

    fn variable(&self, chars: &mut Peekable<Chars<'_>>, depth: usize, word: &mut Word) {
        let braces = chars.next_if_eq(&'{').is_some();
        let mut name = String::new();
        while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
        }
        if !braces {
            if name.is_empty() {
                word.push('$');
            } else {
                self.put(&name, word);
            }
            return;
        }
        let colon = chars.next_if_eq(&':').is_some();
        let then = chars.next();
        match then {
            Some('}') | None => self.put(&name, word),
            Some('-' | '+') if depth < MOST_DEPTH => {
                let mut other = Word::default();
                self.take(chars, Some('}'), depth + 1, &mut other);
                let own = (self.value)(&name).filter(|own| !colon || !own.is_empty());
                match (own, then) {
                    (Some(own), Some('-')) => word.value(&name, &own),
                    // One that nobody sets: what a base image says is not known, but seldom meant.
                    (None, Some('-')) | (Some(_), _) => {
                        other.text.chars().for_each(|c| word.push(c));
                        other.unknown.iter().for_each(|name| word.name(name));
                    }
                    (None, _) => {}
                }
            }
            // Cut, replaced, or told why not.
            Some(_) => {
                let mut open = 1_usize;
                for c in chars.by_ref() {
                    match c {
                        '{' => open += 1,
                        '}' => open -= 1,
                        _ => {}
                    }
                    if open == 0 {
                        break;
                    }
                }
                word.hole(&name);
            }
        }
    }

    fn put(&self, name: &str, word: &mut Word) {
        match (self.value)(name) {
            Some(value) => word.value(name, &value),
            None => word.hole(name),
        }
    }
}
