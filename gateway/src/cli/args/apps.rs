//! What commands about apps take.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use hythe_core::canary::Weight;
use hythe_core::container::{Mount, MountPath, VolumeName};
use hythe_core::ids::DeploymentId;
use hythe_core::names::{
    AppName, BranchName, CommitId, HealthPath, HostName, ProjectName, RepositoryUrl, TagName,
};
use hythe_core::source::ImageRef;

use super::build::BuildArgs;
use super::env::RawAssignment;
use super::health::HealthArgs;
use super::hook::TriggerArgs;
use super::hooks::HookArgs;
use super::past::{AtArgs, DiffArgs};
use super::process::CountArg;
use super::resources::ResourceArgs;
use super::span::span;

pub(super) const DEPLOY_HELP: &str = "\
Waits until the new version is live (exit code 0) or the deployment ended otherwise (1); the version
before serves until then. What is given here is kept for the next deployment, except a tag or commit.

A folder is packed without .git and what .gitignore and .hytheignore name, and sent: at most 512 MiB. The
same again is not sent again and needs no build. An image is fixed to what its name stands for now: that
is what a rollback or redeploy runs, and `hythe deploy shop` asks the registry anew.

Examples:
  hythe deploy shop --repo https://git.example/shop.git --branch main --port 3000
  hythe deploy shop                       the newest commit
  hythe deploy shop --tag v1.2.0
  hythe deploy shop .                     this folder: what .gitignore and .hytheignore leave of it
  hythe deploy shop --path build.tar.gz   an archive, such as a pipeline made it
  hythe deploy shop --image ghcr.io/team/shop:1.2     an image that is there already
  hythe deploy shop --commit 0123456789abcdef0123456789abcdef01234567
  hythe deploy shop --env LOG_LEVEL=debug --replicas 2 --json";

pub(super) const ROLLBACK_HELP: &str = "\
The version that was live before the present one, or the one that --to names, becomes live again in
seconds. The app's settings, variables and domains become what they were when it was deployed, and the
next deployment builds on them; with --keep-settings only what runs goes back. What is on its way is
called off. Where the old image is gone, it is built again from its commit.

Examples:
  hythe rollback shop
  hythe rollback shop --to 3              a number as `hythe deployments ls shop` shows it
  hythe rollback shop --keep-settings";

pub(super) const REDEPLOY_HELP: &str = "\
Settings and variables that were changed since take effect. Nothing is built where the image is there
and neither the Dockerfile nor the way to find the port has changed.

Example:
  hythe env set shop LOG_LEVEL=debug && hythe redeploy shop";

pub(super) const RESTART_HELP: &str = "\
Settings and variables stay as the live version has them; `hythe redeploy` takes the present ones.

Example:
  hythe restart shop";

/// `hythe rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The app
    pub name: AppName,
    /// The deployment to go back to: its number or id
    #[arg(long, value_name = "NUMBER|ID")]
    pub to: Option<EarlierArg>,
    /// Leave the app's settings, variables and domains as they are
    #[arg(long)]
    pub keep_settings: bool,
    /// Whether to wait.
    #[command(flatten)]
    pub waiting: WaitArgs,
}

/// An earlier deployment, by number or id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierArg(pub String);

impl std::str::FromStr for EarlierArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_prefix('#').unwrap_or(text).parse::<u64>().is_ok();
        if number || text.parse::<DeploymentId>().is_ok() {
            return Ok(Self(text.to_owned()));
        }
        Err("it is a deployment's number or id, as `hythe deployments ls` shows it".into())
    }
}

/// `hythe redeploy` and `hythe restart`.
#[derive(Debug, Args)]
pub struct AgainArgs {
    /// The app
    pub name: AppName,
    /// Whether to wait.
    #[command(flatten)]
    pub waiting: WaitArgs,
}

/// `hythe stop` and `hythe start`.
#[derive(Debug, Args)]
pub struct SwitchArgs {
    /// The app
    pub name: AppName,
    /// Return as soon as it is asked for
    #[arg(long)]
    pub detach: bool,
}

/// `hythe scale`.
#[derive(Debug, Args)]
pub struct ScaleArgs {
    /// The app
    pub name: AppName,
    /// How many replicas: of web, or of a process that is named
    #[arg(value_name = "N|PROCESS=N", required = true)]
    pub counts: Vec<CountArg>,
    /// Return as soon as it is asked for
    #[arg(long)]
    pub detach: bool,
}

/// Whether a command waits for what it set off.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct WaitArgs {
    /// Wait until it is live or has failed (so by itself)
    #[arg(long, overrides_with = "detach")]
    pub wait: bool,
    /// Return as soon as it is requested
    #[arg(long, overrides_with = "wait")]
    pub detach: bool,
}

