//! `hythe process` and the numbers that `hythe scale` takes.

use std::collections::BTreeMap;
use std::str::FromStr;

use clap::{Args, Subcommand};
use hythe_core::limits::MOST_REPLICAS;
use hythe_core::names::AppName;
use hythe_core::process::{ProcessName, WEB};

use super::builder::{cpus, size};
use crate::api::dto::ScaleApp;
use crate::cli::failure::{Failure, Outcome};

const SET_HELP: &str = "\
A process runs from the same image as web, with the same variables, and gets no traffic. It holds from
the next deployment on; how many replicas of it run is changed at once with `hythe scale`.

Examples:
  hythe process set shop worker -- bundle exec sidekiq
  hythe process set shop worker --memory 1G --replicas 2
  hythe process set shop clock -- node clock.js";

/// `hythe process`.
#[derive(Debug, Subcommand)]
pub enum ProcessCommand {
    /// Give an app a process beside web, such as a worker, or change one
    #[command(after_help = SET_HELP)]
    Set(ProcessSetArgs),
    /// List an app's processes
    #[command(visible_alias = "list")]
    Ls {
        /// The app
        app: AppName,
    },
    /// Take a process away; it goes with the next deployment
    #[command(visible_alias = "remove")]
    Rm {
        /// The app
        app: AppName,
        /// The process
        name: ProcessName,
    },
}

/// `hythe process set`.
#[derive(Debug, Args)]
pub struct ProcessSetArgs {
    /// The app
    pub app: AppName,
    /// The process's name
    pub name: ProcessName,
    /// How many replicas; 0 is none [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=64))]
    pub replicas: Option<u16>,
    /// The memory that each may use, such as 1G [default: as web]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<u64>,
    /// The CPUs that each may use, such as 0.5 [default: as web]
    #[arg(long, value_name = "N", value_parser = cpus)]
    pub cpus: Option<u32>,
    /// Each may use as much memory as one of web
    #[arg(long, conflicts_with = "memory")]
    pub no_memory: bool,
    /// Each may use as much of a CPU as one of web
    #[arg(long, conflicts_with = "cpus")]
    pub no_cpus: bool,
    /// What runs in each in place of the image's command, by no shell
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// How many replicas: of web, or of a process that is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountArg {
    /// The process; none is web.
    process: Option<ProcessName>,
    replicas: u16,
}

impl FromStr for CountArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, number) = match text.split_once('=') {
            Some((name, number)) => (Some(name), number),
            None => (None, text),
        };
        let process = match name.filter(|name| *name != WEB) {
            Some(name) => Some(ProcessName::new(name).map_err(|bad| bad.to_string())?),
            None => None,
        };
        let least = if process.is_some() { 0 } else { 1 };
        let replicas = number.parse().ok().filter(|n| (least..=MOST_REPLICAS).contains(n));
        let replicas = replicas.ok_or_else(|| match &process {
            Some(process) => format!("a number of replicas of {process} is 0 to {MOST_REPLICAS}"),
            None => format!("a number of replicas is 1 to {MOST_REPLICAS}"),
        })?;
        Ok(Self { process, replicas })
    }
}

/// As the API takes it.
///
/// # Errors
/// Wrong usage where one is named twice.
pub fn scale(counts: &[CountArg]) -> Outcome<ScaleApp> {
    let mut wanted = ScaleApp { replicas: None, processes: BTreeMap::new() };
    for CountArg { process, replicas } in counts {
        let before = match process {
            None => wanted.replicas.replace(*replicas),
            Some(process) => wanted.processes.insert(process.to_string(), *replicas),
        };
        if before.is_some() {
            let name = process.as_ref().map_or(WEB, ProcessName::as_str);
            return Err(Failure::usage(format!("{name} is given two numbers of replicas")));
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_webs_unless_a_process_is_named() {
        let of = |args: &[&str]| {
            let counts: Result<Vec<CountArg>, String> =
                args.iter().map(|text| text.parse()).collect();
            scale(&counts.map_err(Failure::usage)?)
        };
        let wanted = |replicas, processes: &[(&str, u16)]| ScaleApp {
            replicas,
            processes: processes.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect(),
        };
        assert_eq!(of(&["3"]).unwrap(), wanted(Some(3), &[]));
        assert_eq!(of(&["web=3"]).unwrap(), wanted(Some(3), &[]));
        let both = of(&["worker=0", "web=3", "clock=1"]).unwrap();
        assert_eq!(both, wanted(Some(3), &[("worker", 0), ("clock", 1)]));
        for refused in [
            &["0"][..],
            &["web=0"],
            &["worker=65"],
            &["worker="],
            &["Worker=1"],
            &["=1"],
            &["3", "web=2"],
            &["worker=1", "worker=1"],
        ] {
            assert!(of(refused).is_err(), "{refused:?}");
        }
    }
}
