//! `hythe certificate`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use hythe_core::certificate::{Authority, ChallengeKind, ContactAddress, ExternalKeyId, HookUrl};

const ADD_HELP: &str = "\
It is served for the hosts that it names, before any other, and nobody renews it: add a new one for the
same hosts in time. The key is kept sealed and shown to nobody.

Examples:
  hythe certificate add --cert fullchain.pem --key privkey.pem";

const CA_HELP: &str = "\
It signs for local names alone (localhost, *.local, *.test, *.internal). Trusted, browsers and curl take
https for them.

Examples:
  hythe certificate ca >hythe-ca.pem
  curl --cacert hythe-ca.pem https://shop.localhost:8443
  sudo cp hythe-ca.pem /usr/local/share/ca-certificates/hythe.crt && sudo update-ca-certificates";

const SETTINGS_HELP: &str = "\
Nothing is ordered before the terms of the authorities are agreed to. Of several, the next is asked where
one fails again and again.

Examples:
  hythe certificate settings                                   show them
  hythe certificate settings --email ops@example.com --agree-tos
  hythe certificate settings --ca letsencrypt --ca zerossl --agree-tos
  hythe certificate settings --eab-ca zerossl --eab-kid ID --eab-key-stdin <key.txt
  hythe certificate settings --dns-hook http://127.0.0.1:9090 --dns-hook-secret-stdin <secret.txt
  hythe certificate settings --challenge tls-alpn-01 --challenge http-01

A DNS hook is a server that takes what lego sends to one (httpreq): POST to URL/present and URL/cleanup
with {\"fqdn\": …, \"value\": …}. With it there are certificates for wildcards, and one for all hosts under
the base domain. A program in its place is given to the server: hythe server --acme-dns-program PATH.";

const ROTATE_HELP: &str = "\
Certificates are sealed anew for edges, with a key that each edge gets once it is heard of after this. First
change what the lost edge reaches NATS with: whoever is heard of there gets the new key. What it had it keeps:
order new certificates afterwards (hythe certificate renew HOST), and revoke the old ones at who signed them.";

/// `hythe certificate`.
#[derive(Debug, Subcommand)]
pub enum CertificateCommand {
    /// List the certificates that there are, and those that are wanted
    #[command(visible_alias = "list")]
    Ls,
    /// Show a certificate, by its host or its id
    Show {
        /// A host, or the certificate's id
        which: String,
    },
    /// Add a certificate that somebody else signed
    #[command(after_help = ADD_HELP)]
    Add {
        /// The chain in PEM, the certificate itself first
        #[arg(long, value_name = "FILE")]
        cert: PathBuf,
        /// Its private key in PEM
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Remove a certificate that was added
    #[command(visible_alias = "remove")]
    Rm {
        /// A host, or the certificate's id
        which: String,
    },
    /// Order a certificate now, without waiting until it is due or tried again
    Renew {
        /// A host, or the certificate's id
        which: String,
    },
    /// Have edges share a new key, where one of them is gone for good or in other hands
    #[command(after_help = ROTATE_HELP)]
    RotateKey,
    /// Print the certificate of the installation's own authority, to be trusted
    #[command(after_help = CA_HELP)]
    Ca,
    /// Show or set how certificates are come by
    #[command(after_help = SETTINGS_HELP)]
    Settings(Box<CertificateSettingsArgs>),
}

/// `hythe certificate settings`.
#[derive(Debug, Args)]
pub struct CertificateSettingsArgs {
    /// Whom authorities write to
    #[arg(long, value_name = "ADDRESS", conflicts_with = "no_email")]
    pub email: Option<ContactAddress>,
    /// They write to nobody
    #[arg(long)]
    pub no_email: bool,
    /// An authority: letsencrypt, letsencrypt-staging, zerossl, google, or the https URL of an ACME
    /// directory; all of them, the first first, in place of those before
    #[arg(long = "ca", value_name = "NAME|URL", conflicts_with = "usual_cas")]
    pub cas: Vec<Authority>,
    /// Ask Let's Encrypt alone
    #[arg(long)]
    pub usual_cas: bool,
    /// Agree to the terms of service of all authorities that are set
    #[arg(long, conflicts_with = "disagree_tos")]
    pub agree_tos: bool,
    /// Agree no more: nothing is ordered, and what is there is served until its end
    #[arg(long)]
    pub disagree_tos: bool,
    /// An authority whose accounts have to be bound to one that you have there
    #[arg(long, value_name = "NAME|URL", requires_all = ["eab_kid", "eab_key_stdin"])]
    pub eab_ca: Option<Authority>,
    /// The name of the key that binds it
    #[arg(long, value_name = "ID", requires = "eab_ca")]
    pub eab_kid: Option<ExternalKeyId>,
    /// Read that key from stdin: the only way, so that no other program sees it
    #[arg(long, requires = "eab_ca", conflicts_with = "dns_hook_secret_stdin")]
    pub eab_key_stdin: bool,
    /// A server that sets DNS records
    #[arg(long, value_name = "URL", conflicts_with = "no_dns_hook")]
    pub dns_hook: Option<HookUrl>,
    /// Read from stdin what it is shown: USER:PASSWORD, or a bearer token
    #[arg(long, requires = "dns_hook")]
    pub dns_hook_secret_stdin: bool,
    /// Nobody sets DNS records
    #[arg(long)]
    pub no_dns_hook: bool,
    /// How hosts are proven: http-01, tls-alpn-01, dns-01; all of them, the first first
    #[arg(long = "challenge", value_name = "KIND", conflicts_with = "usual_challenges")]
    pub challenges: Vec<ChallengeKind>,
    /// Prove them by http-01, then by tls-alpn-01
    #[arg(long)]
    pub usual_challenges: bool,
    /// Sign for local names (localhost, *.test, *.local, *.internal) with an authority of its own, which
    /// has to be trusted then: hythe certificate ca
    #[arg(long, conflicts_with = "no_local")]
    pub local: bool,
    /// Sign for none
    #[arg(long)]
    pub no_local: bool,
}
