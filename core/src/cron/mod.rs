//! Cron jobs: commands of an app that are run again and again, by a schedule.
//!
//! Each time is a command that is run once ([`crate::one_off`]), in a container of its own, of the
//! version that is live then. Which times a schedule means in a time zone is worked out where the time
//! zones are known; here is what was set, up to which time it is done with, and what came of it.
//!
//! Invariant: what a time led to is in the journal before anything runs, so that no time runs twice.

mod due;
mod schedule;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::argv::Argv;
use crate::ids::{RunId, WorkerId};
use crate::limits;
use crate::names::{BadText, bad, shown, text};
use crate::one_off::OneOffEnd;
use crate::rejection::Rejection;
use crate::time::{Millis, Timestamp};

pub use self::due::{Attending, Due};
pub use self::schedule::{Schedule, parsed};

text!(
    /// A cron job's name: lower-case letters, digits, `-` and `_`, beginning with a letter; at most
    /// 32 characters.
    CronName, "a cron job's name", |text| {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
        if first && text.bytes().all(inner) && text.len() <= 32 {
            return Ok(());
        }
        Err(format!(
            "has lower-case letters, digits, \"-\" and \"_\", begins with a letter, and has at most 32 \
             characters; got {}",
            shown(text)
        ))
    }
);
text!(
    /// The name of a time zone as the tz database has it, such as `Europe/Berlin`; at most 64
    /// characters. Whether there is one of that name is not known here.
    ZoneName, "a time zone", |text| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_+-/".contains(&b);
        let parts = text.split('/').all(|part| !part.is_empty());
        if parts && text.len() <= 64 && text.bytes().all(plain) {
            return Ok(());
        }
        Err(format!("is one of the tz database, such as Europe/Berlin; got {}", shown(text)))
    }
);

/// What happens where a job is due and runs still. Append-only: postcard stores a variant's position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The later one is left out.
    #[default]
    Skip,
    /// They run side by side.
    Allow,
    /// The earlier one is ended first.
    Replace,
}

/// What people set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronSettings {
    /// When it is due.
    pub schedule: Schedule,
    /// Where the schedule's hours are meant; UTC where none is given.
    pub zone: Option<ZoneName>,
    /// What runs, in place of the image's own command; the image's entrypoint stays.
    pub command: Argv,
    /// How long it may take.
    pub within: Millis,
    /// What happens where it runs still.
    pub overlap: Overlap,
    /// Whether it is never due for now.
    pub paused: bool,
}

impl CronSettings {
    /// Whether they are within their bounds.
    ///
    /// # Errors
    /// [`Rejection`] names the setting.
    pub fn check(&self) -> Result<(), Rejection> {
        let (least, most) = (Millis::seconds(1), limits::ONE_OFF_WITHIN_MOST);
        if self.within < least || self.within > most {
            let got = self.within;
            return Err(Rejection::invalid("timeout", format!("is {least} to {most}; got {got}")));
        }
        Ok(())
    }
}

/// A cron job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cron {
    /// What people set.
    pub settings: CronSettings,
    /// Times up to this one are done with.
    pub counted: Timestamp,
    /// Its newest runs, the newest first: all that go on, and of those that ended some.
    pub runs: Vec<CronRun>,
    /// What was left out last.
    pub skipped: Option<CronSkipped>,
}

/// One time that it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronRun {
    /// Which run this is.
    pub run: RunId,
    /// Where.
    pub worker: WorkerId,
    /// When it was due; none where somebody asked for it.
    pub due: Option<Timestamp>,
    /// How it ended, once it has.
    pub end: Option<OneOffEnd>,
}

/// Times at which it was due and did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronSkipped {
    /// The first of them.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// Why.
    pub why: CronSkip,
}

/// Why a job did not run when it was due. Append-only: postcard stores a variant's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CronSkip {
    /// The run before went on still.
    Overlap,
    /// Nobody looked at that time: the server was away, or the app was stopped.
    Missed,
    /// No worker could take it.
    NoWorker,
    /// As many commands of the app ran as may.
    TooMany,
}

impl fmt::Display for CronSkip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overlap => "the run before went on still",
            Self::Missed => "the server was away, or the app was stopped",
            Self::NoWorker => "no worker could take it",
            Self::TooMany => "too many commands of the app ran",
        })
    }
}

impl Cron {
    /// One that was just set.
    #[must_use]
    pub const fn new(settings: CronSettings, at: Timestamp) -> Self {
        Self { settings, counted: at, runs: Vec::new(), skipped: None }
    }

    /// From when on times count. A clock that was set back by hours does not hold it up until the
    /// time comes round again: what is that far ahead was counted by another clock. Then the last minute
    /// counts, for who looks from now on only sees no time that has come.
    #[must_use]
    pub fn from(&self, now: Timestamp) -> Timestamp {
        if self.counted <= now || self.is_done_with(now) {
            return self.counted;
        }
        Timestamp(now.0.saturating_sub(limits::CRON_LOOKS_BACK.0))
    }

    /// Whether a time was dealt with before.
    #[must_use]
    pub fn is_done_with(&self, due: Timestamp) -> bool {
        due <= self.counted && self.counted.since(due) <= limits::CRON_CLOCK_BACK
    }

    /// Those that go on.
    pub fn open(&self) -> impl Iterator<Item = &CronRun> {
        self.runs.iter().filter(|run| run.end.is_none())
    }

