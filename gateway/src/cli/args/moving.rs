//! What `hythe init` and `hythe import` take.

use std::path::PathBuf;

use clap::Args;
use hythe_core::names::AppName;

pub(super) const INIT_HELP: &str = "\
Examples:
  hythe init                      writes hythe.toml here, from what `hythe detect` shows
  hythe init apps/web --print
  hythe init --schema > hythe.schema.json      for editors that complete and check by it";

pub(super) const IMPORT_HELP: &str = "\
Read, where there: hythe.toml, fly.toml, render.yaml, railway.json, railway.toml, app.json,
captain-definition, CHECKS and Procfile. How the app is built goes into hythe.toml (--write), how it runs into the app's
settings and variables (--app). Without either, nothing is changed.

Examples:
  hythe import
  hythe import --write --app shop
  hythe import --service api      of several in a render.yaml";

/// `hythe init`.
#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// The folder
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// Write it although there is one
    #[arg(long)]
    pub force: bool,
    /// Print it and write nothing
    #[arg(long, conflicts_with = "force")]
    pub print: bool,
    /// Print the JSON schema of hythe.toml and write nothing
    #[arg(long, conflicts_with_all = ["force", "print", "json"])]
    pub schema: bool,
}

/// `hythe import`.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// The folder
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The service to take, where a file has several [default: the one with an address]
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Write hythe.toml, where there is none
    #[arg(long)]
    pub write: bool,
    /// Change this app's settings and variables; it is created where it does not exist
    #[arg(long, value_name = "APP")]
    pub app: Option<AppName>,
}
