//! The command line: what there is, with its help. Names and values are checked here, by the
//! core's own types, before anything is asked of a server.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use hythe_core::ids::DeploymentId;
use hythe_core::names::{
    AppName, BranchName, CommitId, EnvName, EnvValue, HealthPath, HostName, RepositoryPath,
    RepositoryUrl,
};

use super::failure::{Failure, Outcome};

/// Where the gateway is asked unless told otherwise.
pub const USUAL_URL: &str = "http://127.0.0.1:7070";
/// Where gateway and edge listen unless told otherwise.
const USUAL_GATEWAY: &str = "127.0.0.1:7070";
const USUAL_EDGE: &str = "0.0.0.0:8080";

const AFTER_HELP: &str = "\
Examples:
  hythe up                                    everything on this machine
  hythe deploy shop --repo https://git.example/shop.git
  hythe deploy shop                           its next version
  hythe logs shop -f

Settings:
  HYTHE_URL     the server (http://127.0.0.1:7070)
  HYTHE_TOKEN   the owner token; for a server on this machine it is taken from the data folder
  HYTHE_DATA    the data folder (./.hythe/data if there is one, else ~/.local/share/hythe)
  NO_COLOR      no colours

Exit codes: 0 done, 1 it failed, 2 wrong usage, 3 server not reached or not allowed.";

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
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run all of Hythe on this machine, NATS included
    #[command(after_help = UP_HELP)]
    Up(UpArgs),
    /// Run the control plane: journal, scheduling, API and dashboard
    Server(ServerArgs),
    /// Run a worker: builds and replicas, on this machine's container engine
    Agent(AgentArgs),
    /// Run an edge: the proxy in front of the apps
    Edge(EdgeArgs),
    /// Bring a version of an app live; the app is created where it does not exist
    #[command(after_help = DEPLOY_HELP)]
    Deploy(Box<DeployArgs>),
    /// Create, list, show, change and remove apps
    #[command(subcommand)]
    App(AppCommand),
    /// List an app's deployments, or show one
    #[command(subcommand, visible_alias = "deployment")]
    Deployments(DeploymentsCommand),
    /// Cancel a deployment that is on its way
    Cancel {
        /// Its id, or the app whose newest deployment is meant
        #[arg(value_name = "DEPLOYMENT|APP")]
        which: Which,
    },
    /// List, set and remove an app's environment variables
    #[command(subcommand)]
    Env(EnvCommand),
    /// Show what an app says, or what a build said
    #[command(after_help = "Examples:\n  hythe logs shop -f\n  hythe logs shop --tail 20\n  \
                            hythe logs shop --build latest")]
    Logs(LogsArgs),
    /// Show the replicas that run
    Ps {
        /// Only this app's
        name: Option<AppName>,
    },
    /// Look at workers
    #[command(subcommand)]
    Worker(WorkerCommand),
    /// Show what happened
    #[command(after_help = "Examples:\n  hythe events -f\n  hythe events --after 0 --json")]
    Events(EventsArgs),
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

const UP_HELP: &str = "\
Runs nats-server, server, agent and edge as processes of their own, starts each again when it ends,
and stops them all with Ctrl-C. What they say is in DIR/logs, the owner token in DIR/owner.token.

Examples:
  hythe up
  hythe up --data /srv/hythe --edge-http 0.0.0.0:80 --base-domain apps.example.com
  hythe up --nats nats://10.0.0.5:4222 --nats-credentials /etc/hythe/nats";

/// The data folder.
#[derive(Clone, Debug, Args)]
pub struct DataArgs {
    /// The data folder [default: ./.hythe/data if there is one, else ~/.local/share/hythe]
    #[arg(long, env = "HYTHE_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// A NATS server.
#[derive(Clone, Debug, Args)]
pub struct NatsArgs {
    /// The NATS server (2.10 or newer, with JetStream)
    #[arg(long, env = "HYTHE_NATS", value_name = "URL")]
    pub nats: Option<String>,
    /// A file with the NATS user on the first line and the password on the second
    #[arg(long, env = "HYTHE_NATS_CREDENTIALS", value_name = "FILE")]
    pub nats_credentials: Option<PathBuf>,
}

/// `hythe up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Where its files lie.
    #[command(flatten)]
    pub data: DataArgs,
    /// Where API and dashboard answer
    #[arg(long, env = "HYTHE_GATEWAY", default_value = USUAL_GATEWAY, value_name = "ADDRESS:PORT")]
    pub gateway: SocketAddr,
    /// Where apps answer
    #[arg(long, env = "HYTHE_EDGE_HTTP", default_value = USUAL_EDGE, value_name = "ADDRESS:PORT")]
    pub edge_http: SocketAddr,
    /// Apps answer at NAME.DOMAIN
    #[arg(long, env = "HYTHE_BASE_DOMAIN", default_value = "localhost", value_name = "DOMAIN")]
    pub base_domain: HostName,
    /// A name under which people reach API and dashboard, besides localhost and loopback; may be
    /// given several times
    #[arg(long, env = "HYTHE_PUBLIC_NAME", value_name = "HOST", value_delimiter = ',')]
    pub public_name: Vec<HostName>,
    /// A NATS server that is there already.
    #[command(flatten)]
    pub nats: NatsArgs,
    /// The nats-server program to run where there is no --nats [default: the one on PATH, else the
    /// official image]
    #[arg(long, env = "HYTHE_NATS_SERVER", value_name = "PATH", conflicts_with = "nats")]
    pub nats_server: Option<PathBuf>,
    /// The image to run NATS from where there is no program
    #[arg(long, env = "HYTHE_NATS_IMAGE", value_name = "IMAGE", hide = true)]
    pub nats_image: Option<String>,
    /// Allow file:// repositories below this folder; may be given several times
    #[arg(long, value_name = "DIR")]
    pub local_repos: Vec<PathBuf>,
    /// The container engine [default: DOCKER_HOST, else unix:///var/run/docker.sock]
    #[arg(long, value_name = "URL")]
    pub docker_host: Option<String>,
}

/// `hythe server`.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// Where its files lie.
    #[command(flatten)]
    pub data: DataArgs,
    /// Where messages go.
    #[command(flatten)]
    pub nats: NatsArgs,
    /// Where API and dashboard answer
    #[arg(long, env = "HYTHE_GATEWAY", default_value = USUAL_GATEWAY, value_name = "ADDRESS:PORT")]
    pub gateway: SocketAddr,
    /// Where the edges answer: its port goes into the URLs of apps
    #[arg(long, env = "HYTHE_EDGE_HTTP", default_value = USUAL_EDGE, value_name = "ADDRESS:PORT")]
    pub edge_http: SocketAddr,
    /// Apps answer at NAME.DOMAIN
    #[arg(long, env = "HYTHE_BASE_DOMAIN", default_value = "localhost", value_name = "DOMAIN")]
    pub base_domain: HostName,
    /// A name under which people reach API and dashboard, besides localhost and loopback; may be
    /// given several times
    #[arg(long, env = "HYTHE_PUBLIC_NAME", value_name = "HOST", value_delimiter = ',')]
    pub public_name: Vec<HostName>,
    /// Browsers reach API and dashboard by https only (through a proxy that ends TLS)
    #[arg(long, env = "HYTHE_SECURE_COOKIE")]
    pub secure_cookie: bool,
    /// Take file:// repositories; workers say below which folders
    #[arg(long)]
    pub allow_local_repos: bool,
    /// How it logs.
    #[command(flatten)]
    pub log: LogArgs,
}

