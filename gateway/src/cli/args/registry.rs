//! `hythe registry`.

use clap::Subcommand;
use hythe_core::installation::{RegistryHost, RegistryUser};

const LOGIN_HELP: &str = "\
The password is kept sealed and shown to nobody. It is used for the images that Dockerfiles begin
with, from the next build on; no step of a build can read it.

Examples:
  hythe registry login ghcr.io --username ci --password-stdin <token.txt
  hythe registry login docker.io --username team --password-stdin
  hythe registry login registry.example.com:5000 --username ci --password-stdin";

/// `hythe registry`.
#[derive(Debug, Subcommand)]
pub enum RegistryCommand {
    /// Log builds in to a registry, or log them in with another password
    #[command(after_help = LOGIN_HELP)]
    Login {
        /// The registry, as images name it: ghcr.io, docker.io, registry.example.com:5000
        host: RegistryHost,
        /// Who logs in
        #[arg(long, short, value_name = "NAME")]
        username: RegistryUser,
        /// Read the password, or a token, from stdin: the only way, so that no other program sees it
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// List the registries that builds log in to
    #[command(visible_alias = "list")]
    Ls,
    /// Log builds out; the password is forgotten
    Logout {
        /// The registry
        host: RegistryHost,
    },
}
