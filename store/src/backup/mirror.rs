//! The parts of a mirror: their names, which of them make up the whole, and which to merge.
//!
//! Each part is an object of its own, named by the events that it holds and the hash of the last
//! one; what lies beside the log comes with the small ones at the end. Small ones are merged into
//! larger ones, tier by tier, so that there are never many, and no event is written again more
//! than a few times. All of this is pure: what there is arrives as a list of names.

use std::fmt;

use hythe_core::record::Sequence;

/// A part of a mirror, as its name says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// The event before its first one.
    pub after: Sequence,
    /// Its last event.
    pub upto: Sequence,
    /// Tells parts with the same events apart: they follow each other. 0 for merged ones, which
    /// come first and hold events alone.
    pub turn: u64,
    /// The beginning of its last event's hash, as 16 hexadecimal digits.
    pub hash: String,
}

/// A part that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub name: Name,
    /// Its size.
    pub bytes: u64,
}

const BEGIN: &str = "part-";
const END: &str = ".age";
/// Digits of the hash in a name.
const HASH_DIGITS: usize = 16;
/// Parts of one tier that are merged into one of the next.
pub const FAN: usize = 16;
/// Bytes of a part of the lowest tier, at the most.
const LOWEST: u64 = 256 * 1024;
/// A part of at least so many bytes is merged no more.
const SEALED: u64 = 32 * 1024 * 1024;
/// Bytes that are merged at once.
const MOST_MERGED: u64 = 64 * 1024 * 1024;

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { after, upto, turn, hash } = self;
        write!(f, "{BEGIN}{:020}-{:020}-{turn:020}-{hash}{END}", after.0, upto.0)
    }
}

impl Name {
    /// The name in a text; none for any other file that lies there.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let inner = text.strip_prefix(BEGIN)?.strip_suffix(END)?;
        let parts: Vec<&str> = inner.split('-').collect();
        let [after, upto, turn, hash] = parts[..] else { return None };
        let number = |digits: &str| {
            let plain = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten()
        };
        let hex = hash.len() == HASH_DIGITS && hash.bytes().all(|b| b.is_ascii_hexdigit());
        let name = Self {
            after: Sequence(number(after)?),
            upto: Sequence(number(upto)?),
            turn: number(turn)?,
            hash: hash.to_owned(),
        };
        (hex && name.after <= name.upto).then_some(name)
    }

    /// The part of a hash that goes into a name.
    #[must_use]
    pub fn hash(whole: &str) -> String {
        whole.chars().take(HASH_DIGITS).collect()
    }
}

/// The parts to read, in their order, so that every event up to the last that can be reached comes
/// once. What was merged and not removed yet is left out.
#[must_use]
pub fn whole(stored: &[Stored]) -> Vec<Name> {
    let mut sorted: Vec<&Name> = stored.iter().map(|stored| &stored.name).collect();
    // Of those that begin at the same event the one that reaches furthest; then in turn.
    sorted.sort_by_key(|name| (name.after, std::cmp::Reverse(name.upto), name.turn));
    let mut chosen: Vec<Name> = Vec::new();
    let mut at = Sequence(0);
    let mut turn = 0;
    loop {
        let next = sorted
            .iter()
            .filter(|name| name.after == at && (name.upto > at || name.turn > turn))
            // A part without events changes only what lies beside the log: it goes before what
            // follows, in its turn.
            .min_by_key(|name| (name.upto > at, std::cmp::Reverse(name.upto), name.turn));
        let Some(next) = next else { return chosen };
        at = next.upto;
        turn = turn.max(next.turn);
        chosen.push((*next).clone());
    }
}

/// The parts that a server can be made of: as [`whole`], without events at the end that came without what
/// lies beside the log, as while a mirror catches up. They may name secrets that are not there, and end in
/// the middle of an append. None where nothing of a mirror is complete yet.
#[must_use]
pub fn restorable(stored: &[Stored]) -> Vec<Name> {
    let mut chosen = whole(stored);
    while chosen.last().is_some_and(|name| name.turn == 0) {
        chosen.pop();
    }
    chosen
}

/// Where a mirror ends, as its names say: the last event that can be reached, the beginning of
/// its hash, and the highest turn that was ever used.
#[must_use]
pub fn end(stored: &[Stored]) -> (Sequence, Option<String>, u64) {
    let chosen = whole(stored);
    let last = chosen.last();
    let turn = stored.iter().map(|stored| stored.name.turn).max().unwrap_or(0);
    (last.map_or(Sequence(0), |name| name.upto), last.map(|name| name.hash.clone()), turn)
}

/// Which parts to merge: neighbours of about the same size, all of them before `whole_at`, the
/// turn of a part that says everything that lies beside the log. None where nothing is worth it.
#[must_use]
pub fn mergeable(stored: &[Stored], whole_at: u64) -> Option<Vec<Stored>> {
    let chosen = whole(stored);
    let before: Vec<&Stored> = chosen
        .iter()
        .filter_map(|name| stored.iter().find(|stored| stored.name == *name))
        .take_while(|stored| stored.name.turn < whole_at)
        .collect();
    (0..=tier_of(SEALED)).find_map(|tier| {
        let fits = |part: &&&Stored| part.bytes < SEALED && tier_of(part.bytes) <= tier;
        let newest = before.iter().rev().take_while(fits).count();
        let run = &before[before.len() - newest..];
        let of_tier = run.iter().filter(|part| tier_of(part.bytes) == tier).count();
        if of_tier < FAN {
            return None;
        }
        let mut total = 0;
        let within = |part: &&&Stored| {
            total += part.bytes;
            total <= MOST_MERGED
        };
        let run: Vec<Stored> = run.iter().take_while(within).map(|part| (*part).clone()).collect();
        (run.len() > 1).then_some(run)
    })
}