/// `hythe agent`.
#[derive(Debug, Args)]
pub struct AgentArgs {
    /// Where its files lie.
    #[command(flatten)]
    pub data: DataArgs,
    /// Where messages go.
    #[command(flatten)]
    pub nats: NatsArgs,
    /// The worker's name [default: the machine's host name]
    #[arg(long, env = "HYTHE_WORKER_NAME", value_name = "NAME")]
    pub name: Option<hythe_core::names::WorkerName>,
    /// Allow file:// repositories below this folder; may be given several times
    #[arg(long, value_name = "DIR")]
    pub local_repos: Vec<PathBuf>,
    /// The container engine [default: DOCKER_HOST, else unix:///var/run/docker.sock]
    #[arg(long, value_name = "URL")]
    pub docker_host: Option<String>,
    /// How many builds it does at once; 0 for none
    #[arg(long, env = "HYTHE_BUILDS", default_value_t = 2, value_name = "N")]
    pub builds: usize,
    /// How it logs.
    #[command(flatten)]
    pub log: LogArgs,
}

/// `hythe edge`.
#[derive(Debug, Args)]
pub struct EdgeArgs {
    /// Where its files lie.
    #[command(flatten)]
    pub data: DataArgs,
    /// Where messages go.
    #[command(flatten)]
    pub nats: NatsArgs,
    /// Where apps answer; may be given several times
    #[arg(long, env = "HYTHE_EDGE_HTTP", default_value = USUAL_EDGE, value_name = "ADDRESS:PORT")]
    pub edge_http: Vec<SocketAddr>,
    /// Another proxy whose forwarding headers are believed: an address or range; may be given
    /// several times
    #[arg(long, value_name = "NETWORK")]
    pub trusted_proxy: Vec<crate::edge::Network>,
    /// How it logs.
    #[command(flatten)]
    pub log: LogArgs,
}

