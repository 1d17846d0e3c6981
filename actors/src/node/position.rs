//! Pieces of output become numbered lines, each once.
//!
//! The engine repeats pieces (after a rotation, and whenever reading is taken up again), so each
//! is known by its stream, its time and how many of that time came before it. A position is where
//! the last whole line ended; reading on from it gives the same lines under the same numbers.

use bytes::Bytes;
use hythe_core::limits::MOST_LINE_BYTES;
use hythe_core::wire::log::{LogLine, LogStream};
use serde::{Deserialize, Serialize};

use crate::docker::logs::Piece;

/// Said where output was lost before it could be read.
pub(crate) const LOST: &str =
    "lines are missing here: the engine dropped them before Hythe could read them";
/// What ends a line that was too long.
const CUT: &str = "… [cut]";
/// How far back reading is taken up: the two streams' times may cross each other that much.
const OVERLAP_SECONDS: u64 = 2;
/// What is further in the future than this was written before the clock was set back.
const CLOCK_SLACK: u64 = 1_000_000_000;
const SECOND: u64 = 1_000_000_000;

/// How far one stream was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The time of the newest piece.
    pub(crate) at: u64,
    /// How many pieces of exactly that time.
    pub(crate) pieces: u32,
}

impl Mark {
    /// Whether reading has come so far.
    fn reaches(self, other: Self) -> bool {
        (self.at, self.pieces) >= (other.at, other.pieces)
    }
}

/// How far a replica's log was read: up to the end of a whole line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The container that it is about.
    pub(crate) container: String,
    /// How many lines were counted, those included that Hythe wrote.
    pub(crate) counted: u64,
    /// Of the standard output.
    pub(crate) stdout: Mark,
    /// Of the standard error.
    pub(crate) stderr: Mark,
    /// How far the standard output was read before the clock was set back: the engine gives out again
    /// what bears such a time, for as long as that is to come.
    #[serde(default)]
    pub(crate) stdout_before: Mark,
    /// The same of the standard error.
    #[serde(default)]
    pub(crate) stderr_before: Mark,
}

impl Position {
    /// The second from which on the engine is to be asked. `now` in nanoseconds: asked from a moment that
    /// is to come, it would be silent until then.
    pub(crate) fn since(&self, now: u64) -> u64 {
        let newest = self.stdout.at.max(self.stderr.at).min(now);
        (newest / SECOND).saturating_sub(OVERLAP_SECONDS)
    }

    /// The number of the next line; lines count from 1.
    pub(crate) const fn next_number(&self) -> u64 {
        self.counted.saturating_add(1)
    }

    fn mark(&self, stream: LogStream) -> Mark {
        match stream {
            LogStream::Stderr => self.stderr,
            LogStream::Stdout | LogStream::Hythe => self.stdout,
        }
    }

    fn set(&mut self, stream: LogStream, side: &Side) {
        let (mark, before) = match stream {
            LogStream::Stderr => (&mut self.stderr, &mut self.stderr_before),
            LogStream::Stdout | LogStream::Hythe => (&mut self.stdout, &mut self.stdout_before),
        };
        (*mark, *before) = (side.mark, side.before);
    }
}

/// One reading of a log, from a position on.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The end of the last whole line.
    position: Position,
    out: Side,
    err: Side,
    /// Whether what was read last was met again; if not, something in between is gone.
    overlapped: bool,
    /// Whether it began at a moment that was to come; not known before the first piece.
    from_to_come: Option<bool>,
}

/// One stream of a reading.
#[derive(Debug, Default)]
struct Side {
    /// Up to the newest piece, whole line or not.
    mark: Mark,
    /// The same before the clock was set back.
    before: Mark,
    /// Of the piece that came last, new or not.
    last: Mark,
    /// The beginning of a line.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    at: u64,
    text: Vec<u8>,
    too_long: bool,
}

/// What a piece gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// Whether lines before this one are lost.
    pub(crate) lost_before: bool,
    /// The line.
    pub(crate) line: LogLine,
}

impl Reading {
    pub(crate) fn new(position: Position) -> Self {
        Self {
            out: Side { mark: position.stdout, before: position.stdout_before, ..Side::default() },
            err: Side { mark: position.stderr, before: position.stderr_before, ..Side::default() },
            overlapped: position.stdout.at == 0 && position.stderr.at == 0,
            from_to_come: None,
            position,
        }
    }

    /// The end of the last whole line.
    pub(crate) const fn position(&self) -> &Position {
        &self.position
    }

    /// Counts a line that is not the container's.
    pub(crate) const fn count_one(&mut self) {
        self.position.counted = self.position.counted.saturating_add(1);
    }

