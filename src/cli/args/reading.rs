//! Verbs that look into snapshots and bring them back.

use std::ffi::OsString;
use std::path::PathBuf;

use camino::Utf8PathBuf;
use clap::Args;

use crate::core::model::{SnapshotPick, Timestamp};

/// Where the snapshots are.
#[derive(Debug, Args)]
pub(in crate::cli) struct RootArg {
    /// The backup root, where there is no database that says it: a disk from elsewhere, a lost server
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) root: Option<Utf8PathBuf>,
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
    /// A directory of this machine: /etc/passwd becomes DIR/etc/passwd; with / everything lands where it was
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) to: Option<PathBuf>,
    /// A directory of a configured host, over the same ssh as its backups; the key must be allowed to write there
    #[arg(long, value_name = "HOST:DIR")]
    pub(in crate::cli) to_host: Option<HostFolder>,
    /// The newest snapshot that began no later than this, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) as_of: Option<Timestamp>,
    /// Print what would be written, and write nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Replace what is there and differs; without this it stays, is told, and the command ends with 13
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
    pub(in crate::cli) host: crate::core::model::HostName,
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
