//! When a job is due, as crontabs have it.

use std::fmt;
use std::str::FromStr;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use serde::{Deserialize, Deserializer, Serialize};

use crate::names::{BadText, bad, shown, text};

text!(
    /// A schedule: minute, hour, day of the month, month and day of the week, such as `*/15 * * * *`
    /// or `0 3 * * mon-fri`; or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. At most 100
    /// characters. Of both days given, either one is enough.
    Schedule, "a schedule", |text| read(text).map(drop)
);

const MOST: usize = 100;

/// What the days of a schedule stand for, where none of them ever comes.
const DAYS_OF_MONTHS: [u16; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// What a schedule says.
///
/// # Errors
/// Never, for it was read before: what is wrong, in words for people.
pub fn parsed(schedule: &Schedule) -> Result<Cron, String> {
    read(schedule.as_str())
}

fn read(text: &str) -> Result<Cron, String> {
    let wrong = |why: &str| {
        Err(format!(
            "has five fields – minute, hour, day, month, weekday – such as \"30 3 * * *\", or is one of \
             @hourly, @daily, @weekly, @monthly and @yearly; got {}{why}",
            shown(text)
        ))
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b" *,-/#?@".contains(&b);
    if text.len() > MOST || text.trim() != text || !text.bytes().all(plain) {
        return wrong("");
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    match parser.parse(text) {
        Ok(cron) if comes(text) => Ok(cron),
        Ok(_) => wrong(": there is no such day"),
        Err(error) => {
            let why = error.to_string();
            let why = why.split_once(": ").map_or(why.as_str(), |(_, why)| why);
            wrong(&format!(": {}", why.trim_end_matches('.')))
        }
    }
}

/// Whether a day of its months is ever there. Only plain numbers can miss: the thirty-first of months
/// that have none. Looking for one that never comes takes its reader very long.
fn comes(text: &str) -> bool {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [_minute, _hour, day, month, weekday] = fields[..] else { return true };
    let numbers = |field: &str| -> Option<Vec<u16>> {
        field.split(',').map(|number| number.parse().ok()).collect()
    };
    let (Some(days), Some(months), "*" | "?") = (numbers(day), numbers(month), weekday) else {
        return true;
    };
    let most = |month: &u16| DAYS_OF_MONTHS.get(usize::from(*month).wrapping_sub(1)).copied();
    days.iter().any(|day| months.iter().filter_map(most).any(|most| *day <= most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_crontabs_have_is_taken() {
        for text in [
            "* * * * *",
            "*/5 * * * *",
            "0 3 * * *",
            "30 3 1,15 * mon-fri",
            "0 0 29 2 *",
            "0 0 31 1,2 *",
            "0 0 L * *",
            "0 0 * * 5#2",
            "0 12 * JAN-MAR SUN",
            "@hourly",
            "@daily",
            "@weekly",
            "@monthly",
            "@yearly",
        ] {
            assert!(Schedule::new(text).is_ok(), "{text}: {:?}", Schedule::new(text));
        }
    }

    #[test]
    fn what_is_none_is_refused_with_what_would_be_one() {
        for (text, part) in [
            ("", "has five fields"),
            ("* * * *", "5 fields"),
            ("* * * * * *", "5 fields"),
            ("0 * * * * * 2030", "5 fields"),
            ("60 * * * *", "60"),
            ("* 24 * * *", "24"),
            ("* * 0 * *", "0"),
            ("* * * 13 *", "13"),
            ("0 0 30 2 *", "there is no such day"),
            ("0 0 31 4,6 *", "there is no such day"),
            ("@reboot", "has five fields"),
            ("@every 5m", "has five fields"),
            ("every day", "has five fields"),
            (" * * * * *", "has five fields"),
            ("* * * * *\n", "has five fields"),
            ("* * * * $(id)", "has five fields"),
            (&"*,".repeat(99), "has five fields"),
        ] {
            let refused = Schedule::new(text).map(drop).unwrap_err().to_string();
            assert!(refused.contains(part), "{text:?}: {refused}");
        }
    }
}
