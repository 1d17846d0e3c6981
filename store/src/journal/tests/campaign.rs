//! A workload on a journal, the trace that it left, and crashes anywhere in it.
//!
//! A crash is counted once it was laid out, recovered from by opening the journal, and checked.
//! All of a campaign's crashes follow from its trace, and the trace is the same every time, so
//! that a failure is repeated by the name of the campaign, the position and the number.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

use super::crashes::{Choice, Walk};
use super::disk::{Disk, Step};
use super::machine::Machine;
use super::model::Model;
use super::random::Random;
use super::workload::{Setting, Work};

/// Repeats one crash: `HYTHE_CRASH=name/position/number`.
const REPEAT: &str = "HYTHE_CRASH";
/// Every so many crashes, the journal also has to go on.
const GOES_ON: usize = 16;

/// Whether the long form of the tests is wanted.
pub(crate) fn soak() -> bool {
    std::env::var_os("HYTHE_SOAK").is_some_and(|value| value == "1")
}

/// Processor time that this process has taken.
pub(crate) fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let of = |time: nix::sys::time::TimeVal| {
        let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
        Duration::from_micros(u64::try_from(micros).unwrap())
    };
    of(usage.user_time()) + of(usage.system_time())
}

pub(crate) struct Campaign {
    name: String,
    setting: Setting,
    start: Disk,
    steps: Vec<Step>,
    /// Crashes come after this position.
    after: usize,
    model: Model,
}

impl Campaign {
    /// Work on a new journal; its making is not part of the trace.
    pub(crate) fn of(name: &str, setting: Setting, work: impl Fn(&mut Work<'_>)) -> Self {
        let machine = Machine::new(1);
        let mut model = Model::default();
        let journal = setting.open(&machine).unwrap();
        machine.begin_notes();
        work(&mut Work { journal: &journal, machine: &machine, model: &mut model });
        journal.close();
        Self::noted(name.into(), setting, &machine, 0, model)
    }

    /// Appends on a disk that says that it has synced, and has not.
    pub(crate) fn on_a_lying_disk(setting: Setting) -> Self {
        let machine = Machine::new(1);
        let mut model = Model::default();
        let journal = setting.open(&machine).unwrap();
        machine.begin_notes();
        machine.lie();
        let mut work = Work { journal: &journal, machine: &machine, model: &mut model };
        (0..3).for_each(|round| work.appends(round));
        journal.close();
        Self::noted("lies".into(), setting, &machine, 0, model)
    }

    /// How many crashes, of some at every position, break the promise.
    pub(crate) fn failures(&self) -> usize {
        let mut walk = self.walk_to(self.after);
        let mut failures = 0;
        while walk.advance() {
            for choice in walk.choices(6, &mut seeded(walk.position())) {
                let crash = self.crash(walk.disk(&choice), walk.position(), false);
                failures += usize::from(crash.is_err());
            }
        }
        failures
    }

    /// The making of a journal, and its first appends.
    pub(crate) fn making(name: &str, setting: Setting) -> Self {
        let machine = Machine::new(1);
        Self::opening(name.into(), setting, &machine, Model::default()).unwrap()
    }

    fn noted(
        name: String,
        setting: Setting,
        machine: &Machine,
        after: usize,
        model: Model,
    ) -> Self {
        let (start, steps) = machine.notes();
        Self { name, setting, start, steps, after, model }
    }

    /// Opening the journal that a machine has, some work and a clean end.
    fn opening(
        name: String,
        setting: Setting,
        machine: &Machine,
        mut model: Model,
    ) -> Result<Self, String> {
        let after = machine.position();
        let journal = setting.open(machine).map_err(|error| error.to_string())?;
        // What is shown must not go away again, acknowledged or not.
        model.shown(&journal, machine.position())?;
        let mut work = Work { journal: &journal, machine, model: &mut model };
        work.appends(90);
        work.cursor();
        journal.close();
        Ok(Self::noted(name, setting, machine, after, model))
    }

    /// Crashes in the recovery from crashes of this campaign: so many of those, and in each
    /// recovery about so many in all.
    pub(crate) fn recoveries(&self, count: usize) -> Vec<Self> {
        self.spread(count)
            .map(|(position, choice, number)| {
                let walk = self.walk_to(position);
                let machine = Machine::from(walk.disk(&choice), 1);
                let name = format!("{}+{position}.{number}", self.name);
                let model = self.model.as_of(position);
                Self::opening(name.clone(), self.setting, &machine, model)
                    .unwrap_or_else(|why| panic!("{name}: {why}"))
            })
            .collect()
    }

    /// The process is killed at so many positions and started again on the same machine, which
    /// has not synced everything; the power goes only then.
    pub(crate) fn restarts(&self, count: usize) -> Vec<Self> {
        self.spread(count)
            .map(|(position, _, _)| {
                let machine = Machine::resumed(self.start.clone(), &self.steps[..position]);
                let name = format!("{}-{position}", self.name);
                let model = self.model.as_of(position);
                Self::opening(name.clone(), self.setting, &machine, model)
                    .unwrap_or_else(|why| panic!("{name}: {why}"))
            })
            .collect()
    }

    /// So many crashes, spread over all positions.
    fn spread(&self, count: usize) -> impl Iterator<Item = (usize, Choice, usize)> + '_ {
        let len = self.steps.len() - self.after;
        (0..count).map(move |at| {
            let position = self.after + 1 + at * len / count;
            let walk = self.walk_to(position);
            let choices = walk.choices(1 + at % 7, &mut seeded(position));
            let number = choices.len() - 1;
            (position, choices[number].clone(), number)
        })
    }

