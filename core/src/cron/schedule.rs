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

/// How long months are; February at its longest.
const DAYS_OF_MONTHS: [u16; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

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

/// Whether a day of its months is ever there: the thirty-first is not of months that have none. Looking
/// for one that never comes takes its reader very long.
fn comes(text: &str) -> bool {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [_minute, _hour, day, months, "*" | "?"] = fields[..] else { return true };
    let Some(days) = numbers(day, |text| text.parse().ok(), 31) else { return true };
    let Some(months) = numbers(months, month, 12) else { return true };
    let most = |month: &u16| DAYS_OF_MONTHS.get(usize::from(*month).wrapping_sub(1)).copied();
    let most = months.iter().filter_map(most).max().unwrap_or(31);
    days.iter().any(|day| *day <= most)
}

/// A month by its number or its name.
fn month(text: &str) -> Option<u16> {
    let named = MONTHS.iter().position(|name| text.eq_ignore_ascii_case(name));
    named.and_then(|at| u16::try_from(at + 1).ok()).or_else(|| text.parse().ok())
}

/// The numbers that a field stands for, up to `most`. None where it says it in another way.
fn numbers(field: &str, number: impl Fn(&str) -> Option<u16>, most: u16) -> Option<Vec<u16>> {
    let mut all = Vec::new();
    for item in field.split(',') {
        let (range, step) = item.split_once('/').map_or((item, None), |(a, b)| (a, Some(b)));
        let step: usize =
            step.map_or(Some(1), |step| step.parse().ok()).filter(|step| *step > 0)?;
        let (first, last) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (1, most),
            Some((first, last)) => (number(first)?, number(last)?),
            // With a step, from there on.
            None => (number(range)?, if item == range { number(range)? } else { most }),
        };
        all.extend((first..=last.min(most)).step_by(step));
    }
    Some(all)
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
            "0 0 31 feb-mar *",
            "0 0 28-31 2 *",
            "0 0 */2 2 *",
            "0 0 30 2 mon",
            "0 0 15W feb *",
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
            ("0 0 30 feb *", "there is no such day"),
            ("0 0 31 Jun ?", "there is no such day"),
            ("0 0 30-31 2 *", "there is no such day"),
            ("0 0 31 4-6/2 *", "there is no such day"),
            ("0 0 30,31 FEB-FEB *", "there is no such day"),
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
