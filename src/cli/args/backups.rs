//! Verbs about backups and their runs.

use clap::Args;

use crate::core::model::{HostName, RunId, Span};

#[derive(Debug, Args)]
pub(in crate::cli) struct BackupArgs {
    /// The hosts
    #[arg(required = true, value_name = "HOST")]
    pub(in crate::cli) hosts: Vec<HostName>,
    /// Record the snapshots as scheduled instead of manual
    #[arg(long)]
    pub(in crate::cli) scheduled: bool,
    /// Prune through the gate after each successful backup
    #[arg(long)]
    pub(in crate::cli) prune: bool,
    /// Print the exact argument vector and do nothing
    #[arg(long, conflicts_with = "prune")]
    pub(in crate::cli) dry_run: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("how").required(true).args(["once", "go_on", "list"]))]
pub(in crate::cli) struct SchedulerArgs {
    /// Back up what is due now, and end
    #[arg(long)]
    pub(in crate::cli) once: bool,
    /// Go on until a signal asks for an end
    #[arg(long = "loop")]
    pub(in crate::cli) go_on: bool,
    /// List the next runs, the first ten unless said otherwise
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "10")]
    pub(in crate::cli) list: Option<usize>,
    /// How often the database is looked at, in seconds or as a duration
    #[arg(long, value_name = "DURATION", default_value = "60", value_parser = seconds, requires = "go_on")]
    pub(in crate::cli) interval: Span,
    /// How long running transfers may go on when a signal asks for an end; what is cut off is linked against by the next pull
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = seconds, conflicts_with = "list")]
    pub(in crate::cli) grace: Span,
}

/// Seconds, or a duration with its unit.
fn seconds(text: &str) -> Result<Span, crate::core::model::Invalid> {
    match text.parse() {
        Ok(seconds) => Ok(Span::from_seconds(seconds)),
        Err(_) => text.parse(),
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PauseArgs {
    /// The host
    pub(in crate::cli) host: HostName,
    /// Why
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(in crate::cli) reason: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RunArg {
    /// The run, as `runs` lists it
    #[arg(value_parser = run_id)]
    pub(in crate::cli) run: RunId,
}

fn run_id(text: &str) -> Result<RunId, std::num::ParseIntError> {
    text.parse().map(RunId)
}

#[derive(Debug, Args)]
pub(in crate::cli) struct LogsArgs {
    /// A host, for its last backup, or a run
    #[arg(value_name = "HOST|RUN")]
    pub(in crate::cli) of: String,
    /// Go on until the run has ended
    #[arg(long)]
    pub(in crate::cli) follow: bool,
}
