//! One claimed run from its beginning to its end, and whether it is tried again.

use super::super::{
    BackupReport, BackupRequest, Context, Error, PruneReport, Stop, backup, clock, run, sentence,
};
use super::queue::Wanted;
use crate::core::model::{RunId, RunStatus, SnapshotKind, Timestamp, visible};
use crate::core::plan::Outcome;
use crate::core::schedule::{retry_of_failed, start_after};
use crate::store::{DueCause, Lease};

/// A claimed run.
pub(super) struct Job {
    pub(super) run: RunId,
    pub(super) lease: Lease,
    pub(super) wanted: Wanted,
    pub(super) claimed_at: Timestamp,
}

/// How it ended.
pub(super) struct Done {
    pub(super) outcome: Outcome,
    /// There is a snapshot, whatever came of the prune.
    pub(super) backup_stands: bool,
}

/// Carries a claimed run out. `transfers` is what every transfer of the scheduler hears.
pub(super) fn work(context: &Context, job: &Job, transfers: &Stop) -> Done {
    let Wanted {
        name: host,
        starts_at,
        ..
    } = &job.wanted;
    let late = (job.claimed_at.millis() - starts_at.millis()).max(0) / 1000;
    tracing::info!(%host, run = %job.run, attempt = attempt(job), due = %starts_at, late_s = late, "backup begins");
    let done = backup(
        context,
        BackupRequest {
            host: host.clone(),
            kind: match job.wanted.cause {
                DueCause::Asked { .. } | DueCause::Wished { .. } => SnapshotKind::Manual,
                DueCause::Fires { .. } | DueCause::Retry { .. } => SnapshotKind::Scheduled,
            },
            prune: prunes(context, job),
            claimed: Some((job.run, job.lease.clone())),
            stop: transfers,
            progress: &mut |_| {},
        },
    );
    let retry = match plan_retry(context, job, &done, transfers) {
        Ok(retry) => retry,
        Err(error) => {
            tracing::error!(%host, run = %job.run, "no retry was planned: {}", sentence(&error));
            None
        }
    };
    log(job, &done, retry);
    match &done {
        Ok(report) => Done {
            outcome: report.outcome(),
            backup_stands: report.is_complete(),
        },
        Err(error) => Done {
            outcome: error.outcome(),
            backup_stands: false,
        },
    }
}

/// Whether a prune follows, as the claim has recorded it; a run that cannot be read prunes nothing.
fn prunes(context: &Context, job: &Job) -> bool {
    run(context, job.run)
        .ok()
        .and_then(|record| record.schedule)
        .is_some_and(|schedule| schedule.prune)
}

fn attempt(job: &Job) -> u32 {
    match &job.wanted.cause {
        DueCause::Fires { .. } | DueCause::Asked { .. } | DueCause::Wished { .. } => 1,
        DueCause::Retry { attempt, .. } => *attempt,
    }
}

/// Plans the next try of a run that deserves one.
fn plan_retry(
    context: &Context,
    job: &Job,
    done: &Result<BackupReport, Error>,
    transfers: &Stop,
) -> Result<Option<Timestamp>, Error> {
    let now = clock::now();
    let at = match done {
        // The scheduler was stopped, not the run: the next start goes on with it.
        Ok(report) if report.status == RunStatus::Cancelled => {
            (transfers.is_asked() && report.cancelled_by.is_none()).then_some(now)
        }
        Ok(report) if report.retry => retry_of_failed(attempt(job), now, next_start(job, now)),
        Err(error) if error.is_worth_a_retry() => {
            retry_of_failed(attempt(job), now, next_start(job, now))
        }
        _ => None,
    };
    match at {
        Some(at) if context.store.plan_retry(job.run, at)? => Ok(Some(at)),
        _ => Ok(None),
    }
}

fn next_start(job: &Job, now: Timestamp) -> Option<Timestamp> {
    let lines = job.wanted.lines.iter();
    lines
        .filter_map(|line| start_after(&job.wanted.directory, &line.schedule, now))
        .map(|start| start.starts_at)
        .min()
}

/// One line for the end of a run, with what an operator filters by.
fn log(job: &Job, done: &Result<BackupReport, Error>, retry: Option<Timestamp>) {
    let host = &job.wanted.name;
    let run = job.run;
    let retry = retry.map_or("none".to_owned(), |at| at.to_string());
    let seconds = (clock::now().millis() - job.claimed_at.millis()).max(0) / 1000;
    match done {
        Ok(report) if report.is_complete() => {
            let stats = &report.stats;
            tracing::info!(
                %host, %run, status = %report.status, seconds, snapshot = %report.snapshot,
                files = stats.files.unwrap_or_default(), bytes = stats.bytes.unwrap_or_default(),
                transferred = stats.bytes_transferred.unwrap_or_default(), "backup ends"
            );
            for warning in &report.warnings {
                tracing::warn!(%host, %run, "{}", visible(warning));
            }
            if let Some(pruned) = &report.pruned {
                log_prune(job, pruned);
            }
        }
        Ok(report) => {
            tracing::error!(%host, %run, status = %report.status, seconds, %retry, "backup ends: {}", visible(&report.message));
        }
        Err(error) => {
            tracing::error!(%host, %run, status = "failed", seconds, %retry, "backup ends: {}", visible(&sentence(error)));
        }
    }
}

fn log_prune(job: &Job, pruned: &Result<PruneReport, Error>) {
    let host = &job.wanted.name;
    match pruned {
        Ok(report) if report.plan.is_none() => {}
        Ok(report) => {
            let plan = report
                .plan
                .map_or_else(String::new, |plan| plan.to_string());
            tracing::info!(%host, plan, deleted = report.deleted.len(), left = report.left.len(), freed = report.freed, "prune ends");
        }
        Err(error) => {
            let help = error.help().unwrap_or_default();
            tracing::warn!(%host, help, "the backup stands, the prune waits: {}", visible(&sentence(error)));
        }
    }
}
