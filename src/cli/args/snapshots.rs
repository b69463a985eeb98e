//! Verbs about snapshots.

use clap::Args;

use crate::core::model::{HostName, Which};
use crate::ops::HoldEnd;

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
    /// The snapshot: a name, how one name alone begins, or latest
    pub(in crate::cli) snapshot: Which,
    /// Why
    #[arg(long)]
    pub(in crate::cli) reason: String,
    /// When the pin ends by itself: with a day in the time zone of the host, 2026-12-31, or at a time, RFC 3339
    #[arg(long, value_name = "DAY|TIME")]
    pub(in crate::cli) until: Option<HoldEnd>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct UnholdArgs {
    /// The host
    pub(in crate::cli) host: HostName,
    /// The snapshot: a name, how one name alone begins, or latest
    pub(in crate::cli) snapshot: Which,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SnapshotsArgs {
    /// Only this host
    pub(in crate::cli) host: Option<HostName>,
    /// Deleted and missing ones too
    #[arg(long)]
    pub(in crate::cli) all: bool,
}
