//! What commands that look back take.

use std::str::FromStr;

use clap::Args;
use hythe_actors::past::Moment;
use hythe_core::ids::DeploymentId;
use hythe_core::names::AppName;
use uuid::Uuid;

use crate::api::dto::Time;
use crate::moment;

pub(super) const DIFF_HELP: &str = "\
A and B are moments (an event's sequence, a time, a date, \"10m ago\", yesterday) or deployments (#3,
or an id). Two deployments are compared by what they run with; beside a moment, a deployment stands
for the moment when it went live. Of environment variables, versions are compared and never values.

Examples:
  hythe app diff shop yesterday           what changed since then
  hythe app diff shop '#3' '#5'           what is different between two deployments
  hythe app diff shop 40 60 --events      with every event in between that changed something";

pub(super) const EVENTS_HELP: &str = "\
With --json, each line is one event: an export that later versions can read.

Examples:
  hythe events -f
  hythe events --app shop --since 2h
  hythe events --who owner --type 'app.*' --since yesterday --until 09:00
  hythe events --from 1 --json > events.jsonl
  hythe events --why 42                   what an event goes back to";

/// As of when.
#[derive(Clone, Debug, Default, Args)]
pub struct AtArgs {
    /// As it was then: an event's sequence (42), a time (2026-11-21T14:05, in your own zone where
    /// it has no offset), a date (its beginning), or how long ago ("10m ago", 2h, yesterday)
    #[arg(long, value_name = "TIME|SEQ")]
    pub at: Option<MomentText>,
}

impl AtArgs {
    /// As a parameter, where it was given.
    #[must_use]
    pub fn query(&self) -> Vec<(&'static str, String)> {
        self.at.iter().map(|at| ("at", at.as_str().to_owned())).collect()
    }
}

/// A moment, in a form that means the same in every zone and at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MomentText(String);

impl MomentText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MomentText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match moment::parse(text, &jiff::Zoned::now()).map_err(|bad| bad.to_string())? {
            Moment::Sequence(sequence) => Ok(Self(sequence.to_string())),
            Moment::Time(time) => Ok(Self(Time(time).to_string())),
        }
    }
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideText(String);

impl SideText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SideText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(number) = text.strip_prefix('#') {
            let number: u64 =
                number.parse().map_err(|_| "a deployment's number is given as '#3'".to_owned())?;
            return Ok(Self(format!("#{number}")));
        }
        if text.len() == 36
            && let Ok(id) = text.parse::<DeploymentId>()
        {
            return Ok(Self(id.to_string()));
        }
        text.parse::<MomentText>()
            .map(|moment| Self(moment.0))
            .map_err(|bad| format!("{bad}; or a deployment: '#3', or its id"))
    }
}

/// `hythe app diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The app
    pub name: AppName,
    /// The earlier side
    #[arg(value_name = "A")]
    pub from: SideText,
    /// The later side [default: now]
    #[arg(value_name = "B")]
    pub to: Option<SideText>,
    /// Show every event in between that changed something, also what was changed back
    #[arg(long)]
    pub events: bool,
}

/// `hythe events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Go on with what comes
    #[arg(long, short)]
    pub follow: bool,
    /// Only events after this one; 0 is from the beginning [default: the last 20, or with -f from
    /// now on]
    #[arg(long, value_name = "SEQ", conflicts_with_all = ["from", "since"])]
    pub after: Option<u64>,
    /// Only events from this one on
    #[arg(long, value_name = "SEQ", conflicts_with = "since",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub from: Option<u64>,
    /// Only events from then on: a sequence, a time, a date, or how long ago
    #[arg(long, value_name = "TIME|SEQ")]
    pub since: Option<MomentText>,
    /// Only events up to then
    #[arg(long, value_name = "TIME|SEQ")]
    pub until: Option<MomentText>,
    /// At the most so many: the first, where it is said from where on, else the last
    #[arg(long, value_name = "N", conflicts_with = "follow",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Only this app's and its deployments'; an app that is gone counts too
    #[arg(long, value_name = "NAME")]
    pub app: Option<AppName>,
    /// Only of this kind (app, deployment, worker), or of one: deployment:ID, app:NAME, worker:NAME
    #[arg(long, value_name = "KIND[:WHICH]")]
    pub aggregate: Option<String>,
    /// Only of these types, with commas between them: deployment.went_live, went_live,
    /// deployment.*
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Option<String>,
    /// Only by owner, system, webhook, worker, or one worker: worker:NAME
    #[arg(long, value_name = "WHO")]
    pub who: Option<String>,
    /// Only what one request set off: its id
    #[arg(long, value_name = "ID")]
    pub correlation: Option<Uuid>,
    /// Tell why this event happened: all that it goes back to, up to what began it
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..),
          conflicts_with_all = ["follow", "after", "from", "since", "until", "limit", "app",
                                "aggregate", "types", "who", "correlation"])]
    pub why: Option<u64>,
    /// With --why: also what followed from it
    #[arg(long, requires = "why")]
    pub tree: bool,
}
