//! A new version that takes a part of an app's requests before it takes all.
//!
//! Invariants: it is healthy and stays [`Stage::Healthy`](crate::deployment::Stage::Healthy) while it takes
//! its part; the version that is live goes on and takes the rest; it comes to an end by itself, for it has a
//! time, and it ends at once where none of its replicas is healthy any more.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::ids::DeploymentId;
use crate::limits;
use crate::names::{BadText, bad};
use crate::rejection::Rejection;
use crate::site::SiteId;
use crate::time::Millis;

/// A part of an app's requests, in per cent: 1 to 99.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Weight(u8);

impl Weight {
    /// Checks a number.
    ///
    /// # Errors
    /// [`BadText`] where it is not 1 to 99.
    pub fn new(percent: u8) -> Result<Self, BadText> {
        if (1..=99).contains(&percent) {
            Ok(Self(percent))
        } else {
            Err(bad("a part of the requests", "is 1% to 99%"))
        }
    }

    /// The number.
    #[must_use]
    pub const fn percent(self) -> u8 {
        self.0
    }

    /// Whether the `n`th request is one of its part: those are spread evenly.
    #[must_use]
    pub const fn has(self, n: u64) -> bool {
        let percent = self.0 as u64;
        n % 100 * percent % 100 < percent
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl FromStr for Weight {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_suffix('%').unwrap_or(text);
        Self::new(number.parse().unwrap_or(0))
    }
}

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Self::new(u8::deserialize(input)?).map_err(serde::de::Error::custom)
    }
}

/// That a deployment is to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Which part it takes.
    pub weight: Weight,
    /// How long it may go on, from the moment at which it is healthy.
    pub within: Millis,
    /// Whether it takes its part: it was healthy.
    pub started: bool,
}

/// Whether a canary may go on for so long.
///
/// # Errors
/// [`Rejection`] says how long it may.
pub fn check(within: Millis) -> Result<(), Rejection> {
    let (least, most) = (limits::CANARY_LEAST, limits::CANARY_MOST);
    if within < least || within > most {
        let why = format!("is {least} to {most}; got {within}");
        return Err(Rejection::invalid("canary.within", why));
    }
    Ok(())
}

/// What of an app's requests goes elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Where it answers; empty where it is a site, and only there.
    pub targets: Vec<SocketAddr>,
    /// How much.
    pub weight: Weight,
    /// The site that it is, where it is one: edges serve it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<PartSite>,
}

/// A site that takes a part of an app's requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartSite {
    /// Which site.
    pub site: SiteId,
    /// Those of the versions before, as of a site that takes all requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<SiteId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred_requests_as_many_are_its_part_as_its_weight_says() {
        for percent in 1..=99 {
            let weight = Weight::new(percent).unwrap();
            for from in [0, 7, 1_000_003] {
                let part = (from..from + 100).filter(|n| weight.has(*n)).count();
                assert_eq!(part, usize::from(percent));
            }
        }
        // Spread, not one after the other.
        let tenth = Weight::new(10).unwrap();
        assert!((0..91).all(|from| (from..from + 10).filter(|n| tenth.has(*n)).count() == 1));
    }

    #[test]
    fn a_weight_is_read_with_or_without_its_sign() {
        for (text, percent) in [("10%", 10), ("1", 1), ("99%", 99)] {
            assert_eq!(text.parse::<Weight>().unwrap().percent(), percent);
        }
        for text in ["0", "100%", "", "%", "-1", "1.5%", "10 %", "ten"] {
            text.parse::<Weight>().unwrap_err();
        }
        assert!(serde_json::from_str::<Weight>("0").is_err());
    }

    /// Edges and servers of two versions read each other's tables.
    #[test]
    fn a_part_of_before_there_were_sites_reads_as_one_of_replicas_and_is_written_so() {
        let deployment = crate::testing::deployment_id(1);
        let targets = vec![SocketAddr::from(([127, 0, 0, 1], 80))];
        let weight = Weight::new(10).unwrap();
        let part = Part { deployment, targets, weight, site: None };
        let text =
            format!(r#"{{"deployment":"{deployment}","targets":["127.0.0.1:80"],"weight":10}}"#);
        assert_eq!(serde_json::to_string(&part).unwrap(), text);
        assert_eq!(serde_json::from_str::<Part>(&text).unwrap(), part);
        let site = SiteId::new("0".repeat(64)).unwrap();
        let site = Some(PartSite { site, earlier: Vec::new() });
        let part = Part { targets: Vec::new(), site, ..part };
        let text = serde_json::to_string(&part).unwrap();
        assert!(text.contains(r#""targets":[]"#), "an older edge sends it nothing: {text}");
        assert_eq!(serde_json::from_str::<Part>(&text).unwrap(), part);
    }
}
