//! What operators ask for beside the configuration: pauses, and runs that should stop.

use serde_json::json;

use crate::core::model::{HostId, Pause, RunId, RunStatus, Timestamp};
use crate::store::StoreError;
use crate::store::session::{Session, args};

use super::{host_status, meta, progress, runs, state};

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
