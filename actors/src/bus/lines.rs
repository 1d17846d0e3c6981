//! From frames to lines: what was lost shows as a gap, what came twice shows once.
//!
//! A source numbers its lines from 1. A number that is skipped is a lost line. A number that comes
//! again is a repeated line, unless the line is newer than all before it: then its source has
//! begun to count anew.

use std::collections::{BTreeMap, VecDeque};

use hythe_core::wire::log::{LogFrame, LogLine, LogSource};

use super::cursor::LogCursor;

/// Sources whose numbering is remembered at once; the one not heard of for longest is forgotten.
const MOST_SOURCES: usize = 1_024;

/// What a reader of logs gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogItem {
    /// A line.
    Line {
        /// Where to go on after it.
        cursor: LogCursor,
        /// Whose it is.
        source: LogSource,
        /// Its number, from 1.
        number: u64,
        /// The line.
        line: LogLine,
    },
    /// Lines are missing here.
    Gap {
        /// How many, where that is known.
        lost: Option<u64>,
    },
    /// A source says no more. Others may go on.
    Ended {
        /// Which one.
        source: LogSource,
    },
}

#[derive(Clone, Copy)]
struct Heard {
    /// The number that its next line should have.
    next: u64,
    /// The time of its newest line.
    newest: u64,
    /// When it was heard of, in frames.
    turn: u64,
}

/// Remembers how far each source got.
#[derive(Default)]
pub(super) struct Lines {
    sources: BTreeMap<LogSource, Heard>,
    turn: u64,
    /// Whether lines before the first one seen of a source are known to be read or lost already.
    excused: bool,
}

impl Lines {
    /// For a reader that begins in the middle: what came before is no gap.
    pub(super) fn in_the_middle() -> Self {
        Self { excused: true, ..Self::default() }
    }

    /// What of a frame a reader is to see. `skip`: how many of its lines were read before.
    pub(super) fn read(&mut self, at: LogCursor, frame: LogFrame, skip: u32) -> Vec<LogItem> {
        self.turn += 1;
        let LogFrame { format: _, source, first, lines, ended } = frame;
        let mut items = Vec::with_capacity(lines.len() + 2);
        let tell_end = ended && skip as usize <= lines.len();
        let known = self.sources.get(&source).copied();
        let mut heard = known.unwrap_or(Heard { next: 1, newest: 0, turn: self.turn });
        heard.turn = self.turn;
        if known.is_none() && self.excused {
            heard.next = heard.next.max(first);
        }
        if first > heard.next {
            items.push(LogItem::Gap { lost: Some(first - heard.next) });
        }
        for (index, line) in (0_u32..).zip(lines) {
            let number = first.saturating_add(u64::from(index));
            let repeated = number < heard.next && line.at <= heard.newest;
            heard.newest = heard.newest.max(line.at);
            if repeated {
                continue;
            }
            heard.next = number.saturating_add(1);
            if index >= skip {
                let cursor = LogCursor { lines: index + 1, ..at };
                items.push(LogItem::Line { cursor, source: source.clone(), number, line });
            }
        }
        if tell_end {
            items.push(LogItem::Ended { source: source.clone() });
        }
        self.sources.insert(source, heard);
        self.forget_one();
        items
    }

    fn forget_one(&mut self) {
        if self.sources.len() <= MOST_SOURCES {
            return;
        }
        // What it says later must not look like a gap.
        self.excused = true;
        let oldest = self.sources.iter().min_by_key(|(_, heard)| heard.turn);
        if let Some(source) = oldest.map(|(source, _)| source.clone()) {
            self.sources.remove(&source);
        }
    }

    /// After a break whose extent is unknown.
    pub(super) fn excuse(&mut self) {
        self.sources.clear();
        self.excused = true;
    }
}

/// The last lines of a history, and what lies between them.
pub(super) struct Tail {
    most: usize,
    lines: usize,
    items: VecDeque<LogItem>,
}

impl Tail {
    pub(super) const fn new(most: usize) -> Self {
        Self { most, lines: 0, items: VecDeque::new() }
    }

    pub(super) const fn most(&self) -> usize {
        self.most
    }

    pub(super) fn keep(&mut self, item: LogItem) {
        self.lines += usize::from(is_line(&item));
        self.items.push_back(item);
        // Items that are no lines count too, so that they stay bounded.
        while self.lines > self.most || self.items.len() > self.most * 2 + 16 {
            let Some(gone) = self.items.pop_front() else { return };
            self.lines -= usize::from(is_line(&gone));
        }
    }

    pub(super) fn into_items(self) -> impl Iterator<Item = LogItem> {
        self.items.into_iter()
    }
}

const fn is_line(item: &LogItem) -> bool {
    match item {
        LogItem::Line { .. } => true,
        LogItem::Gap { .. } | LogItem::Ended { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hythe_core::ids::DeploymentId;
    use hythe_core::wire::log::LogStream;
    use uuid::Uuid;

    const AT: LogCursor = LogCursor { created: 1, frame: 1, lines: 0 };

    fn frame(first: u64, times: &[u64]) -> LogFrame {
        let line = |at: &u64| LogLine { at: *at, stream: LogStream::Stdout, text: at.to_string() };
        LogFrame {
            format: 1,
            source: LogSource::Build { deployment: DeploymentId::new(Uuid::nil()), generation: 1 },
            first,
            lines: times.iter().map(line).collect(),
            ended: false,
        }
    }

    fn shown(items: Vec<LogItem>) -> Vec<String> {
        let show = |item| match item {
            LogItem::Line { number, line, .. } => format!("{number}:{}", line.text),
            LogItem::Gap { lost } => format!("gap {lost:?}"),
            LogItem::Ended { .. } => "ended".into(),
        };
        items.into_iter().map(show).collect()
    }

    #[test]
    fn gaps_are_shown_and_repeated_lines_are_not() {
        let mut lines = Lines::default();
        assert_eq!(shown(lines.read(AT, frame(1, &[10, 11]), 0)), ["1:10", "2:11"]);
        assert_eq!(shown(lines.read(AT, frame(2, &[11, 12]), 0)), ["3:12"]);
        assert_eq!(shown(lines.read(AT, frame(6, &[20]), 0)), ["gap Some(2)", "6:20"]);
        assert_eq!(shown(lines.read(AT, frame(6, &[20]), 0)), [""; 0]);
        // Its source counts anew: newer lines under old numbers are not repeated ones.
        assert_eq!(shown(lines.read(AT, frame(1, &[30, 31]), 0)), ["1:30", "2:31"]);
        assert_eq!(shown(lines.read(AT, frame(3, &[32]), 0)), ["3:32"]);
    }

    #[test]
    fn what_was_read_is_skipped_and_what_came_before_the_middle_is_no_gap() {
        let mut lines = Lines::in_the_middle();
        assert_eq!(shown(lines.read(AT, frame(7, &[10, 11, 12]), 2)), ["9:12"]);
        assert_eq!(shown(lines.read(AT, frame(10, &[13]), 0)), ["10:13"]);
        let mut fresh = Lines::default();
        assert_eq!(shown(fresh.read(AT, frame(3, &[10]), 0)), ["gap Some(2)", "3:10"]);
    }
}