/// How a role logs.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// What is logged, as for tracing's EnvFilter
    #[arg(long, env = "HYTHE_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// One JSON document per line
    #[arg(long, env = "HYTHE_LOG_JSON")]
    pub log_json: bool,
}

const DEPLOY_HELP: &str = "\
Waits until the new version is live (exit code 0) or the deployment ended otherwise (1); the version
before serves until then. What is given here is kept for the next deployment, except a commit.

Examples:
  hythe deploy shop --repo https://git.example/shop.git --branch main --port 3000
  hythe deploy shop                       the newest commit
  hythe deploy shop --commit 0123456789abcdef0123456789abcdef01234567
  hythe deploy shop --env LOG_LEVEL=debug --replicas 2 --json";

/// `hythe deploy`.
#[derive(Debug, Args)]
pub struct DeployArgs {
    /// The app
    pub name: AppName,
    /// Its settings.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Set an environment variable first; may be given several times. Values that are secret
    /// belong into `hythe env set`, where they need not be on the command line
    #[arg(long = "env", value_name = "NAME=VALUE")]
    pub variables: Vec<RawAssignment>,
    /// Wait until it is live or has failed (so by itself)
    #[arg(long, overrides_with = "detach")]
    pub wait: bool,
    /// Return as soon as it is requested
    #[arg(long, overrides_with = "wait")]
    pub detach: bool,
}

/// An app's settings; what is left out stays as it is.
#[derive(Clone, Debug, Default, Args)]
pub struct SettingsArgs {
    /// The git repository: https://…, ssh://… or user@host:path
    #[arg(long, value_name = "URL")]
    pub repo: Option<RepositoryUrl>,
    /// The branch or tag [default: the repository's own]
    #[arg(long, value_name = "BRANCH", conflicts_with = "commit")]
    pub branch: Option<BranchName>,
    /// A whole commit id
    #[arg(long, value_name = "SHA")]
    pub commit: Option<CommitId>,
    /// The Dockerfile in the repository [default: found by itself]
    #[arg(long, value_name = "PATH")]
    pub dockerfile: Option<RepositoryPath>,
    /// The port that the app listens on [default: found from the image]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// How many replicas
    #[arg(long, value_name = "N", value_parser = replicas)]
    pub replicas: Option<u16>,
    /// What the health check asks for [default: /, any answer below 500]
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
        settings: SettingsArgs,
    },
    /// List all apps
    #[command(visible_alias = "list")]
    Ls,
    /// Show an app
    Show {
        /// The app
        name: AppName,
    },
    /// Change settings; they hold from the next deployment on
    Set {
        /// The app
        name: AppName,
        /// Its settings.
        #[command(flatten)]
        settings: SettingsArgs,
        /// A host name besides its own; may be given several times, in place of those before
        #[arg(long = "domain", value_name = "HOST", conflicts_with = "no_domains")]
        domains: Vec<HostName>,
        /// No host name besides its own
        #[arg(long)]
        no_domains: bool,
    },
    /// Remove an app with all that runs of it
    #[command(visible_alias = "delete")]
    Rm {
        /// The app
        name: AppName,
        /// Do not ask
        #[arg(long, short = 'y')]
        yes: bool,
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
    },
    /// Show a deployment
    Show {
        /// Its id, or the app whose newest deployment is meant
        #[arg(value_name = "DEPLOYMENT|APP")]
        which: Which,
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

/// `hythe env`.
#[derive(Debug, Subcommand)]
pub enum EnvCommand {
    /// List the names; nobody can read a value back
    #[command(visible_alias = "list")]
    Ls {
        /// The app
        name: AppName,
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

/// `hythe logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The app
    pub name: AppName,
    /// Go on with what comes
    #[arg(long, short)]
    pub follow: bool,
    /// Only the last so many lines
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub tail: Option<u32>,
    /// The log of a build: a deployment's id, or `latest`
    #[arg(long, value_name = "DEPLOYMENT")]
    pub build: Option<BuildOf>,
    /// With the time of each line
    #[arg(long, short)]
    pub timestamps: bool,
}

/// Whose build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildOf {
    /// The newest deployment's.
    Latest,
    /// This one's.
    Deployment(DeploymentId),
}

impl std::str::FromStr for BuildOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        text.parse()
            .map(Self::Deployment)
            .map_err(|_| "it is a deployment's id (see `hythe deployments ls`) or `latest`".into())
    }
}