    fn walk_to(&self, position: usize) -> Walk<'_> {
        let mut walk = Walk::new(self.start.clone(), &self.steps);
        while walk.position() < position && walk.advance() {}
        walk
    }

    /// Crashes at every position, so many times in all, or as many as there are ways to; says how
    /// many crashes that were.
    pub(crate) fn run(&self, wanted: usize) -> usize {
        let positions = self.steps.len() - self.after;
        let mut done = vec![0; positions];
        let mut ways = wanted.div_ceil(positions);
        let mut crashes = 0;
        // Some positions have few ways to crash; then the others take more.
        while crashes < wanted {
            let before = crashes;
            let mut walk = self.walk_to(self.after);
            for done in &mut done {
                walk.advance();
                // Each position gets its first share, also where that makes more than wanted.
                if *done > 0 && crashes >= wanted {
                    break;
                }
                let choices = walk.choices(ways, &mut seeded(walk.position()));
                for (number, choice) in choices.iter().enumerate().skip(*done) {
                    crashes += usize::from(self.crash_or_panic(&walk, number, choice));
                }
                *done = choices.len();
            }
            if crashes == before {
                break;
            }
            ways *= 2;
        }
        crashes
    }

    /// False where another one is to be repeated.
    fn crash_or_panic(&self, walk: &Walk<'_>, number: usize, choice: &Choice) -> bool {
        let name = format!("{}/{}/{number}", self.name, walk.position());
        let only = std::env::var(REPEAT).ok();
        if only.as_ref().is_some_and(|only| *only != name) {
            return false;
        }
        let goes_on = only.is_some() || number.is_multiple_of(GOES_ON);
        let crash = || self.crash(walk.disk(choice), walk.position(), goes_on);
        match catch_unwind(AssertUnwindSafe(crash)) {
            Ok(Ok(())) => true,
            Ok(Err(why)) => panic!("{why}\n{choice:?}\nrepeat with {REPEAT}={name}"),
            Err(_) => panic!("it panicked\n{choice:?}\nrepeat with {REPEAT}={name}"),
        }
    }

    fn crash(&self, disk: Disk, moment: usize, goes_on: bool) -> Result<(), String> {
        let machine = Machine::from(disk, 1);
        let journal = self.setting.open(&machine).map_err(|error| error.to_string())?;
        self.model.check(&journal, moment)?;
        if goes_on {
            let mut model = self.model.as_of(moment);
            model.shown(&journal, 0)?;
            let before = model.acknowledged();
            let mut work = Work { journal: &journal, machine: &machine, model: &mut model };
            work.appends(91);
            model.check(&journal, super::model::END)?;
            if model.acknowledged() == before {
                return Err("it does not go on".into());
            }
        }
        // Nothing more is wanted of it: a clean end would take as long as all before.
        machine.stop();
        journal.close();
        Ok(())
    }
}

/// A position's choices are the first of one row, however many are wanted of it.
fn seeded(position: usize) -> Random {
    Random::new(u64::try_from(position).unwrap())
}

/// Runs campaigns until so many crashes were survived, and says what it took.
pub(crate) fn survive(wanted: usize, campaigns: &[Campaign]) {
    let wanted = if soak() { wanted * 10 } else { wanted };
    let before = processor_time();
    let mut crashes = 0;
    for (at, campaign) in campaigns.iter().enumerate() {
        crashes += campaign.run(wanted.saturating_sub(crashes).div_ceil(campaigns.len() - at));
    }
    let took = processor_time() - before;
    eprintln!("{crashes} crashes survived in {:.1} s of processor time", took.as_secs_f64());
    if std::env::var_os(REPEAT).is_none() {
        assert!(crashes >= wanted, "{crashes} crashes are fewer than the {wanted} promised");
    }
}
