//! Runs: begin, end, signs of life, and those whose process went away.

use camino::Utf8PathBuf;

use crate::core::model::{HostId, PlanId, Run, RunCause, RunId, RunStatus, SnapshotId, Timestamp};
use crate::store::session::{Row, Session, Val, all, args, first};
use crate::store::{Lease, NewRun, RunEnd, RunFilter, RunRecord, RunSchedule, StoreError};

use super::reader::Reader;
use super::{host_status, leases, state};

/// What [`read`] reads.
pub(super) const COLUMNS: &str = "r.id, r.host_id, h.name, r.kind, r.status, r.started_at, \
     r.finished_at, r.heartbeat_at, r.snapshot_id, s.name, r.plan_id, r.message, r.process, \
     r.log_path, r.bytes, r.cancel_by, r.fires_at, r.attempt, r.prune, r.retry_at, r.cause, r.asked_by, \
     NULLIF(r.server, ''), r.fence";

/// Where it stands.
pub(super) const TABLES: &str = "FROM runs r JOIN hosts h ON h.id = r.host_id \
     LEFT JOIN snapshots s ON s.id = r.snapshot_id";

pub(super) fn begin(session: &mut dyn Session, new: &NewRun) -> Result<RunId, StoreError> {
    state::host(session, new.host)?;
    if let Some(plan) = new.plan {
        first(
            session,
            "SELECT id FROM plans WHERE id = ?",
            args![plan],
            |_| Ok(()),
        )?
        .ok_or_else(|| StoreError::Unknown {
            what: "plan",
            id: plan.to_string(),
        })?;
    }
    if let Some(lease) = &new.lease {
        leases::must_be_ours(session, lease)?;
    }
    let id = session.insert(
        "INSERT INTO runs (host_id, kind, status, started_at, heartbeat_at, plan_id, message, \
         process, log_path, server, fence) VALUES (?, ?, 'running', ?, ?, ?, '', ?, ?, ?, ?)",
        args![
            new.host,
            new.kind.as_str(),
            new.started_at,
            new.started_at,
            new.plan,
            new.process.as_str(),
            new.log_path.as_deref().map(camino::Utf8Path::as_str),
            new.lease.as_ref().map_or("", Lease::server_key),
            new.lease.as_ref().map(|lease| lease.fence),
        ],
    )?;
    Ok(RunId(id))
}

pub(super) fn finish(session: &mut dyn Session, end: &RunEnd) -> Result<(), StoreError> {
    let (host, from) = host_and_status(session, end.run)?;
    let may_end = matches!(from, RunStatus::Running | RunStatus::Interrupted);
    if !may_end || end.status == RunStatus::Running {
        return Err(StoreError::RunIs {
            run: end.run.to_string(),
            from,
            to: end.status,
        });
    }
    leases::run_must_hold(session, end.run, host)?;
    self::end(session, end)
}

/// Records how a run ended that turned out to have done its work: its process was killed before it could say so.
pub(super) fn complete_interrupted(
    session: &mut dyn Session,
    end: &RunEnd,
) -> Result<bool, StoreError> {
    let (_, status) = host_and_status(session, end.run)?;
    if status != RunStatus::Interrupted {
        return Ok(false);
    }
    self::end(session, end)?;
    Ok(true)
}

pub(super) fn end(session: &mut dyn Session, end: &RunEnd) -> Result<(), StoreError> {
    let (host, _) = host_and_status(session, end.run)?;
    session.execute(
        "UPDATE runs SET status = ?, finished_at = ?, message = ?, cause = ?, told = 0 \
         WHERE id = ?",
        args![
            end.status.as_str(),
            end.at,
            end.message.as_str(),
            end.cause.map(RunCause::as_str),
            end.run,
        ],
    )?;
    host_status::due(session, host)
}

pub(super) fn heartbeat(
    session: &mut dyn Session,
    run: RunId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let met = session.execute(
        "UPDATE runs SET heartbeat_at = ? WHERE id = ? AND status = 'running'",
        args![at, run],
    )?;
    let is_wanted = first(
        session,
        "SELECT id FROM runs WHERE id = ? AND cancel_by IS NULL",
        args![run],
        |_| Ok(()),
    )?;
    Ok(met == 1 && is_wanted.is_some())
}

