//! Verbs that write and show the configuration.

use camino::Utf8PathBuf;
use clap::Args;

use super::FileArg;
use crate::core::model::{
    AbsolutePath, Address, ExcludePattern, HostName, SourcePath, Span, UserName,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct InitArgs {
    /// Where snapshots will be kept
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) backup_root: Option<AbsolutePath>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct FmtArgs {
    /// The configuration, instead of --file; `-` lays out stdin to stdout
    #[arg(value_name = "FILE")]
    pub(in crate::cli) path: Option<Utf8PathBuf>,
    /// Write nothing; print what would change, and fail if anything would
    #[arg(long)]
    pub(in crate::cli) check: bool,
    /// Leave the included files alone
    #[arg(long)]
    pub(in crate::cli) no_includes: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DriftArgs {
    #[command(flatten)]
    pub(in crate::cli) file: FileArg,
    /// Only these hosts
    #[arg(long = "host", value_name = "HOST")]
    pub(in crate::cli) hosts: Vec<HostName>,
    /// Write what drifted into the file, and hosts that no file manages if --host names them
    #[arg(long, conflicts_with = "detailed_exitcode")]
    pub(in crate::cli) adopt: bool,
    /// End with 2 when something drifted
    #[arg(long)]
    pub(in crate::cli) detailed_exitcode: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    /// Write it here instead of to stdout; a fleet too large for one file puts its hosts into `hosts/` beside it
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: Option<Utf8PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ImportLegacyArgs {
    /// Where the older service lives: the folder that holds config/global.yaml and config/hosts/
    #[arg(long, value_name = "DIR", default_value = "/opt/pobsync")]
    pub(in crate::cli) prefix: Utf8PathBuf,
    /// Write a new KDL file instead of into the database
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: Option<Utf8PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ExportLegacyArgs {
    /// Below which folder config/global.yaml and config/hosts/ are written; files that are there are never replaced
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) prefix: Utf8PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ConfigureGlobalArgs {
    /// Where snapshots are kept
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) backup_root: Option<AbsolutePath>,
    /// How many transfers run at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(in crate::cli) max_concurrent: Option<u32>,
    /// At most this many deletions a host and run
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub(in crate::cli) max_delete: Option<u32>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ConfigureHostArgs {
    /// The host
    pub(in crate::cli) host: HostName,
    /// Its IP address or DNS name, or `local`
    #[arg(long)]
    pub(in crate::cli) address: Option<Address>,
    /// A path to back up; given once or more, these replace the host's sources [default for a new host: /]
    #[arg(long = "source", value_name = "PATH")]
    pub(in crate::cli) sources: Vec<SourcePath>,
    /// A pattern to leave out; given once or more, these replace the host's own excludes
    #[arg(long = "exclude", value_name = "PATTERN")]
    pub(in crate::cli) excludes: Vec<ExcludePattern>,
    /// What is kept, as the file writes it: "daily=7 weekly=4"
    #[arg(long, value_name = "RULES")]
    pub(in crate::cli) keep: Option<String>,
    /// The ssh user
    #[arg(long)]
    pub(in crate::cli) user: Option<UserName>,
    /// The ssh port
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) port: Option<u16>,
    /// The ssh private key
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) identity: Option<AbsolutePath>,
    /// The file of known host keys
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) known_hosts: Option<AbsolutePath>,
    /// Pause or resume it
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set)]
    pub(in crate::cli) enabled: Option<bool>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ScheduleArgs {
    /// The host
    pub(in crate::cli) host: HostName,
    /// When it is backed up: five crontab fields, or @daily and its kin
    #[arg(long, value_name = "LINE", required_unless_present = "none")]
    pub(in crate::cli) cron: Option<String>,
    /// Prune through the gate after each backup
    #[arg(long)]
    pub(in crate::cli) prune: bool,
    /// Put starts off by a stable part of this
    #[arg(long, value_name = "DURATION")]
    pub(in crate::cli) jitter: Option<Span>,
    /// Take every schedule of the host away
    #[arg(long, conflicts_with_all = ["cron", "prune", "jitter"])]
    pub(in crate::cli) none: bool,
}
