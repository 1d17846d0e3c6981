//! `hythe source github-app`.

use clap::Subcommand;
use hythe_core::github::{GitHubAccount, GitHubAppName, GitHubServer};
use hythe_core::hook::PublicAddress;
use hythe_core::names::BadText;

const CREATE_HELP: &str = "\
One App serves all repositories that it is installed on: it tells of their pushes and pull requests, builds
fetch with what it borrows, and it says at GitHub what was deployed. A page opens in a browser, GitHub makes
the App there, and the browser comes back.

Examples:
  hythe source github-app create
  hythe source github-app create --org octo-org --public-url https://hythe.example.com
  hythe source github-app create --base-url https://github.example.com";

const FINISH_HELP: &str = "\
For a browser that is not signed in here, or that cannot reach this server: what it was sent to is all that
is needed.

Example:
  hythe source github-app finish 'https://hythe.example.com/github-app/created?code=…&state=…'";

const KEY_HELP: &str = "\
GitHub lets people generate keys, and nobody else: on the App's settings page, under \"Private keys\". The key
before can be deleted there afterwards.

Example:
  hythe source github-app key hythe-9d3c0a1b --private-key-stdin < hythe.private-key.pem";

/// `hythe source github-app`.
#[derive(Debug, Subcommand)]
pub enum GitHubAppCommand {
    /// Begin a GitHub App; prints the page from which a browser makes it
    #[command(after_help = CREATE_HELP)]
    Create {
        /// The organisation that it is to belong to [default: whoever makes it]
        #[arg(long, value_name = "ORG")]
        org: Option<GitHubAccount>,
        /// Where its GitHub is
        #[arg(long, value_name = "URL", value_parser = server, default_value = "https://github.com")]
        base_url: GitHubServer,
        /// Where GitHub reaches this server [default: what `hythe address` says]
        #[arg(long, value_name = "URL")]
        public_url: Option<PublicAddress>,
        /// What it is to be called at GitHub [default: hythe- and something random]
        #[arg(long)]
        name: Option<GitHubAppName>,
    },
    /// Finish one with the address that GitHub sent the browser to
    #[command(after_help = FINISH_HELP)]
    Finish {
        /// That address, with its code and state
        #[arg(value_name = "URL")]
        sent_to: String,
    },
    /// List GitHub Apps
    #[command(visible_alias = "list")]
    Ls,
    /// Show one, and where it is installed
    Show {
        /// Its id, or its name in addresses
        #[arg(value_name = "APP")]
        which: String,
    },
    /// Give its webhook another secret, and tell GitHub
    RotateSecret {
        /// Its id, or its name in addresses
        #[arg(value_name = "APP")]
        which: String,
    },
    /// Give it another private key
    #[command(after_help = KEY_HELP)]
    Key {
        /// Its id, or its name in addresses
        #[arg(value_name = "APP")]
        which: String,
        /// Read the key from stdin: the only way, so that no other program sees it
        #[arg(long, required = true)]
        private_key_stdin: bool,
    },
    /// Forget one, with its key and its secret; at GitHub its owner deletes it
    #[command(visible_alias = "remove")]
    Rm {
        /// Its id, or its name in addresses
        #[arg(value_name = "APP")]
        which: String,
    },
}

fn server(text: &str) -> Result<GitHubServer, BadText> {
    GitHubServer::parse(text)
}