pub(super) fn interrupt(
    session: &mut dyn Session,
    process: &str,
    message: &str,
    at: Timestamp,
) -> Result<Vec<RunId>, StoreError> {
    let lost = all(
        session,
        "SELECT id FROM runs WHERE status = 'running' AND process = ? ORDER BY id",
        args![process],
        |row| Reader::new(row, "runs").int("id").map(RunId),
    )?;
    for run in &lost {
        session.execute(
            "UPDATE runs SET status = 'interrupted', finished_at = ?, message = ? \
             WHERE id = ? AND status = 'running'",
            args![at, message, *run],
        )?;
        let (host, _) = host_and_status(session, *run)?;
        host_status::due(session, host)?;
    }
    Ok(lost)
}

pub(super) fn list(
    session: &mut dyn Session,
    filter: &RunFilter,
    limit: u32,
) -> Result<Vec<RunRecord>, StoreError> {
    let mut conditions = vec!["1 = 1"];
    let mut args = Vec::new();
    if let Some(run) = filter.run {
        conditions.push("r.id = ?");
        args.push(Val::from(run));
    }
    if let Some(host) = filter.host {
        conditions.push("r.host_id = ?");
        args.push(Val::from(host));
    }
    if let Some(kind) = filter.kind {
        conditions.push("r.kind = ?");
        args.push(Val::from(kind.as_str()));
    }
    if let Some(before) = filter.before {
        conditions.push("r.id < ?");
        args.push(Val::from(before));
    }
    if let Some(status) = filter.status {
        conditions.push("r.status = ?");
        args.push(Val::from(status.as_str()));
    }
    args.push(Val::from(limit));
    let conditions = conditions.join(" AND ");
    all(
        session,
        &format!("SELECT {COLUMNS} {TABLES} WHERE {conditions} ORDER BY r.id DESC LIMIT ?"),
        &args,
        read,
    )
}

pub(super) fn host_and_status(
    session: &mut dyn Session,
    run: RunId,
) -> Result<(HostId, RunStatus), StoreError> {
    first(
        session,
        "SELECT id, host_id, status FROM runs WHERE id = ?",
        args![run],
        |row| {
            let mut row = Reader::new(row, "runs");
            row.int("id")?;
            Ok((HostId(row.int("host_id")?), row.parse("status")?))
        },
    )?
    .ok_or_else(|| StoreError::Unknown {
        what: "run",
        id: run.to_string(),
    })
}

fn read(row: &dyn Row) -> Result<RunRecord, StoreError> {
    read_from(&mut Reader::new(row, "runs"))
}

/// Reads a run, and leaves what comes after it to the caller.
pub(super) fn read_from(row: &mut Reader<'_>) -> Result<RunRecord, StoreError> {
    let id = RunId(row.int("id")?);
    let host = HostId(row.int("host_id")?);
    let host_name = row.parse("host name")?;
    let kind = row.parse("kind")?;
    let status = row.parse("status")?;
    let started_at = row.time("started_at")?;
    let finished_at = row.opt_time("finished_at")?;
    let heartbeat_at = row.time("heartbeat_at")?;
    let snapshot_id = row.opt_int("snapshot_id")?.map(SnapshotId);
    let snapshot = row.opt_parse("snapshot name")?;
    let plan = row.opt_int("plan_id")?.map(PlanId);
    let message = row.text("message")?.to_owned();
    let process = row.text("process")?.to_owned();
    let log_path = row.opt_text("log_path")?.map(Utf8PathBuf::from);
    let bytes = row.opt_size("bytes")?;
    let cancel_by = row.opt_text("cancel_by")?.map(str::to_owned);
    let fires_at = row.opt_time("fires_at")?;
    let attempt = row.opt_int("attempt")?.unwrap_or(1);
    let prune = row.opt_int("prune")? == Some(1);
    let retry_at = row.opt_time("retry_at")?;
    Ok(RunRecord {
        host,
        snapshot_id,
        heartbeat_at,
        log_path,
        bytes,
        cancel_by,
        schedule: fires_at.map(|fires_at| RunSchedule {
            fires_at,
            attempt: u32::try_from(attempt).unwrap_or(u32::MAX),
            prune,
            retry_at,
        }),
        cause: row.opt_parse("cause")?,
        asked_by: row.opt_text("asked_by")?.map(str::to_owned),
        server: row.opt_parse("server")?,
        has_lease: row.opt_int("fence")?.is_some(),
        run: Run {
            id,
            host: host_name,
            kind,
            status,
            started_at,
            finished_at,
            snapshot,
            plan,
            message,
            process,
        },
    })
}