    /// Goes on counting after this number.
    pub(crate) const fn count_from(&mut self, last: u64) {
        self.position.counted = last;
    }

    /// Takes a piece; gives a line where it ends one that is new. `now` in nanoseconds.
    pub(crate) fn take(&mut self, piece: &Piece, now: u64) -> Option<Read> {
        let soon = now.saturating_add(CLOCK_SLACK);
        let from = self.position.stdout.at.max(self.position.stderr.at);
        let from_to_come = self.from_to_come.get_or_insert(from > soon);
        let side = match piece.stream {
            LogStream::Stderr => &mut self.err,
            LogStream::Stdout | LogStream::Hythe => &mut self.out,
        };
        let pieces = if side.last.at == piece.at { side.last.pieces.saturating_add(1) } else { 1 };
        side.last = Mark { at: piece.at, pieces };
        let to_come = piece.at > soon;
        if !to_come && side.mark.at > soon {
            // The clock went back: what was read until then says nothing of this piece. Where nobody read
            // when it did, what was written between then and now was not asked for.
            side.before = side.known(true);
            side.mark = Mark::default();
            self.overlapped &= !std::mem::replace(from_to_come, false);
        }
        if side.known(to_come).reaches(side.last) {
            self.overlapped = true;
            return None;
        }
        side.mark = side.last;
        let lost_before = !std::mem::replace(&mut self.overlapped, true);
        let line = side.append(piece)?;
        self.position.set(piece.stream, side);
        self.count_one();
        Some(Read { lost_before, line })
    }

    /// What is left of lines that will not be ended any more.
    pub(crate) fn finish(&mut self) -> Vec<LogLine> {
        let mut lines = Vec::new();
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            let empty = Piece { at: 0, stream, text: Bytes::new(), ends_line: true };
            let side = match stream {
                LogStream::Stderr => &mut self.err,
                LogStream::Stdout | LogStream::Hythe => &mut self.out,
            };
            if side.open.is_some() {
                lines.extend(side.append(&empty));
                self.position.set(stream, side);
                self.count_one();
            }
        }
        debug_assert!(self.position.mark(LogStream::Stdout).at <= self.out.mark.at);
        lines
    }
}

impl Side {
    /// How far it was read, of what bears a time that is to come, or of the rest.
    fn known(&self, to_come: bool) -> Mark {
        if to_come && self.before.reaches(self.mark) { self.before } else { self.mark }
    }

    fn append(&mut self, piece: &Piece) -> Option<LogLine> {
        let open = self.open.get_or_insert_with(|| Open {
            at: piece.at,
            text: Vec::new(),
            too_long: false,
        });
        // A byte more than fits is enough to know that it does not.
        let room = (MOST_LINE_BYTES + 1).saturating_sub(open.text.len());
        open.text.extend_from_slice(&piece.text[..piece.text.len().min(room)]);
        open.too_long |= open.text.len() > MOST_LINE_BYTES;
        if !piece.ends_line {
            return None;
        }
        let Open { at, text, too_long } = self.open.take()?;
        Some(LogLine { at, stream: piece.stream, text: line_text(&text, too_long) })
    }
}

