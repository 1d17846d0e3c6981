//! `hythe canary`.

use clap::Subcommand;
use hythe_core::canary::Weight;
use hythe_core::names::AppName;

/// The help of `hythe canary`.
pub const CANARY_HELP: &str = "\
A canary begins with `hythe deploy APP --canary 10%`. It takes its part of the requests until it is promoted
or aborted, a newer deployment takes its place, none of its replicas is healthy any more, or its time is
over (a day, unless --canary-for says otherwise). With `hythe traffic set APP --sticky` a client stays on its
side. Where one of the two versions is a static site it always does, by a cookie: the part is one of those who
come anew for a page.

Examples:
  hythe deploy shop --canary 10%
  hythe canary set shop 50%
  hythe canary promote shop";

/// `hythe canary`.
#[derive(Debug, Subcommand)]
pub enum CanaryCommand {
    /// Show an app's canary
    Show {
        /// The app
        app: AppName,
    },
    /// Give it another part of the requests
    Set {
        /// The app
        app: AppName,
        /// Which, such as 50%
        #[arg(value_name = "PERCENT")]
        weight: Weight,
    },
    /// Give it all requests: the new version becomes the live one
    Promote {
        /// The app
        app: AppName,
    },
    /// Take it back: the live version has all requests again
    Abort {
        /// The app
        app: AppName,
    },
}
