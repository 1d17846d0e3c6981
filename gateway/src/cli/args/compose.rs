//! What `hythe compose` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use hythe_core::names::{BranchName, ProjectName};

use super::RawAssignment;

pub(super) const UP_HELP: &str = "\
Every service of the file becomes an app of the project, named PROJECT-SERVICE. They reach one another by
their service names; no other project does. A service with ports has an address; databases and the like
have none (label hythe.route: true, false or a port says otherwise). Named volumes stay, whatever goes.

Folders beside the file are given to no container. What a service keeps in one is a volume instead, named
after it (folder-data for ./data); what it only reads, or has in a place for settings, comes in as texts of
at most 64 KiB each. Code that is mounted over what the image has is left out.

What ends by itself (migrations, what makes buckets) runs once, before what waits for it: one whose end
others wait for, or of which restart policy, command or name say so (label hythe.once: true or false).
Further names (container_name, aliases, links) hold for the whole project.

They go live in the order of depends_on, each once those before it are. The same file again deploys only
what changed. What of the file is not taken is told of, with its line and the reason.

A folder is sent service by service. Of a repository each service is built from its folder at the branch's
newest commit, and one whose folder is as it was is left alone. Variables come from .env beside the file,
from --env-file and from --env; for a folder also from this shell, where the file names them. A repository's
file gets nothing of this shell by itself. Set what is secret by `hythe env set`: it stays.

Examples:
  hythe compose up shop                       the compose.yaml of this folder
  hythe compose up shop --dry-run             what would be done, and what is not taken
  hythe compose up shop --repo https://git.example/shop.git --branch main
  hythe compose up shop --file deploy/compose.yaml --profile tools --env TAG=1.2
  hythe compose up shop --file compose.yaml --file compose.prod.yaml
  hythe compose up shop --remove-orphans      apps go whose services are in the file no more";

/// `hythe compose`.
#[derive(Debug, Subcommand)]
pub enum ComposeCommand {
    /// Make a project's apps as a Compose file says
    #[command(after_help = UP_HELP)]
    Up(Box<ComposeUpArgs>),
    /// List the projects that have such apps
    #[command(visible_alias = "list")]
    Ls,
    /// Show the services of a project, and how they fare
    Ps {
        /// The project
        project: ProjectName,
    },
    /// Remove the apps of a project; for a day each can be restored, and volumes stay
    Down {
        /// The project
        project: ProjectName,
        /// Without being asked
        #[arg(long)]
        yes: bool,
    },
}

/// `hythe compose up`.
#[derive(Debug, Args)]
pub struct ComposeUpArgs {
    /// The project; it is made where it does not exist
    pub project: ProjectName,
    /// The folder that the file is in, or a git repository
    #[arg(long, value_name = "URL|DIR", default_value = ".")]
    pub repo: String,
    /// The repository's branch [default: its own]
    #[arg(long, value_name = "BRANCH")]
    pub branch: Option<BranchName>,
    /// The file, from there; of several, each goes before those named before it [default: compose.yaml,
    /// compose.yml, docker-compose.yaml or -.yml]
    #[arg(long = "file", short, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A profile whose services are wanted, too; may be given several times; '*' for all [default: those of
    /// COMPOSE_PROFILES]
    #[arg(long = "profile", value_name = "PROFILE")]
    pub profiles: Vec<String>,
    /// A variable that the file names; may be given several times
    #[arg(long = "env", value_name = "NAME=VALUE")]
    pub variables: Vec<RawAssignment>,
    /// A file with such variables, one NAME=VALUE a line; --env goes before it
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// Only say what would be done, and what of the file is not taken
    #[arg(long)]
    pub dry_run: bool,
    /// Remove apps whose services are in the file no more
    #[arg(long)]
    pub remove_orphans: bool,
}
