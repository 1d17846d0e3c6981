//! `hythe source`.

use clap::{Args, Subcommand};
use hythe_core::hook::{ApiAddress, Provider};
use hythe_core::installation::{SourcePrefix, SourceUser, SshHost, SshKey};
use hythe_core::names::{AppName, BadText, RepositoryUrl};

const SOURCE_HELP: &str = "\
Over https a token opens a repository, for all apps; over ssh a key does, which each app has for itself.

Examples:
  hythe source github-app create              one App for all repositories at GitHub
  hythe source token set github.com/team --username x-access-token --password-stdin <token.txt
  hythe source key shop                       make shop's key, and show what the repository is given
  hythe source host add git.example.com --key 'ssh-ed25519 AAAA…'";

const TOKEN_HELP: &str = "\
The token is kept sealed and shown to nobody. Builds use it from the next one on, for repositories over
https at that host and below that path; no step of a build can read it.

Examples:
  hythe source token set github.com --username x-access-token --password-stdin <token.txt
  hythe source token set gitlab.example.com/team --username oauth2 --password-stdin
  hythe source token set https://git.example.com:3000/team/app.git -u ci --password-stdin";

const KEY_HELP: &str = "\
Give the key to the repository as a deploy key: it needs to read only. Its private half never leaves the
server but sealed, for the worker that fetches.

Examples:
  hythe source key shop
  hythe source key shop --rotate";

const HOST_HELP: &str = "\
The keys of github.com, gitlab.com, bitbucket.org and codeberg.org are known already. See what another
host has with ssh-keyscan, and compare it with what its owner publishes.

Example:
  hythe source host add git.example.com:2222 --key 'ssh-ed25519 AAAA…'";

const REPOS_HELP: &str = "\
Asked of the provider with the token that there is for them; Bitbucket lists those of a workspace.

Examples:
  hythe source repos github.com
  hythe source repos bitbucket.org/team
  hythe source repos git.example.com --provider forgejo";

/// `hythe source`.
#[derive(Debug, Subcommand)]
#[command(after_help = SOURCE_HELP)]
pub enum SourceCommand {
    /// Tokens for private repositories over https
    #[command(subcommand)]
    Token(TokenCommand),
    /// Show an app's key for a private repository over ssh; it is made where there is none
    #[command(after_help = KEY_HELP)]
    Key {
        /// The app
        name: AppName,
        /// Make another one; builds use it from the next on, and the one before is gone
        #[arg(long)]
        rotate: bool,
    },
    /// GitHub Apps: for all repositories that one is installed on
    #[command(name = "github-app", subcommand)]
    GitHubApp(super::GitHubAppCommand),
    /// Hosts that builds know over ssh
    #[command(subcommand)]
    Host(HostCommand),
    /// List the repositories that a token reaches
    #[command(after_help = REPOS_HELP)]
    Repos {
        /// Where: a host, or the beginning of their URLs
        #[arg(value_parser = prefix)]
        at: SourcePrefix,
        /// Who is asked.
        #[command(flatten)]
        asked: AskedArgs,
    },
    /// List the branches of a repository
    #[command(after_help = "Example:\n  hythe source branches https://github.com/team/shop")]
    Branches {
        /// The repository
        #[arg(value_name = "URL")]
        repository: RepositoryUrl,
        /// Who is asked.
        #[command(flatten)]
        asked: AskedArgs,
    },
}

/// Which provider is asked.
#[derive(Debug, Args)]
pub struct AskedArgs {
    /// github, gitlab, bitbucket, gitea or forgejo [default: found from the host]
    #[arg(long, value_parser = super::hook::provider)]
    pub provider: Option<Provider>,
    /// The address of its API [default: found from the host]
    #[arg(long, value_name = "URL")]
    pub api: Option<ApiAddress>,
}

/// `hythe source token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Give builds a token, or another one
    #[command(after_help = TOKEN_HELP)]
    Set {
        /// The repositories: a host, or the beginning of their URLs
        #[arg(value_parser = prefix)]
        prefix: SourcePrefix,
        /// The name that goes with the token, as its provider says
        #[arg(long, short, value_name = "NAME")]
        username: SourceUser,
        /// Read the token from stdin: the only way, so that no other program sees it
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// List what there are tokens for
    #[command(visible_alias = "list")]
    Ls,
    /// Take a token away from builds; it is forgotten
    #[command(visible_alias = "remove")]
    Rm {
        /// What it is for
        #[arg(value_parser = prefix)]
        prefix: SourcePrefix,
    },
}

/// `hythe source host`.
#[derive(Debug, Subcommand)]
pub enum HostCommand {
    /// Make a host known by its keys, or by others
    #[command(after_help = HOST_HELP)]
    Add {
        /// The host, with its port where that is not 22
        #[arg(value_parser = host)]
        host: SshHost,
        /// A public key of its, as in a file of known hosts; may be repeated
        #[arg(long = "key", value_name = "KEY", value_parser = key)]
        keys: Vec<SshKey>,
    },
    /// List the hosts that were made known
    #[command(visible_alias = "list")]
    Ls,
    /// Let builds forget a host
    #[command(visible_alias = "remove")]
    Rm {
        /// The host
        #[arg(value_parser = host)]
        host: SshHost,
    },
}

fn prefix(text: &str) -> Result<SourcePrefix, BadText> {
    SourcePrefix::parse(text)
}

fn host(text: &str) -> Result<SshHost, BadText> {
    SshHost::parse(text)
}

fn key(text: &str) -> Result<SshKey, BadText> {
    SshKey::parse(text)
}
