//! What operators ask for beside the configuration: pauses, and runs that should stop.

use serde_json::json;

use crate::core::model::{HostId, Pause, RunId, RunStatus, Timestamp};
use crate::store::session::{Session, all, args, first};
use crate::store::{BackupWish, StoreError};

use super::reader::Reader;
use super::{host_status, meta, progress, runs, state};

pub(super) fn backup(
    session: &mut dyn Session,
    host: HostId,
    by: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let found = state::host(session, host)?;
    if found.retired.is_some() {
        return Err(StoreError::Retired { name: found.name });
    }
    let known = first(
        session,
        "SELECT host_id FROM backup_wishes WHERE host_id = ?",
        args![host],
        |_| Ok(()),
    )?;
    if known.is_some() {
        // The newer one counts: nobody took the other up, and it may be days old.
        session.execute(
            "UPDATE backup_wishes SET asked_by = ?, asked_at = ? WHERE host_id = ?",
            args![by, at, host],
        )?;
        return Ok(false);
    }
    session.execute(
        "INSERT INTO backup_wishes (host_id, asked_by, asked_at) VALUES (?, ?, ?)",
        args![host, by, at],
    )?;
    let detail = json!({ "host": found.name, "server": found.settings.server });
    let summary = format!("ask for a backup of {}", found.name);
    meta::record_aside(session, by, at, summary, &detail)?;
    Ok(true)
}

pub(super) fn backups(
    session: &mut dyn Session,
    since: Timestamp,
) -> Result<Vec<BackupWish>, StoreError> {
    all(
        session,
        "SELECT w.host_id, h.name, h.directory, h.server, w.asked_by, w.asked_at \
         FROM backup_wishes w JOIN hosts h ON h.id = w.host_id \
         WHERE w.asked_at >= ? AND h.active_name IS NOT NULL AND h.enabled = 1 \
         AND h.paused_at IS NULL \
         ORDER BY w.asked_at, w.host_id",
        args![since],
        |row| {
            let mut row = Reader::new(row, "backup_wishes");
            Ok(BackupWish {
                host: HostId(row.int("host_id")?),
                host_name: row.parse("host name")?,
                directory: row.parse("directory")?,
                server: row.opt_parse("server")?,
                by: row.text("asked_by")?.to_owned(),
                at: row.time("asked_at")?,
            })
        },
    )
}

/// Takes a wish up, which only one can.
pub(super) fn take_backup(
    session: &mut dyn Session,
    host: HostId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let met = session.execute(
        "DELETE FROM backup_wishes WHERE host_id = ? AND asked_at = ?",
        args![host, at],
    )?;
    Ok(met == 1)
}

pub(super) fn pause(
    session: &mut dyn Session,
    host: HostId,
    pause: &Pause,
) -> Result<bool, StoreError> {
    let found = state::host(session, host)?;
    if found.retired.is_some() {
        return Err(StoreError::Retired { name: found.name });
    }
    if found.pause.is_some() {
        return Ok(false);
    }
    session.execute(
        "UPDATE hosts SET paused_at = ?, paused_by = ?, pause_reason = ? WHERE id = ?",
        args![pause.at, pause.by.as_str(), pause.reason.as_str(), host],
    )?;
    host_status::due(session, host)?;
    let detail = json!({ "host": found.name, "reason": pause.reason });
    let summary = format!("pause {}", found.name);
    meta::record_aside(session, &pause.by, pause.at, summary, &detail)?;
    Ok(true)
}

pub(super) fn resume(
    session: &mut dyn Session,
    host: HostId,
    actor: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let found = state::host(session, host)?;
    let Some(pause) = found.pause else {
        return Ok(false);
    };
    session.execute(
        "UPDATE hosts SET paused_at = NULL, paused_by = NULL, pause_reason = NULL WHERE id = ?",
        args![host],
    )?;
    host_status::due(session, host)?;
    progress::start_from(session, host, at)?;
    let detail = json!({ "host": found.name, "paused_at": pause.at, "paused_by": pause.by });
    let summary = format!("resume {}", found.name);
    meta::record_aside(session, actor, at, summary, &detail)?;
    Ok(true)
}

pub(super) fn cancel(
    session: &mut dyn Session,
    run: RunId,
    actor: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (_, status) = runs::host_and_status(session, run)?;
    if status != RunStatus::Running {
        return Err(StoreError::RunIs {
            run: run.to_string(),
            from: status,
            to: RunStatus::Cancelled,
        });
    }
    session.execute(
        "UPDATE runs SET cancel_by = ? WHERE id = ?",
        args![actor, run],
    )?;
    let summary = format!("cancel run {run}");
    meta::record_aside(session, actor, at, summary, &json!({ "run": run }))
}
