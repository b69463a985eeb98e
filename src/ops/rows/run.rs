//! Runs, with how far they are.

use serde::Serialize;
use utoipa::ToSchema;

use super::names::Names;
use super::{Page, Paging};
use crate::core::model::{HostName, PlanId, RunId, RunKind, RunStatus, SnapshotName, Timestamp};
use crate::ops::{Context, Error};
use crate::store::{RunFilter, RunRecord};

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunRow {
    /// Its number.
    #[schema(value_type = i64)]
    pub id: RunId,
    /// The host it is about.
    #[schema(value_type = String)]
    pub host: HostName,
    /// What it does: `backup`, `discovery`, `prune` or `verify`.
    #[schema(value_type = String)]
    pub kind: RunKind,
    /// How far it has come: `running`, `complete`, `partial`, `failed`, `refused`, `cancelled` or `interrupted`.
    #[schema(value_type = String)]
    pub status: RunStatus,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// The snapshot it makes.
    #[schema(value_type = Option<String>)]
    pub snapshot: Option<SnapshotName>,
    /// The plan it carries out.
    #[schema(value_type = Option<i64>)]
    pub plan: Option<PlanId>,
    /// One sentence: what came of it, or why nothing did.
    pub message: String,
    /// The process that works on it.
    pub process: String,
    /// Its last sign of life.
    #[schema(value_type = String, format = DateTime)]
    pub heartbeat_at: Timestamp,
    /// Bytes that have come in so far.
    pub bytes: Option<u64>,
    /// Who wants it to stop.
    pub cancel_by: Option<String>,
    /// Who asked for it on the pages.
    pub asked_by: Option<String>,
    /// Why a schedule asked for it, if one did.
    pub schedule: Option<ScheduleRow>,
}

/// Why a schedule asked for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScheduleRow {
    /// The fire it answers.
    #[schema(value_type = String, format = DateTime)]
    pub fires_at: Timestamp,
    /// How often that was tried, this time included.
    pub attempt: u32,
    /// A prune follows a success.
    pub prune: bool,
    /// When it is tried again.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub retry_at: Option<Timestamp>,
}

impl From<RunRecord> for RunRow {
    fn from(record: RunRecord) -> Self {
        let run = record.run;
        Self {
            id: run.id,
            host: run.host,
            kind: run.kind,
            status: run.status,
            started_at: run.started_at,
            finished_at: run.finished_at,
            snapshot: run.snapshot,
            plan: run.plan,
            message: run.message,
            process: run.process,
            heartbeat_at: record.heartbeat_at,
            bytes: record.bytes,
            cancel_by: record.cancel_by,
            asked_by: record.asked_by,
            schedule: record.schedule.map(|schedule| ScheduleRow {
                fires_at: schedule.fires_at,
                attempt: schedule.attempt,
                prune: schedule.prune,
                retry_at: schedule.retry_at,
            }),
        }
    }
}

/// The newest runs, of one host or all.
///
/// # Errors
/// When there is no such host, or the database cannot be read.
pub fn run_rows(
    context: &Context,
    host: Option<&HostName>,
    limit: u32,
) -> Result<Vec<RunRow>, Error> {
    let runs = context.store.runs(&filter(context, host)?, limit)?;
    Ok(runs.into_iter().map(RunRow::from).collect())
}

/// A page of runs, newest first.
///
/// # Errors
/// When there is no such host, or the database cannot be read.
pub fn run_page(
    context: &Context,
    host: Option<&HostName>,
    paging: Paging,
) -> Result<Page<RunRow>, Error> {
    let filter = RunFilter {
        before: paging.after.map(RunId),
        ..filter(context, host)?
    };
    let read = context.store.runs(&filter, paging.to_read())?;
    Ok(paging.page(read, |record| record.run.id.0, RunRow::from))
}

/// One run, if there is one of that number.
///
/// # Errors
/// When the database cannot be read.
pub fn run_row(context: &Context, run: RunId) -> Result<Option<RunRow>, Error> {
    let filter = RunFilter {
        run: Some(run),
        ..RunFilter::default()
    };
    let found = context.store.runs(&filter, 1)?;
    Ok(found.into_iter().next().map(RunRow::from))
}

fn filter(context: &Context, host: Option<&HostName>) -> Result<RunFilter, Error> {
    let host = host
        .map(|name| Names::read(context)?.find(name))
        .transpose()?;
    Ok(RunFilter {
        host,
        ..RunFilter::default()
    })
}