const SET_HELP: &str = "\
Examples:
  hythe app set shop --health-http /healthz --health-status 200-299
  hythe app set db --health-command 'pg_isready -q' --health-interval 10s
  hythe app set shop --release-command 'bin/rails db:migrate' --release-timeout 5m
  hythe app set shop --post-deploy-command 'bin/warm-up https://shop.example.com'
  hythe app set shop --memory 1G --cpus 0.5
  hythe app set shop --volume data:/var/lib/shop --volume conf:/etc/shop:ro
  hythe app set shop --drain 60s -- npm start";

/// `hythe deploy`.
#[derive(Debug, Args)]
pub struct DeployArgs {
    /// The app
    #[arg(value_parser = app_first)]
    pub name: AppName,
    /// A folder or a tar archive to send and build, in place of a repository: `.` for this folder
    #[arg(value_name = "DIR|FILE", conflicts_with_all = NO_PATH)]
    pub from: Option<PathBuf>,
    /// The same
    #[arg(long, value_name = "DIR|FILE", conflicts_with_all = NO_PATH, conflicts_with = "from")]
    pub path: Option<PathBuf>,
    /// Its settings.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Set an environment variable first; may be given several times. Values that are secret
    /// belong into `hythe env set`, where they need not be on the command line
    #[arg(long = "env", value_name = "NAME=VALUE")]
    pub variables: Vec<RawAssignment>,
    /// Build anew, whatever earlier builds left
    #[arg(long)]
    pub no_cache: bool,
    /// The new version takes a part of the requests first, such as 10% (see `hythe canary`)
    #[arg(long, value_name = "PERCENT")]
    pub canary: Option<Weight>,
    /// For how long, before it is taken back, such as 30m [default: 24h]
    #[arg(long, value_name = "SPAN", value_parser = span, requires = "canary")]
    pub canary_for: Option<u64>,
    /// Whether to wait.
    #[command(flatten)]
    pub waiting: WaitArgs,
}

/// A volume, and where it is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeArg {
    /// Where.
    pub path: MountPath,
    /// Which, and how.
    pub mount: Mount,
}

impl std::str::FromStr for VolumeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, ':');
        let (volume, path) = (parts.next().unwrap_or_default(), parts.next());
        let path = path.ok_or("it is NAME:/PATH, such as data:/var/lib/data")?;
        let read_only = match parts.next() {
            None | Some("rw") => false,
            Some("ro") => true,
            Some(other) => return Err(format!("it ends in :ro or nothing; got :{other}")),
        };
        let volume = VolumeName::new(volume).map_err(|bad| bad.to_string())?;
        let path = MountPath::new(path).map_err(|bad| bad.to_string())?;
        Ok(Self { path, mount: Mount { volume, read_only } })
    }
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("it is yes or no".into()),
    }
}

/// What a folder cannot be together with.
const NO_PATH: [&str; 5] = ["repo", "branch", "tag", "commit", "image"];

impl DeployArgs {
    /// The folder or archive to send.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.from.as_deref().or(self.path.as_deref())
    }
}

/// An app's name, where a folder might have been given first.
fn app_first(text: &str) -> Result<AppName, String> {
    if text.starts_with('.') || text.contains('/') {
        return Err(
            "a folder does not say which app it is: name the app first, as in `hythe deploy shop .`"
                .to_owned(),
        );
    }
    text.parse().map_err(|bad: hythe_core::names::BadText| bad.to_string())
}

/// An app's settings; what is left out stays as it is.
#[derive(Clone, Debug, Default, Args)]
pub struct SettingsArgs {
    /// The project that it is in [default: default]
    #[arg(long, value_name = "PROJECT")]
    pub project: Option<ProjectName>,
    /// The git repository: https://…, ssh://… or user@host:path
    #[arg(long, value_name = "URL")]
    pub repo: Option<RepositoryUrl>,
    /// The branch, or a tag where no branch has that name [default: the repository's own branch]
    #[arg(long, value_name = "BRANCH", conflicts_with_all = ["tag", "commit"])]
    pub branch: Option<BranchName>,
    /// A tag, also where a branch has the same name
    #[arg(long, value_name = "TAG", conflicts_with = "commit")]
    pub tag: Option<TagName>,
    /// A whole commit id
    #[arg(long, value_name = "SHA")]
    pub commit: Option<CommitId>,
    /// An image of a registry in place of a repository, such as ghcr.io/team/shop:1.2: it is pulled,
    /// and nothing is built
    #[arg(long, value_name = "IMAGE", conflicts_with_all = ["repo", "branch", "tag", "commit"])]
    pub image: Option<ImageRef>,
    /// How it is built.
    #[command(flatten)]
    pub build: BuildArgs,
    /// The port that the app listens on [default: found from the image]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// How many replicas
    #[arg(long, value_name = "N", value_parser = replicas)]
    pub replicas: Option<u16>,
    /// What each of them may use.
    #[command(flatten)]
    pub resources: ResourceArgs,
    /// Short for --health-http: the path that the health check asks for
    #[arg(long, value_name = "PATH")]
    pub health_path: Option<HealthPath>,
}

