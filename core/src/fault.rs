//! Keeps what goes with a failure within its bounds.

use crate::deployment::Fault;
use crate::limits;

impl Fault {
    /// A fault without log lines.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), log: Vec::new() }
    }

    /// The same, cut to [`limits::MOST_REASON_BYTES`], the last [`limits::MOST_TAIL_LINES`] lines
    /// and [`limits::MOST_TAIL_LINE_BYTES`] each, without control characters.
    #[must_use]
    pub fn bounded(self) -> Self {
        let skipped = self.log.len().saturating_sub(limits::MOST_TAIL_LINES);
        Self {
            message: cut(&self.message, limits::MOST_REASON_BYTES),
            log: self
                .log
                .iter()
                .skip(skipped)
                .map(|line| cut(line, limits::MOST_TAIL_LINE_BYTES))
                .collect(),
        }
    }
}

/// A text without control characters but newlines and tabs, of at most `most` bytes.
fn cut(text: &str, most: usize) -> String {
    let mut kept = String::new();
    for c in text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')) {
        if kept.len() + c.len_utf8() > most {
            kept.push('…');
            break;
        }
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_stays_within_its_bounds() {
        let fault = Fault {
            message: "é\u{1b}[31m".repeat(10_000),
            log: (0..100).map(|n| format!("{n}\0{}", "x".repeat(10_000))).collect(),
        }
        .bounded();
        assert!(fault.message.len() <= limits::MOST_REASON_BYTES + 3);
        assert!(!fault.message.contains('\u{1b}'));
        assert_eq!(fault.log.len(), limits::MOST_TAIL_LINES);
        assert!(fault.log[0].starts_with("80x"), "the last lines are kept");
        assert!(fault.log.iter().all(|line| line.len() <= limits::MOST_TAIL_LINE_BYTES + 3));
    }
}
