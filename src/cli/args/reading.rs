//! Verbs that look into snapshots and bring them back.

use std::ffi::OsString;
use std::path::PathBuf;

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use crate::core::model::{HostName, SnapshotPick, Timestamp, Which};

/// Where the snapshots are.
#[derive(Debug, Args)]
pub(in crate::cli) struct RootArg {
    /// The backup root, where there is no database that says it: a disk from elsewhere, a lost server
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) root: Option<Utf8PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct LsArgs {
    /// Which snapshot: HOST for the newest complete one, HOST:NAME, or HOST: and how one name alone begins
    #[arg(value_name = "HOST[:SNAPSHOT]")]
    pub(in crate::cli) from: SnapshotPick,
    /// A file or directory, as the host has it [default: /]
    #[arg(value_name = "PATH")]
    pub(in crate::cli) path: Option<OsString>,
    /// What is in the directories below it, too
    #[arg(short = 'R', long)]
    pub(in crate::cli) recursive: bool,
    /// A directory itself, and not what is in it
    #[arg(short, long)]
    pub(in crate::cli) directory: bool,
    /// The newest snapshot that began no later than this, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) as_of: Option<Timestamp>,
    /// List the snapshots of the host that are on disk, newest first
    #[arg(long, conflicts_with_all = ["path", "recursive", "directory", "as_of"])]
    pub(in crate::cli) snapshots: bool,
    #[command(flatten)]
    pub(in crate::cli) root: RootArg,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct FindArgs {
    /// The host
    pub(in crate::cli) host: HostName,
    /// A name such as '*.conf'; how a path ends, 'nginx/*.conf'; or a whole one, '/etc/**/*.conf', which is quickest
    pub(in crate::cli) pattern: String,
    /// Upper and lower case are the same
    #[arg(short, long)]
    pub(in crate::cli) ignore_case: bool,
    /// Only files, directories, links, or specials: fifos, sockets and devices
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    pub(in crate::cli) kind: Option<FindType>,
    /// At most this many paths
    #[arg(long, short = 'n', value_name = "N", default_value = "1000")]
    pub(in crate::cli) limit: std::num::NonZeroUsize,
    #[command(flatten)]
    pub(in crate::cli) root: RootArg,
}

/// What sort of thing is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum FindType {
    /// Files
    F,
    /// Directories
    D,
    /// Symbolic links
    L,
    /// Fifos, sockets and devices
    S,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DiffArgs {
    /// The host
    pub(in crate::cli) host: HostName,
    /// The older snapshot: a name, how one name alone begins, or latest
    #[arg(value_name = "A")]
    pub(in crate::cli) old: Which,
    /// The newer one
    #[arg(value_name = "B")]
    pub(in crate::cli) new: Which,
    /// Only what is at and below this path
    #[arg(value_name = "PATH")]
    pub(in crate::cli) path: Option<OsString>,
    /// The totals alone
    #[arg(long)]
    pub(in crate::cli) stat: bool,
    /// Read no file: one size and one time are the same
    #[arg(long)]
    pub(in crate::cli) quick: bool,
    /// End with 2 if anything differs
    #[arg(long)]
    pub(in crate::cli) detailed_exitcode: bool,
    #[command(flatten)]
    pub(in crate::cli) root: RootArg,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("target").required(true).args(["to", "to_host"]))]
pub(in crate::cli) struct RestoreArgs {
    /// From which snapshot: HOST for the newest complete one, HOST:NAME, or HOST: and how one name alone begins
    #[arg(value_name = "HOST[:SNAPSHOT]")]
    pub(in crate::cli) from: SnapshotPick,
    /// Files and directories, as the host has them; / for all
    #[arg(required = true, value_name = "PATH")]
    pub(in crate::cli) paths: Vec<OsString>,
    /// A directory of this machine: /etc/passwd becomes DIR/etc/passwd; with / what you name lands where it was
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) to: Option<PathBuf>,
    /// A directory of another machine that is a configured host, over the same ssh as its backups; the key must be
    /// allowed to write there
    #[arg(long, value_name = "HOST:DIR")]
    pub(in crate::cli) to_host: Option<HostFolder>,
    /// The newest snapshot that began no later than this, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) as_of: Option<Timestamp>,
    /// Print what would be written, and write nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Replace what is there and differs, but for directories that hold something; without this it stays, is told, and
    /// the command ends with 13
    #[arg(long)]
    pub(in crate::cli) overwrite: bool,
    /// Put /etc/passwd at DIR/passwd
    #[arg(long)]
    pub(in crate::cli) flat: bool,
    #[command(flatten)]
    pub(in crate::cli) root: RootArg,
}

/// A directory of a host.
#[derive(Debug, Clone)]
pub(in crate::cli) struct HostFolder {
    pub(in crate::cli) host: HostName,
    pub(in crate::cli) folder: crate::core::model::AbsolutePath,
}

impl std::str::FromStr for HostFolder {
    type Err = crate::core::model::Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, folder) = text.split_once(':').ok_or_else(|| {
            crate::core::model::Invalid::new(
                text,
                "a host and a directory",
                "write it like web-01:/srv/restored",
            )
        })?;
        Ok(Self {
            host: host.parse()?,
            folder: folder.parse()?,
        })
    }
}