fn replicas(text: &str) -> Result<u16, String> {
    use hythe_core::limits::MOST_REPLICAS;
    text.parse()
        .ok()
        .filter(|count| (1..=MOST_REPLICAS).contains(count))
        .ok_or_else(|| format!("a number of replicas is 1 to {MOST_REPLICAS}"))
}

/// `hythe app`.
#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// Create an app; nothing runs until it is deployed
    Create {
        /// Its name: it becomes a host name
        name: AppName,
        /// Its settings.
        #[command(flatten)]
        settings: Box<SettingsArgs>,
        /// How its health is checked.
        #[command(flatten)]
        health: Box<HealthArgs>,
        /// What runs once for each deployment.
        #[command(flatten)]
        hooks: Box<HookArgs>,
    },
    /// List all apps
    #[command(visible_alias = "list")]
    Ls {
        /// Those that were deleted and can be restored
        #[arg(long, conflicts_with = "at")]
        deleted: bool,
        /// As of when.
        #[command(flatten)]
        at: AtArgs,
    },
    /// Show an app
    #[command(after_help = "Examples:\n  hythe app show shop\n  \
                            hythe app show shop --at '10m ago'\n  hythe app show shop --at 42")]
    Show {
        /// The app
        name: AppName,
        /// As of when.
        #[command(flatten)]
        at: AtArgs,
    },
    /// Show what changed between two moments or two deployments, and who changed it
    #[command(after_help = super::past::DIFF_HELP)]
    Diff(DiffArgs),
    /// Change settings; they hold from the next deployment on
    #[command(after_help = SET_HELP)]
    Set {
        /// The app
        name: AppName,
        /// Its settings.
        #[command(flatten)]
        settings: Box<SettingsArgs>,
        /// How its health is checked.
        #[command(flatten)]
        health: Box<HealthArgs>,
        /// What runs once for each deployment.
        #[command(flatten)]
        hooks: Box<HookArgs>,
        /// A host name besides its own; may be given several times, in place of those before
        #[arg(long = "domain", value_name = "HOST", conflicts_with = "no_domains")]
        domains: Vec<HostName>,
        /// No host name besides its own
        #[arg(long)]
        no_domains: bool,
        /// What deploys it by itself.
        #[command(flatten)]
        triggers: Box<TriggerArgs>,
        /// How long requests to a version may go on after the traffic moved on, such as 30s
        #[arg(long, value_name = "SPAN", value_parser = span)]
        drain: Option<u64>,
        /// How long a replica has to end by itself after SIGTERM, such as 10s
        #[arg(long, value_name = "SPAN", value_parser = span)]
        stop: Option<u64>,
        /// Give it a volume at a folder of its replicas; may be given several times, and takes the
        /// place of those before. What is in a volume stays
        #[arg(long = "volume", value_name = "NAME:/PATH[:ro]")]
        volumes: Vec<VolumeArg>,
        /// Give it no volume any more; what is in them stays
        #[arg(long, conflicts_with = "volumes")]
        no_volumes: bool,
        /// Whether an address leads to it; at once
        #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
        routed: Option<bool>,
        /// What runs in each replica is the image's own command again
        #[arg(long, conflicts_with = "command")]
        no_command: bool,
        /// What runs in each replica in place of the image's command, by no shell
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Remove an app with all that runs of it; for a day it can be restored
    #[command(visible_alias = "delete")]
    Rm {
        /// The app; with --now also one that was removed already, by name or id
        #[arg(value_name = "APP")]
        which: String,
        /// For good at once: it cannot be restored
        #[arg(long)]
        now: bool,
        /// Do not ask
        #[arg(long, short = 'y')]
        yes: bool,
    },
    /// Bring back an app that was removed, as it was
    Restore {
        /// Its name, or its id where several had that name (`hythe app ls --deleted`)
        #[arg(value_name = "APP")]
        which: String,
    },
}

/// `hythe deployments`.
#[derive(Debug, Subcommand)]
pub enum DeploymentsCommand {
    /// List an app's deployments, newest first
    #[command(visible_alias = "list")]
    Ls {
        /// The app
        name: AppName,
        /// How many at the most
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// As of when.
        #[command(flatten)]
        at: AtArgs,
    },
    /// Show a deployment
    Show {
        /// Its id, or the app whose newest deployment is meant
        #[arg(value_name = "DEPLOYMENT|APP")]
        which: Which,
        /// As of when.
        #[command(flatten)]
        at: AtArgs,
    },
}

/// A deployment: by its id, or as the newest of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// This one.
    Deployment(DeploymentId),
    /// The newest of this app.
    NewestOf(AppName),
}

impl std::str::FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 36
            && let Ok(id) = text.parse()
        {
            return Ok(Self::Deployment(id));
        }
        text.parse().map(Self::NewestOf).map_err(|error| format!("no deployment's id; {error}"))
    }
}
