//! The command line: what there is, with its help. Names and values are checked here, by the
//! core's own types, before anything is asked of a server.

mod acme;
mod apps;
mod backup;
mod build;
mod builder;
mod canary;
mod certificate;
mod compose;
mod cron;
mod detect;
mod domain;
mod env;
mod git;
mod github_app;
mod health;
mod hook;
mod hooks;
mod logs;
mod moving;
mod past;
mod preview;
mod process;
mod registry;
mod resources;
mod roles;
mod run;
mod source;
mod span;
#[cfg(test)]
mod tests;
mod traffic;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use hythe_core::names::{AppName, ProjectName, WorkerName};

pub use acme::AcmeArgs;
pub use apps::{
    AgainArgs, AppCommand, DeployArgs, DeploymentsCommand, EarlierArg, RollbackArgs, ScaleArgs,
    SettingsArgs, SwitchArgs, VolumeArg, WaitArgs, Which,
};
pub use backup::{BackupArgs, BackupCommand, KeyArgs, RestoreArgs, ScheduleArgs};
pub use builder::BuilderArgs;
pub use canary::{CANARY_HELP, CanaryCommand};
pub use certificate::{CertificateCommand, CertificateSettingsArgs};
pub use compose::{ComposeCommand, ComposeUpArgs};
pub use cron::{CronArgs, CronCommand, CronSetArgs};
pub use detect::DetectArgs;
pub use domain::{DomainAddArgs, DomainArgs, DomainCommand, DomainSettingsArgs};
pub use env::{EnvCommand, EnvSetArgs, RawAssignment};
pub use git::{GitCommand, GitCredentialArgs, GitRemoteArgs};
pub use github_app::GitHubAppCommand;
pub use health::HealthArgs;
pub use hook::{AddressCommand, HookCommand, ToldArgs, TriggerArgs};
pub use hooks::HookArgs;
pub use logs::{BuildOf, LogsArgs};
pub use moving::{ImportArgs, InitArgs};
pub use past::{AtArgs, DiffArgs, EventsArgs, MomentText, SideText};
pub use preview::{EnvArg, ForksArg, KeepArg, PreviewArgs, PreviewCommand};
pub use process::{CountArg, ProcessCommand, ProcessSetArgs, scale};
pub use registry::RegistryCommand;
pub use roles::{AgentArgs, DataArgs, EdgeArgs, LogArgs, NatsArgs, ServerArgs, UpArgs};
pub use run::{RunArgs, RunsCommand};
pub use source::{AskedArgs, HostCommand, SourceCommand, TokenCommand};
pub use traffic::{
    GuardsArg, HttpsArg, MaintenanceCommand, ProtocolArg, TrafficCommand, TrafficSetArgs, WwwArg,
};

/// Where the gateway is asked unless told otherwise.
pub const USUAL_URL: &str = "http://127.0.0.1:7070";

const AFTER_HELP: &str = "\
Examples:
  hythe up                                    everything on this machine
  hythe deploy shop --repo https://git.example/shop.git
  hythe deploy shop                           its next version
  hythe git remote shop                       then: git push hythe main
  hythe logs shop -f

