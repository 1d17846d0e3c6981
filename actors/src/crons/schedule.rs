//! Which moments a schedule means.
//!
//! Where clocks are put forward, a job that is due at one time of the day and would be due within the
//! hour that is left out is due right after it; where they are put back, it is due once.

use hythe_core::cron::{CronSettings, ZoneName, parsed};
use hythe_core::time::Timestamp;
use jiff::tz::TimeZone;
use jiff::{Timestamp as Moment, Zoned};

/// The time zone of a name; none where there is none. UTC where no name is given.
#[must_use]
pub fn zone(name: Option<&ZoneName>) -> Option<TimeZone> {
    match name {
        None => Some(TimeZone::UTC),
        // That of the machine where it has one: people update those.
        Some(name) => TimeZone::get(name.as_str()).ok(),
    }
}

/// The first moment after this one at which it is due; none where there is none.
#[must_use]
pub fn next_after(settings: &CronSettings, after: Timestamp) -> Option<Timestamp> {
    let next =
        parsed(&settings.schedule).ok()?.find_next_occurrence(&zoned(settings, after)?, false);
    timestamp(&next.ok()?)
}

/// The last moment up to this one at which it is due, this one included.
#[must_use]
pub fn last_until(settings: &CronSettings, until: Timestamp) -> Option<Timestamp> {
    let last = parsed(&settings.schedule).ok()?;
    let last = last.find_previous_occurrence(&zoned(settings, until)?, true);
    timestamp(&last.ok()?)
}

fn zoned(settings: &CronSettings, at: Timestamp) -> Option<Zoned> {
    // Schedules know no parts of a second.
    let seconds = i64::try_from(at.0 / 1_000).ok()?;
    Some(Moment::from_second(seconds).ok()?.to_zoned(zone(settings.zone.as_ref())?))
}

fn timestamp(at: &Zoned) -> Option<Timestamp> {
    u64::try_from(at.timestamp().as_millisecond()).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use hythe_core::argv::Argv;
    use hythe_core::cron::{Overlap, Schedule};
    use hythe_core::time::Millis;

    use super::*;

    fn settings(schedule: &str, zone: &str) -> CronSettings {
        CronSettings {
            schedule: Schedule::new(schedule).unwrap(),
            zone: (!zone.is_empty()).then(|| ZoneName::new(zone).unwrap()),
            command: Argv::new(vec!["tidy".into()]).unwrap(),
            within: Millis::seconds(60),
            overlap: Overlap::Skip,
            paused: false,
        }
    }

    fn at(text: &str) -> Timestamp {
        let moment: Moment = text.parse().unwrap();
        Timestamp(u64::try_from(moment.as_millisecond()).unwrap())
    }

    #[test]
    fn the_next_and_the_last_are_found() {
        for (schedule, zone, now, last, next) in [
            (
                "* * * * *",
                "",
                "2026-03-01T10:00:30.5Z",
                "2026-03-01T10:00:00Z",
                "2026-03-01T10:01:00Z",
            ),
            (
                "* * * * *",
                "",
                "2026-03-01T10:00:00Z",
                "2026-03-01T10:00:00Z",
                "2026-03-01T10:01:00Z",
            ),
            (
                "0 3 * * *",
                "Europe/Berlin",
                "2026-07-01T12:00:00Z",
                "2026-07-01T01:00:00Z",
                "2026-07-02T01:00:00Z",
            ),
            (
                "0 3 * * *",
                "Europe/Berlin",
                "2026-12-01T12:00:00Z",
                "2026-12-01T02:00:00Z",
                "2026-12-02T02:00:00Z",
            ),
            (
                "0 0 29 2 *",
                "",
                "2026-03-01T00:00:00Z",
                "2024-02-29T00:00:00Z",
                "2028-02-29T00:00:00Z",
            ),
            // Either of both days is enough.
            (
                "0 0 1 * mon",
                "",
                "2026-03-03T00:00:00Z",
                "2026-03-02T00:00:00Z",
                "2026-03-09T00:00:00Z",
            ),
            // The hour from two to three is left out on that day, and comes twice on the other.
            (
                "30 2 * * *",
                "Europe/Berlin",
                "2026-03-28T12:00:00Z",
                "2026-03-28T01:30:00Z",
                "2026-03-29T01:00:00Z",
            ),
            (
                "30 2 * * *",
                "Europe/Berlin",
                "2026-10-24T12:00:00Z",
                "2026-10-24T00:30:00Z",
                "2026-10-25T00:30:00Z",
            ),
            (
                "30 2 * * *",
                "Europe/Berlin",
                "2026-10-25T00:30:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-26T01:30:00Z",
            ),
        ] {
            let settings = settings(schedule, zone);
            let found = (last_until(&settings, at(now)), next_after(&settings, at(now)));
            assert_eq!(found, (Some(at(last)), Some(at(next))), "{schedule} {zone} at {now}");
        }
    }

    #[test]
    fn a_zone_that_there_is_none_of_is_known_as_such() {
        assert!(zone(Some(&ZoneName::new("Europe/Berlin").unwrap())).is_some());
        assert!(
            zone(Some(
                &ZoneName::new("Europe/Bärlin").unwrap_or(ZoneName::new("Mars/Olympus").unwrap())
            ))
            .is_none()
        );
        assert!(zone(None).is_some());
    }

    #[test]
    fn the_rarest_days_are_found_soon() {
        let begun = Instant::now();
        for schedule in ["0 0 29 2 1", "0 0 29 2 *", "59 23 31 12 0#5", "0 0 L 2 *"] {
            let settings = settings(schedule, "America/New_York");
            let found = next_after(&settings, at("2026-03-01T00:00:00Z"));
            assert!(found.is_some(), "{schedule}");
        }
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    }
}
