//! How an app's health is checked, on the command line.

use clap::Args;
use hythe_core::argv::Argv;
use hythe_core::health::StatusRange;
use hythe_core::names::HealthPath;

use super::hooks::command;
use super::span::span;
use crate::api::dto::{HealthProbe, UpdateApp};

/// A health check; what is left out stays as it is.
#[derive(Clone, Debug, Default, Args)]
pub struct HealthArgs {
    /// Ask for this path over HTTP
    #[arg(
        long,
        value_name = "PATH",
        conflicts_with_all = ["health_path", "health_tcp", "health_command", "health_image",
            "health_none", "health_default"],
    )]
    pub health_http: Option<HealthPath>,
    /// The answers that mean healthy, as 200-299 [default: 200-399]
    #[arg(long, value_name = "RANGE", requires = "health_http")]
    pub health_status: Option<StatusRange>,
    /// A connection to the port is enough
    #[arg(
        long,
        conflicts_with_all = ["health_path", "health_command", "health_image", "health_none",
            "health_default"],
    )]
    pub health_tcp: bool,
    /// A command in the container that exits with 0, by no shell: words, or a JSON list of them
    #[arg(
        long,
        value_name = "COMMAND",
        value_parser = command,
        conflicts_with_all = ["health_path", "health_image", "health_none", "health_default"],
    )]
    pub health_command: Option<Argv>,
    /// The HEALTHCHECK of the image
    #[arg(long, conflicts_with_all = ["health_path", "health_none", "health_default"])]
    pub health_image: bool,
    /// Nothing is asked: whatever runs is healthy
    #[arg(long, conflicts_with_all = ["health_path", "health_default"])]
    pub health_none: bool,
    /// The HEALTHCHECK of the image, or else what the port answers; with times as they were at first
    #[arg(long, conflicts_with = "health_path")]
    pub health_default: bool,
    /// From one check to the next, such as 500ms or 10s
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub health_interval: Option<u64>,
    /// How long one check may take
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub health_timeout: Option<u64>,
    /// How many failures in a row make a healthy replica unhealthy
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub health_retries: Option<u16>,
    /// How long a replica may take to become healthy
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub health_start: Option<u64>,
}

impl HealthArgs {
    /// Puts what was given into a change of settings.
    pub fn put(&self, change: &mut UpdateApp) {
        let probe = match self {
            Self { health_http: Some(path), health_status, .. } => Some(HealthProbe::Http {
                path: path.to_string(),
                statuses: health_status.map(|statuses| statuses.to_string()),
            }),
            Self { health_tcp: true, .. } => Some(HealthProbe::Tcp {}),
            Self { health_command: Some(command), .. } => {
                Some(HealthProbe::Command { command: command.words().to_vec() })
            }
            Self { health_image: true, .. } => Some(HealthProbe::Image {}),
            Self { health_none: true, .. } => Some(HealthProbe::None {}),
            Self { .. } => None,
        };
        let back = self.health_default;
        change.health = probe.map(Some).or(back.then_some(None));
        let span = |given: Option<u64>| given.map(Some).or(back.then_some(None));
        change.health_interval_ms = span(self.health_interval);
        change.health_timeout_ms = span(self.health_timeout);
        change.health_start_within_ms = span(self.health_start);
        change.health_retries = self.health_retries.map(Some).or(back.then_some(None));
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        health: HealthArgs,
        #[arg(long)]
        health_path: Option<String>,
    }

    fn change(args: &[&str]) -> Result<UpdateApp, clap::Error> {
        let line = Line::try_parse_from([&["set"], args].concat())?;
        let mut change = UpdateApp::default();
        line.health.put(&mut change);
        Ok(change)
    }

    #[test]
    fn each_kind_of_check_has_its_flag() {
        let command = |words: &[&str]| HealthProbe::Command {
            command: words.iter().map(ToString::to_string).collect(),
        };
        let http = HealthProbe::Http { path: "/up".into(), statuses: Some("200-204".into()) };
        let rows: [(&[&str], Option<Option<HealthProbe>>); 8] = [
            (&[], None),
            (&["--health-http", "/up", "--health-status", "200-204"], Some(Some(http))),
            (&["--health-tcp"], Some(Some(HealthProbe::Tcp {}))),
            (&["--health-command", "pg_isready -q"], Some(Some(command(&["pg_isready", "-q"])))),
            (&["--health-command", r#"["test", "a b"]"#], Some(Some(command(&["test", "a b"])))),
            (&["--health-image"], Some(Some(HealthProbe::Image {}))),
            (&["--health-none"], Some(Some(HealthProbe::None {}))),
            (&["--health-default"], Some(None)),
        ];
        for (args, expected) in rows {
            assert_eq!(change(args).unwrap().health, expected, "{args:?}");
        }
        let spans = change(&["--health-interval", "250ms", "--health-start", "2m"]).unwrap();
        assert_eq!(spans.health_interval_ms, Some(Some(250)));
        assert_eq!(spans.health_start_within_ms, Some(Some(120_000)));
        assert_eq!(change(&["--health-default"]).unwrap().health_retries, Some(None));
    }

    #[test]
    fn two_kinds_at_once_and_nonsense_are_refused() {
        for args in [
            &["--health-tcp", "--health-none"][..],
            &["--health-http", "/a", "--health-path", "/b"],
            &["--health-status", "200"],
            &["--health-http", "/", "--health-status", "0"],
            &["--health-command", ""],
            &["--health-command", "[1]"],
            &["--health-retries", "0"],
        ] {
            assert!(change(args).is_err(), "{args:?}");
        }
    }
}
