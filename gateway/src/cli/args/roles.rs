//! What the roles take: `up`, `server`, `agent`, `edge`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hythe_actors::bus::LogBudget;
use hythe_core::installation::BackupPlace;
use hythe_core::limits::VERSIONS_KEPT;
use hythe_core::names::HostName;
use hythe_core::sweep::ImageBudget;
use hythe_core::sweep::cache::CacheBudget;
use hythe_core::time::Millis;

use super::acme::AcmeArgs;
use super::builder::BuilderArgs;

/// Where gateway and edge listen unless told otherwise.
const USUAL_GATEWAY: &str = "127.0.0.1:7070";
const USUAL_EDGE: &str = "0.0.0.0:8080";

pub(super) const UP_HELP: &str = "\
Runs nats-server, server, agent and edge as processes of their own, starts each again when it ends,
and stops them all with Ctrl-C. What they say is in DIR/logs, the owner token in DIR/owner.token.

Examples:
  hythe up
  hythe up --data /srv/hythe --edge-http 0.0.0.0:80 --base-domain apps.example.com
  hythe up --edge-http 0.0.0.0:80 --edge-https 0.0.0.0:443 --public-https 443
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
    /// Where apps answer over TLS, those for whose host there is a certificate, such as 0.0.0.0:443
    #[arg(long, env = "HYTHE_EDGE_HTTPS", value_name = "ADDRESS:PORT")]
    pub edge_https: Option<SocketAddr>,
    /// The port on which people reach apps over TLS: clients are sent there, and the URLs of apps say
    /// https [default: URLs say http; clients are sent to the port of --edge-https]
    #[arg(long, env = "HYTHE_PUBLIC_HTTPS", value_name = "PORT", requires = "edge_https",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub public_https: Option<u16>,
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
    /// How many earlier versions of each app can be gone back to, besides the live one
    #[arg(long, env = "HYTHE_KEEP_VERSIONS", default_value_t = VERSIONS_KEPT, value_name = "N",
          value_parser = clap::value_parser!(u16).range(..=100))]
    pub keep_versions: u16,
    /// How much of images is kept.
    #[command(flatten)]
    pub images: ImageArgs,
    /// Where the files of static sites are kept: file:///folder, or s3://bucket/prefix with
    /// ?endpoint=URL&region=NAME, whose credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    /// [default: a folder of the data folder]
    #[arg(long, env = "HYTHE_SITES", value_name = "URL")]
    pub sites: Option<BackupPlace>,
    /// How much build cache is kept.
    #[command(flatten)]
    pub build_cache: CacheArgs,
    /// How much of logs is kept.
    #[command(flatten)]
    pub app_logs: AppLogsArgs,
    /// How certificate authorities are reached.
    #[command(flatten)]
    pub acme: AcmeArgs,
    /// How it builds.
    #[command(flatten)]
    pub builds: BuilderArgs,
    /// Take over from the `hythe up` that runs with the same data folder, as for a new version: it leaves its
    /// parts running, and those that are not what is wanted now are replaced, the edge without refusing or
    /// cutting a connection
    #[arg(long)]
    pub replace: bool,
    /// How long a part that keeps ending waits at the most before it is started again
    #[arg(long, value_name = "MS", default_value_t = 30_000, hide = true)]
    pub longest_wait: u64,
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
    /// The port on which people reach apps over TLS: the URLs of apps say https. It takes a certificate
    /// for *.DOMAIN, and edges with --edge-https
    #[arg(long, env = "HYTHE_PUBLIC_HTTPS", value_name = "PORT",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub public_https: Option<u16>,
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
    /// How many earlier versions of each app can be gone back to, besides the live one
    #[arg(long, env = "HYTHE_KEEP_VERSIONS", default_value_t = VERSIONS_KEPT, value_name = "N",
          value_parser = clap::value_parser!(u16).range(..=100))]
    pub keep_versions: u16,
    /// How much of images is kept.
    #[command(flatten)]
    pub images: ImageArgs,
    /// Where the files of static sites are kept: file:///folder, or s3://bucket/prefix with
    /// ?endpoint=URL&region=NAME, whose credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    /// [default: a folder of the data folder]
    #[arg(long, env = "HYTHE_SITES", value_name = "URL")]
    pub sites: Option<BackupPlace>,
    /// How much build cache is kept.
    #[command(flatten)]
    pub build_cache: CacheArgs,
    /// How much of logs is kept.
    #[command(flatten)]
    pub app_logs: AppLogsArgs,
    /// How certificate authorities are reached.
    #[command(flatten)]
    pub acme: AcmeArgs,
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
    /// How it builds.
    #[command(flatten)]
    pub builds: BuilderArgs,
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
    /// Where apps answer over TLS, those for whose host there is a certificate; may be given several
    /// times
    #[arg(
        long,
        alias = "https",
        env = "HYTHE_EDGE_HTTPS",
        value_name = "ADDRESS:PORT",
        value_delimiter = ','
    )]
    pub edge_https: Vec<SocketAddr>,
    /// The port that clients are sent to who come without TLS [default: that of the first --edge-https]
    #[arg(long, env = "HYTHE_PUBLIC_HTTPS", value_name = "PORT", requires = "edge_https",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub public_https: Option<u16>,
    /// The domain whose certificate is shown to clients that ask for no host, or for one without a
    /// certificate [default: they are refused]
    #[arg(long, env = "HYTHE_BASE_DOMAIN", value_name = "DOMAIN")]
    pub base_domain: Option<HostName>,
    /// Another proxy whose forwarding headers are believed: an address or range; may be given
    /// several times
    #[arg(
        long,
        alias = "trusted-proxies",
        env = "HYTHE_TRUSTED_PROXY",
        value_name = "NETWORK",
        value_delimiter = ','
    )]
    pub trusted_proxy: Vec<crate::edge::Network>,
    /// Connections of such proxies begin with the PROXY protocol's header, version 1 or 2
    #[arg(long, env = "HYTHE_PROXY_PROTOCOL", requires = "trusted_proxy")]
    pub proxy_protocol: bool,
    /// Where the edge's own figures are read, for Prometheus, such as 127.0.0.1:9180
    #[arg(long, env = "HYTHE_EDGE_METRICS", value_name = "ADDRESS:PORT")]
    pub edge_metrics: Option<SocketAddr>,
    /// Take the place of the edge that runs with the same data folder, where there is one: sockets and all,
    /// without refusing or cutting a connection. The other one finishes what it has and ends
    #[arg(long, env = "HYTHE_TAKE_OVER")]
    pub take_over: bool,
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

