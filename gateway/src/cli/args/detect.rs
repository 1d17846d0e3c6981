//! What `hythe detect` takes.

use std::path::PathBuf;

use clap::Args;
use hythe_core::detect::Mirror;
use hythe_core::names::RepositoryPath;

pub(super) const DETECT_HELP: &str = "\
What it finds can be changed by hythe.toml in that folder:

  [build]
  preset = \"node\"           # although there is a Dockerfile
  dockerfile = \"ops/Dockerfile\"
  install = \"npm ci\"        # \"\" for no such step
  build = \"npm run build\"
  start = \"node server.js\"
  output = \"dist\"           # a folder to serve instead of something to start
  single_page = true         # what is not found in it is up to its index.html
  port = 3000
  packages = [\"ffmpeg\"]     # of Debian
  [build.versions]
  node = \"20\"
  [build.env]
  MODE = \"live\"

Examples:
  hythe detect
  hythe detect apps/web --dockerfile > Dockerfile";

/// `hythe detect`.
#[derive(Clone, Debug, Args)]
pub struct DetectArgs {
    /// The folder
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The folder in it whose files the build sees, as for `hythe deploy`
    #[arg(long, value_name = "PATH")]
    pub context: Option<RepositoryPath>,
    /// Print only the Dockerfile that would be used
    #[arg(long, conflicts_with = "json")]
    pub dockerfile: bool,
    /// A registry that mirrors all others, from which the images come
    #[arg(long, env = "HYTHE_BASE_IMAGES", value_name = "REGISTRY")]
    pub base_images: Option<Mirror>,
}
