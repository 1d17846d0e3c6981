//! A range of HTTP statuses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::names::BadText;

/// HTTP statuses from one to another, both included; each 100 to 599. As text `200-299`, or `204`
/// for one. Deserialising checks too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StatusRange {
    least: u16,
    most: u16,
}

impl StatusRange {
    pub(super) const fn constant(least: u16, most: u16) -> Self {
        Self { least, most }
    }

    /// Checks a range.
    ///
    /// # Errors
    /// [`BadText`] says what would be right.
    pub fn new(least: u16, most: u16) -> Result<Self, BadText> {
        let status = 100..=599;
        if least <= most && status.contains(&least) && status.contains(&most) {
            return Ok(Self { least, most });
        }
        Err(bad(&format!("got {least}-{most}")))
    }

    /// Whether a status lies in it.
    #[must_use]
    pub const fn includes(self, status: u16) -> bool {
        self.least <= status && status <= self.most
    }
}

fn bad(got: &str) -> BadText {
    BadText {
        what: "a range of statuses",
        why: format!("is one status or two with \"-\", each 100 to 599, as in 200-299; {got}"),
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.least == self.most {
            write!(f, "{}", self.least)
        } else {
            write!(f, "{}-{}", self.least, self.most)
        }
    }
}

impl FromStr for StatusRange {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let (least, most) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| {
            let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| digits)
        };
        match (number(least), number(most)) {
            (Some(least), Some(most)) => Self::new(least, most),
            (None, _) | (_, None) => {
                let shown: String = text.chars().take(40).collect();
                Err(bad(&format!("got {shown:?}")))
            }
        }
    }
}

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            least: u16,
            most: u16,
        }
        let Raw { least, most } = Raw::deserialize(input)?;
        Self::new(least, most).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_one_status_or_two() {
        for (text, in_it, out) in [("200-299", 204, 300), ("204", 204, 205), ("100-599", 599, 99)] {
            let range: StatusRange = text.parse().unwrap();
            assert_eq!(range.to_string(), text);
            assert!(range.includes(in_it) && !range.includes(out), "{text}");
        }
        for text in
            ["", "20", "299-200", "99-200", "200-600", "200-", "2e2", "+20", &"9".repeat(99)]
        {
            let error = text.parse::<StatusRange>().unwrap_err().to_string();
            assert!(error.contains("as in 200-299") && error.len() < 200, "{error}");
        }
        assert!(serde_json::from_str::<StatusRange>(r#"{"least":1,"most":2}"#).is_err());
    }
}
