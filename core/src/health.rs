//! How a replica shows that it is fit for traffic: what is asked of it, and how often.
//!
//! Asked by the worker for as long as the replica runs. Before its first success a replica has
//! [`HealthCheck::start_within`] to become healthy, and failures do not count; after it,
//! [`Pace::retries`] failures in a row take it out of the route.

mod status;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::argv::Argv;
use crate::limits;
use crate::names::HealthPath;
use crate::time::Millis;

pub use status::StatusRange;

/// A health check. What is not given is as the image's own check says, where that one is used,
/// or else as [`Pace`] has it for the kind of probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HealthCheck {
    /// What is asked of the replica.
    pub probe: Probe,
    /// From one try to the next.
    pub interval: Option<Millis>,
    /// How long one try may take.
    pub timeout: Option<Millis>,
    /// How many failures in a row make a healthy replica unhealthy.
    pub retries: Option<u16>,
    /// How long a replica may take to become healthy.
    pub start_within: Option<Millis>,
}

/// What is asked of a replica. Append-only: postcard stores a variant's position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// The image's own check where it has one; else `/` over HTTP with any answer below 500; and
    /// where what listens on the port answers in another language than HTTP, that it does.
    #[default]
    Default,
    /// An answer over HTTP.
    Http {
        /// What to ask for. Redirects are not followed.
        path: HealthPath,
        /// The answers that mean healthy; 200 to 399 where none are given.
        statuses: Option<StatusRange>,
    },
    /// That something accepts connections on the port.
    Tcp,
    /// A command in the replica's container, which has to exit with 0.
    Command(Argv),
    /// The `HEALTHCHECK` of the image.
    Image,
    /// Nothing: whatever runs is healthy.
    None,
}

impl Probe {
    /// The answers over HTTP that mean healthy where a path and no range is given.
    pub const STATUSES: StatusRange = StatusRange::constant(200, 399);
    /// The answers over HTTP that mean healthy where nothing is given.
    pub const ANY_BELOW_500: StatusRange = StatusRange::constant(100, 499);
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("by default"),
            Self::Http { path, statuses } => {
                write!(f, "GET {path}, {}", statuses.unwrap_or(Self::STATUSES))
            }
            Self::Tcp => f.write_str("a TCP connection"),
            Self::Command(command) => write!(f, "command {:?}", command.words()),
            Self::Image => f.write_str("the image's HEALTHCHECK"),
            Self::None => f.write_str("none"),
        }
    }
}

impl HealthCheck {
    /// How long a replica may take to become healthy, where its image says nothing.
    #[must_use]
    pub fn start_within(&self) -> Millis {
        self.start_within.unwrap_or(limits::HEALTH_START_WITHIN)
    }

    /// How often what is asked; `image` is what the image says, where its own check is used.
    #[must_use]
    pub fn pace(&self, image: Option<&ImagePace>) -> Pace {
        let (interval, timeout) = match (image, &self.probe) {
            // As engines have it.
            (Some(_), _) => (limits::IMAGE_HEALTH_INTERVAL, limits::IMAGE_HEALTH_TIMEOUT),
            (None, Probe::Command(_)) => (limits::COMMAND_INTERVAL, limits::HEALTH_TIMEOUT),
            (
                None,
                Probe::Default | Probe::Http { .. } | Probe::Tcp | Probe::Image | Probe::None,
            ) => (limits::HEALTH_INTERVAL, limits::HEALTH_TIMEOUT),
        };
        let image = image.cloned().unwrap_or_default();
        let within = |span: Millis, most| span.clamp(limits::HEALTH_SPAN_LEAST, most);
        let given = |own: Option<Millis>, image: Option<Millis>, usual| {
            within(own.or(image).unwrap_or(usual), limits::HEALTH_SPAN_MOST)
        };
        let start_within = self.start_within.unwrap_or_else(|| {
            let of_image = image.start_period.unwrap_or_default();
            limits::HEALTH_START_WITHIN.max(of_image).min(limits::IMAGE_START_MOST)
        });
        Pace {
            interval: given(self.interval, image.interval, interval),
            timeout: given(self.timeout, image.timeout, timeout),
            retries: self.retries.or(image.retries).unwrap_or(limits::HEALTH_RETRIES).max(1),
            start_within,
        }
    }
}

/// What an image says about the pace of its own check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImagePace {
    /// From one try to the next.
    pub interval: Option<Millis>,
    /// How long one try may take.
    pub timeout: Option<Millis>,
    /// How many failures in a row are an illness.
    pub retries: Option<u16>,
    /// How long failures do not count.
    pub start_period: Option<Millis>,
}

