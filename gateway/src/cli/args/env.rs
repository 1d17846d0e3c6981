//! What commands about environment variables take.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use hythe_core::names::{AppName, EnvName, EnvValue};

use super::past::AtArgs;
use crate::cli::failure::{Failure, Outcome};

/// `hythe env`.
#[derive(Debug, Subcommand)]
pub enum EnvCommand {
    /// List the names; nobody can read a value back
    #[command(visible_alias = "list")]
    Ls {
        /// The app
        name: AppName,
        /// As of when.
        #[command(flatten)]
        at: AtArgs,
    },
    /// Set variables; they hold from the next deployment on
    #[command(after_help = "Examples:\n  hythe env set shop LOG_LEVEL=debug\n  \
        hythe env set shop DATABASE_URL=-  < url.txt      the value from stdin\n  \
        hythe env set shop --env-file .env\n  \
        hythe env set shop --from-stdin < .env\n\n\
        A file has lines NAME=VALUE as in dotenv; in single quotes a value is taken as it is.")]
    Set(EnvSetArgs),
    /// Remove variables; it holds from the next deployment on
    #[command(visible_alias = "rm")]
    Unset {
        /// The app
        name: AppName,
        /// The variables
        #[arg(required = true, value_name = "NAME")]
        variables: Vec<EnvName>,
    },
}

/// `hythe env set`.
#[derive(Debug, Args)]
pub struct EnvSetArgs {
    /// The app
    pub name: AppName,
    /// Names and values; with `-` as value (once), it is what comes from stdin
    #[arg(value_name = "NAME=VALUE", required_unless_present_any = ["env_file", "from_stdin"])]
    pub variables: Vec<RawAssignment>,
    /// A file of NAME=VALUE lines, as in dotenv
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// NAME=VALUE lines from stdin, as in dotenv
    #[arg(long, conflicts_with = "env_file")]
    pub from_stdin: bool,
}

/// A variable and its value, as given. It is checked after the command line was read: clap would
/// repeat what it refuses, and values are nothing to repeat.
#[derive(Clone)]
pub struct RawAssignment(String);

impl std::fmt::Debug for RawAssignment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawAssignment(…)")
    }
}

impl std::str::FromStr for RawAssignment {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl RawAssignment {
    /// Name and value.
    ///
    /// # Errors
    /// Wrong usage, in a message without the value.
    pub fn checked(&self) -> Outcome<(EnvName, EnvValue)> {
        let Some((name, value)) = self.0.split_once('=') else {
            return Err(Failure::usage("a variable is given as NAME=VALUE")
                .hint("with NAME=- the value is read from stdin"));
        };
        let name = EnvName::new(name).map_err(|e| Failure::usage(e.to_string()))?;
        let value = EnvValue::new(value).map_err(|e| Failure::usage(format!("{name}: {e}")))?;
        Ok((name, value))
    }
}
