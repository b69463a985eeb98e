//! Verbs about snapshots.

use clap::Args;

use crate::core::model::{HostName, Timestamp};

#[derive(Debug, Args)]
pub(in crate::cli) struct DiscoverArgs {
    /// Only this host
    #[arg(long)]
    pub(in crate::cli) host: Option<HostName>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct HoldArgs {
    /// The host
    pub(in crate::cli) host: HostName,
    /// The snapshot
    pub(in crate::cli) snapshot: String,
    /// Why
    #[arg(long)]
    pub(in crate::cli) reason: String,
    /// When the pin ends by itself, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) until: Option<Timestamp>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct UnholdArgs {
    /// The host
    pub(in crate::cli) host: HostName,
    /// The snapshot
    pub(in crate::cli) snapshot: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SnapshotsArgs {
    /// Only this host
    pub(in crate::cli) host: Option<HostName>,
    /// Deleted and missing ones too
    #[arg(long)]
    pub(in crate::cli) all: bool,
}
