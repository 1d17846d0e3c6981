//! The one place that writes to the terminal: results to stdout, everything else to stderr.
//!
//! A reader that has had enough (`hythe … | head`) is no error: from then on nothing is written,
//! and whoever loops asks [`Output::closed`].

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

/// Where a command writes, and in which form.
#[derive(Clone, Debug)]
pub struct Output {
    json: bool,
    colour: bool,
    closed: Arc<AtomicBool>,
    /// Whether there was a document: there is only one.
    documented: Arc<AtomicBool>,
}

/// What a text means, shown as a colour where there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It is well.
    Good,
    /// It is on its way, or only partly well.
    Busy,
    /// It is wrong.
    Bad,
    /// Beside the point.
    Faint,
}

impl Output {
    /// Looks at the terminal and at `NO_COLOR`.
    #[must_use]
    pub fn new(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let able =
            io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb");
        let colour = wanted && able && !json;
        Self { json, colour, closed: Arc::default(), documented: Arc::default() }
    }

    /// Whether JSON is wanted.
    #[must_use]
    pub fn json(&self) -> bool {
        self.json
    }

    /// Whether nobody reads any more.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Whether the result was written as a document, and what comes after it would be another one.
    #[must_use]
    pub fn documented(&self) -> bool {
        self.documented.load(Ordering::Relaxed)
    }

    /// A line of the result.
    pub fn line(&self, text: impl fmt::Display) {
        self.write(format_args!("{text}\n"));
    }

    /// Text of the result, as it is.
    pub fn text(&self, text: impl fmt::Display) {
        self.write(format_args!("{text}"));
    }

    fn write(&self, text: fmt::Arguments<'_>) {
        if self.closed() {
            return;
        }
        let mut out = io::stdout().lock();
        if let Err(error) = out.write_fmt(text).and_then(|()| out.flush()) {
            self.closed.store(true, Ordering::Relaxed);
            if error.kind() != ErrorKind::BrokenPipe {
                self.note(format_args!("hythe: failed to write to stdout: {error}"));
            }
        }
    }

    /// A result as one JSON document: in one line for programs, spread out for people.
    pub fn document(&self, value: &impl Serialize) {
        self.documented.store(true, Ordering::Relaxed);
        let text = if io::stdout().is_terminal() {
            serde_json::to_string_pretty(value)
        } else {
            serde_json::to_string(value)
        };
        self.json_text(text);
    }

    /// One of many results as one line of JSON.
    pub fn json_line(&self, value: &impl Serialize) {
        self.json_text(serde_json::to_string(value));
    }

    fn json_text(&self, text: serde_json::Result<String>) {
        match text {
            Ok(text) => self.line(text),
            Err(error) => self.note(format_args!("hythe: failed to write JSON: {error}")),
        }
    }

    /// A line for people, which is no part of the result.
    pub fn note(&self, text: impl fmt::Display) {
        // Where nobody can be told, there is nobody to tell that either.
        writeln!(io::stderr().lock(), "{text}").ok();
    }

    /// A text in a colour.
    #[must_use]
    pub fn tone(&self, tone: Tone, text: impl fmt::Display) -> String {
        if !self.colour {
            return text.to_string();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Busy => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// Rows under a heading, in columns. Colours count for nothing in the widths.
    pub fn table(&self, heading: &[&str], rows: &[Vec<String>]) {
        let mut widths: Vec<usize> = heading.iter().map(|cell| cell.len()).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(visible(cell));
            }
        }
        let heading: Vec<String> = heading.iter().map(|cell| (*cell).to_owned()).collect();
        for row in std::iter::once(&heading).chain(rows) {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width - visible(cell) + 2));
            }
            self.line(line.trim_end());
        }
    }

    /// Somebody else's text, safe for a terminal: of control characters only tabs stay and, where
    /// there are colours, the sequences that set them.
    #[must_use]
    pub fn foreign(&self, text: &str) -> String {
        clean(text, self.colour)
    }
}

/// How many characters of a cell are seen.
fn visible(cell: &str) -> usize {
    clean(cell, false).chars().count()
}

fn clean(text: &str, keep_colours: bool) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c == '\u{1b}' {
            if let Some(end) = colour_sequence(rest) {
                if keep_colours {
                    kept.push(c);
                    kept.push_str(&rest[..end]);
                }
                rest = &rest[end..];
            }
        } else if c == '\t' || !c.is_control() {
            kept.push(c);
        }
    }
    if keep_colours && kept.contains('\u{1b}') {
        kept.push_str("\u{1b}[0m");
    }
    kept
}

/// The length of `[…m` at the beginning of a text.
fn colour_sequence(text: &str) -> Option<usize> {
    let body = text.strip_prefix('[')?;
    let end = body.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    (body[end..].starts_with('m') && end <= 32).then_some(end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        let hostile = "a\u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7}\r\u{1b}[2Jb\tc\u{9b}";
        assert_eq!(clean(hostile, false), "ared]0;title[2Jb\tc");
        assert_eq!(clean("a\u{1b}[31mred", true), "a\u{1b}[31mred\u{1b}[0m");
        assert_eq!(clean("plain é", true), "plain é");
        assert_eq!(visible("\u{1b}[32mlive\u{1b}[0m"), 4);
    }
}