fn tier_of(bytes: u64) -> u32 {
    let mut tier = 0;
    let mut most = LOWEST;
    while bytes > most {
        tier += 1;
        most = most.saturating_mul(FAN as u64);
    }
    tier
}

/// What may be removed: everything that the parts to read do not need.
#[must_use]
pub fn superfluous(stored: &[Stored]) -> Vec<Name> {
    let needed = whole(stored);
    let names = stored.iter().map(|stored| &stored.name);
    names.filter(|name| !needed.contains(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(after: u64, upto: u64, turn: u64, bytes: u64) -> Stored {
        let hash = format!("{upto:016x}");
        let name = Name { after: Sequence(after), upto: Sequence(upto), turn, hash };
        Stored { name, bytes }
    }

    fn spans(names: &[Name]) -> Vec<(u64, u64, u64)> {
        names.iter().map(|name| (name.after.0, name.upto.0, name.turn)).collect()
    }

    #[test]
    fn a_name_says_what_is_in_it_and_others_are_none_of_ours() {
        let name = part(5, 70, 3, 0).name;
        assert_eq!(Name::parse(&name.to_string()), Some(name.clone()));
        let text = name.to_string();
        for other in [
            "",
            "part-",
            "README.md",
            &text[1..],
            &text.replace(".age", ".tmp"),
            &text.replace('3', "x"),
            &text.replacen("00000000000000000005", "5", 1),
            &part(9, 8, 1, 0).name.to_string(),
        ] {
            assert_eq!(Name::parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_whole_goes_on_where_each_part_ends_and_stops_at_a_gap() {
        let small = [part(0, 0, 1, 1), part(0, 4, 2, 1), part(4, 4, 3, 1), part(4, 9, 4, 1)];
        let expected = [(0, 0, 1), (0, 4, 2), (4, 4, 3), (4, 9, 4)];
        assert_eq!(spans(&whole(&small)), expected);
        let mut mixed = small.to_vec();
        mixed.reverse();
        assert_eq!(spans(&whole(&mixed)), expected);
        mixed.push(part(0, 9, 0, 9));
        mixed.push(part(9, 9, 5, 1));
        assert_eq!(spans(&whole(&mixed)), [(0, 0, 1), (0, 9, 0), (9, 9, 5)]);
        assert_eq!(spans(&superfluous(&mixed)), [(4, 9, 4), (4, 4, 3), (0, 4, 2)]);
        assert_eq!(spans(&whole(&[part(0, 4, 1, 1), part(5, 9, 2, 1)])), [(0, 4, 1)]);
        assert_eq!(whole(&[part(1, 4, 1, 1)]), []);
        let (at, hash, turn) = end(&mixed);
        assert_eq!((at, hash.as_deref(), turn), (Sequence(9), Some("0000000000000009"), 5));
    }

    #[test]
    fn a_server_is_made_of_no_events_without_what_lies_beside_them() {
        let catching_up =
            [part(0, 8, 0, 1), part(8, 9, 1, 1), part(9, 99, 0, 1), part(99, 120, 0, 1)];
        assert_eq!(spans(&restorable(&catching_up)), [(0, 8, 0), (8, 9, 1)]);
        assert_eq!(end(&catching_up).0, Sequence(120), "it goes on from there");
        let caught_up = [&catching_up[..], &[part(120, 121, 2, 1)]].concat();
        assert_eq!(restorable(&caught_up), whole(&caught_up));
        assert_eq!(restorable(&catching_up[..1]), []);
        assert_eq!(restorable(&[]), []);
    }

    #[test]
    fn parts_stay_few_and_no_event_is_written_often() {
        let (mut stored, mut at, mut written) = (Vec::new(), 0, 0_u64);
        let mut most = 0;
        for turn in 1..=20_000 {
            stored.push(part(at, at + 10, turn, 10_000));
            at += 10;
            // Every now and then one says everything, and what is before it can be merged.
            if turn % 64 != 0 {
                continue;
            }
            while let Some(run) = mergeable(&stored, turn) {
                let (first, last) = (&run[0].name, &run[run.len() - 1].name);
                let bytes = run.iter().map(|part| part.bytes).sum();
                written += bytes;
                stored.push(part(first.after.0, last.upto.0, 0, bytes));
                let gone = superfluous(&stored);
                assert_eq!(gone.len(), run.len());
                stored.retain(|part| !gone.contains(&part.name));
            }
            assert_eq!(end(&stored).0, Sequence(at));
            most = most.max(stored.len());
        }
        assert!(most <= 64 + 4 * FAN, "{most} parts");
        let all = 20_000 * 10_000;
        assert!(written <= 5 * all, "{} times", written / all);
        assert_eq!(mergeable(&[], 9), None);
    }
}
