//! `hythe hook`, `hythe address`, and what deploys an app by itself.

use clap::{Args, Subcommand, ValueEnum};
use hythe_core::hook::{
    ApiAddress, PathPattern, Provider, PublicAddress, TagPattern, UnknownProvider,
};

use crate::api::dto::{DeployOn, UpdateTriggers};

pub(super) const ADD_HELP: &str = "\
A webhook belongs to a repository and serves every app of it: a push deploys the apps whose branch it
is, each at the commit that was pushed. What deploys an app is said with `hythe app set APP
--deploy-on`, and which files count with --watch-paths.

Examples:
  hythe address set https://hythe.example.com
  hythe hook add shop
  hythe hook add shop --provider forgejo
  hythe hook deliveries shop";

pub(super) const STATUSES_HELP: &str = "\
Each commit of the repository that is deployed gets a status: under way, live, or why not. It goes with
the token for the repository, which must be one that may write statuses.

Examples:
  hythe source token set github.com/team --username x-access-token --password-stdin < token.txt
  hythe hook statuses shop --on
  hythe hook statuses shop --api https://git.example.com/api/v1
  hythe hook statuses shop";

pub(super) const COMMENTS_HELP: &str = "\
Each pull request with a preview gets one comment, which is kept up to date: where the preview is, or why
there is none. It goes with the token for the repository, which must be one that may write comments.

Examples:
  hythe preview on shop
  hythe hook comments shop --on
  hythe hook comments shop --api https://git.example.com/api/v1
  hythe hook comments shop --off";

pub(super) const DEPLOYMENTS_HELP: &str = "\
Each deployment is one at GitHub, too, with its address: of an app in an environment of its name, of a
preview in one such as shop-pr-4 that goes again. It goes with the token for the repository, which must be one that may write deployments.

Examples:
  hythe hook deployments shop --on
  hythe hook deployments shop --off";

/// `hythe hook`.
#[derive(Debug, Subcommand)]
pub enum HookCommand {
    /// Make a webhook for an app's repository; prints what to enter at the provider, secret included
    #[command(after_help = ADD_HELP)]
    Add {
        /// The app
        app: String,
        /// Who sends: github, gitlab, bitbucket, gitea or forgejo [default: found from the repository]
        #[arg(long, value_parser = provider)]
        provider: Option<Provider>,
    },
    /// List all webhooks
    #[command(visible_alias = "list")]
    Ls,
    /// Show what to enter at the provider, but for the secret
    Show {
        /// Its id, or an app that it serves
        #[arg(value_name = "HOOK|APP")]
        which: String,
    },
    /// Give it another secret; deliveries with the one before are refused at once
    Rotate {
        /// Its id, or an app that it serves
        #[arg(value_name = "HOOK|APP")]
        which: String,
    },
    /// Remove it
    #[command(visible_alias = "delete")]
    Rm {
        /// Its id, or an app that it serves
        #[arg(value_name = "HOOK|APP")]
        which: String,
    },
    /// Show what came through it, and what came of that
    Deliveries {
        /// Its id, or an app that it serves
        #[arg(value_name = "HOOK|APP")]
        which: String,
    },
    /// Tell the provider how commits fare, and show what it was told
    #[command(after_help = STATUSES_HELP)]
    Statuses {
        /// Its id, or an app that it serves
        #[arg(value_name = "HOOK|APP")]
        which: String,
        /// Tell it from now on
        #[arg(long)]
        on: bool,
        /// Tell it there [default: found from the repository]
        #[arg(long, value_name = "URL")]
        api: Option<ApiAddress>,
        /// Tell it no more
        #[arg(long, conflicts_with_all = ["on", "api"])]
        off: bool,
    },
    /// Tell the provider of previews, in one comment on each pull request
    #[command(after_help = COMMENTS_HELP)]
    Comments(ToldArgs),
    /// Tell GitHub of deployments, of apps and of previews
    #[command(after_help = DEPLOYMENTS_HELP)]
    Deployments(ToldArgs),
}

/// Whether and where a provider is told of something.
#[derive(Debug, Args)]
pub struct ToldArgs {
    /// Its id, or an app that it serves
    #[arg(value_name = "HOOK|APP")]
    pub which: String,
    /// Tell it from now on
    #[arg(long)]
    pub on: bool,
    /// Tell it there [default: found from the repository]
    #[arg(long, value_name = "URL")]
    pub api: Option<ApiAddress>,
    /// Tell it no more
    #[arg(long, conflicts_with_all = ["on", "api"])]
    pub off: bool,
}

/// `hythe address`.
#[derive(Debug, Subcommand)]
pub enum AddressCommand {
    /// Show it
    Show,
    /// Say where this server is reached from outside: it stands in what providers are given
    #[command(after_help = "Example:\n  hythe address set https://hythe.example.com")]
    Set {
        /// https:// or http:// and a host
        url: PublicAddress,
    },
    /// Forget it
    Rm,
}

pub(super) fn provider(text: &str) -> Result<Provider, String> {
    text.parse().map_err(|unknown: UnknownProvider| unknown.to_string())
}

/// What deploys an app by itself; what is left out stays as it is.
#[derive(Clone, Debug, Default, Args)]
pub struct TriggerArgs {
    /// What deploys it by itself: pushes to its branch, new tags, or nothing
    #[arg(long, value_name = "WHAT")]
    pub deploy_on: Option<DeployOnArg>,
    /// Which tags, where tags deploy it, such as 'v*' [default: all]
    #[arg(long, value_name = "PATTERN")]
    pub tags: Option<TagPattern>,
    /// Only pushes that change a file that fits: 'apps/web/**,libs/**'; with ! before, what does not
    /// count
    #[arg(long, value_name = "PATTERNS", value_delimiter = ',', conflicts_with = "no_watch_paths")]
    pub watch_paths: Vec<PathPattern>,
    /// Every push, whatever it changes
    #[arg(long)]
    pub no_watch_paths: bool,
}

/// What deploys an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeployOnArg {
    /// Pushes to its branch.
    Push,
    /// New tags.
    Tag,
    /// Nothing.
    Off,
}

impl TriggerArgs {
    /// What was given, as a change.
    #[must_use]
    pub fn change(&self) -> UpdateTriggers {
        let Self { deploy_on, tags, watch_paths, no_watch_paths } = self;
        UpdateTriggers {
            deploy_on: deploy_on.map(|on| match on {
                DeployOnArg::Push => DeployOn::Push,
                DeployOnArg::Tag => DeployOn::Tag,
                DeployOnArg::Off => DeployOn::Off,
            }),
            tags: tags.as_ref().map(ToString::to_string),
            watch_paths: (*no_watch_paths || !watch_paths.is_empty())
                .then(|| watch_paths.iter().map(ToString::to_string).collect()),
        }
    }
}
