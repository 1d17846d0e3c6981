//! `hythe cron`.

use clap::{Args, Subcommand, ValueEnum};
use hythe_core::cron::{CronName, Schedule, ZoneName};
use hythe_core::names::AppName;

use super::span::span;
use crate::api::dto::CronOverlap;

const SET_HELP: &str = "\
Each time it runs in a fresh container of the live version: its image, environment, network and limits.
It holds at once, without a deployment. Times that went by while the server was away or the app was
stopped are made up for once, within 5 minutes.

Examples:
  hythe cron set shop tidy '30 3 * * *' --zone Europe/Berlin -- rake tidy
  hythe cron set shop poll '*/5 * * * *' --overlap replace --timeout 4m -- node poll.js
  hythe cron set shop report @weekly -- ./report --mail";

/// `hythe cron`.
#[derive(Debug, Subcommand)]
pub enum CronCommand {
    /// Run a command of an app by a schedule, or change one
    #[command(after_help = SET_HELP)]
    Set(CronSetArgs),
    /// List an app's cron jobs
    #[command(visible_alias = "list")]
    Ls {
        /// The app
        app: AppName,
    },
    /// Show a cron job, with its newest runs
    Show(CronArgs),
    /// Run a cron job now, and show what it writes; its exit code becomes this one's
    Run {
        /// Which.
        #[command(flatten)]
        which: CronArgs,
        /// Leave it running, and print the run's id
        #[arg(long, short)]
        detach: bool,
    },
    /// Let a cron job rest until it is resumed
    Pause(CronArgs),
    /// Let a paused cron job be due again
    Resume(CronArgs),
    /// Remove a cron job; what runs of it goes on
    #[command(visible_alias = "remove")]
    Rm(CronArgs),
}

/// A cron job of an app.
#[derive(Debug, Args)]
pub struct CronArgs {
    /// The app
    pub app: AppName,
    /// The cron job
    pub name: CronName,
}

/// `hythe cron set`.
#[derive(Debug, Args)]
pub struct CronSetArgs {
    /// The app
    pub app: AppName,
    /// The cron job's name
    pub name: CronName,
    /// When it is due: minute, hour, day, month and weekday in one argument, or @hourly, @daily,
    /// @weekly, @monthly, @yearly
    pub schedule: Schedule,
    /// Where its hours are meant, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<ZoneName>,
    /// How long it may take, at most a day [default: 1h]
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub timeout: Option<u64>,
    /// What happens where it runs still
    #[arg(long, value_enum, default_value_t = OverlapArg::Skip)]
    pub overlap: OverlapArg,
    /// Set it, but let it rest until it is resumed
    #[arg(long)]
    pub paused: bool,
    /// What runs, by no shell
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// What happens where a cron job runs still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OverlapArg {
    /// The later one is left out
    Skip,
    /// They run side by side
    Allow,
    /// The earlier one is ended first
    Replace,
}

impl From<OverlapArg> for CronOverlap {
    fn from(arg: OverlapArg) -> Self {
        match arg {
            OverlapArg::Skip => Self::Skip,
            OverlapArg::Allow => Self::Allow,
            OverlapArg::Replace => Self::Replace,
        }
    }
}