Settings:
  HYTHE_URL     the server (http://127.0.0.1:7070)
  HYTHE_TOKEN   the owner token; for a server on this machine it is taken from the data folder
  HYTHE_DATA    the data folder (./.hythe/data if there is one, else ~/.local/share/hythe)
  NO_COLOR      no colours

Exit codes: 0 done, 1 it failed, 2 wrong usage, 3 server not reached or not allowed,
130 ended by Ctrl-C. `hythe run` exits with its program's own.";

const LINK_HELP: &str = "\
Where a folder is linked, the app may be left out of every command that names nothing else before it, such
as `hythe deploy`, `hythe logs -f` or `hythe run -- sh`, also in the folders inside. The link knows the
server, too. It lies in ~/.config/hythe/links.json, and not in the folder.";

/// From a git repository to a live URL, on your own machines.
#[derive(Debug, Parser)]
#[command(name = "hythe", version, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    /// What all commands take.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What all commands take.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Print JSON: one document, or one line per item where items keep coming
    #[arg(long, global = true)]
    pub json: bool,
    /// The server
    #[arg(long, global = true, env = "HYTHE_URL", default_value = USUAL_URL, value_name = "URL",
          hide_env_values = true)]
    pub url: String,
    /// A file with the owner token; HYTHE_TOKEN, the token itself, goes before it
    #[arg(long, global = true, env = "HYTHE_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A file with certificate authorities to trust, besides the machine's: PEM
    #[arg(long, global = true, env = "HYTHE_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run all of Hythe on this machine, NATS included
    #[command(after_help = roles::UP_HELP)]
    Up(Box<UpArgs>),
    /// Run the control plane: journal, scheduling, API and dashboard
    Server(ServerArgs),
    /// Run a worker: builds and replicas, on this machine's container engine
    Agent(AgentArgs),
    /// Run an edge: the proxy in front of the apps
    Edge(EdgeArgs),
    /// Bring a version of an app live; the app is created where it does not exist
    #[command(after_help = apps::DEPLOY_HELP)]
    Deploy(Box<DeployArgs>),
    /// Show how a folder would be built, and why, without building and without a server
    #[command(after_help = detect::DETECT_HELP)]
    Detect(DetectArgs),
    /// Write a hythe.toml from what is found in a folder, to be changed
    #[command(after_help = moving::INIT_HELP)]
    Init(InitArgs),
    /// Take over what a folder still says to Fly, Render, Railway, Heroku, Dokku or CapRover
    #[command(after_help = moving::IMPORT_HELP)]
    Import(ImportArgs),
    /// Create, list, show, change and remove apps
    #[command(subcommand)]
    App(AppCommand),
    /// List, create, show and remove projects: apps that belong together
    #[command(subcommand)]
    Project(ProjectCommand),
    /// Docker Compose files: their services as apps of a project
    #[command(subcommand)]
    Compose(ComposeCommand),
    /// Log builds in to registries, for private base images
    #[command(subcommand)]
    Registry(RegistryCommand),
    /// Webhooks: let GitHub, GitLab, Bitbucket, Gitea or Forgejo tell of pushes, which deploy apps
    #[command(subcommand)]
    Hook(HookCommand),
    /// Previews: an app of its own for each open pull request
    #[command(subcommand, visible_alias = "previews")]
    Preview(PreviewCommand),
    /// Where this server is reached from outside
    #[command(subcommand)]
    Address(AddressCommand),
    /// Let builds reach private repositories: tokens over https, keys over ssh
    #[command(subcommand)]
    Source(SourceCommand),
    /// List an app's deployments, or show one
    #[command(subcommand, visible_alias = "deployment")]
    Deployments(DeploymentsCommand),
    /// Go back to an earlier version: image, settings, variables and domains, without building
    #[command(after_help = apps::ROLLBACK_HELP)]
    Rollback(RollbackArgs),
    /// Deploy the live version's commit again, with the present settings and variables
    #[command(after_help = apps::REDEPLOY_HELP)]
    Redeploy(AgainArgs),
    /// Run the live version in new replicas; the old ones serve until those are healthy
    #[command(after_help = apps::RESTART_HELP)]
    Restart(AgainArgs),
    /// Stop an app: its address says so, and nothing of it runs until it is started or deployed
    Stop(SwitchArgs),
    /// Start a stopped app: the version that was live, as it was; one that is asleep is woken
    Start(SwitchArgs),
    /// Give an app another number of replicas, without restarting those that it has
    #[command(after_help = "Examples:\n  hythe scale shop 3\n  hythe scale shop worker=2\n  \
                            hythe scale shop web=3 worker=0")]
    Scale(ScaleArgs),
    /// Processes beside web, such as workers: list, set and remove them
    #[command(subcommand)]
    Process(ProcessCommand),
    /// Cron jobs: run commands of an app by a schedule
    #[command(subcommand)]
    Cron(CronCommand),
    /// Hosts of your own for an app: add, prove and remove them, and which is the main one
    #[command(subcommand)]
    Domain(DomainCommand),
    /// Certificates for https: list, add, order and remove them, and how they are come by
    #[command(subcommand, visible_alias = "cert")]
    Certificate(CertificateCommand),
    /// Run a command once, in a fresh container of an app's live version
    #[command(after_help = run::RUN_HELP)]
    Run(Box<RunArgs>),
    /// List and end such commands, and show what detached ones wrote
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Cancel a deployment that is on its way
    Cancel {
        /// Its id, or the app whose newest deployment is meant
        #[arg(value_name = "DEPLOYMENT|APP")]
        which: Which,
    },
    /// Link this folder to an app, so that commands in it need no name; without one, show the link
    #[command(after_help = LINK_HELP)]
    Link {
        /// The app
        app: Option<AppName>,
    },
    /// Take the link of this folder away
    Unlink,
    /// Deploy by `git push`
    #[command(subcommand, after_help = git::GIT_HELP)]
    Git(GitCommand),
    /// List, set and remove an app's environment variables
    #[command(subcommand)]
    Env(EnvCommand),
    /// Show what an app says, or what a build said
    #[command(after_help = "Examples:\n  hythe logs shop -f\n  hythe logs shop --tail 20\n  \
                            hythe logs shop --build latest\n  \
                            hythe logs shop --access -f")]
    Logs(LogsArgs),
    /// Show the replicas that run
    Ps {
        /// Only this app's
        name: Option<AppName>,
        /// As of when.
        #[command(flatten)]
        at: AtArgs,
    },
    /// How edges serve an app: who may see it, limits, compression
    #[command(subcommand)]
    Traffic(TrafficCommand),
    /// A new version takes a part of an app's requests first
    #[command(subcommand, after_help = CANARY_HELP)]
    Canary(CanaryCommand),
    /// Show everybody a page that says that an app is being worked on
    #[command(subcommand)]
    Maintenance(MaintenanceCommand),
    /// Show which host leads where
    #[command(after_help = "Examples:\n  hythe routes\n  hythe routes --at '2h ago'")]
    Routes(AtArgs),
    /// Look at workers
    #[command(subcommand)]
    Worker(WorkerCommand),
    /// Show what happened
    #[command(after_help = past::EVENTS_HELP)]
    Events(Box<EventsArgs>),
    /// Print an app's URL, and open it in a browser where there is one
    Open {
        /// The app
        name: AppName,
        /// Only print it
        #[arg(long)]
        print: bool,
    },
    /// Print a script that completes commands in your shell
    #[command(after_help = "Example:\n  hythe completions bash > \
                            ~/.local/share/bash-completion/completions/hythe")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Show how the server is doing: parts, backups, room, and what is worth a warning
    Status,
    /// Let images go that nobody can go back to, and build cache beyond its budget; the server does
    /// so by itself now and then
    #[command(
        after_help = "Volumes are never touched.\n\nExamples:\n  hythe gc --dry-run\n  hythe gc"
    )]
    Gc {
        /// Only show what would go, and why
        #[arg(long)]
        dry_run: bool,
    },
    /// Back up a server, while it runs; by hand, by itself, or event by event
    #[command(after_help = backup::BACKUP_HELP)]
    Backup(Box<BackupArgs>),
    /// Make a server from a backup or a mirror
    #[command(after_help = backup::RESTORE_HELP)]
    Restore(Box<RestoreArgs>),
    /// Check, export, import and replay the journal, without a server
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Become a part of `hythe up`
    #[command(name = crate::up::EXEC_PART, hide = true)]
    ExecPart {
        /// Where to write which process this is
        #[arg(long)]
        pid_file: PathBuf,
        /// What the part depends on
        #[arg(long)]
        fingerprint: String,
        /// Program and arguments
        #[arg(last = true, required = true)]
        command: Vec<std::ffi::OsString>,
    },
}

