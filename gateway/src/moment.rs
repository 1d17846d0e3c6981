//! Which moment a text means: a sequence, a time, a date, or how long ago.
//!
//! A time without an offset, and a date, are of the zone of whoever asks: the command line's
//! user's own, UTC for the API. A date is its beginning.

use hythe_actors::past::Moment;
use hythe_core::record::Sequence;
use hythe_core::time::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::{Span, Zoned};

/// The longest text that is looked at.
const MOST_CHARS: usize = 64;

/// A text that means no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{shown}\" is no moment: give an event's sequence (42), a time (2026-11-21T14:05:00Z, or \
     without the Z in {zone}), a date (2026-11-21: its beginning), or how long ago (\"10m ago\", \
     2h, yesterday)"
)]
pub(crate) struct BadMoment {
    shown: String,
    zone: String,
}

/// The moment that a text means, given what time and in which zone it is.
pub(crate) fn parse(text: &str, now: &Zoned) -> Result<Moment, BadMoment> {
    let text = text.trim();
    let bad = || BadMoment { shown: shown(text), zone: zone(now) };
    if text.chars().count() > MOST_CHARS {
        return Err(bad());
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let sequence = text.parse().map(Sequence).map_err(|_| bad())?;
        return Ok(Moment::Sequence(sequence));
    }
    time(text, now).map(Moment::Time).ok_or_else(bad)
}

fn time(text: &str, now: &Zoned) -> Option<Timestamp> {
    let yesterday =
        || now.yesterday().ok()?.datetime().date().to_zoned(now.time_zone().clone()).ok();
    let zoned = match text.to_ascii_lowercase().as_str() {
        "now" => now.clone(),
        "today" => now.start_of_day().ok()?,
        "yesterday" => yesterday()?,
        _ => {
            if let Ok(exact) = text.parse::<jiff::Timestamp>() {
                return Some(milliseconds(exact));
            }
            let zone = now.time_zone().clone();
            if let Ok(local) = text.parse::<DateTime>() {
                local.to_zoned(zone).ok()?
            } else if let Some(time) = of_today(text) {
                now.date().to_datetime(time).to_zoned(zone).ok()?
            } else {
                ago(text, now)?
            }
        }
    };
    Some(milliseconds(zoned.timestamp()))
}

fn of_today(text: &str) -> Option<Time> {
    text.contains(':').then(|| text.parse().ok()).flatten()
}

/// "10m ago", and without the "ago" no less.
fn ago(text: &str, now: &Zoned) -> Option<Zoned> {
    if text.starts_with('+') {
        return None;
    }
    let span: Span = text.parse().ok()?;
    now.checked_sub(span.abs()).ok()
}

fn milliseconds(moment: jiff::Timestamp) -> Timestamp {
    Timestamp(u64::try_from(moment.as_millisecond()).unwrap_or(0))
}

/// What time it is at a timestamp, in UTC.
pub(crate) fn utc(now: Timestamp) -> Zoned {
    let millis = i64::try_from(now.0).unwrap_or(i64::MAX);
    let now = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    now.to_zoned(jiff::tz::TimeZone::UTC)
}

fn zone(now: &Zoned) -> String {
    now.time_zone().iana_name().map_or_else(|| "your own zone".into(), str::to_owned)
}

fn shown(text: &str) -> String {
    let printable = text.chars().filter(|c| !c.is_control());
    printable.take(MOST_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> Zoned {
        "2026-11-21T15:30:00+01:00[Europe/Berlin]".parse().unwrap()
    }

    #[test]
    fn texts_mean_moments() {
        for (text, expected) in [
            ("now", "2026-11-21T14:30:00Z"),
            ("yesterday", "2026-11-19T23:00:00Z"),
            ("today", "2026-11-20T23:00:00Z"),
            ("2026-11-21T14:05:00Z", "2026-11-21T14:05:00Z"),
            ("2026-11-21T14:05:00.250Z", "2026-11-21T14:05:00.250Z"),
            ("2026-11-21T14:05:00+02:00", "2026-11-21T12:05:00Z"),
            ("2026-11-21t14:05:00z", "2026-11-21T14:05:00Z"),
            ("2026-11-21T14:05:00", "2026-11-21T13:05:00Z"),
            ("2026-11-21 14:05", "2026-11-21T13:05:00Z"),
            ("2026-11-21", "2026-11-20T23:00:00Z"),
            ("14:05", "2026-11-21T13:05:00Z"),
            ("10m ago", "2026-11-21T14:20:00Z"),
            ("10m", "2026-11-21T14:20:00Z"),
            (" 2h ", "2026-11-21T12:30:00Z"),
            ("1 day 2 hours ago", "2026-11-20T12:30:00Z"),
            ("3 weeks ago", "2026-10-31T14:30:00Z"),
            ("1mo", "2026-10-21T13:30:00Z"),
        ] {
            let expected: jiff::Timestamp = expected.parse().unwrap();
            let found = parse(text, &berlin());
            assert_eq!(found, Ok(Moment::Time(milliseconds(expected))), "{text}");
        }
        assert_eq!(parse("42", &berlin()), Ok(Moment::Sequence(Sequence(42))));
        let in_utc = parse("2026-11-21", &utc(Timestamp(1_795_000_000_000)));
        let midnight: jiff::Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        assert_eq!(in_utc, Ok(Moment::Time(milliseconds(midnight))));
    }

    #[test]
    fn others_are_refused_with_what_there_is() {
        let long = "9".repeat(100);
        for text in [
            "",
            " ",
            "soon",
            "-",
            "-5",
            "+10m",
            "4.2",
            "2026-13-01",
            "2026-11-21T25:00:00Z",
            "#3",
            "99999999999999999999999",
            "10 parsecs ago",
            "9999999 years ago",
            &long,
            "\u{1b}[2J",
        ] {
            let error = parse(text, &berlin()).unwrap_err().to_string();
            assert!(error.contains("10m ago") && error.contains("Europe/Berlin"), "{error}");
            assert!(error.len() < 500 && !error.contains('\u{1b}'), "{error}");
        }
    }
}
