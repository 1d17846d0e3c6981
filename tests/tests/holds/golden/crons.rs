//! Events about cron jobs.

use hythe_core::app::AppEvent;
use hythe_core::cron::{
    CronName, CronSettings, CronSkip, CronSkipped, Overlap, Schedule, ZoneName,
};
use hythe_core::time::Millis;

use super::values::{at, command, run};

pub(super) fn all() -> Vec<(&'static str, AppEvent)> {
    vec![
        ("cron_set", set(None, Overlap::Skip)),
        ("cron_set-zone", set(Some("Europe/Berlin"), Overlap::Replace)),
        ("cron_set-allow", set(None, Overlap::Allow)),
        ("cron_removed", AppEvent::CronRemoved { cron: name() }),
        ("cron_run", AppEvent::CronRun { cron: name(), due: Some(at()), run: run() }),
        ("cron_run-asked", AppEvent::CronRun { cron: name(), due: None, run: run() }),
        ("cron_skipped-overlap", skipped(CronSkip::Overlap)),
        ("cron_skipped-missed", skipped(CronSkip::Missed)),
        ("cron_skipped-no-worker", skipped(CronSkip::NoWorker)),
        ("cron_skipped-too-many", skipped(CronSkip::TooMany)),
    ]
}

fn name() -> CronName {
    CronName::new("tidy").unwrap()
}

fn set(zone: Option<&str>, overlap: Overlap) -> AppEvent {
    let settings = CronSettings {
        schedule: Schedule::new("30 3 * * mon").unwrap(),
        zone: zone.map(|zone| ZoneName::new(zone).unwrap()),
        command: command(),
        within: Millis::seconds(60),
        overlap,
        paused: zone.is_some(),
    };
    AppEvent::CronSet { cron: name(), settings: Box::new(settings), at: at() }
}

fn skipped(why: CronSkip) -> AppEvent {
    let skipped = CronSkipped { first: at(), last: at(), why };
    AppEvent::CronSkipped { cron: name(), skipped }
}
