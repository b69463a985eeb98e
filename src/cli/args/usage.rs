//! What `du` understands.

use camino::Utf8PathBuf;
use clap::Args;

use crate::core::model::{HostName, Which};

#[derive(Debug, Args)]
pub(in crate::cli) struct DuArgs {
    /// The host
    pub(in crate::cli) host: HostName,
    /// Snapshots: what deleting exactly these would free; each a name, how one name alone begins, or latest
    pub(in crate::cli) snapshots: Vec<Which>,
    /// Look at every snapshot again, and not only at those that have come since the last time
    #[arg(long)]
    pub(in crate::cli) anew: bool,
    /// Look at this backup root without any database; nothing is recorded
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) root: Option<Utf8PathBuf>,
}
