//! `hythe run` and `hythe runs`.

use clap::{Args, Subcommand};
use hythe_core::names::AppName;
use uuid::Uuid;

use super::RawAssignment;
use super::span::span;

pub(super) const RUN_HELP: &str = "\
It runs in a fresh container of the live version: its image, environment, network and limits. The
journal keeps who ran which program when and how it ended, but not its arguments. What it writes is
not searched for values of secrets. It is ended when this command is, unless --detach is given.

Exit codes: the program's own (128 and more: ended by a signal); 124 it took longer than --timeout;
125 it could not be started, or its worker or the server went away; 126 and 127 the program cannot be
executed or is not in the image; 2 wrong usage; 3 server not reached or not allowed.

Examples:
  hythe run shop -- sh
  hythe run shop -- rails db:migrate
  pg_dump old | hythe run shop -- psql
  hythe run shop --detach --timeout 6h -- rake reindex
  hythe runs logs RUN";

/// `hythe run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The app
    pub name: AppName,
    /// With a terminal [default: where stdin and stdout are one]
    #[arg(long, short, conflicts_with_all = ["no_tty", "detach"])]
    pub tty: bool,
    /// Without a terminal: what it writes to stdout and stderr stays apart
    #[arg(long, short = 'T')]
    pub no_tty: bool,
    /// Leave it running, and print its id
    #[arg(long, short)]
    pub detach: bool,
    /// A variable besides the app's own; may be given several times
    #[arg(long = "env", short, value_name = "NAME=VALUE")]
    pub variables: Vec<RawAssignment>,
    /// How long it may take, at most a day [default: 1h]
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub timeout: Option<u64>,
    /// Without the image's entrypoint
    #[arg(long)]
    pub no_entrypoint: bool,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<Word>,
}

/// A word of a command, which is nothing to repeat: it may hold a secret.
#[derive(Clone)]
pub struct Word(pub String);

impl std::fmt::Debug for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Word(…)")
    }
}

impl std::str::FromStr for Word {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// `hythe runs`.
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// List the commands of an app that run now
    #[command(visible_alias = "list")]
    Ls {
        /// The app
        name: AppName,
    },
    /// Show what a detached command wrote, and go on until it ends; its exit code becomes this one's
    Logs {
        /// Its id
        run: Uuid,
    },
    /// End a command
    Stop {
        /// Its id
        run: Uuid,
    },
}
