//! How a server reaches certificate authorities: what is not for whoever holds the owner token to set.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use hythe_actors::certificates::AcmeConfig;

/// How certificate authorities are reached.
#[derive(Clone, Debug, Args)]
pub struct AcmeArgs {
    /// A file with roots that are trusted where certificates are ordered, besides the machine's: PEM
    #[arg(long, env = "HYTHE_ACME_CA_FILE", value_name = "FILE")]
    pub acme_ca_file: Option<PathBuf>,
    /// A program that sets DNS records for certificates, called with present|cleanup, name and value,
    /// as lego does (exec); it gets nothing of the server's environment
    #[arg(long, env = "HYTHE_ACME_DNS_PROGRAM", value_name = "PATH")]
    pub acme_dns_program: Option<PathBuf>,
}

impl AcmeArgs {
    /// The same, wherever the server is started.
    #[must_use]
    pub fn config(&self) -> AcmeConfig {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        AcmeConfig {
            roots: self.acme_ca_file.as_ref().map(absolute),
            dns_program: self.acme_dns_program.as_ref().map(absolute),
            ..AcmeConfig::default()
        }
    }

    /// The same for the command line of a server on this machine.
    #[must_use]
    pub fn to_args(&self) -> Vec<OsString> {
        let AcmeConfig { roots, dns_program, dns_wait: _ } = self.config();
        let given = [("--acme-ca-file", roots), ("--acme-dns-program", dns_program)];
        let given = given.into_iter().filter_map(|(name, path)| Some((name, path?)));
        given.flat_map(|(name, path)| [OsString::from(name), path.into_os_string()]).collect()
    }
}
