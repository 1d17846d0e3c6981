//! What `hythe logs` takes.

use clap::Args;
use hythe_core::ids::DeploymentId;
use hythe_core::names::AppName;

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
    /// The log of a build: a deployment's number or id, or `latest`
    #[arg(long, value_name = "NUMBER|ID")]
    pub build: Option<BuildOf>,
    /// What edges tell of its requests; with --json, all that is told of each
    #[arg(long, conflicts_with = "build")]
    pub access: bool,
    /// With the time of each line
    #[arg(long, short)]
    pub timestamps: bool,
}

/// Whose build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildOf {
    /// The newest deployment's.
    Latest,
    /// That of the app's deployment with this number.
    Numbered(u64),
    /// This one's.
    Deployment(DeploymentId),
}

impl std::str::FromStr for BuildOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        if let Ok(number) = text.strip_prefix('#').unwrap_or(text).parse() {
            return Ok(Self::Numbered(number));
        }
        text.parse().map(Self::Deployment).map_err(|_| {
            "it is a deployment's number or id (see `hythe deployments ls`), or `latest`".into()
        })
    }
}
