//! Verbs that plan, and that carry plans out.

use camino::Utf8PathBuf;
use clap::Args;

use super::FileArg;
use crate::core::model::{HostName, Kinds, Timestamp};
use crate::core::plan::Allow;

#[derive(Debug, Args)]
pub(in crate::cli) struct InventoryArgs {
    /// Write it here, readable by its owner alone, instead of to stdout
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: Option<Utf8PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowPlanArg {
    /// The saved plan, or the number that `plans` shows
    #[arg(value_name = "PLAN|N")]
    pub(in crate::cli) path: Utf8PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SavedPlanArg {
    /// The saved plan
    #[arg(value_name = "PLAN")]
    pub(in crate::cli) path: Utf8PathBuf,
}

/// What a plan is about.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct SelectionArgs {
    /// Only these hosts; the plan says that it is partial
    #[arg(long = "host", value_name = "HOST")]
    pub(in crate::cli) hosts: Vec<HostName>,
    /// Only snapshots of this kind: scheduled, manual or all
    #[arg(long, value_name = "KIND")]
    pub(in crate::cli) kind: Option<Kinds>,
}

/// The server that is asked.
#[derive(Debug, Default, Args)]
pub(in crate::cli) struct ServerArgs {
    /// Ask the running `serve` at this URL instead of the database, with the token in POBSYNC_TOKEN
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) server: Option<String>,
    /// Read the token from the first line of this file
    #[arg(long, value_name = "FILE", requires = "server")]
    pub(in crate::cli) token_file: Option<Utf8PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PlanArgs {
    #[command(flatten)]
    pub(in crate::cli) file: FileArg,
    #[command(flatten)]
    pub(in crate::cli) server: ServerArgs,
    #[command(flatten)]
    pub(in crate::cli) selection: SelectionArgs,
    /// Save the plan, to be reviewed and applied as it is
    #[arg(long, value_name = "PLAN")]
    pub(in crate::cli) out: Option<Utf8PathBuf>,
    /// Write the plan as JSON beside what is printed
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) json_into: Option<Utf8PathBuf>,
    /// Write the plan as Markdown for a merge request beside what is printed, at most 60,000 bytes
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) markdown_into: Option<Utf8PathBuf>,
    /// Write the plan as an HTML page beside what is printed
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) html_into: Option<Utf8PathBuf>,
    /// Compare with another version of the file, or a git revision of it, instead of with what is in force
    #[arg(long, value_name = "FILE|REV", conflicts_with_all = ["out", "server"])]
    pub(in crate::cli) base: Option<String>,
    /// Plan from an inventory instead of the database
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    pub(in crate::cli) inventory: Option<Utf8PathBuf>,
    /// End with 2 for changes and 3 for changes that delete snapshots
    #[arg(long)]
    pub(in crate::cli) detailed_exitcode: bool,
    /// Plan for another moment, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) as_of: Option<Timestamp>,
    /// Lift a limit, as its refusal names it
    #[arg(long, value_name = "WHAT", conflicts_with = "server")]
    pub(in crate::cli) allow: Vec<Allow>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ApplyArgs {
    /// The configuration or a saved plan, instead of --file
    #[arg(value_name = "FILE|PLAN")]
    pub(in crate::cli) path: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) server: ServerArgs,
    /// Do not ask; needed where there is no terminal
    #[arg(long, short = 'y')]
    pub(in crate::cli) yes: bool,
    /// Delete the snapshots that the plan lists
    #[arg(long)]
    pub(in crate::cli) prune: bool,
    /// At most this many deletions a host, instead of the guard's max-delete
    #[arg(long, value_name = "N", requires = "prune")]
    pub(in crate::cli) max_delete: Option<u32>,
    /// Apply only if the plan has this fingerprint
    #[arg(long, value_name = "FINGERPRINT")]
    pub(in crate::cli) expect: Option<String>,
    /// Lift a limit, as its refusal names it
    #[arg(long, value_name = "WHAT")]
    pub(in crate::cli) allow: Vec<Allow>,
}

impl ApplyArgs {
    /// An apply without anybody at hand: it deletes nothing and lifts no limit.
    pub(in crate::cli) const fn unattended() -> Self {
        Self {
            path: None,
            server: ServerArgs {
                server: None,
                token_file: None,
            },
            yes: true,
            prune: false,
            max_delete: None,
            expect: None,
            allow: Vec::new(),
        }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct WatchArgs {
    #[command(flatten)]
    pub(in crate::cli) file: FileArg,
    /// Apply each change, as `apply --yes` does: within the limits, and without deleting a snapshot
    #[arg(long)]
    pub(in crate::cli) apply: bool,
}