/// `hythe project`.
#[derive(Debug, Subcommand)]
pub enum ProjectCommand {
    /// Create a project; apps come to it with `hythe app set APP --project NAME`
    Create {
        /// Its name
        name: ProjectName,
    },
    /// List all projects
    #[command(visible_alias = "list")]
    Ls(AtArgs),
    /// Show a project and which apps are in it
    Show {
        /// The project
        name: ProjectName,
        /// As of when.
        #[command(flatten)]
        at: AtArgs,
    },
    /// Remove a project that no app is in
    #[command(visible_alias = "delete")]
    Rm {
        /// The project
        name: ProjectName,
    },
}

/// `hythe worker`.
#[derive(Debug, Subcommand)]
pub enum WorkerCommand {
    /// List all workers
    #[command(visible_alias = "list")]
    Ls(AtArgs),
    /// Show a worker
    Show {
        /// Its name or id
        name: WorkerName,
        /// As of when.
        #[command(flatten)]
        at: AtArgs,
    },
}

/// `hythe journal`.
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Read everything and check it against its hashes; where a server has it open, that one does
    Verify {
        /// Where it lies.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Write it as lines of JSON; where a server has it open, that one does. Secrets are no part of it
    Export {
        /// Where it lies.
        #[command(flatten)]
        data: DataArgs,
        /// The file; `-` for stdout
        #[arg(default_value = "-")]
        file: PathBuf,
    },
    /// Make a journal from an export, in a data folder that has none
    Import {
        /// Where it will lie.
        #[command(flatten)]
        data: DataArgs,
        /// The file; `-` for stdin
        file: PathBuf,
    },
    /// Fold it, show what state that gives, and compare it with the checkpoint, byte for byte
    Replay {
        /// Where it lies.
        #[command(flatten)]
        data: DataArgs,
        /// Show the state after this event; the checkpoint is compared all the same, at its own
        #[arg(long, value_name = "SEQ")]
        until: Option<u64>,
    },
}
