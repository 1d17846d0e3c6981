//! `hythe preview`.

use clap::{ArgAction, Args, Subcommand, ValueEnum};
use hythe_core::names::{AppName, EnvName};

use super::RawAssignment;
use super::span::span;

pub(super) const ON_HELP: &str = "\
Each open pull request for the app's branch gets an app of its own, such as shop-pr-4, at its own host
name: the app's settings, one replica, no domains, the pull request's newest commit. It follows the
commits, and goes when the pull request is closed. It is given none of the app's variables unless you
say which. A webhook of the repository has to tell of pull requests.

Pull requests from other repositories get none by default. Where they are allowed, whoever opens one
runs code on your machines; it is given no variable, no key and no registry's password.

Examples:
  hythe hook add shop
  hythe preview on shop
  hythe preview on shop --env LOG_LEVEL --set DATABASE_URL=- < staging-url.txt
  hythe preview on shop --most 5 --keep 14d
  hythe hook comments shop --on
  hythe preview ls shop";

/// `hythe preview`.
#[derive(Debug, Subcommand)]
pub enum PreviewCommand {
    /// Give pull requests previews, or change how they are made; what is left out stays as it is
    #[command(after_help = ON_HELP)]
    On(Box<PreviewArgs>),
    /// Give them none; those that there are go
    Off {
        /// The app
        app: AppName,
    },
    /// List an app's previews
    #[command(visible_alias = "list")]
    Ls {
        /// The app
        app: AppName,
    },
    /// Show how an app's previews are made
    Show {
        /// The app
        app: AppName,
    },
    /// Remove the preview of a pull request, until the next push to it
    #[command(visible_alias = "delete", after_help = "Example:\n  hythe preview rm shop 4")]
    Rm {
        /// The app
        app: AppName,
        /// The pull request's number
        number: u64,
    },
}

/// How previews are made.
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// The app
    pub app: AppName,
    /// How many there are at once [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=50))]
    pub most: Option<u16>,
    /// What becomes of pull requests from other repositories [default: never]
    #[arg(long, value_name = "WHAT")]
    pub forks: Option<ForksArg>,
    /// Whether drafts get previews [default: no]
    #[arg(long, value_name = "YES|NO", value_parser = yes_no, action = ArgAction::Set)]
    pub drafts: Option<bool>,
    /// Which of the app's variables they get: all, none, or names [default: none]
    #[arg(long, value_name = "all|none|NAME,…", value_parser = env)]
    pub env: Option<EnvArg>,
    /// A variable that only previews have; with `-` as value (once), it is what comes from stdin
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<RawAssignment>,
    /// Have them no more
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub unset: Vec<EnvName>,
    /// How long one is kept without a push, such as 14d; or forever [default: forever]
    #[arg(long, value_name = "SPAN", value_parser = keep)]
    pub keep: Option<KeepArg>,
}

/// What becomes of pull requests from other repositories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ForksArg {
    /// They get no preview.
    Never,
    /// They get one, without anything secret.
    Allowed,
}

/// Which variables previews get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvArg {
    /// All.
    All,
    /// None.
    Nothing,
    /// These.
    Names(Vec<EnvName>),
}

/// How long a preview is kept without a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepArg(pub Option<u64>);

fn yes_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("is yes or no".into()),
    }
}

fn env(text: &str) -> Result<EnvArg, String> {
    match text {
        "all" => Ok(EnvArg::All),
        "none" => Ok(EnvArg::Nothing),
        names => {
            let names = names.split(',').map(|name| EnvName::new(name.trim()));
            names.collect::<Result<_, _>>().map(EnvArg::Names).map_err(|bad| bad.to_string())
        }
    }
}

fn keep(text: &str) -> Result<KeepArg, String> {
    if text == "forever" {
        return Ok(KeepArg(None));
    }
    span(text).map(|span| KeepArg(Some(span)))
}
