//! Every way in which the power can go while steps are on their way to the disk.
//!
//! At a position in a trace, what was synced is there; of the rest any part is: each write whole,
//! not at all, or in some of its sectors, and where writes overlap, in any order. One choice of
//! that is one crash. The step right before the position is never lost whole: without it, the
//! crash would be that of an earlier position.

use std::collections::HashSet;

use super::disk::{Disk, FileId, Step};
use super::random::Random;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// What became of a step that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kept {
    Whole,
    Lost,
    /// Of a write, the sectors whose bits are set; the last bit stands for all from there on.
    Sectors(u16),
}

/// What became of all of them, and in which order they reached the disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Choice {
    kept: Vec<Kept>,
    shuffled: Option<Vec<usize>>,
}

/// Goes through a trace, position by position.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    steps: &'a [Step],
    /// How many steps lie behind.
    at: usize,
    durable: Disk,
    pending: Vec<&'a Step>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(start: Disk, steps: &'a [Step]) -> Self {
        Self { steps, at: 0, durable: start, pending: Vec::new() }
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Goes over one more step; false at the end.
    pub(crate) fn advance(&mut self) -> bool {
        let Some(step) = self.steps.get(self.at) else { return false };
        self.at += 1;
        match step {
            Step::Sync { file } => self.settle(|step| of_file(step) == Some(*file)),
            Step::SyncNames => self.settle(|step| of_file(step).is_none()),
            Step::Failed { file, .. } => {
                self.pending.retain(|step| of_file(step) != Some(*file));
                self.durable.apply(step);
            }
            Step::Write { .. } | Step::Len { .. } | Step::Name { .. } => self.pending.push(step),
        }
        true
    }

    fn settle(&mut self, which: impl Fn(&Step) -> bool) {
        let (done, pending) = self.pending.drain(..).partition::<Vec<_>, _>(|step| which(step));
        self.pending = pending;
        let mut files = HashSet::new();
        for step in done {
            self.durable.apply(step);
            files.extend(of_file(step));
        }
        for file in files {
            self.durable.file_mut(file).settle();
        }
    }

    /// The disk after a crash here.
    pub(crate) fn disk(&self, choice: &Choice) -> Disk {
        let mut disk = self.durable.clone();
        let in_order: Vec<_> = (0..self.pending.len()).collect();
        for &at in choice.shuffled.as_ref().unwrap_or(&in_order) {
            match (choice.kept[at], self.pending[at]) {
                (Kept::Lost, _) => {}
                (Kept::Sectors(mask), Step::Write { file, offset, data }) => {
                    for (number, sector) in data.chunks(SECTOR).enumerate() {
                        if mask >> number.min(15) & 1 == 1 {
                            disk.file_mut(*file).write(offset + number * SECTOR, sector);
                        }
                    }
                }
                (Kept::Whole | Kept::Sectors(_), step) => disk.apply(step),
            }
        }
        disk
    }

    /// What a file holds if a crash here keeps what the numbers say, of other files everything.
    pub(crate) fn any(&self, random: &mut Random) -> Disk {
        let kept = self.pending.iter().map(|step| keep_some(step, random, 2)).collect();
        self.disk(&self.lawful(kept, random))
    }

    /// Different ways to crash here, at most so many, always the same first ones: the plain ones
    /// (all of it, only the last step, nothing, all but one), then whatever the numbers say.
    pub(crate) fn choices(&self, most: usize, random: &mut Random) -> Vec<Choice> {
        let len = self.pending.len();
        let last_is_pending = self.at > 0
            && self
                .pending
                .last()
                .is_some_and(|step| std::ptr::eq(*step, &self.steps[self.at - 1]));
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        let mut add = |choice: Choice| {
            let counts = !last_is_pending || choice.kept.last() != Some(&Kept::Lost);
            if counts && found.len() < most && seen.insert(choice.clone()) {
                found.push(choice);
            }
        };
        let plain = |kept: Vec<Kept>| self.in_order(kept);
        add(plain(vec![Kept::Whole; len]));
        let mut only_last = vec![Kept::Lost; len];
        only_last.iter_mut().rev().take(1).for_each(|kept| *kept = Kept::Whole);
        add(plain(only_last));
        add(plain(vec![Kept::Lost; len]));
        for _ in 0..len / 3 {
            let mut without = vec![Kept::Whole; len];
            without[random.below(len)] = Kept::Lost;
            add(plain(without));
        }
        // Where there is little to choose from, the same comes again and again.
        for _ in 0..if len == 0 { 0 } else { most * 4 } {
            let often = 1 + random.below(4);
            let mut kept: Vec<_> =
                self.pending.iter().map(|step| keep_some(step, random, often)).collect();
            if let (true, Some(Kept::Lost)) = (last_is_pending, kept.last()) {
                kept.pop();
                kept.push(Kept::Whole);
            }
            add(self.lawful(kept, random));
        }
        found
    }

    /// Names are given in order, whatever the files do.
    fn in_order(&self, mut kept: Vec<Kept>) -> Choice {
        let mut lost = false;
        for (step, kept) in self.pending.iter().zip(&mut kept) {
            if let Step::Name { .. } = step {
                lost |= *kept == Kept::Lost;
                if lost {
                    *kept = Kept::Lost;
                }
            }
        }
        Choice { kept, shuffled: None }
    }

    fn lawful(&self, kept: Vec<Kept>, random: &mut Random) -> Choice {
        let mut choice = self.in_order(kept);
        if self.overlapping() && random.chance(2) {
            let mut order: Vec<_> = (0..self.pending.len()).collect();
            for at in (1..order.len()).rev() {
                order.swap(at, random.below(at + 1));
            }
            // Names and lengths keep their places in the order: file systems journal them.
            let fixed = |at: &usize| !matches!(self.pending[*at], Step::Write { .. });
            let mut in_order = (0..self.pending.len()).filter(|at| fixed(at));
            for place in &mut order {
                if fixed(place) {
                    *place = in_order.next().unwrap();
                }
            }
            choice.shuffled = Some(order);
        }
        choice
    }

    fn overlapping(&self) -> bool {
        let mut places = HashSet::new();
        self.pending.iter().any(|step| match step {
            Step::Write { file, offset, .. } => !places.insert((*file, *offset)),
            Step::Len { .. }
            | Step::Sync { .. }
            | Step::Failed { .. }
            | Step::Name { .. }
            | Step::SyncNames => false,
        })
    }
}

fn of_file(step: &Step) -> Option<FileId> {
    match step {
        Step::Write { file, .. }
        | Step::Len { file, .. }
        | Step::Sync { file }
        | Step::Failed { file, .. } => Some(*file),
        Step::Name { .. } | Step::SyncNames => None,
    }
}

fn keep_some(step: &Step, random: &mut Random, often: usize) -> Kept {
    if let Step::Write { data, .. } = step
        && data.len() > SECTOR
        && random.chance(5)
    {
        let sectors = data.len().div_ceil(SECTOR).min(16);
        let all = u16::try_from((1u32 << sectors) - 1).unwrap();
        return match u16::try_from(random.below(usize::from(all))).unwrap() {
            0 => Kept::Lost,
            mask => Kept::Sectors(mask),
        };
    }
    if random.chance(often + 1) { Kept::Lost } else { Kept::Whole }
}