/// How often a replica is asked, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From one try to the next.
    pub interval: Millis,
    /// How long one try may take.
    pub timeout: Millis,
    /// How many failures in a row make a healthy replica unhealthy.
    pub retries: u16,
    /// How long a replica may take to become healthy.
    pub start_within: Millis,
}

/// As the journal has it: all fields, in this order.
#[derive(Deserialize)]
struct Stored {
    probe: Probe,
    interval: Option<Millis>,
    timeout: Option<Millis>,
    retries: Option<u16>,
    start_within: Option<Millis>,
}

/// As messages and agents' ledgers have it. Those of before know a path and no probe.
#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    path: Option<HealthPath>,
    probe: Option<Probe>,
    interval: Option<Millis>,
    timeout: Option<Millis>,
    retries: Option<u16>,
    start_within: Option<Millis>,
}

impl<'de> Deserialize<'de> for HealthCheck {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        if !input.is_human_readable() {
            let Stored { probe, interval, timeout, retries, start_within } =
                Stored::deserialize(input)?;
            return Ok(Self { probe, interval, timeout, retries, start_within });
        }
        let Told { path, probe, interval, timeout, retries, start_within } =
            Told::deserialize(input)?;
        let probe = match (probe, path) {
            (Some(probe), _) => probe,
            (None, Some(path)) => Probe::Http { path, statuses: None },
            // Not the default of today: what runs by this order is asked what it was asked before.
            (None, None) => {
                let path = HealthPath::new("/").map_err(serde::de::Error::custom)?;
                Probe::Http { path, statuses: Some(Probe::ANY_BELOW_500) }
            }
        };
        Ok(Self { probe, interval, timeout, retries, start_within })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> HealthPath {
        HealthPath::new(text).unwrap()
    }

    #[test]
    fn what_was_told_before_means_what_it_meant() {
        let read = |text: &str| serde_json::from_str::<HealthCheck>(text).unwrap();
        let rest = r#""interval":400,"timeout":5000,"start_within":60000}"#;
        let spans = HealthCheck {
            probe: Probe::Http { path: path("/up"), statuses: None },
            interval: Some(Millis(400)),
            timeout: Some(Millis(5_000)),
            retries: None,
            start_within: Some(Millis(60_000)),
        };
        assert_eq!(read(&format!(r#"{{"path":"/up",{rest}"#)), spans);
        let any = Probe::Http { path: path("/"), statuses: Some(Probe::ANY_BELOW_500) };
        assert_eq!(read(&format!(r#"{{"path":null,{rest}"#)), HealthCheck { probe: any, ..spans });
        assert!(serde_json::from_str::<HealthCheck>(r#"{"probe":"astrology"}"#).is_err());
    }

    #[test]
    fn every_probe_comes_back_from_both_forms() {
        let probes = [
            Probe::Default,
            Probe::Http { path: path("/up"), statuses: Some(StatusRange::new(200, 204).unwrap()) },
            Probe::Tcp,
            Probe::Command(Argv::new(vec!["pg_isready".into()]).unwrap()),
            Probe::Image,
            Probe::None,
        ];
        for probe in probes {
            let check = HealthCheck { probe, retries: Some(5), ..HealthCheck::default() };
            let text = serde_json::to_string(&check).unwrap();
            assert_eq!(serde_json::from_str::<HealthCheck>(&text).unwrap(), check, "{text}");
            let bytes = postcard::to_stdvec(&check).unwrap();
            assert_eq!(postcard::from_bytes::<HealthCheck>(&bytes).unwrap(), check);
        }
    }

    #[test]
    fn what_the_app_says_counts_before_what_the_image_says() {
        let image = ImagePace {
            interval: Some(Millis::seconds(7)),
            timeout: Some(Millis(1)),
            retries: Some(9),
            start_period: Some(Millis::seconds(9_000)),
        };
        let nothing = HealthCheck::default();
        let pace = nothing.pace(Some(&image));
        assert_eq!((pace.interval, pace.retries), (Millis::seconds(7), 9));
        assert_eq!(pace.timeout, limits::HEALTH_SPAN_LEAST, "kept within bounds");
        assert_eq!(pace.start_within, limits::IMAGE_START_MOST);
        let own = HealthCheck {
            interval: Some(Millis(200)),
            retries: Some(1),
            start_within: Some(Millis::seconds(4)),
            ..nothing.clone()
        };
        let pace = own.pace(Some(&image));
        assert_eq!((pace.interval, pace.retries), (Millis(200), 1));
        assert_eq!(pace.start_within, Millis::seconds(4));
        assert_eq!(nothing.pace(None).interval, limits::HEALTH_INTERVAL);
        assert_eq!(nothing.pace(Some(&ImagePace::default())).interval, Millis::seconds(30));
    }
}
