//! What one replica of an app may use.

use clap::Args;

use super::builder::{cpus, size};

/// What one replica of an app may use. Bounds are the API's to say.
#[derive(Clone, Debug, Default, Args)]
pub struct ResourceArgs {
    /// The memory that each replica may use, such as 1G [default: 512M]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<u64>,
    /// The CPUs that each replica may use once it is healthy, such as 0.5 [default: 1]
    #[arg(long, value_name = "N", value_parser = cpus)]
    pub cpus: Option<u32>,
    /// How many processes and threads each replica may have [default: 512]
    #[arg(long, value_name = "N")]
    pub pids: Option<u32>,
}
