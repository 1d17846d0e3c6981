//! What `backup`, `restore` and `status` take.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::span::span;

pub(super) const BACKUP_HELP: &str = "\
A backup is one encrypted file with everything that a server needs to be itself again: events,
secrets, keys and the owner token. It does not hold images; these are built again from their commits.

Examples:
  hythe backup key ~/hythe-backup.key           make a key, and keep it somewhere safe
  hythe backup hythe.age --key-file ~/hythe-backup.key
  hythe backup s3://bucket/hythe                the server sends it there by itself
  hythe backup verify hythe.age --key-file ~/hythe-backup.key
  hythe backup schedule --to file:///mnt/disk/backups --every 1d --keep 7
  hythe backup mirror file:///mnt/disk/mirror   lose no more than the last second

Without --key-file and HYTHE_BACKUP_KEY, the server uses DIR/backup.key, which it makes. Keep a copy
of it elsewhere: if the machine is lost with the only key, nobody can open the backups.

Places: FILE is written on this machine. file:///folder and s3://bucket/prefix are written by the
server, the latter with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY from its environment; another
endpoint than Amazon's is given as s3://bucket/prefix?endpoint=https://host&region=name.";

pub(super) const RESTORE_HELP: &str = "\
Everything is built and checked in a folder beside DIR's content, and moved in place only then. On the
next `hythe up --data DIR`, what was live is built again where its image is gone, and started.

Examples:
  hythe restore hythe.age --data /var/lib/hythe --key-file ~/hythe-backup.key
  hythe restore s3://bucket/hythe --data /var/lib/hythe --key-file ~/hythe-backup.key
  hythe restore --mirror file:///mnt/disk/mirror --data /var/lib/hythe --key-file ~/hythe-backup.key";

/// A backup key.
#[derive(Clone, Debug, Args)]
pub struct KeyArgs {
    /// The file of the backup key; HYTHE_BACKUP_KEY, the key itself, goes before it
    #[arg(long, env = "HYTHE_BACKUP_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

/// `hythe backup`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BackupArgs {
    /// Something else than making one.
    #[command(subcommand)]
    pub command: Option<BackupCommand>,
    /// Where it goes: a file on this machine, or file:///folder or s3://bucket/prefix of the server
    #[arg(value_name = "FILE|URL", required = true)]
    pub to: Option<String>,
    /// Who can open it.
    #[command(flatten)]
    pub key: KeyArgs,
    /// Back up the data folder of a server that is stopped, without asking one
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// What else there is to do with backups.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Make a key for backups, in a new file
    Key {
        /// The file
        file: PathBuf,
    },
    /// Read a backup to its end and check all of it, without restoring anything
    Verify {
        /// The backup: a file, or a place with backups in it, of which the newest is taken
        #[arg(value_name = "FILE|URL", required_unless_present = "mirror")]
        from: Option<String>,
        /// A mirror instead
        #[arg(long, value_name = "URL", conflicts_with = "from")]
        mirror: Option<String>,
        /// Which of the backups there
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// What opens it.
        #[command(flatten)]
        key: KeyArgs,
    },
    /// Make backups by itself, or show how that is set
    Schedule(ScheduleArgs),
    /// Mirror the journal while it grows, or show how that is going
    Mirror {
        /// Where: file:///folder or s3://bucket/prefix; `off` ends it
        #[arg(value_name = "URL|off")]
        to: Option<String>,
        /// Who can open it.
        #[command(flatten)]
        key: KeyArgs,
    },
    /// Show schedule, last backups and mirror
    Show,
}

/// `hythe backup schedule`.
#[derive(Debug, Args)]
pub struct ScheduleArgs {
    /// `off` ends it, `show` shows it
    #[arg(value_name = "off|show", value_parser = ["off", "show"], conflicts_with_all = ["to", "every", "keep"])]
    pub what: Option<String>,
    /// Where backups go: file:///folder or s3://bucket/prefix
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
    /// From one to the next: 30m, 12h, 1d
    #[arg(long, value_name = "SPAN", default_value = "1d", requires = "to", value_parser = span)]
    pub every: u64,
    /// How many stay
    #[arg(long, value_name = "N", default_value_t = 7, requires = "to",
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub keep: u16,
    /// Who can open them.
    #[command(flatten)]
    pub key: KeyArgs,
}

/// `hythe restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The backup: a file, or a place with backups in it, of which the newest is taken
    #[arg(value_name = "FILE|URL", required_unless_present = "mirror")]
    pub from: Option<String>,
    /// A mirror instead
    #[arg(long, value_name = "URL", conflicts_with = "from")]
    pub mirror: Option<String>,
    /// Which of the backups there
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Where the server will lie.
    #[command(flatten)]
    pub data: super::DataArgs,
    /// What opens it.
    #[command(flatten)]
    pub key: KeyArgs,
    /// Move a server that is there aside, once the backup is verified
    #[arg(long)]
    pub replace: bool,
    /// The same, even where it has events that the backup has not
    #[arg(long)]
    pub replace_newer: bool,
}