/// How much of the images of apps workers keep.
#[derive(Clone, Copy, Debug, Args)]
pub struct ImageArgs {
    /// How much of apps' images each worker keeps before earlier versions go, such as 50G [default: 100G]
    #[arg(long, env = "HYTHE_IMAGES", value_name = "SIZE", value_parser = super::builder::size)]
    pub images: Option<u64>,
    /// For how many days an earlier version is kept after it was replaced; the newest one stays
    /// [default: 180]
    #[arg(long, env = "HYTHE_IMAGES_DAYS", value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub images_days: Option<u16>,
}

impl ImageArgs {
    /// The budget.
    #[must_use]
    pub fn budget(self) -> ImageBudget {
        let usual = ImageBudget::default();
        let days = |days| Millis::seconds(u64::from(days) * 86_400);
        ImageBudget {
            most_bytes: self.images.unwrap_or(usual.most_bytes),
            replaced_for: self.images_days.map_or(usual.replaced_for, days),
        }
    }

    /// The same for the command line of a server on this machine.
    #[must_use]
    pub fn to_args(self) -> Vec<OsString> {
        size_and_days("--images", self.images, self.images_days)
    }
}

/// How much of the build cache workers keep.
#[derive(Clone, Copy, Debug, Args)]
pub struct CacheArgs {
    /// How much build cache each worker keeps, such as 10G [default: 20G]
    #[arg(long, env = "HYTHE_BUILD_CACHE", value_name = "SIZE", value_parser = super::builder::size)]
    pub build_cache: Option<u64>,
    /// For how many days it is kept after a build used it last [default: 14]
    #[arg(long, env = "HYTHE_BUILD_CACHE_DAYS", value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub build_cache_days: Option<u16>,
}

impl CacheArgs {
    /// The budget.
    #[must_use]
    pub fn budget(self) -> CacheBudget {
        let usual = CacheBudget::default();
        let days = |days| Millis::seconds(u64::from(days) * 86_400);
        CacheBudget {
            most_bytes: self.build_cache.unwrap_or(usual.most_bytes),
            unused_for: self.build_cache_days.map_or(usual.unused_for, days),
        }
    }

    /// The same for the command line of a server on this machine.
    #[must_use]
    pub fn to_args(self) -> Vec<OsString> {
        size_and_days("--build-cache", self.build_cache, self.build_cache_days)
    }
}

/// How much of what apps and builds log is kept.
#[derive(Clone, Copy, Debug, Args)]
pub struct AppLogsArgs {
    /// How much of apps' and builds' logs is kept, all together, such as 4G [default: 1G]
    #[arg(long, env = "HYTHE_APP_LOGS", value_name = "SIZE", value_parser = log_size)]
    pub app_logs: Option<u64>,
    /// For how many days they are kept [default: 7]
    #[arg(long, env = "HYTHE_APP_LOGS_DAYS", value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub app_logs_days: Option<u16>,
}

impl AppLogsArgs {
    /// The budget.
    #[must_use]
    pub fn budget(self) -> LogBudget {
        let usual = LogBudget::default();
        let days = |days| Duration::from_secs(u64::from(days) * 86_400);
        LogBudget {
            most_bytes: self.app_logs.unwrap_or(usual.most_bytes),
            kept_for: self.app_logs_days.map_or(usual.kept_for, days),
        }
    }

    /// The same for the command line of a server on this machine.
    #[must_use]
    pub fn to_args(self) -> Vec<OsString> {
        size_and_days("--app-logs", self.app_logs, self.app_logs_days)
    }
}

/// A size of which something is left where many apps log: 16 MiB to 1 TiB.
fn log_size(text: &str) -> Result<u64, String> {
    let bytes = super::builder::size(text)?;
    if (16 << 20..=1 << 40).contains(&bytes) { Ok(bytes) } else { Err("is 16M to 1T".to_owned()) }
}

/// What was given of a budget, as a command line says it.
fn size_and_days(option: &str, bytes: Option<u64>, days: Option<u16>) -> Vec<OsString> {
    let given = [
        (option.to_owned(), bytes.map(|bytes| bytes.to_string())),
        (format!("{option}-days"), days.map(|days| days.to_string())),
    ];
    let given = given.into_iter().filter_map(|(name, value)| Some([name.into(), value?.into()]));
    given.flatten().collect()
}