    /// It was set anew: what was due before is not any more.
    pub(crate) fn set(&mut self, settings: CronSettings, at: Timestamp) {
        self.settings = settings;
        // What ran in the moment between is not due once more.
        if !self.is_done_with(at) {
            self.counted = at;
        }
    }

    /// It runs.
    pub(crate) fn ran(&mut self, run: CronRun) {
        self.counted = run.due.unwrap_or(self.counted);
        self.runs.insert(0, run);
        while self.runs.len() > limits::CRON_RUNS_KEPT {
            let Some(oldest) = self.runs.iter().rposition(|run| run.end.is_some()) else { break };
            self.runs.remove(oldest);
        }
    }

    /// A run of it has ended.
    pub(crate) fn ended(&mut self, run: RunId, end: OneOffEnd) {
        if let Some(known) = self.runs.iter_mut().find(|known| known.run == run) {
            known.end = Some(end);
        }
    }

    /// It did not run.
    pub(crate) fn skip(&mut self, skipped: CronSkipped) {
        self.counted = skipped.last;
        self.skipped = Some(skipped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, run_id, worker_id};

    pub(super) fn settings() -> CronSettings {
        CronSettings {
            schedule: Schedule::new("*/5 * * * *").unwrap(),
            zone: None,
            command: Argv::new(vec!["tidy".into()]).unwrap(),
            within: Millis::seconds(60),
            overlap: Overlap::Skip,
            paused: false,
        }
    }

    pub(super) fn ran(n: u128, due: Option<u64>) -> CronRun {
        CronRun { run: run_id(n), worker: worker_id(1), due: due.map(at), end: None }
    }

    pub(super) const OVER: OneOffEnd = OneOffEnd::Exited { code: 0, out_of_memory: false };

    #[test]
    fn a_time_is_dealt_with_once_and_a_clock_that_was_set_back_far_begins_anew() {
        let mut cron = Cron::new(settings(), at(100_000));
        assert_eq!(cron.from(at(100_060)), at(100_000));
        cron.ran(ran(1, Some(100_060)));
        for (due, done) in [(99_000, true), (100_060, true), (100_061, false)] {
            assert_eq!(cron.is_done_with(at(due)), done, "{due}");
        }
        // Set back by some minutes: they come round again, and nothing runs in them.
        assert_eq!(cron.from(at(99_000)), at(100_060));
        let long_before = 100_060 - limits::CRON_CLOCK_BACK.0 / 1_000 - 1;
        assert!(!cron.is_done_with(at(long_before)));
        let looks_back = limits::CRON_LOOKS_BACK.0 / 1_000;
        assert_eq!(cron.from(at(long_before)), at(long_before - looks_back));
        // What somebody asks for is no time of the schedule.
        cron.ran(ran(2, None));
        assert_eq!(cron.counted, at(100_060));
    }

    #[test]
    fn what_goes_on_is_kept_and_of_what_ended_the_newest() {
        let mut cron = Cron::new(settings(), at(0));
        let most = u128::try_from(limits::CRON_RUNS_KEPT).unwrap();
        for (n, due) in (1..=most + 3).zip(1..) {
            cron.ran(ran(n, Some(due)));
            if n != 2 {
                cron.ended(run_id(n), OVER);
            }
        }
        let kept: Vec<RunId> = cron.runs.iter().map(|run| run.run).collect();
        let newest = (0..most - 1).map(|back| run_id(most + 3 - back));
        assert_eq!(kept, newest.chain([run_id(2)]).collect::<Vec<_>>());
        assert_eq!(cron.open().map(|run| run.run).collect::<Vec<_>>(), [run_id(2)]);
        cron.ended(run_id(999), OVER);
        assert_eq!(cron.open().count(), 1, "it is none of its own");
    }

    #[test]
    fn times_that_were_left_out_are_done_with() {
        let mut cron = Cron::new(settings(), at(0));
        let skipped = CronSkipped { first: at(5), last: at(9), why: CronSkip::Missed };
        cron.skip(skipped);
        assert_eq!((cron.counted, cron.skipped), (at(9), Some(skipped)));
        cron.set(CronSettings { paused: true, ..settings() }, at(50));
        assert_eq!((cron.counted, cron.settings.paused), (at(50), true));
        // What was set a moment before it ran, and was written down after that.
        cron.set(settings(), at(49));
        assert_eq!(cron.counted, at(50));
    }

    #[test]
    fn names_and_bounds_are_checked() {
        for name in ["nightly", "a", "tidy_up-2"] {
            assert!(CronName::new(name).is_ok(), "{name}");
        }
        for name in ["", "2", "A", "a b", "a/b", "-a", &"a".repeat(33)] {
            assert!(CronName::new(name).is_err(), "{name:?}");
        }
        for zone in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"] {
            assert!(ZoneName::new(zone).is_ok(), "{zone}");
        }
        for zone in ["", "/etc/passwd", "../x", "a//b", "a b", "a\n", &"a".repeat(65)] {
            assert!(ZoneName::new(zone).is_err(), "{zone:?}");
        }
        assert_eq!(settings().check(), Ok(()));
        for within in [Millis(0), Millis(limits::ONE_OFF_WITHIN_MOST.0 + 1)] {
            let refused = CronSettings { within, ..settings() }.check().unwrap_err().to_string();
            assert!(refused.contains("timeout"), "{refused}");
        }
    }
}