/// The text of a line: carriage return at its end left out, what is no UTF-8 replaced, bounded.
fn line_text(bytes: &[u8], too_long: bool) -> String {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    if too_long || text.len() > MOST_LINE_BYTES {
        let mut end = MOST_LINE_BYTES.saturating_sub(CUT.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(CUT);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = u64::MAX / 2;

    fn piece(at: u64, stream: LogStream, text: &str) -> Piece {
        let ends_line = text.ends_with('\n');
        let text = Bytes::copy_from_slice(text.trim_end_matches('\n').as_bytes());
        Piece { at, stream, text, ends_line }
    }

    fn out(at: u64, text: &str) -> Piece {
        piece(at, LogStream::Stdout, text)
    }

    fn err(at: u64, text: &str) -> Piece {
        piece(at, LogStream::Stderr, text)
    }

    fn read(reading: &mut Reading, pieces: &[Piece]) -> Vec<String> {
        pieces
            .iter()
            .filter_map(|piece| reading.take(piece, NOW))
            .map(|read| format!("{}{}", if read.lost_before { "!" } else { "" }, read.line.text))
            .collect()
    }

    #[test]
    fn wherever_reading_breaks_off_the_rest_follows_once() {
        // Streams cross, times repeat (as with an engine that counts whole seconds), lines come
        // in pieces.
        let all = [
            out(5, "a\n"),
            err(7, "b\n"),
            out(6, "c\n"),
            out(7, "d "),
            err(8, "e\n"),
            out(7, "d\n"),
            out(7, "f\n"),
            out(7, "f\n"),
            err(9, "g\n"),
        ];
        let whole = read(&mut Reading::new(Position::default()), &all);
        assert_eq!(whole, ["a", "b", "c", "e", "d d", "f", "f", "g"]);
        for broken in 0..=all.len() {
            let mut first = Reading::new(Position::default());
            let mut lines = read(&mut first, &all[..broken]);
            let mut second = Reading::new(first.position().clone());
            lines.extend(read(&mut second, &all));
            // A stream with an unfinished line is read again from that line's beginning, so the
            // other stream's line may come before it.
            lines.sort();
            let mut expected = whole.clone();
            expected.sort();
            assert_eq!(lines, expected, "broken off after {broken}");
            assert_eq!(second.position().counted, 8);
        }
    }

    #[test]
    fn what_a_rotation_repeats_is_left_out() {
        let mut reading = Reading::new(Position::default());
        let pieces = [out(1, "a\n"), out(2, "b\n"), out(1, "a\n"), out(2, "b\n"), out(3, "c\n")];
        assert_eq!(read(&mut reading, &pieces), ["a", "b", "c"]);
    }

    #[test]
    fn a_loss_is_seen_and_a_clock_that_went_back_loses_nothing() {
        let mark = Mark { at: 10, pieces: 1 };
        let position = Position { stdout: mark, counted: 4, ..Position::default() };
        let mut reading = Reading::new(position.clone());
        assert_eq!(read(&mut reading, &[out(20, "b\n"), out(21, "c\n")]), ["!b", "c"]);
        let mut reading = Reading::new(position);
        assert_eq!(read(&mut reading, &[out(10, "a\n"), out(20, "b\n")]), ["b"]);

        let future = Mark { at: NOW + 5 * SECOND, pieces: 1 };
        let mut reading = Reading::new(Position { stdout: future, ..Position::default() });
        assert_eq!(read(&mut reading, &[out(NOW, "a\n"), out(NOW + 1, "b\n")]), ["!a", "b"]);
    }

    #[test]
    fn a_clock_that_went_back_while_nobody_read_is_asked_from_now_on_and_nothing_read_comes_again()
    {
        let hour = 3_600 * SECOND;
        let read_up_to = Mark { at: NOW + hour, pieces: 1 };
        let position = Position { stdout: read_up_to, ..Position::default() };
        assert_eq!(position.since(NOW), NOW / SECOND - OVERLAP_SECONDS);
        assert_eq!(position.since(NOW + 2 * hour), (NOW + hour) / SECOND - OVERLAP_SECONDS);
        // What was read before, what came after that and was not read, and what came since.
        let future = [out(NOW + hour / 2, "read\n"), out(NOW + hour, "read\n")];
        let unread = [out(NOW + hour + 9, "unread\n")];
        let since = [out(NOW, "a\n"), out(NOW + 1, "b\n")];
        let all = [&future[..], &unread, &since].concat();
        let mut reading = Reading::new(position);
        assert_eq!(read(&mut reading, &all), ["unread", "!a", "b"]);
        // Taken up again meanwhile, it goes on.
        let mut again = Reading::new(reading.position().clone());
        let more = [&all[..], &[out(NOW + 2, "c\n")]].concat();
        assert_eq!(read(&mut again, &more), ["c"]);
        // Of what was written since the clock went back, something is gone.
        let lost = Position { stdout: read_up_to, ..Position::default() };
        let mut reading = Reading::new(lost);
        assert_eq!(read(&mut reading, &[&future[..], &since].concat()), ["!a", "b"]);
    }

    #[test]
    fn lines_are_bounded_and_always_text() {
        let long = "é".repeat(MOST_LINE_BYTES);
        let mut reading = Reading::new(Position::default());
        let lines = read(&mut reading, &[out(1, &long), out(2, &format!("{long}\n"))]);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].len() <= MOST_LINE_BYTES && lines[0].ends_with(CUT));
        let exact = "x".repeat(MOST_LINE_BYTES);
        assert_eq!(read(&mut reading, &[out(3, &format!("{exact}\n"))]), [exact]);
        let odd = Piece {
            at: 4,
            stream: LogStream::Stdout,
            text: Bytes::from_static(b"a\xff\x1b[31m\r"),
            ends_line: true,
        };
        assert_eq!(reading.take(&odd, NOW).unwrap().line.text, "a\u{fffd}\u{1b}[31m");
    }

    #[test]
    fn an_unfinished_line_is_given_at_the_end() {
        let mut reading = Reading::new(Position::default());
        assert!(read(&mut reading, &[out(1, "prompt> ")]).is_empty());
        assert_eq!(reading.finish()[0].text, "prompt> ");
        assert!(reading.finish().is_empty());
        assert_eq!(reading.position().counted, 1);
    }
}
