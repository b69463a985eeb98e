//! What is asked about the retention of one host.

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};

use crate::core::model::{CalendarSpan, HostName, Kinds, Span, Timestamp};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    override_usage = "pobsync retention [OPTIONS] HOST\n       pobsync retention simulate [OPTIONS] HOST"
)]
pub(in crate::cli) struct RetentionVerb {
    #[command(subcommand)]
    pub(in crate::cli) what: Option<RetentionCommand>,
    #[command(flatten)]
    pub(in crate::cli) plan: Option<RetentionArgs>,
}

/// One host's plan, and what is to be done with it.
#[derive(Debug, Args)]
pub(in crate::cli) struct RetentionArgs {
    /// The host; one that is called `simulate` comes after `--`
    pub(in crate::cli) host: HostName,
    /// Only snapshots of this kind: scheduled, manual or all
    #[arg(long, value_name = "KIND")]
    pub(in crate::cli) kind: Option<Kinds>,
    /// Delete what the plan lists
    #[arg(long, conflicts_with = "approve")]
    pub(in crate::cli) apply: bool,
    /// Approve the policy in force, so that unattended prunes may follow it
    #[arg(long)]
    pub(in crate::cli) approve: bool,
    /// Do not ask; needed where there is no terminal
    #[arg(long, short = 'y')]
    pub(in crate::cli) yes: bool,
    /// At most this many deletions, instead of the guard's max-delete
    #[arg(long, value_name = "N", requires = "apply")]
    pub(in crate::cli) max_delete: Option<u32>,
    /// Delete only what this saved plan listed too
    #[arg(long, value_name = "PLAN", requires = "apply")]
    pub(in crate::cli) plan: Option<Utf8PathBuf>,
    /// Save the plan
    #[arg(long, value_name = "PLAN", conflicts_with_all = ["apply", "approve"])]
    pub(in crate::cli) out: Option<Utf8PathBuf>,
}

/// What is asked about retention beside one host's plan.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RetentionCommand {
    /// Show which snapshots a policy would keep over the coming year; reads only
    Simulate(SimulateArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SimulateArgs {
    /// The host
    pub(in crate::cli) host: HostName,
    /// Simulate this instead of the host's own: a policy that the file names, or rules such as "daily=7 weekly=4"
    #[arg(long, value_name = "NAME|RULES")]
    pub(in crate::cli) policy: Option<String>,
    /// Simulate this policy too, and put both beside each other
    #[arg(long, value_name = "NAME|RULES")]
    pub(in crate::cli) compare: Option<String>,
    /// How far to look ahead: years, months, days and hours, such as 1y6m
    #[arg(long, value_name = "SPAN", default_value = "1y")]
    pub(in crate::cli) horizon: CalendarSpan,
    /// The host's policy and schedules as the file has them, not as they are in force
    #[arg(long)]
    pub(in crate::cli) from_file: bool,
    /// A backup each time this has passed, instead of the host's schedules
    #[arg(long, value_name = "DURATION", conflicts_with = "cron")]
    pub(in crate::cli) every: Option<Span>,
    /// Backups by this crontab line, instead of the host's schedules
    #[arg(long, value_name = "LINE")]
    pub(in crate::cli) cron: Option<String>,
    /// Read the snapshots from an inventory instead of the database
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) inventory: Option<Utf8PathBuf>,
    /// Begin at another moment, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) as_of: Option<Timestamp>,
}
