//! `hythe domain`.

use std::net::IpAddr;

use clap::{Args, Subcommand};
use hythe_core::domain::DomainHost;
use hythe_core::names::{AppName, HostName};

const ADD_HELP: &str = "\
It prints the records to set at whoever keeps the domain's DNS: a TXT record, which proves that you may
have it and has to stay, and a CNAME, A or AAAA, which leads it here. Proven, it leads to the app; that
is looked for by itself, and at once by `hythe domain check`. The first domain is the main one, and
later ones redirect to it, unless something else is said.

Examples:
  hythe domain add shop shop.example.com
  hythe domain add shop www.shop.example.com               redirects to the main one
  hythe domain add shop old.example.com --serve            serves the app as well
  hythe domain add shop '*.shop.example.com'               every host right below";

const SETTINGS_HELP: &str = "\
Examples:
  hythe domain settings                                    show them
  hythe domain settings --target edge.example.com          what a CNAME is to name
  hythe domain settings --address 203.0.113.7 --address 2001:db8::7
  hythe domain settings --resolver 10.0.0.53 --resolver 1.1.1.1:53
  hythe domain settings --usual-resolvers";

/// `hythe domain`.
#[derive(Debug, Subcommand)]
pub enum DomainCommand {
    /// Add a domain to an app, or say anew what its requests get
    #[command(after_help = ADD_HELP)]
    Add(DomainAddArgs),
    /// List an app's domains
    #[command(visible_alias = "list")]
    Ls {
        /// The app
        app: AppName,
    },
    /// Show a domain: its records, and what was found of them
    Show(DomainArgs),
    /// Look for a domain's record now; fails where it is not proven
    #[command(visible_alias = "verify")]
    Check(DomainArgs),
    /// Make a domain the main one; the one before redirects to it
    Main(DomainArgs),
    /// Take a domain away; it is free for others then
    #[command(visible_alias = "remove")]
    Rm(DomainArgs),
    /// Show or set whom all domains are proven by, and where they are to lead
    #[command(after_help = SETTINGS_HELP)]
    Settings(DomainSettingsArgs),
}

/// A domain of an app.
#[derive(Debug, Args)]
pub struct DomainArgs {
    /// The app
    pub app: AppName,
    /// The domain
    pub host: DomainHost,
}

/// `hythe domain add`.
#[derive(Debug, Args)]
pub struct DomainAddArgs {
    /// The app
    pub app: AppName,
    /// The domain: a host, or *. and one for every host right below it
    pub host: DomainHost,
    /// It is the main one
    #[arg(long, conflicts_with_all = ["redirect", "serve"])]
    pub main: bool,
    /// Its requests are sent on to the main one (308)
    #[arg(long, conflicts_with = "serve")]
    pub redirect: bool,
    /// Its requests get the app, as those of the main one do
    #[arg(long)]
    pub serve: bool,
}

/// `hythe domain settings`.
#[derive(Debug, Args)]
pub struct DomainSettingsArgs {
    /// A resolver to ask, with a port where that is not 53; all of them, in place of those before
    #[arg(long = "resolver", value_name = "IP[:PORT]", conflicts_with = "usual_resolvers")]
    pub resolvers: Vec<String>,
    /// Ask the machine's own resolver and well-known public ones
    #[arg(long)]
    pub usual_resolvers: bool,
    /// The host that a CNAME is to name
    #[arg(long, value_name = "HOST", conflicts_with = "no_target")]
    pub target: Option<HostName>,
    /// A CNAME is to name the app's own host under the base domain
    #[arg(long)]
    pub no_target: bool,
    /// An address under which edges are reached; all of them, in place of those before
    #[arg(long = "address", value_name = "IP", conflicts_with = "no_addresses")]
    pub addresses: Vec<IpAddr>,
    /// They are those of the host that a CNAME is to name
    #[arg(long)]
    pub no_addresses: bool,
}
