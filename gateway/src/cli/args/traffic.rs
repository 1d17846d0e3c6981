//! `hythe traffic` and `hythe maintenance`.

use clap::{Args, Subcommand, ValueEnum};
use hythe_core::edge::EdgeUser;
use hythe_core::mount::MountPoint;
use hythe_core::names::AppName;
use hythe_core::network::Network;

use super::builder::size;
use super::span::span;

const SET_HELP: &str = "\
It holds at once, without a deployment.

Examples:
  hythe traffic set shop --sticky --rate 20 --burst 50
  hythe traffic set shop --allow 10.0.0.0/8 --allow 203.0.113.7 --guards previews
  hythe traffic set shop --max-body 10M --answer-within 30s --wait 20s
  hythe traffic set shop --www remove
  hythe traffic set greeter --protocol h2c
  hythe traffic set shop --hsts 30d --hsts-subdomains
  hythe traffic set sensor --https both
  hythe traffic set shop --sleep-after 30m";

const LOGIN_HELP: &str = "\
Browsers ask for it. It holds at once, for the app and its previews, or for its previews only after
`hythe traffic set APP --guards previews`. The password is kept hashed and shown to nobody.

Example:
  hythe traffic login shop --username ada --password-stdin <password.txt";

const MOUNT_HELP: &str = "\
The host has to lead to an app of the same project. Of several paths that fit a request the longest has it;
a path is whole parts, so /api is not the begin of /apis. It holds at once. Who may see what is mounted is
what is set for the app that answers, not for the one whose host it is.

Examples:
  hythe traffic mount api shop.example/api --strip
  hythe traffic mount docs shop.example/docs";

/// `hythe traffic`.
#[derive(Debug, Subcommand)]
pub enum TrafficCommand {
    /// Show how edges serve an app
    Show {
        /// The app
        app: AppName,
    },
    /// Change how edges serve an app: limits, compression, who may see it from where
    #[command(after_help = SET_HELP)]
    Set(Box<TrafficSetArgs>),
    /// Let only those see an app who have a password: add a user, or give one another password
    #[command(after_help = LOGIN_HELP)]
    Login {
        /// The app
        app: AppName,
        /// Who
        #[arg(long, short, value_name = "NAME")]
        username: EdgeUser,
        /// Read the password from stdin: the only way, so that no other program sees it
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Have an app answer at a path of another app's host
    #[command(after_help = MOUNT_HELP)]
    Mount {
        /// The app
        app: AppName,
        /// Host and path
        #[arg(value_name = "HOST/PATH")]
        at: MountPoint,
        /// The app sees paths without that prefix; the header X-Forwarded-Prefix tells it
        #[arg(long)]
        strip: bool,
    },
    /// Have an app answer there no more
    Unmount {
        /// The app
        app: AppName,
        /// Host and path
        #[arg(value_name = "HOST/PATH")]
        at: MountPoint,
    },
    /// Take a user away; everybody sees an app that has no users
    Logout {
        /// The app
        app: AppName,
        /// Who
        #[arg(long, short, value_name = "NAME")]
        username: EdgeUser,
    },
}

/// `hythe maintenance`.
#[derive(Debug, Subcommand)]
pub enum MaintenanceCommand {
    /// Everybody gets a page that says that the app is being worked on, at once
    On {
        /// The app
        app: AppName,
    },
    /// The app answers again
    Off {
        /// The app
        app: AppName,
    },
}

/// `hythe traffic set`.
#[derive(Debug, Args)]
pub struct TrafficSetArgs {
    /// The app
    pub app: AppName,
    /// A client stays with the replica that answered it first, by a cookie
    #[arg(long, overrides_with = "no_sticky")]
    pub sticky: bool,
    /// Each request goes to the replica that has least to do
    #[arg(long)]
    pub no_sticky: bool,
    /// What becomes of hosts that differ by www. only, where the app has both
    #[arg(long, value_name = "WHAT")]
    pub www: Option<WwwArg>,
    /// How many requests a second one client address may make in the long run
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: Option<u32>,
    /// How many of them at once [default: as many as in two seconds]
    #[arg(long, value_name = "N", requires = "rate",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub burst: Option<u32>,
    /// As many as they like
    #[arg(long, conflicts_with = "rate")]
    pub no_rate: bool,
    /// An address or range from which the app may be seen, in place of those before; may be given
    /// several times
    #[arg(long, value_name = "NETWORK", value_delimiter = ',')]
    pub allow: Vec<Network>,
    /// It may be seen from everywhere
    #[arg(long, conflicts_with = "allow")]
    pub allow_all: bool,
    /// For what users and addresses hold
    #[arg(long, value_name = "WHAT")]
    pub guards: Option<GuardsArg>,
    /// How long requests wait for an app that is starting, such as 20s; 0s for not at all
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub wait: Option<u64>,
    /// The largest body that a request may have, such as 10M
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_body: Option<u64>,
    /// A request's body may be as large as it likes
    #[arg(long, conflicts_with = "max_body")]
    pub no_max_body: bool,
    /// How long an answer may take to begin, such as 30s
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub answer_within: Option<u64>,
    /// As long as usual: ten minutes
    #[arg(long, conflicts_with = "answer_within")]
    pub no_answer_within: bool,
    /// Answers that the app left as they are get compressed
    #[arg(long, overrides_with = "no_compress")]
    pub compress: bool,
    /// Answers pass as they are
    #[arg(long)]
    pub no_compress: bool,
    /// What the app speaks
    #[arg(long, value_name = "PROTOCOL")]
    pub protocol: Option<ProtocolArg>,
    /// What becomes of requests that come without TLS
    #[arg(long, value_name = "WHAT")]
    pub https: Option<HttpsArg>,
    /// Browsers are told to come by https only, for so long, such as 30d; they keep to it whatever is
    /// set meanwhile. 0s has them forget it
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub hsts: Option<u64>,
    /// That holds for all hosts below the app's, too
    #[arg(long, requires = "hsts")]
    pub hsts_subdomains: bool,
    /// Browsers may have it built in: it takes --hsts-subdomains and a year
    #[arg(long, requires = "hsts")]
    pub hsts_preload: bool,
    /// Browsers are told nothing about that
    #[arg(long, conflicts_with = "hsts")]
    pub no_hsts: bool,
    /// What each request came to is told in the app's access log (see `hythe logs APP --access`)
    #[arg(long, overrides_with = "no_access_log")]
    pub access_log: bool,
    /// No request is told
    #[arg(long)]
    pub no_access_log: bool,
    /// After so long without a request its replicas are stopped, until the next one, such as 30m; that one
    /// waits for them. What runs beside web goes on; previews of it sleep likewise from their next commit on
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub sleep_after: Option<u64>,
    /// Its replicas run, whether anybody asks for them or not
    #[arg(long, conflicts_with = "sleep_after")]
    pub no_sleep: bool,
}

/// What becomes of requests that come without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HttpsArg {
    /// They are sent on to https wherever there is a certificate for the host
    Redirect,
    /// They are served as those over TLS are
    Both,
}

/// What becomes of hosts that differ by `www.` only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WwwArg {
    /// Both serve
    Both,
    /// The one with it leads to the one without
    Remove,
    /// The one without it leads to the one with
    Add,
}

/// For what users and addresses hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GuardsArg {
    /// The app and its previews
    All,
    /// Its previews only
    Previews,
}

/// What an app speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProtocolArg {
    /// HTTP/1.1
    Http1,
    /// HTTP/2 without TLS, as gRPC servers do
    H2c,
}