/// `hythe worker`.
#[derive(Debug, Subcommand)]
pub enum WorkerCommand {
    /// List all workers
    #[command(visible_alias = "list")]
    Ls,
}

/// `hythe events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Go on with what comes
    #[arg(long, short)]
    pub follow: bool,
    /// Only events after this one; 0 is from the beginning [default: the last 20, or with -f from
    /// now on]
    #[arg(long, value_name = "SEQ")]
    pub after: Option<u64>,
    /// Only this app's and its deployments'
    #[arg(long, value_name = "NAME")]
    pub app: Option<AppName>,
}

/// `hythe journal`.
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Read everything and check it against its hashes
    Verify {
        /// Where it lies.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Write it as lines of JSON. Secrets are no part of it
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
    /// Fold it, and show what state that gives
    Replay {
        /// Where it lies.
        #[command(flatten)]
        data: DataArgs,
        /// Only up to this event
        #[arg(long, value_name = "SEQ")]
        until: Option<u64>,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_fits_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn hostile_names_are_wrong_usage() {
        for args in [
            &["deploy", "-x"][..],
            &["deploy", "a b"],
            &["deploy", "$(id)"],
            &["deploy", "shop", "--repo", "ext::sh -c id"],
            &["deploy", "shop", "--repo", "-u"],
            &["deploy", "shop", "--branch", "a..b"],
            &["deploy", "shop", "--branch", "a", "--commit", &"a".repeat(40)],
            &["deploy", "shop", "--commit", "HEAD"],
            &["deploy", "shop", "--dockerfile", "../Dockerfile"],
            &["deploy", "shop", "--port", "0"],
            &["deploy", "shop", "--port", "65536"],
            &["deploy", "shop", "--replicas", "0"],
            &["deploy", "shop", "--replicas", "1000"],
            &["deploy", "shop", "--health-path", "x"],
            &["env", "set", "shop"],
            &["logs", "shop", "--build", "newest"],
            &["cancel", "../x"],
        ] {
            let error = Cli::try_parse_from(["hythe"].iter().chain(args)).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{args:?}");
        }
    }

    #[test]
    fn a_value_is_not_shown_when_it_is_refused() {
        let args = ["hythe", "env", "set", "shop", "A B=hush-hush"];
        let Command::Env(EnvCommand::Set(args)) = Cli::try_parse_from(args).unwrap().command else {
            panic!("it is `env set`");
        };
        let refused = args.variables[0].checked().unwrap_err();
        assert!(!refused.message.contains("hush-hush"), "{refused}");
        assert!(!format!("{args:?}").contains("hush-hush"));
        assert_eq!(refused.exit, super::super::failure::Exit::Usage);
    }

    #[test]
    fn waiting_is_usual_and_detaching_is_not() {
        let detach = |args: &[&str]| {
            let cli = Cli::try_parse_from(["hythe", "deploy", "shop"].iter().chain(args)).unwrap();
            let Command::Deploy(args) = cli.command else { panic!("it is `deploy`") };
            args.detach
        };
        assert!(!detach(&[]));
        assert!(!detach(&["--wait"]));
        assert!(detach(&["--detach"]));
    }
}
