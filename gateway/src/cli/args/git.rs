//! What `hythe git` takes.

use clap::{Args, Subcommand};
use hythe_core::names::AppName;

pub(super) const GIT_HELP: &str = "\
Examples:
  hythe git remote shop           then: git push hythe main
  hythe git remote shop --name staging
  hythe git remote shop --print

The app comes into being with the first push. Git asks `hythe git credential` for the token, so it lies in
no file of the repository.";

/// `hythe git`.
#[derive(Debug, Subcommand)]
pub enum GitCommand {
    /// Give the repository in this folder a remote: what is pushed to it is deployed
    Remote(GitRemoteArgs),
    /// Tell git the token, for this server and no other: what `hythe git remote` sets up
    #[command(hide = true)]
    Credential(GitCredentialArgs),
}

/// `hythe git remote`.
#[derive(Clone, Debug, Args)]
pub struct GitRemoteArgs {
    /// The app
    pub app: AppName,
    /// The remote's name
    #[arg(long, default_value = "hythe", value_parser = remote_name)]
    pub name: String,
    /// Print its URL and change nothing
    #[arg(long)]
    pub print: bool,
}

/// `hythe git credential`.
#[derive(Clone, Debug, Args)]
pub struct GitCredentialArgs {
    /// What git wants: get, store or erase
    pub action: String,
}

/// A name that git takes for a remote, and not for anything else.
fn remote_name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if first && text.len() <= 64 && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err("a remote's name is letters, digits, \"-\" and \"_\" here".to_owned())
}
